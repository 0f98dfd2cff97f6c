//! Node.js with its own `http` and `stream`: how many first video servers are written.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::{Peer, Role, START, Server, Site, address, version_of};
use crate::process::{on_cores, wait_for};

const SCRIPT: &str = include_str!("node.mjs");

pub struct Node {
    pub binary: PathBuf,
}

impl Peer for Node {
    fn name(&self) -> &str {
        "Node.js"
    }

    fn role(&self) -> Role {
        Role::Other
    }

    fn version(&self) -> Result<String> {
        version_of(&self.binary, "--version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let script = site.state.join("server.mjs");
        fs::write(&script, SCRIPT)?;
        let mut command = on_cores(&site.cores, &self.binary);
        command.arg(&script).arg(&site.media).arg(site.workers().to_string());
        let mut group = site.spawn(&mut command)?;
        let address = wait_for("Node.js to print its URL", START, || {
            group.check_alive(&site.log())?;
            Ok(address::printed(&fs::read_to_string(site.log())?))
        })?;
        Ok(Server { group, address })
    }
}
