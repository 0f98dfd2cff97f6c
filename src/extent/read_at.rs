//! Bytes at any place of a source, read by the thread that asks.

use super::ReadError;

/// Something that can be read at any place, for code that has to jump: a movie's index is spread all
/// over its file.
///
/// There are two ways to read an open file so, with one code above them: [without
/// waiting](super::disk::File::nonblocking_reader), where an I/O worker may do it and a read that would wait is
/// [an error of its own](ReadError::would_wait); and [with](super::disk::File::blocking_reader), on a disk's
/// thread.
pub trait ReadAt {
    /// The length in bytes.
    fn len(&self) -> u64;

    /// Whether there is nothing to read.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills all of `into` with the bytes from `offset` on. Bytes past the end are
    /// [`ReadError::Truncated`].
    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError>;
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let start = usize::try_from(offset).map_err(|_| ReadError::Truncated)?;
        let end = start.checked_add(into.len()).ok_or(ReadError::Truncated)?;
        into.copy_from_slice(self.get(start..end).ok_or(ReadError::Truncated)?);
        Ok(())
    }
}
