//! Counts how often objects were forgotten.
//!
//! What was asked of the bucket before an object was forgotten is not kept. A count for each key would grow with the
//! bucket, and one for all would let a stream of events keep nothing: so there is one for each part of the keys.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

/// The parts of the keys.
const PARTS: usize = 1024;

/// The counts.
#[derive(Debug)]
pub(super) struct Forgotten {
    counts: Box<[AtomicU64]>,
    /// Seeded at random: clients cannot choose keys that share a part.
    hasher: RandomState,
}

impl Default for Forgotten {
    fn default() -> Self {
        let counts = (0..PARTS).map(|_| AtomicU64::new(0)).collect();
        Self { counts, hasher: RandomState::new() }
    }
}

impl Forgotten {
    /// The count of a key, to compare with a later one.
    pub(super) fn count(&self, key: &str) -> u64 {
        self.of(key).load(Ordering::Acquire)
    }

    /// Counts that an object is forgotten.
    pub(super) fn add(&self, key: &str) {
        self.of(key).fetch_add(1, Ordering::AcqRel);
    }

    /// Counts that all objects are forgotten.
    pub(super) fn add_all(&self) {
        for count in &self.counts {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn of(&self, key: &str) -> &AtomicU64 {
        let part = self.hasher.hash_one(key) % PARTS as u64;
        &self.counts[usize::try_from(part).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_forgotten_does_not_make_others_forgotten() {
        let forgotten = Forgotten::default();
        let keys: Vec<_> = (0..100).map(|number| format!("films/{number}.mp4")).collect();
        let counts = |forgotten: &Forgotten| -> Vec<u64> {
            keys.iter().map(|key| forgotten.count(key)).collect()
        };
        forgotten.add(&keys[0]);
        let after = counts(&forgotten);
        assert_eq!(after[0], 1);
        // A few may share its part.
        assert!(after.iter().sum::<u64>() < 10, "{after:?}");
        forgotten.add_all();
        let all = counts(&forgotten);
        assert!(all.iter().zip(&after).all(|(all, after)| *all == after + 1));
    }
}
