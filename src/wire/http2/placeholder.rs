//! What h2 gets in place of the bytes of bodies.
//!
//! h2 counts the bytes of a body, cuts them into frames, and decides when each frame leaves. It never needs
//! the bytes themselves: [`Output`](super::output::Output) puts them into the frames that h2 has written, and
//! can so let the kernel send the pages of a file.

use std::{cell::Cell, rc::Rc};

use bytes::Buf;

/// What h2 writes, 16 KiB at a time. Never sent.
static FILLER: [u8; super::FRAME_BYTES_MAX as usize] = [0; super::FRAME_BYTES_MAX as usize];

/// As many bytes as a piece of a body has.
#[derive(Debug, Default)]
pub(super) struct Placeholder {
    length: usize,
    discarded: Discarded,
}

/// The number of last bytes of a piece that h2 will not write, because its stream was reset.
#[derive(Clone, Debug, Default)]
pub(super) struct Discarded(Option<Rc<Cell<usize>>>);

impl Placeholder {
    /// For a piece of this length, in bytes.
    pub(super) fn new(length: usize) -> Self {
        Self { length, discarded: Discarded(Some(Rc::default())) }
    }

    /// Learns how much of the piece h2 discards.
    pub(super) fn discarded(&self) -> Discarded {
        self.discarded.clone()
    }
}

impl Discarded {
    /// The number of bytes. Those before them h2 has written, or will write: it copies a short part of a
    /// piece into a buffer of its own.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |bytes| bytes.get())
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
        if let Some(discarded) = &self.discarded.0 {
            discarded.set(self.length);
        }
    }
}
