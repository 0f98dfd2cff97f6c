//! Headwater itself, as it is started by hand: as many workers as it has cores.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{Peer, Role, START, Server, Site, address, version_of};
use crate::options::Options;
use crate::process::{on_cores, wait_for};

pub struct Headwater {
    pub binary: PathBuf,
    /// Further arguments of `serve`.
    pub arguments: Vec<String>,
}

impl Headwater {
    /// The one that the options name.
    pub fn of(options: &Options) -> Self {
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
            "there is no {}: build it by `cargo build --release`, name another by --headwater, \
             or leave it out by --peers nginx",
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
        let mut group = site.spawn(&mut command)?;
        let address = wait_for("Headwater to print its URL", START, || {
            group.check_alive(&site.log())?;
            Ok(address::printed(&fs::read_to_string(site.log())?))
        })?;
        Ok(Server { group, address })
    }
}
