//! A slower disk for the servers, by the kernel's own throttle.
//!
//! Where the disk is as fast as the network, no server ever waits for it. The throttle counts what a
//! server's threads read from the disk and leaves the page cache alone, so that only cold reads take
//! longer, and for all peers alike.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::stat::{major, minor};

/// The mount point of the block device controller (cgroup v1, which counts by the reading process).
const CONTROLLER: &str = "/sys/fs/cgroup/blkio";

/// A group of processes whose reads are limited; dropping it removes the group.
#[derive(Debug)]
pub struct Throttle {
    group: PathBuf,
}

impl Throttle {
    /// Limits reads from the disk of `folder`. Needs root.
    pub fn new(folder: &Path, mib_per_s: u64) -> Result<Self> {
        let group = Path::new(CONTROLLER).join(format!("peers-{}", std::process::id()));
        let why = || format!("cannot limit the disk by {}", group.display());
        fs::create_dir(&group).with_context(why)?;
        let throttle = Throttle { group: group.clone() };
        let device = fs::metadata(folder)?.dev();
        let limit = format!("{}:{} {}", major(device), minor(device), mib_per_s << 20);
        fs::write(group.join("blkio.throttle.read_bps_device"), limit).with_context(why)?;
        Ok(throttle)
    }

    /// Runs a call whose child processes belong to the group.
    pub fn within<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        enter(&self.group)?;
        let result = call();
        enter(Path::new(CONTROLLER))?;
        result
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(&self.group) {
            eprintln!("! could not remove {}: {error}", self.group.display());
        }
    }
}

fn enter(group: &Path) -> Result<()> {
    fs::write(group.join("cgroup.procs"), std::process::id().to_string())
        .with_context(|| format!("cannot enter {}", group.display()))
}
