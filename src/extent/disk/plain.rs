//! A file by its path, for commands that may wait for the disk: no root, no pool, no deadline.

use std::{io, os::fd::OwnedFd, path::Path};

use rustix::fs::{self, FileType, Mode, OFlags};

use super::{Identity, reader};
use crate::extent::{ReadAt, ReadError};
use crate::sys::file::Wait;

/// An open file that the calling thread reads. Not for a server: a read has no deadline.
#[derive(Debug)]
pub struct PlainFile {
    fd: OwnedFd,
    identity: Identity,
}

impl PlainFile {
    /// Opens a file.
    ///
    /// # Errors
    /// If the file cannot be opened, or is a folder, a pipe or a device, which have no length.
    pub fn open(path: &Path) -> io::Result<Self> {
        // As a server does: an open of a pipe must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        let status = fs::fstat(&fd)?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Ok(Self { identity: Identity::from_stat(&status), fd }),
            FileType::Directory => Err(io::Error::other("is a folder")),
            _ => Err(io::Error::other("not a regular file")),
        }
    }

    /// The state of the file when it was opened.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl ReadAt for PlainFile {
    fn len(&self) -> u64 {
        self.identity.size
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        reader::read_exact(&self.fd, offset, into, Wait::Allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_at_any_offset_and_not_past_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").expect("a file");
        let file = PlainFile::open(&path).expect("a file");
        assert_eq!((file.len(), file.identity().size), (10, 10));
        let mut three = [0; 3];
        file.read_exact_at(7, &mut three).expect("the last three");
        assert_eq!(&three, b"789");
        assert!(matches!(file.read_exact_at(8, &mut three), Err(ReadError::Truncated)));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = PlainFile::open(folder.path()).expect_err("a folder");
        assert_eq!(error.to_string(), "is a folder");
        let error = PlainFile::open(&folder.path().join("nothing")).expect_err("nothing");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(PlainFile::open(Path::new("/dev/null")).is_err());
    }
}
