//! Which shelves the cache keeps: their chunks within a capacity.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter, sync};

use super::{chunk_set::SHELF_CHUNKS, shelf_key::ShelfKey};

/// The least capacity, in chunks: four shelves, so that one that fills up does not evict itself.
pub(super) const CAPACITY_MIN: u64 = 4 * SHELF_CHUNKS as u64;

/// The chunks that a shelf has on average; only an estimate, from which the number of remembered evictions
/// follows.
const AVERAGE_CHUNKS: u64 = SHELF_CHUNKS as u64 / 4;

/// The least growth of the capacity that is worth a change, in chunks.
const GROWTH_MIN: u64 = SHELF_CHUNKS as u64;

/// The shelves of the cache, their weights, and the order in which they go.
///
/// The policy knows all shelves on the disk, open or not, in about 100 bytes each. It only decides: the caller
/// removes what was [evicted](Self::take_evicted).
#[derive(Debug)]
pub(super) struct ShelfPolicy {
    shelves: sync::Cache<ShelfKey, u32, Chunks, DefaultHashBuilder, Queue>,
    evicted: Queue,
    /// The configured capacity, and the present one, in chunks.
    budget: u64,
    capacity: AtomicU64,
}

/// The weight of a shelf: its chunks. Also one without any has a file.
#[derive(Clone, Debug)]
struct Chunks;

impl Weighter<ShelfKey, u32> for Chunks {
    fn weight(&self, _key: &ShelfKey, chunks: &u32) -> u64 {
        u64::from(*chunks).max(1)
    }
}

/// The evicted shelves that are not taken yet.
#[derive(Clone, Debug, Default)]
struct Queue(Arc<Mutex<Vec<(ShelfKey, u32)>>>);

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<(ShelfKey, u32)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lifecycle<ShelfKey, u32> for Queue {
    type RequestState = ();

    fn on_evict(&self, _state: &mut (), key: ShelfKey, chunks: u32) {
        self.lock().push((key, chunks));
    }
}

impl ShelfPolicy {
    /// A policy for so many chunks.
    pub fn new(budget: u64) -> Self {
        let (budget, evicted) = (budget.max(CAPACITY_MIN), Queue::default());
        let shelves = usize::try_from(budget / AVERAGE_CHUNKS).unwrap_or(usize::MAX);
        let options = OptionsBuilder::new()
            // One, because each has a part of the capacity, and a shelf is much for a part.
            .shards(1)
            .estimated_items_capacity(shelves)
            .weight_capacity(budget)
            .build()
            .expect("all options are set");
        let hashes = DefaultHashBuilder::default();
        let shelves = sync::Cache::with_options(options, Chunks, hashes, evicted.clone());
        Self { shelves, evicted, budget, capacity: AtomicU64::new(budget) }
    }

    /// Adds a shelf in use, or changes the number of its chunks.
    pub fn admit(&self, key: ShelfKey, chunks: u32) {
        if self.shelves.replace(key, chunks, true).is_err() {
            self.shelves.insert(key, chunks);
            // Else it would be the first to go, as its first chunks arrive.
            self.touch(&key);
        }
    }

    /// Adds a shelf that was found on the disk, unless it is known.
    pub fn admit_found(&self, key: ShelfKey, chunks: u32) {
        if !self.contains(&key) {
            self.shelves.insert(key, chunks);
        }
    }

    /// Changes the number of chunks of a shelf in use. False if it has been evicted, perhaps by this very
    /// change.
    pub fn update(&self, key: ShelfKey, chunks: u32) -> bool {
        // It counts as a use.
        self.shelves.replace(key, chunks, false).is_ok() && self.contains(&key)
    }

    /// Notes that a shelf is in use.
    pub fn touch(&self, key: &ShelfKey) {
        self.shelves.get(key);
    }

    /// Whether the cache keeps a shelf.
    pub fn contains(&self, key: &ShelfKey) -> bool {
        self.shelves.contains_key(key)
    }

    /// The chunks of all shelves.
    pub fn chunks(&self) -> u64 {
        self.shelves.weight()
    }

    /// Lets the shelves have so many chunks, but not more than the budget. Growth happens in steps: a disk
    /// that others use, too, changes all the time.
    pub fn set_capacity(&self, chunks: u64) {
        let (new, old) = (chunks.clamp(CAPACITY_MIN, self.budget), self.capacity());
        if new < old || new >= old + GROWTH_MIN || (new == self.budget && new > old) {
            self.change_capacity(new);
        }
    }

