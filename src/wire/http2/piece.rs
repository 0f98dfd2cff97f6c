//! A piece of a body, on its way through h2.

use std::{mem, ops::Range, sync::Arc};

use bytes::{Buf as _, Bytes};

use crate::extent::Source;

/// Bytes of a body.
#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes in memory.
    Memory {
        /// The bytes.
        bytes: Bytes,
        /// How many of them, from the first on, were read from sources.
        copied: u64,
    },
    /// A range of a file in the page cache, which the kernel sends.
    File {
        /// The file.
        source: Arc<dyn Source>,
        /// Less than a turn sends.
        range: Range<u64>,
    },
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Memory { bytes, copied: 0 }
    }
}

impl Default for Piece {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl Piece {
    /// The length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Memory { bytes, .. } => bytes.len(),
            Self::File { range, .. } => {
                usize::try_from(range.end - range.start).expect("a piece is short")
            }
        }
    }

    /// Whether no bytes are left.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `length` bytes from the front.
    pub(super) fn split_to(&mut self, length: usize) -> Self {
        if length == self.len() {
            return mem::take(self);
        }
        match self {
            Self::Memory { bytes, copied } => {
                let of_front = (*copied).min(length as u64);
                *copied -= of_front;
                Self::Memory { bytes: bytes.split_to(length), copied: of_front }
            }
            Self::File { source, range } => {
                let front = range.start..range.start + length as u64;
                range.start = front.end;
                Self::File { source: Arc::clone(source), range: front }
            }
        }
    }

    /// Appends a range of a file that follows the range of this piece. Returns any other piece.
    pub(super) fn join(&mut self, next: Self) -> Option<Self> {
        match (self, next) {
            (Self::File { source, range }, Self::File { source: other, range: behind })
                if Arc::ptr_eq(source, &other) && range.end == behind.start =>
            {
                range.end = behind.end;
                None
            }
            (_, next) => Some(next),
        }
    }

    /// Drops `length` bytes from the front.
    pub(super) fn advance(&mut self, length: usize) {
        match self {
            Self::Memory { bytes, copied } => {
                bytes.advance(length);
                *copied = copied.saturating_sub(length as u64);
            }
            Self::File { range, .. } => range.start += length as u64,
        }
    }

    /// Copies bytes in memory: their buffer may be one of the pool.
    pub(super) fn detach(&mut self) {
        if let Self::Memory { bytes, .. } = self {
            *bytes = Bytes::copy_from_slice(bytes);
        }
    }
}
