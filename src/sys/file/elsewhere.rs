//! Other systems: paths are resolved name by name, every read may block, and neither names nor writers are
//! reported.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};

use rustix::{
    fs::{OFlags, Stat},
    io::{Errno, Result},
};

use super::{Links, NameEvent, Wait, WatchId};

/// Opens an entry below a directory. The empty path is the directory itself.
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

/// The status of an entry below a directory.
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
        // No call reads cached bytes only.
        Wait::Never => Err(Errno::AGAIN),
    }
}

/// No effect.
pub fn wait_for_writes(_fd: impl AsFd) {}

/// Always false: status calls and reads may block on every file system.
pub fn is_nonblocking(_fd: impl AsFd) -> Result<bool> {
    Ok(false)
}

/// No change of a name is reported.
pub fn reports_names(_directory: impl AsFd) -> Result<bool> {
    Ok(false)
}

/// A watcher that cannot be created: kqueue would need every file open, and `FSEvents` reports late.
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

/// Receives no reports, because there are no leases.
#[derive(Debug)]
pub enum LeaseReports {}

/// The thread that receives reports.
#[derive(Clone, Copy, Debug)]
pub enum ReportReceiver {}

impl LeaseReports {
    /// Always fails.
    pub fn receive_here() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Never called.
    pub fn receiver(&self) -> ReportReceiver {
        match *self {}
    }

    /// Never called.
    pub fn wait(&self, _timeout: Duration) -> bool {
        match *self {}
    }
}

/// Never called.
pub fn take_lease(_file: impl AsFd, receiver: ReportReceiver) -> Result<()> {
    match receiver {}
}

/// Always false: there is no lease.
pub fn is_lease_intact(_file: impl AsFd) -> bool {
    false
}

/// No effect.
pub fn end_lease(_file: impl AsFd) {}
