//! Headwater with its defaults: an I/O thread per core.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::peer::{Peer, Role, Server, Site, version_of};
use crate::options::Options;
use crate::process::on_cores;

pub struct Headwater {
    pub binary: PathBuf,
    /// Further arguments of `serve`.
    pub arguments: Vec<String>,
}

impl Headwater {
    /// With binary and arguments of the options.
    pub fn new(options: &Options) -> Self {
        Headwater { binary: options.headwater.clone(), arguments: options.headwater_arg.clone() }
    }
}

impl Peer for Headwater {
    fn name(&self) -> &str {
        "Headwater"
    }

    fn role(&self) -> Role {
        Role::Ours
    }

    fn version(&self) -> Result<String> {
        ensure!(
            self.binary.is_file(),
            "there is no {}: build it with `cargo build --release`, choose another with --headwater, \
             or leave it out with --peers nginx",
            self.binary.display()
        );
        version_of(&self.binary, "--version")
    }

    fn launch(&self, site: &Site) -> Result<Server> {
        let mut command = on_cores(&site.cores, &self.binary);
        command
            .arg("serve")
            .arg(&site.media)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(site.state.join("data"))
            .args(&self.arguments)
            .env("HEADWATER_IO_THREADS", site.workers().to_string());
        let server = site.spawn_printing(&mut command)?;
        let address = server.address;
        Ok(server.with_http2(address))
    }
}
