//! The cache of segments whose samples are in many places of their file, gathered into memory.
//!
//! An audio segment of an interleaved movie is a hundred ranges of half a KiB: to map and read them for each
//! response takes several times as long as to send them. Audio is a small part of the bytes of a library and half
//! of the requests, so that some MiB hold what many viewers play. A segment is gathered when it is requested for
//! the second time, because most are requested once.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    extent::{Extent, Extents, File, Gathered, ReadAt as _, ReadError, disk::Identity},
    library::CacheLookups,
};

/// A segment is gathered if its extents have less than this mean length, in bytes: `wire` sends longer ones from
/// the page cache without a copy.
const MEAN_BYTES_MAX: u64 = 4 * 1024;

/// A segment with fewer extents is as cheap to send as one with a single extent.
const EXTENTS_MIN: u64 = 8;

/// The longest segment that is gathered, in bytes and in extents: an I/O thread reads it, in less than a
/// millisecond.
const SEGMENT_BYTES_MAX: u64 = 512 * 1024;
const SEGMENT_EXTENTS_MAX: u64 = 1024;

/// The overhead of an entry, in bytes.
const ENTRY_BYTES: u64 = 256;

/// Bytes of the budget for each remembered request. A segment that is requested for the second time after many
/// others would be evicted before the third request.
const BYTES_PER_REQUEST: u64 = 32 * 1024;

/// The requests among which one is looked for. With one, two segments that take turns at one place would never be
/// gathered.
const WAYS: usize = 8;

/// A segment: a file in one state, the place of a track in its movie, and a number from 0.
pub type SegmentKey = (Identity, usize, usize);

/// Gathered segments by the identity of their file. A file that is replaced or written to has another identity.
#[derive(Debug)]
pub struct GatheredCache {
    segments: Cache<SegmentKey, Bytes, Weight>,
    /// Hashes of the last requests for segments that are not in the cache, each in the set that it selects, the last
    /// one first.
    requests: Box<[[AtomicU64; WAYS]]>,
    hasher: RandomState,
    budget: Arc<Budget>,
    /// The look-ups of segments with many extents, for metrics.
    pub lookups: CacheLookups,
}

/// Weighs entries in bytes.
#[derive(Clone, Debug)]
struct Weight;

impl Weighter<SegmentKey, Bytes> for Weight {
    fn weight(&self, _: &SegmentKey, bytes: &Bytes) -> u64 {
        ENTRY_BYTES + bytes.len() as u64
    }
}

/// The budget of all gathered bytes, also of those that responses send after their eviction.
#[derive(Debug)]
struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

/// Memory within the budget, until the last response that sends it has ended.
struct Memory {
    bytes: Vec<u8>,
    weight: u64,
    budget: Arc<Budget>,
}

