//! What h2 gets in place of the bytes of bodies.
//!
//! h2 counts the bytes of a body, cuts them into frames, and decides when each frame leaves. It never needs
//! the bytes themselves: [`Output`](super::output::Output) puts them into the frames that h2 has written, and
//! can so let the kernel send the pages of a file.

use std::{cell::Cell, rc::Rc};

use bytes::Buf;

/// What h2 writes, at most one frame of every peer at a time. Never sent.
static FILLER: [u8; super::FRAME_BYTES_MAX as usize] = [0; super::FRAME_BYTES_MAX as usize];

/// As many bytes as a piece of a body has.
#[derive(Debug, Default)]
pub(super) struct Placeholder {
    length: usize,
    is_discarded: Discarded,
}

/// Whether h2 has discarded the rest of a piece, because its stream was reset.
#[derive(Clone, Debug, Default)]
pub(super) struct Discarded(Option<Rc<Cell<bool>>>);

impl Placeholder {
    /// For a piece of this length, in bytes.
    pub(super) fn new(length: usize) -> Self {
        Self { length, is_discarded: Discarded(Some(Rc::default())) }
    }

    /// Learns whether h2 discards the piece.
    pub(super) fn discarded(&self) -> Discarded {
        self.is_discarded.clone()
    }
}

impl Discarded {
    /// Whether h2 will not write the rest of the piece.
    pub(super) fn get(&self) -> bool {
        self.0.as_ref().is_some_and(|cell| cell.get())
    }
}

impl Buf for Placeholder {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        &FILLER[..self.length.min(FILLER.len())]
    }

    fn advance(&mut self, count: usize) {
        self.length -= count;
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        if let Some(is_discarded) = self.is_discarded.0.as_ref().filter(|_| self.length > 0) {
            is_discarded.set(true);
        }
    }
}
