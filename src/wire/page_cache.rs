//! Checks whether bytes of a file are in the page cache, and reads them into it, so that the I/O thread
//! never waits for a disk.
//!
//! A result is kept for a second, by MiB: a check for each request would cost a quarter of a microsecond for
//! 64 KiB, and twenty for a MiB with probed bytes. If the kernel reclaims a page within that second, the I/O
//! thread does wait for it; that is the price.

use std::{
    cell::RefCell,
    ops::Range,
    os::fd::{AsFd as _, BorrowedFd},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;

use crate::extent::{File, ReadError};
use crate::sys::net;

/// The unit of checks, in bytes.
const BLOCK_BYTES: u64 = 1 << 20;

/// The unit of results within a block, in bytes.
const SUBBLOCK_BYTES: u64 = BLOCK_BYTES / 16;

/// The time for which a block's state needs no check.
const FRESH_TTL: Duration = Duration::from_secs(1);

/// The same for a block that was whole at two checks within [`STATE_TTL`]: the kernel reclaims last what is read
/// again and again. Checks were 1 % of the CPU time of ranges of 1 MiB.
const HOT_TTL: Duration = Duration::from_secs(4);

/// The time for which a block's state is kept. A block that was whole is checked without probing bytes: pages
/// that count as cached while they are being read would have to have been reclaimed and requested by another
/// thread within this time.
const STATE_TTL: Duration = Duration::from_secs(10);

/// The table: 8 GiB of hot files, in a quarter of a MiB for each I/O thread. It is 4-way set associative, so
/// that hardly any of the 1,600 blocks of two hundred files of 8 MiB is evicted; direct mapping evicted a
/// fifth, and every other request checked those again.
const SETS: usize = 2048;
const WAYS: usize = 4;

/// From this length on a range is read as large folios; a shorter one only at the second miss in its block,
/// because a folio reads two MiB, and a client of a few bytes may never request the rest.
const FOLIO_MIN_BYTES: u64 = 1 << 20;

/// One I/O thread's record of the page cache. An evicted block is checked again.
#[derive(Debug)]
pub struct PageCache {
    blocks: RefCell<Vec<[Option<BlockState>; WAYS]>>,
}

/// The known state of a block.
#[derive(Clone, Copy, Debug)]
struct BlockState {
    key: u64,
    since: Instant,
    /// The cached subblocks, as bits.
    cached: u16,
    /// Whether a request had to wait for this block.
    was_missed: bool,
    /// Whether the last two checks found all of the block.
    is_hot: bool,
}

/// All subblocks of a block.
const ALL: u16 = u16::MAX;

impl Default for PageCache {
    fn default() -> Self {
        Self { blocks: RefCell::new(vec![[None; WAYS]; SETS]) }
    }
}

impl PageCache {
    /// Whether a range of a file can be sent without waiting for a disk.
    pub(super) fn is_cached(&self, file: &File, range: &Range<u64>, now: Instant) -> bool {
        touched_blocks(file, range).all(|(key, start)| {
            let part = range.start.max(start) - start..(range.end - start).min(BLOCK_BYTES);
            if !file.holds(&(start + part.start..start + part.end)) {
                return false;
            }
            let needed = subblock_mask(&part);
            let state = self.state(key).filter(|state| state.is_remembered(now));
            let cached = state.filter(|state| state.is_fresh(now)).map_or(0, |state| state.cached);
            if needed & !cached == 0 {
                return true;
            }
            let was_whole = state.filter(|state| state.cached == ALL);
            if let Some(state) = was_whole
                && check_by(net::is_still_cached, file, start, ALL) == ALL
            {
                self.put(BlockState { since: now, is_hot: true, ..state });
                return true;
            }
            // Checks the whole block at once, but only the needed part of a block that was partial before.
            let is_partial = state.is_some() && was_whole.is_none();
            let candidates = if is_partial { needed } else { ALL };
            let mut found = check_by(net::is_cached, file, start, candidates);
            if found == 0 && candidates != needed {
                found = check_by(net::is_cached, file, start, needed);
            }
            self.record(key, cached | found, now);
            found != 0
        })
    }

    /// Reads a range into the page cache, in the disk pool. After that the caller
    /// [records](Self::record_populated) the range, so that a file system without a page cache is not
    /// populated twice.
    ///
    /// Fails if a part of the range cannot be read. The I/O thread must not send such a range: its
    /// sendfile(2) would try the disk again.
    pub(super) fn populate(
        &self,
        file: &File,
        range: Range<u64>,
        now: Instant,
    ) -> BoxFuture<'static, Result<(), ReadError>> {
        let mut was_missed = false;
        for (key, _) in touched_blocks(file, &range) {
            was_missed |= self.state(key).is_some_and(|state| state.was_missed);
            let state = BlockState { key, since: now, cached: 0, was_missed: true, is_hot: false };
            self.put(state);
        }
        let as_folios = was_missed || range.end - range.start >= FOLIO_MIN_BYTES;
        file.fill(range, move |descriptor, range, end| {
            // Another request may have waited for the same range.
            match () {
                () if net::is_cached(descriptor, range) => Ok(()),
                () if as_folios => net::populate(descriptor, range, end),
                () => net::read_into_page_cache(descriptor, range),
            }
        })
    }

    /// Records that a range was read into the page cache.
    pub(super) fn record_populated(&self, file: &File, range: &Range<u64>, now: Instant) {
        // A block at the edge may have been read in part.
        let is_whole = |start: u64| range.start <= start && start + BLOCK_BYTES <= range.end;
        for (key, _) in touched_blocks(file, range).filter(|(_, start)| is_whole(*start)) {
            self.record(key, ALL, now);
        }
    }

    fn state(&self, key: u64) -> Option<BlockState> {
        self.blocks.borrow()[table_index(key)].into_iter().flatten().find(|state| state.key == key)
    }

    /// Updates a block, whose state is as old as its oldest part.
    fn record(&self, key: u64, cached: u16, now: Instant) {
        let state = self.state(key);
        let since = state.filter(|state| state.is_fresh(now)).map_or(now, |state| state.since);
        let was_missed = state.is_some_and(|state| state.was_missed);
        self.put(BlockState { key, since, cached, was_missed, is_hot: false });
    }

    /// Stores a block's state in its own way, or in that of the least recently checked block.
    fn put(&self, state: BlockState) {
        let set = &mut self.blocks.borrow_mut()[table_index(state.key)];
        let rank = |way: &Option<BlockState>| match way {
            Some(other) if other.key == state.key => None,
            way => Some(way.map(|other| other.since)),
        };
        let way = set.iter_mut().min_by_key(|way| rank(way)).expect("a set has ways");
        *way = Some(state);
    }
}