impl Memory {
    /// Memory for so many bytes; `None` if the budget has no space.
    fn reserve(budget: &Arc<Budget>, bytes: u64) -> Option<Self> {
        let length = usize::try_from(bytes).ok()?;
        let weight = ENTRY_BYTES.checked_add(bytes)?;
        let add = |used: u64| used.checked_add(weight).filter(|used| *used <= budget.limit_bytes);
        // Relaxed: the number guards no other memory.
        budget.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok()?;
        Some(Self { bytes: vec![0; length], weight, budget: Arc::clone(budget) })
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

impl GatheredCache {
    /// An empty cache. An eighth of the budget is for what is evicted while it is being sent.
    pub fn new(budget_bytes: u64) -> Self {
        let requests = usize::try_from(budget_bytes / BYTES_PER_REQUEST).unwrap_or(usize::MAX);
        let requests = requests.clamp(2 * WAYS, 1 << 20);
        Self {
            segments: Cache::with_weighter(requests, budget_bytes / 8 * 7, Weight),
            requests: (0..requests / WAYS).map(|_| <[AtomicU64; WAYS]>::default()).collect(),
            hasher: RandomState::new(),
            budget: Arc::new(Budget { limit_bytes: budget_bytes, used_bytes: AtomicU64::new(0) }),
            lookups: CacheLookups::default(),
        }
    }

    /// The memory of all gathered segments, in bytes.
    pub fn used_bytes(&self) -> u64 {
        self.budget.used_bytes.load(Ordering::Relaxed)
    }

    /// A segment, if the cache has it.
    pub fn get(&self, file: &Arc<File>, key: &SegmentKey) -> Option<Extents> {
        let bytes = self.segments.get(key)?;
        self.lookups.hit();
        Some(gathered(file, bytes))
    }

    /// Gathers a segment that is requested for the second time, and returns it. Returns any other segment as it
    /// is, and one that cannot be gathered without waiting.
    pub fn admit(&self, file: &Arc<File>, key: SegmentKey, extents: Extents) -> Extents {
        if !is_scattered(&extents) {
            return extents;
        }
        self.lookups.miss();
        if !self.was_requested(&key) {
            return extents;
        }
        match self.gather(file, &extents) {
            Some(bytes) => {
                self.segments.insert(key, bytes.clone());
                gathered(file, bytes)
            }
            None => extents,
        }
    }

    /// Whether this segment was among the last that were requested. From now on it is.
    fn was_requested(&self, key: &impl Hash) -> bool {
        // Not 0, which is no request.
        let hash = self.hasher.hash_one(key) | 1 << 63;
        let place = usize::try_from(hash >> 16).unwrap_or(usize::MAX) % self.requests.len();
        let set = &self.requests[place];
        if set.iter().any(|request| request.load(Ordering::Relaxed) == hash) {
            return true;
        }
        // Two threads at once may lose a request, which is then noticed later.
        for way in (1..WAYS).rev() {
            set[way].store(set[way - 1].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        set[0].store(hash, Ordering::Relaxed);
        false
    }

    /// The bytes of extents of a file, without waiting.
    fn gather(&self, file: &File, extents: &Extents) -> Option<Bytes> {
        if !file.is_sendable() {
            return None;
        }
        let mut memory = Memory::reserve(&self.budget, extents.len())?;
        read(file, extents, &mut memory.bytes).ok()?;
        Some(Bytes::from_owner(memory))
    }
}

/// A response of gathered bytes.
fn gathered(file: &Arc<File>, bytes: Bytes) -> Extents {
    Extents::from(Extent::whole(Arc::new(Gathered::new(Arc::clone(file), bytes))))
}

/// Whether a segment has so many short extents that it is better gathered.
fn is_scattered(extents: &Extents) -> bool {
    let bytes = extents.len();
    if bytes > SEGMENT_BYTES_MAX {
        return false;
    }
    let count = extents.iter().count() as u64;
    (EXTENTS_MIN..=SEGMENT_EXTENTS_MAX).contains(&count) && bytes < count * MEAN_BYTES_MAX
}

/// Fills `into` with the bytes of extents of a file. Fails if a byte is not in memory.
fn read(file: &File, extents: &Extents, mut into: &mut [u8]) -> Result<(), ReadError> {
    let reader = file.nonblocking_reader();
    for extent in extents.iter() {
        let length = usize::try_from(extent.len()).map_err(|_| ReadError::Truncated)?;
        let (front, rest) = into.split_at_mut_checked(length).ok_or(ReadError::Truncated)?;
        match extent {
            Extent::Memory(bytes) => front.copy_from_slice(bytes),
            Extent::Source { range, .. } => reader.read_exact_at(range.start, front)?,
        }
        into = rest;
    }
    // What was read is of this state of the file, or nothing is kept.
    file.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(lengths: impl IntoIterator<Item = usize>) -> Extents {
        let mut extents = Extents::default();
        for length in lengths {
            extents.push(Extent::Memory(vec![7; length].into())).expect("an extent");
        }
        extents
    }

    #[test]
    fn many_short_extents_are_gathered_and_nothing_else() {
        for (lengths, expected) in [
            (vec![650; 145], true),
            (vec![650; 7], false),
            (vec![12_600; 150], false),
            (vec![98_000], false),
            (vec![100; 1025], false),
            (vec![3000; 200], false),
        ] {
            let what = format!("{} extents of {}", lengths.len(), lengths[0]);
            assert_eq!(is_scattered(&memory(lengths)), expected, "{what}");
        }
    }

    #[test]
    fn memory_counts_until_its_last_user_has_dropped_it() {
        let budget = Arc::new(Budget { limit_bytes: 1500, used_bytes: AtomicU64::new(0) });
        let memory = Memory::reserve(&budget, 1000).expect("space");
        assert!(Memory::reserve(&budget, 1000).is_none(), "too much");
        let bytes = Bytes::from_owner(memory);
        let sent = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used_bytes.load(Ordering::Relaxed), 1256);
        drop(sent);
        assert_eq!(budget.used_bytes.load(Ordering::Relaxed), 0);
        assert!(Memory::reserve(&budget, u64::MAX - 100).is_none(), "no overflow");
    }

    #[test]
    fn the_second_request_is_noticed_unless_many_others_came_between() {
        let cache = GatheredCache::new(1 << 20);
        assert!(!cache.was_requested(&0));
        assert!(cache.was_requested(&0));
        assert_eq!((1..10_000).filter(|number| cache.was_requested(number)).count(), 0);
        assert!(!cache.was_requested(&0));
    }

    #[test]
    fn segments_that_take_turns_are_all_noticed() {
        let cache = GatheredCache::new(64 << 20);
        let noticed = || (0..500).filter(|number| cache.was_requested(number)).count();
        assert_eq!(noticed(), 0);
        assert!(noticed() > 450);
    }
}
