//! Memory: slow downloads from a bucket, each sample from a freshly started server.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use peers::dataset;
use peers::peers::Server;
use procfs::process::Process;

use crate::moto::Moto;
use crate::options::Options;
use crate::origin::Origin;
use crate::slow_viewers::SlowViewers;

/// The configured size of the cache, in MiB: more than the memory of most machines.
const CACHE_MIB: u64 = 100 << 10;

/// Space to keep free on the disk that no disk has, in MiB: nothing can be stored.
const NO_ROOM_MIB: u64 = 1 << 30;

/// The disk of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheDisk {
    /// Has room.
    Free,
    /// Has none, so that all is read through memory.
    Full,
}

/// The memory of a server during slow downloads, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// All of it, before the first request.
    pub idle: u64,
    /// The most of all.
    pub peak: u64,
    /// The most of heap and stacks.
    pub peak_anonymous: u64,
}

/// Starts a server, and measures its memory while viewers download files slowly.
pub fn measure(
    options: &Options,
    moto: &Moto,
    folder: &Path,
    files: &[(String, u64)],
    scratch: &Path,
    disk: CacheDisk,
) -> Result<Memory> {
    let state = dataset::scratch(scratch)?;
    let mut origin = Origin::new(options, moto).with("HEADWATER_CACHE_MIB", CACHE_MIB);
    if disk == CacheDisk::Full {
        origin = origin.with("HEADWATER_MIN_FREE_DISK_MIB", NO_ROOM_MIB);
    }
    let server = origin.start(folder, state.path(), &files[0].0, options.server_core)?;
    let mut memory = Memory { idle: of(&server)?.0, ..Memory::default() };
    let count = usize::from(options.viewers);
    let mut viewers = SlowViewers::connect(&server, folder, files, count)?;
    let begun = Instant::now();
    // As long as three turns, and at least until each viewer has read a few times.
    let mut rounds = 0;
    while rounds < 8 || begun.elapsed() < Duration::from_secs(3 * options.seconds) {
        viewers.read()?;
        let (all, anonymous) = of(&server)?;
        memory.peak = memory.peak.max(all);
        memory.peak_anonymous = memory.peak_anonymous.max(anonymous);
        rounds += 1;
    }
    Ok(memory)
}

/// The resident memory of a server, and that of heap and stacks, in KiB.
fn of(server: &Server) -> Result<(u64, u64)> {
    let status = Process::new(server.id().cast_signed())?.status()?;
    let all = status.vmrss.context("no VmRSS")?;
    Ok((all, status.rssanon.context("no RssAnon")?))
}
