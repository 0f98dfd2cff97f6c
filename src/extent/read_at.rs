//! Random access to the bytes of a source, on the calling thread.

use std::ops::Range;

use super::ReadError;

/// Bytes that can be read at any offset, for parsers that jump: the parts of a movie's index may be far
/// apart in its file.
///
/// One parser serves two readers of an open file: the
/// [nonblocking](super::File::nonblocking_reader) one for I/O threads, where a read that would wait
/// is [an error of its own](ReadError::would_wait), and the
/// [blocking](super::File::blocking_reader) one for the disk pool.
pub trait ReadAt {
    /// The length in bytes.
    fn len(&self) -> u64;

    /// Whether the length is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills all of `into` with the bytes from `offset` on. A read past the end is
    /// [`ReadError::Truncated`].
    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError>;

    /// Announces that all bytes of a range will be read soon, in any order: a source that is far away fetches
    /// them by few requests. Costs nothing elsewhere.
    fn expect(&self, _range: Range<u64>) {}
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
