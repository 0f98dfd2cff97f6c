//! A read buffer over a source that moves along with its reader.

use crate::extent::{ReadAt, ReadError};

/// Serves small, nearby reads from one larger read.
#[derive(Debug)]
pub(super) struct Window<'r, R: ?Sized> {
    source: &'r R,
    start: u64,
    bytes: Vec<u8>,
    /// Read size in bytes.
    span: usize,
}

impl<'r, R: ReadAt + ?Sized> Window<'r, R> {
    /// Reads `span` bytes at a time, which also limits [`get`](Self::get).
    pub(super) fn new(source: &'r R, span: usize) -> Self {
        Self { source, start: 0, bytes: Vec::new(), span }
    }

    /// The source.
    pub(super) fn source(&self) -> &'r R {
        self.source
    }

    /// The bytes at an offset.
    pub(super) fn get(&mut self, offset: u64, length: usize) -> Result<&[u8], ReadError> {
        debug_assert!(length <= self.span, "the span holds the largest read");
        // Hot: called several times per sample.
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

    /// [`get`](Self::get) as an array.
    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], ReadError> {
        let bytes = self.get(offset, N)?;
        Ok(*bytes.first_chunk().expect("`get` returns N bytes"))
    }

    /// A big-endian 32-bit number.
    pub(super) fn u32(&mut self, offset: u64) -> Result<u32, ReadError> {
        self.array(offset).map(u32::from_be_bytes)
    }
}
