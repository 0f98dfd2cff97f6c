//! Where a server listens: what it prints, or a port that was free.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Result;

/// How a URL starts in what a server prints when it is ready.
const URL: &str = "http://127.0.0.1:";

/// The address in the first URL of a text, once the character behind the port is there too:
/// the text may still be being written.
pub fn printed(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(URL)?;
    let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)))
}

/// An address whose port was free a moment ago, for servers that cannot choose one by
/// themselves and tell.
pub fn free() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_printed_url() {
        let address = printed("Headwater 0.1\n  page  http://127.0.0.1:41234/\n").unwrap();
        assert_eq!(address.port(), 41234);
    }

    #[test]
    fn half_a_url_is_not_read() {
        assert_eq!(printed("page http://127.0.0.1:412"), None);
        assert_eq!(printed("page http://127.0."), None);
        assert_eq!(printed(""), None);
    }
}
