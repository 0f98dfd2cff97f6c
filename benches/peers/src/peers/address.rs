//! A server's address: from its output, or a free port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;

/// The beginning of a URL in a server's output.
const URL: &str = "http://127.0.0.1:";

/// The address in the first URL of a text. The character behind the port must be there, too: the text
/// may be incomplete.
pub fn printed(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(URL)?;
    let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)))
}

/// An address with a free port, for servers that cannot choose one and print it.
pub fn free() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_parsed_from_the_printed_url() {
        let address = printed("Headwater 0.1\n  page  http://127.0.0.1:41234/\n").unwrap();
        assert_eq!(address.port(), 41234);
    }

    #[test]
    fn half_a_url_is_ignored() {
        assert_eq!(printed("page http://127.0.0.1:412"), None);
        assert_eq!(printed("page http://127.0."), None);
        assert_eq!(printed(""), None);
    }
}
