//! A part of a source in memory that moves along with its reader.

use crate::extent::{ReadAt, ReadError};

/// Reads small things from a source that lie near each other, without a call for each.
#[derive(Debug)]
pub(super) struct Window<'r, R: ?Sized> {
    source: &'r R,
    start: u64,
    bytes: Vec<u8>,
    /// How much is read at a time, in bytes.
    span: usize,
}

impl<'r, R: ReadAt + ?Sized> Window<'r, R> {
    /// Reads so many bytes at a time, which are the most that can be had at once.
    pub(super) fn new(source: &'r R, span: usize) -> Self {
        Self { source, start: 0, bytes: Vec::new(), span }
    }

    /// What it looks at.
    pub(super) fn source(&self) -> &'r R {
        self.source
    }

    /// So many bytes at an offset.
    pub(super) fn get(&mut self, offset: u64, length: usize) -> Result<&[u8], ReadError> {
        debug_assert!(length <= self.span, "a window is as large as the largest thing read by it");
        // Called several times for each sample, so in few steps.
        let is_here = self.start <= offset
            && offset.saturating_add(length as u64) <= self.start + self.bytes.len() as u64;
        if !is_here {
            self.fill(offset, length)?;
        }
        let at = usize::try_from(offset - self.start).expect("it is in memory");
        Ok(&self.bytes[at..at + length])
    }

    fn fill(&mut self, offset: u64, length: usize) -> Result<(), ReadError> {
        let left = self.source.len().saturating_sub(offset);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.span);
        if most < length {
            return Err(ReadError::Truncated);
        }
        self.bytes.clear();
        self.bytes.resize(most, 0);
        self.start = offset;
        let read = self.source.read_exact_at(offset, &mut self.bytes);
        if read.is_err() {
            self.bytes.clear();
        }
        read
    }

    /// As [`get`](Self::get), as an array.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], ReadError> {
        let bytes = self.get(offset, N)?;
        Ok(*bytes.first_chunk().expect("as many as were asked for"))
    }

    /// A big-endian number.
    pub(super) fn u32(&mut self, offset: u64) -> Result<u32, ReadError> {
        self.array(offset).map(u32::from_be_bytes)
    }
}
