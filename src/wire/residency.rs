//! Whether bytes of a file are in the page cache, and bringing them there: the loop never waits for
//! a disk.
//!
//! What is found to be cached is remembered for a second, by MiB: asking for each request would cost
//! a quarter of a microsecond for 64 KiB, and two for a MiB. A page that the kernel takes back within
//! that second is waited for after all; that is the price.

use std::{
    cell::RefCell,
    ops::Range,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use super::kernel;
use crate::extent::{ReadError, disk::File};

/// What is asked for and remembered at a time, in bytes of a file.
const BLOCK_BYTES: u64 = 1 << 20;

/// How long what was found of a block is taken to be so still.
const TRUST: Duration = Duration::from_secs(1);

/// How long it is remembered that somebody had to wait for a block.
const MISS_MEMORY: Duration = Duration::from_secs(60);

/// Blocks that are remembered: 8 GiB of hot files, in half a MiB for each worker.
const BLOCKS: usize = 8192;

/// From this length a range is brought in as whole folios. A shorter one only at the second miss in
/// its block: folios read two MiB, which whoever wants a few bytes of a file may never ask for.
const FOLIO_MIN_BYTES: u64 = 1 << 20;

/// What is known of blocks of files. Each block has one place, which it may lose to another: then it
/// is asked for again.
#[derive(Debug)]
pub struct Residency {
    blocks: RefCell<Vec<Option<Known>>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    key: u64,
    since: Instant,
    state: State,
}

/// What was found of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// All of it was in the page cache.
    Cached,
    /// Something of it was not.
    Partial,
    /// Something of it was not, and somebody had to wait.
    Missed,
}

impl Default for Residency {
    fn default() -> Self {
        Self { blocks: RefCell::new(vec![None; BLOCKS]) }
    }
}

impl Residency {
    /// Whether a range of a file can be sent without waiting for a disk.
    pub(super) fn is_cached(&self, file: &File, range: &Range<u64>, now: Instant) -> bool {
        blocks_of(range).all(|block| {
            let known = self.known(file, block, TRUST, now);
            if known == Some(State::Cached) {
                return true;
            }
            let start = block * BLOCK_BYTES;
            let whole = start..(start + BLOCK_BYTES).min(file.identity().size);
            let part = range.start.max(whole.start)..range.end.min(whole.end);
            // Of a block that was not whole a moment ago, only what is needed is asked for.
            if part == whole || known.is_none() {
                let is_cached = kernel::is_cached(file.as_fd(), &whole);
                if is_cached {
                    self.remember(file, block, State::Cached, now);
                } else if self.known(file, block, MISS_MEMORY, now) != Some(State::Missed) {
                    self.remember(file, block, State::Partial, now);
                }
                if is_cached || part == whole {
                    return is_cached;
                }
            }
            kernel::is_cached(file.as_fd(), &part)
        })
    }

    /// Brings a range into the page cache, off the I/O worker. Afterwards it is to be
    /// [remembered](Self::remember_filled): a file system without a page cache is not asked twice.
    pub(super) fn fill(
        &self,
        file: &File,
        range: Range<u64>,
        now: Instant,
    ) -> BoxFuture<'static, Result<(), ReadError>> {
        let mut was_missed = false;
        for block in blocks_of(&range) {
            was_missed |= self.known(file, block, MISS_MEMORY, now) == Some(State::Missed);
            self.remember(file, block, State::Missed, now);
        }
        let as_folios = was_missed || range.end - range.start >= FOLIO_MIN_BYTES;
        file.fill(move |descriptor| {
            // Somebody else may have waited for the same range, and got it.
            match () {
                () if kernel::is_cached(descriptor, &range) => Ok(()),
                () if as_folios => kernel::fill(descriptor, &range),
                () => kernel::read_through(descriptor, &range),
            }
        })
    }

    /// A range has been brought in.
    pub(super) fn remember_filled(&self, file: &File, range: &Range<u64>, now: Instant) {
        // Of a block at the edge there is perhaps only a part.
        let (first, last) = (range.start.div_ceil(BLOCK_BYTES), range.end / BLOCK_BYTES);
        for block in first..last {
            self.remember(file, block, State::Cached, now);
        }
    }

    /// What was found of a block, if that is no longer ago than `trust`.
    fn known(&self, file: &File, block: u64, trust: Duration, now: Instant) -> Option<State> {
        let key = key_of(file, block);
        let known = self.blocks.borrow()[place_of(key)].filter(|known| known.key == key)?;
        (now.saturating_duration_since(known.since) < trust).then_some(known.state)
    }

    fn remember(&self, file: &File, block: u64, state: State, now: Instant) {
        let key = key_of(file, block);
        self.blocks.borrow_mut()[place_of(key)] = Some(Known { key, since: now, state });
    }
}

fn blocks_of(range: &Range<u64>) -> Range<u64> {
    range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES)
}

fn key_of(file: &File, block: u64) -> u64 {
    // Neighbours are far apart in the first factor, and next to each other in the second.
    file.identity().key().wrapping_add(block)
}

fn place_of(key: u64) -> usize {
    usize::try_from(key % BLOCKS as u64).expect("a place in a table that is in memory")
}
