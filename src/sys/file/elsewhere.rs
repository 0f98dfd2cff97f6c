//! Systems without a call that never leaves a directory, without reads that may not wait, and without
//! watches of names.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{OFlags, Stat},
    io::{Errno, Result},
};

use super::{Links, NameEvent, Wait, WatchId};

/// Opens something below a directory. The empty path is the directory itself.
pub fn open_beneath(
    directory: BorrowedFd<'_>,
    relative: &Path,
    flags: OFlags,
    links: Links,
) -> Result<OwnedFd> {
    // Only callers that watch names refuse links.
    if links == Links::Refused {
        return Err(Errno::NOSYS);
    }
    super::beneath::open(directory, relative, flags)
}

/// The status of something below a directory.
pub fn status_beneath(directory: BorrowedFd<'_>, relative: &Path, links: Links) -> Result<Stat> {
    if links == Links::Refused {
        return Err(Errno::NOSYS);
    }
    super::beneath::status(directory, relative)
}

/// Reads at an offset: at least a byte, except at the end.
pub fn read_at(fd: impl AsFd, into: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
    match wait {
        Wait::Allowed => rustix::io::pread(fd, into, offset),
        // There is no way to ask for cached bytes only.
        Wait::Never => Err(Errno::AGAIN),
    }
}

/// No file system is known to answer from memory.
pub fn answers_in_place(_fd: impl AsFd) -> Result<bool> {
    Ok(false)
}

/// No change of a name is reported.
pub fn reports_names(_directory: impl AsFd) -> Result<bool> {
    Ok(false)
}

/// Cannot be created here: kqueue would need every file open, and `FSEvents` reports late.
#[derive(Debug)]
pub enum NameWatcher {}

impl NameWatcher {
    /// Always fails.
    pub fn new() -> Result<Self> {
        Err(Errno::NOSYS)
    }

    /// Never called.
    pub fn add(&self, _directory: BorrowedFd<'_>) -> Result<WatchId> {
        match *self {}
    }

    /// Never called.
    pub fn remove(&self, _watch: WatchId) {
        match *self {}
    }

    /// Never called.
    pub fn wake(&self) {
        match *self {}
    }

    /// Never called.
    pub fn for_each_event(&self, _handle: impl FnMut(NameEvent<'_>) -> bool) -> Result<()> {
        match *self {}
    }
}
