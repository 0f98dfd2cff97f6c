//! Counts what a cache found and what it did not.

use std::sync::atomic::{AtomicU64, Ordering};

/// The look-ups in a cache since the start.
#[derive(Debug, Default)]
pub struct CacheLookups {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl CacheLookups {
    /// Counts a look-up that found something.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a look-up that found nothing, so that something was read or made.
    pub fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits and misses so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }
}
