//! Headwater itself, as it is started by hand: one worker, since it has one core.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Peer, START, Server, Site, version_of};
use crate::process::{on_core, wait_for};

/// How its URL starts in what it prints when it is ready.
const URL: &str = "http://127.0.0.1:";

pub struct Headwater {
    pub binary: PathBuf,
    /// Further arguments of `serve`.
    pub arguments: Vec<String>,
}

impl Peer for Headwater {
    fn name(&self) -> &str {
        "Headwater"
    }

    fn is_reference(&self) -> bool {
        false
    }

    fn version(&self) -> Result<String> {
        ensure!(
            self.binary.is_file(),
            "there is no {}: build it by `cargo build --release`, name another by --headwater, \
             or leave it out by --only nginx",
            self.binary.display()
        );
        version_of(&self.binary, "--version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let mut command = on_core(site.core, &self.binary);
        command
            .arg("serve")
            .arg(&site.media)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(site.state.join("data"))
            .args(&self.arguments)
            .env("HEADWATER_WORKERS", "1");
        let mut group = site.spawn(&mut command)?;
        let address = wait_for("Headwater to print its URL", START, || {
            group.check_alive(&site.log())?;
            Ok(parse_address(&fs::read_to_string(site.log())?))
        })?;
        Ok(Server { group, address })
    }
}

/// The address in the first URL of a text, once the character behind the port is there too:
/// the text may still be being written.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (_, rest) = text.split_once(URL)?;
    let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
    Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_printed_url() {
        let address = parse_address("Headwater 0.1\n  page  http://127.0.0.1:41234/\n").unwrap();
        assert_eq!(address.port(), 41234);
    }

    #[test]
    fn half_a_url_is_not_read() {
        assert_eq!(parse_address("page http://127.0.0.1:412"), None);
        assert_eq!(parse_address("page http://127.0."), None);
        assert_eq!(parse_address(""), None);
    }
}