    /// Evicts shelves with at least so many chunks, if there are, until the capacity is set again.
    pub fn shrink(&self, chunks: u64) {
        self.change_capacity(self.chunks().saturating_sub(chunks).max(1));
    }

    fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed)
    }

    fn change_capacity(&self, chunks: u64) {
        self.capacity.store(chunks, Ordering::Relaxed);
        self.shelves.set_capacity(chunks);
    }

    /// The shelves that have been evicted since the last call and have not come back, with the chunks that
    /// they had.
    pub fn take_evicted(&self) -> HashMap<ShelfKey, u32> {
        let reports = std::mem::take(&mut *self.evicted.lock());
        // The library also reports each change of a weight; the last report is that of the eviction.
        let mut evicted: HashMap<ShelfKey, u32> = reports.into_iter().collect();
        evicted.retain(|key, _| !self.contains(key));
        evicted
    }
}

#[cfg(test)]
mod tests {
    use super::{super::shelf_key::ObjectHash, *};

    fn key(number: u32) -> ShelfKey {
        ShelfKey { object: ObjectHash([1; 32]), number }
    }

    /// Fills a shelf chunk by chunk, as bytes arrive. It stays in the meantime.
    fn fill(policy: &ShelfPolicy, number: u32) {
        policy.admit(key(number), 0);
        for chunks in 1..=256 {
            assert!(policy.update(key(number), chunks), "evicted with {chunks} chunks");
        }
    }

    #[test]
    fn the_budget_holds_while_shelves_fill() {
        let policy = ShelfPolicy::new(8 * 256);
        for number in 0..100 {
            fill(&policy, number);
            // All are in use.
            (0..=number).for_each(|number| policy.touch(&key(number)));
            assert!(policy.chunks() <= 8 * 256, "{} chunks", policy.chunks());
            assert!(policy.contains(&key(number)), "the newest shelf stays");
        }
        let evicted = policy.take_evicted();
        assert!((92..100).contains(&evicted.len()), "{} of 100", evicted.len());
        assert!(evicted.values().all(|chunks| *chunks == 256), "{evicted:?}");
        assert!(policy.take_evicted().is_empty());
    }

    #[test]
    fn a_shelf_in_use_outlasts_nearly_all_of_a_scan() {
        let policy = ShelfPolicy::new(8 * 256);
        let mut evictions = 0;
        for number in 0..100 {
            if !policy.contains(&key(1000)) {
                evictions += 1;
                policy.admit(key(1000), 3);
            }
            fill(&policy, number);
            policy.touch(&key(1000));
        }
        // In the order of their age it would be one in eight.
        assert!(evictions <= 8, "evicted {evictions} times");
    }

    #[test]
    fn less_room_evicts_and_more_room_is_used_again() {
        let policy = ShelfPolicy::new(64 * 256);
        (0..64).for_each(|number| fill(&policy, number));
        policy.take_evicted();
        policy.set_capacity(16 * 256);
        assert!(policy.chunks() <= 16 * 256);
        assert!(policy.take_evicted().len() >= 48);
        policy.shrink(256);
        assert!(policy.chunks() <= 15 * 256);
        policy.set_capacity(u64::MAX);
        (100..140).for_each(|number| fill(&policy, number));
        assert!(policy.chunks() > 50 * 256, "{} chunks", policy.chunks());
    }

    #[test]
    fn a_shelf_takes_about_a_hundred_bytes_of_memory() {
        // 100 GiB, in full shelves.
        let policy = ShelfPolicy::new(6400 * 256);
        (0..6400).for_each(|number| policy.admit(key(number), 256));
        let bytes = policy.shelves.memory_used().total() / 6400;
        assert!(bytes <= 130, "{bytes} bytes");
    }

    #[test]
    fn a_shelf_that_came_back_is_not_reported() {
        let policy = ShelfPolicy::new(0);
        fill(&policy, 1);
        policy.shrink(u64::MAX);
        assert!(!policy.contains(&key(1)));
        policy.set_capacity(u64::MAX);
        policy.admit(key(1), 1);
        assert!(policy.take_evicted().is_empty());
    }

    #[test]
    fn a_found_shelf_does_not_replace_a_known_one() {
        let policy = ShelfPolicy::new(0);
        policy.admit(key(1), 100);
        policy.admit_found(key(1), 5);
        policy.admit_found(key(2), 5);
        assert!(!policy.update(key(3), 5));
        assert_eq!((policy.chunks(), policy.contains(&key(3))), (105, false));
    }
}
