//! Systems without a call that never leaves a directory, and without reads that may not wait.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{OFlags, Stat},
    io::{Errno, Result},
};

use super::Wait;

/// Opens something below a directory. The empty path is the directory itself.
pub fn open_beneath(directory: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd> {
    super::beneath::open(directory, relative, flags)
}

/// The status of something below a directory, links resolved.
pub fn status_beneath(directory: BorrowedFd<'_>, relative: &Path) -> Result<Stat> {
    super::beneath::status(directory, relative)
}

/// Reads at a place: at least a byte, unless that is the end.
pub fn read_at(fd: impl AsFd, into: &mut [u8], offset: u64, wait: Wait) -> Result<usize> {
    match wait {
        Wait::Allowed => rustix::io::pread(fd, into, offset),
        // What is in memory cannot be told from what is not.
        Wait::Never => Err(Errno::AGAIN),
    }
}

/// No file is answered for from memory.
pub fn answers_in_place(_fd: impl AsFd) -> Result<bool> {
    Ok(false)
}