impl BlockState {
    fn is_fresh(&self, now: Instant) -> bool {
        let ttl = if self.is_hot { HOT_TTL } else { FRESH_TTL };
        now.saturating_duration_since(self.since) < ttl
    }

    fn is_remembered(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < STATE_TTL
    }
}

/// The subblocks of a block that a range of it touches.
fn subblock_mask(part: &Range<u64>) -> u16 {
    let bit = |number: u64| 1_u32.checked_shl(u32::try_from(number).unwrap_or(32)).unwrap_or(0);
    let (first, end) = (part.start / SUBBLOCK_BYTES, part.end.div_ceil(SUBBLOCK_BYTES));
    // Up to `end`, but not up to `first`: the 16 bits below are those of the block.
    u16::try_from(bit(end) - bit(first)).unwrap_or(ALL)
}

/// The blocks of a file that a range touches: the key and the start of each.
fn touched_blocks(file: &File, range: &Range<u64>) -> impl Iterator<Item = (u64, u64)> + use<> {
    // Keys of files are far apart, and the blocks of one file adjacent.
    let file_key = file.identity().key();
    let blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES);
    blocks.map(move |block| (file_key.wrapping_add(block), block * BLOCK_BYTES))
}

/// Returns these subblocks of the block at `start` if all of them are in the page cache, else none.
fn check_by(
    is_cached: fn(BorrowedFd<'_>, &Range<u64>) -> bool,
    file: &File,
    start: u64,
    subblocks: u16,
) -> u16 {
    let range = subblock_range(file, start, subblocks);
    let piece = file.whole_piece(&range);
    let is_cached =
        piece.is_some_and(|piece| is_cached(piece.as_fd(), &piece.front(range.end - range.start)));
    if is_cached { subblocks } else { 0 }
}

/// The range from the first of these subblocks of the block at `start` to the last, up to the file's end.
fn subblock_range(file: &File, start: u64, subblocks: u16) -> Range<u64> {
    let first = start + u64::from(subblocks.trailing_zeros()) * SUBBLOCK_BYTES;
    let end = start + u64::from(u16::BITS - subblocks.leading_zeros()) * SUBBLOCK_BYTES;
    first..end.min(file.identity().size)
}

fn table_index(key: u64) -> usize {
    usize::try_from(key % SETS as u64).expect("an index of a table in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_block_evicts_the_least_recently_checked_one() {
        let (page_cache, begun) = (PageCache::default(), Instant::now());
        let key = |number: u64| 7 + number * SETS as u64;
        let put = |number: u64, s: u64| {
            let (key, since) = (key(number), begun + Duration::from_secs(s));
            let (cached, was_missed, is_hot) = (ALL, false, false);
            page_cache.put(BlockState { key, since, cached, was_missed, is_hot });
        };
        (0..4).for_each(|number| put(number, number));
        // The first is checked again, and keeps its way.
        put(0, 4);
        put(4, 5);
        let is_known = |number| page_cache.state(key(number)).is_some();
        let known: Vec<bool> = (0..5).map(is_known).collect();
        assert_eq!(known, [true, false, true, true, true]);
    }

    #[test]
    fn a_block_that_was_read_again_is_checked_less_often() {
        let since = Instant::now();
        let is_fresh = |is_hot: bool, after: Duration| {
            let state = BlockState { key: 1, since, cached: ALL, was_missed: false, is_hot };
            state.is_fresh(since + after)
        };
        assert!(is_fresh(false, FRESH_TTL / 2) && !is_fresh(false, FRESH_TTL));
        assert!(is_fresh(true, FRESH_TTL) && !is_fresh(true, HOT_TTL));
    }

    #[test]
    fn a_range_touches_each_subblock_of_which_it_has_a_byte() {
        let k = 64 * 1024;
        for (part, subblocks) in [
            (0..1, 0b1),
            (0..k, 0b1),
            (k - 1..k + 1, 0b11),
            (k..2 * k, 0b10),
            (15 * k..16 * k, 1 << 15),
            (0..16 * k, ALL),
            (3 * k + 5..6 * k, 0b11_1000),
        ] {
            assert_eq!(subblock_mask(&part), subblocks, "{part:?}");
        }
    }
}
