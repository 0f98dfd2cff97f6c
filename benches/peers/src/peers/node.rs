//! Node.js with its own `http` and `stream`: a typical first video server.

use anyhow::Result;

use super::peer::{Peer, Role, Server, Site, version_of};
use crate::process::on_cores;

const SCRIPT: &str = include_str!("node.mjs");

const BINARY: &str = "/usr/bin/node";

pub struct Node;

impl Peer for Node {
    fn name(&self) -> &str {
        "Node.js"
    }

    fn role(&self) -> Role {
        Role::Other
    }

    fn version(&self) -> Result<String> {
        version_of(BINARY.as_ref(), "--version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let script = site.state.join("server.mjs");
        std::fs::write(&script, SCRIPT)?;
        let mut command = on_cores(&site.cores, BINARY.as_ref());
        command.arg(&script).arg(&site.media);
        site.spawn_printing(&mut command)
    }
}
