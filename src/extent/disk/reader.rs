//! Reads of an open file at any offset, on the calling thread.

use std::os::fd::AsFd;

use rustix::io::Errno;

use super::File;
use crate::extent::{ReadAt, ReadError};
use crate::sys::file::{self, Wait};

/// Reads from the page cache only, and never blocks: for I/O threads.
#[derive(Clone, Copy, Debug)]
pub struct NonblockingReader<'f>(&'f File);

/// Reads from the disk, and blocks: for threads of the disk pool.
#[derive(Clone, Copy, Debug)]
pub struct BlockingReader<'f>(&'f File);

impl File {
    /// A reader that never blocks.
    pub fn nonblocking_reader(&self) -> NonblockingReader<'_> {
        NonblockingReader(self)
    }

    /// A reader that waits for the disk.
    pub fn blocking_reader(&self) -> BlockingReader<'_> {
        BlockingReader(self)
    }
}

/// Fills `into` with the bytes from `offset` on.
pub(super) fn read_exact(
    fd: impl AsFd,
    mut offset: u64,
    mut into: &mut [u8],
    wait: Wait,
) -> Result<(), ReadError> {
    while !into.is_empty() {
        match file::read_at(&fd, into, offset, wait) {
            Ok(0) => return Err(ReadError::Truncated),
            Ok(read) => {
                offset += read as u64;
                into = &mut into[read..];
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(ReadError::Io(error.into())),
        }
    }
    Ok(())
}

impl ReadAt for NonblockingReader<'_> {
    fn len(&self) -> u64 {
        self.0.identity().size
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        if !self.0.is_nonblocking() {
            return Err(ReadError::Io(Errno::WOULDBLOCK.into()));
        }
        read_exact(self.0.as_fd(), offset, into, Wait::Never)
    }
}

impl ReadAt for BlockingReader<'_> {
    fn len(&self) -> u64 {
        self.0.identity().size
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        read_exact(self.0.as_fd(), offset, into, Wait::Allowed)
    }
}
