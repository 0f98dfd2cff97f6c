//! Whether bytes of a file are in the page cache, and bringing them there: the loop never waits for
//! a disk.
//!
//! What is found to be cached is remembered for a second, by MiB: asking for each request would cost
//! a quarter of a microsecond for 64 KiB, and twenty for a MiB of which bytes are tried. A page that the
//! kernel takes back within that second is waited for after all; that is the price.

use std::{
    cell::RefCell,
    ops::Range,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use crate::extent::{ReadError, disk::File};
use crate::sys::net;

/// What is asked for and remembered at a time, in bytes of a file.
const BLOCK_BYTES: u64 = 1 << 20;

/// The parts of a block that are told apart, in bytes.
const CHUNK_BYTES: u64 = BLOCK_BYTES / 16;

/// How long what was found of a block is taken to be so still.
const TRUST: Duration = Duration::from_secs(1);

/// For how long it is remembered what was found. What was whole is then asked for again without trying bytes:
/// pages that count as cached while they are being read must have been lost and asked for, by somebody else
/// than this worker, within that time.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Blocks that are remembered: 8 GiB of hot files, in a quarter of a MiB for each worker. Each has four
/// places to choose from, so that hardly any of the 1,600 of two hundred files of 8 MiB loses its own; with
/// one, a fifth did, and was asked for again by every other request.
const SETS: usize = 2048;
const WAYS: usize = 4;

/// From this length a range is brought in as whole folios. A shorter one only at the second miss in
/// its block: folios read two MiB, which whoever wants a few bytes of a file may never ask for.
const FOLIO_MIN_BYTES: u64 = 1 << 20;

/// What is known of blocks of files. A block may lose its place to another: then it is asked for again.
#[derive(Debug)]
pub struct Residency {
    blocks: RefCell<Vec<[Option<Known>; WAYS]>>,
}

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
struct Known {
    key: u64,
    since: Instant,
    /// Chunks that were in the page cache, as bits.
    cached: u16,
    /// Somebody had to wait for it.
    was_missed: bool,
}

/// All chunks of a block.
const ALL: u16 = u16::MAX;

impl Default for Residency {
    fn default() -> Self {
        Self { blocks: RefCell::new(vec![[None; WAYS]; SETS]) }
    }
}

impl Residency {
    /// Whether a range of a file can be sent without waiting for a disk.
    pub(super) fn is_cached(&self, file: &File, range: &Range<u64>, now: Instant) -> bool {
        blocks_of(file, range).all(|(key, start)| {
            let part = range.start.max(start) - start..(range.end - start).min(BLOCK_BYTES);
            let needed = chunks_of(&part);
            let known = self.known(key).filter(|known| known.is_remembered(now));
            let cached = known.filter(|known| known.is_fresh(now)).map_or(0, |known| known.cached);
            if needed & !cached == 0 {
                return true;
            }
            let was_whole = known.filter(|known| known.cached == ALL);
            if let Some(known) = was_whole
                && net::is_still_cached(file.as_fd(), &range_of(file, start, ALL))
            {
                self.put(Known { since: now, ..known });
                return true;
            }
            // All of the block at once; of one that was found not to be whole only what is needed.
            let is_partial = known.is_some() && was_whole.is_none();
            let asked = if is_partial { needed } else { ALL };
            let mut found = ask(file, start, asked);
            if found == 0 && asked != needed {
                found = ask(file, start, needed);
            }
            self.remember(key, cached | found, now);
            found != 0
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
        for (key, _) in blocks_of(file, &range) {
            was_missed |= self.known(key).is_some_and(|known| known.was_missed);
            self.put(Known { key, since: now, cached: 0, was_missed: true });
        }
        let as_folios = was_missed || range.end - range.start >= FOLIO_MIN_BYTES;
        file.fill(move |descriptor| {
            // Somebody else may have waited for the same range, and got it.
            match () {
                () if net::is_cached(descriptor, &range) => Ok(()),
                () if as_folios => net::fill(descriptor, &range),
                () => net::read_through(descriptor, &range),
            }
        })
    }

    /// A range has been brought in.
    pub(super) fn remember_filled(&self, file: &File, range: &Range<u64>, now: Instant) {
        // Of a block at the edge there is perhaps only a part.
        let is_whole = |start: u64| range.start <= start && start + BLOCK_BYTES <= range.end;
        for (key, _) in blocks_of(file, range).filter(|(_, start)| is_whole(*start)) {
            self.remember(key, ALL, now);
        }
    }

    fn known(&self, key: u64) -> Option<Known> {
        self.blocks.borrow()[set_of(key)].into_iter().flatten().find(|known| known.key == key)
    }

    /// Adds to what is known of a block, which is as old as its oldest part.
    fn remember(&self, key: u64, cached: u16, now: Instant) {
        let known = self.known(key);
        let since = known.filter(|known| known.is_fresh(now)).map_or(now, |known| known.since);
        let was_missed = known.is_some_and(|known| known.was_missed);
        self.put(Known { key, since, cached, was_missed });
    }

    /// Keeps what is known of a block, in its own place or in that of the one that was asked for the
    /// longest time ago.
    fn put(&self, known: Known) {
        let set = &mut self.blocks.borrow_mut()[set_of(known.key)];
        let value = |place: &Option<Known>| match place {
            Some(other) if other.key == known.key => None,
            place => Some(place.map(|other| other.since)),
        };
        let place = set.iter_mut().min_by_key(|place| value(place)).expect("there are some");
        *place = Some(known);
    }
}

impl Known {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < TRUST
    }

    fn is_remembered(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < REMEMBERED
    }
}

/// The chunks of a block that a range of it touches.
fn chunks_of(part: &Range<u64>) -> u16 {
    let bit = |chunk: u64| 1_u32.checked_shl(u32::try_from(chunk).unwrap_or(32)).unwrap_or(0);
    let (first, end) = (part.start / CHUNK_BYTES, part.end.div_ceil(CHUNK_BYTES));
    // Up to `end`, but not up to `first`: the 16 bits below are those of the block.
    u16::try_from(bit(end) - bit(first)).unwrap_or(ALL)
}

/// The blocks of a file that a range touches: what each is known by, and where it begins.
fn blocks_of(file: &File, range: &Range<u64>) -> impl Iterator<Item = (u64, u64)> + use<> {
    // Files are far apart, and the blocks of one next to each other.
    let file_key = file.identity().key();
    let blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES);
    blocks.map(move |block| (file_key.wrapping_add(block), block * BLOCK_BYTES))
}

/// These chunks of the block that begins at `start`, if all of them are in the page cache, else none.
fn ask(file: &File, start: u64, chunks: u16) -> u16 {
    let is_cached = net::is_cached(file.as_fd(), &range_of(file, start, chunks));
    if is_cached { chunks } else { 0 }
}

/// From the first of these chunks of the block that begins at `start` to the last, as far as the file goes.
fn range_of(file: &File, start: u64, chunks: u16) -> Range<u64> {
    let first = start + u64::from(chunks.trailing_zeros()) * CHUNK_BYTES;
    let end = start + u64::from(u16::BITS - chunks.leading_zeros()) * CHUNK_BYTES;
    first..end.min(file.identity().size)
}

fn set_of(key: u64) -> usize {
    usize::try_from(key % SETS as u64).expect("a place in a table that is in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_takes_the_place_of_the_one_that_was_asked_for_the_longest_time_ago() {
        let (residency, begun) = (Residency::default(), Instant::now());
        let key = |number: u64| 7 + number * SETS as u64;
        let put = |number: u64, s: u64| {
            let since = begun + Duration::from_secs(s);
            residency.put(Known { key: key(number), since, cached: ALL, was_missed: false });
        };
        (0..4).for_each(|number| put(number, number));
        // The first is asked for again, and keeps its place.
        put(0, 4);
        put(4, 5);
        let is_known = |number| residency.known(key(number)).is_some();
        let known: Vec<bool> = (0..5).map(is_known).collect();
        assert_eq!(known, [true, false, true, true, true]);
    }

    #[test]
    fn a_range_touches_each_chunk_that_it_has_a_byte_of() {
        let k = 64 * 1024;
        for (part, chunks) in [
            (0..1, 0b1),
            (0..k, 0b1),
            (k - 1..k + 1, 0b11),
            (k..2 * k, 0b10),
            (15 * k..16 * k, 1 << 15),
            (0..16 * k, ALL),
            (3 * k + 5..6 * k, 0b11_1000),
        ] {
            assert_eq!(chunks_of(&part), chunks, "{part:?}");
        }
    }
}
