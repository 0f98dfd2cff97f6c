//! The address to listen on, in the forms that people type.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Deref,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

/// An address and a port to listen on.
///
/// | text | listens on |
/// | --- | --- |
/// | `8080`, `localhost:8080` | 127.0.0.1: this machine only |
/// | `:8080`, `[::]:8080` | every address of this machine, of IPv4 and IPv6 |
/// | `0.0.0.0:8080` | every IPv4 address of this machine |
/// | `192.168.1.2:8080`, `[2001:db8::1]:8080` | this address |
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListenAddress(SocketAddr);

/// What the value must be.
const FORMS: &str = "a port (8080: this machine only; :8080: every address) or an address with a port, such as \
     192.168.1.2:8080 or [::]:8080";

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is not {FORMS}");
        let Some((host, port)) = text.rsplit_once(':') else {
            let port = text.parse().map_err(|_| refused())?;
            return Ok(Self::new(Ipv4Addr::LOCALHOST.into(), port));
        };
        let address: IpAddr = match host {
            "" | "*" => Ipv6Addr::UNSPECIFIED.into(),
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            _ => return text.parse().map(Self).map_err(|_| refused()),
        };
        Ok(Self::new(address, port.parse().map_err(|_| refused())?))
    }
}

impl ListenAddress {
    fn new(address: IpAddr, port: u16) -> Self {
        Self(SocketAddr::new(address, port))
    }
}

/// An address of this machine on which a server that listens on `address` is reached: a loopback address if
/// it listens on all, those of IPv6 included.
pub fn local_address(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl Deref for ListenAddress {
    type Target = SocketAddr;

    fn deref(&self) -> &SocketAddr {
        &self.0
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

/// Accepts a text, or a number: `listen = 8080`.
struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = ListenAddress;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ListenAddress, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, port: i64) -> Result<ListenAddress, E> {
        port.to_string().parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_form_of_an_address_is_understood() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            (":8080", "[::]:8080"),
            ("*:8080", "[::]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("192.168.1.2:0", "192.168.1.2:0"),
            ("[::]:8080", "[::]:8080"),
            ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ] {
            let parsed: ListenAddress = text.parse().expect(text);
            assert_eq!(parsed.to_string(), address, "{text}");
        }
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_the_loopback_address() {
        for (listen, local) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "127.0.0.1:8080"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(local_address(listen.parse().expect("an address")).to_string(), local);
        }
    }

    #[test]
    fn other_text_is_refused_with_the_forms() {
        for text in ["", ":", "65536", "-1", "192.168.1.2", "::1", "tv.example:80", "[::]", "80:"] {
            let error = text.parse::<ListenAddress>().expect_err(text);
            assert!(error.contains("8080: this machine only"), "{error}");
        }
    }
}
