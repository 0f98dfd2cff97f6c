//! The budget of what all responses in progress hold in memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Responses that hold at most this many bytes are not counted: the number of connections bounds them,
/// and most responses (a range of a file) hold less than a hundred bytes.
const UNCOUNTED_BYTES: u64 = 1024;

/// A response that holds at most this many bytes may use the whole budget, a larger one only three
/// quarters: a few large responses must not keep segments, of some ten KiB each, from all viewers.
const SMALL_BYTES: u64 = 64 * 1024;

/// The budget of what all responses in progress hold: lists of extents, headers of segments, documents.
/// Clones share it.
///
/// A client that does not read keeps its response for `send_timeout_s`. Without a common bound, a hundred
/// such clients could exhaust the memory of the machine, however small the bound of each.
#[derive(Clone, Debug)]
pub struct ResponseMemory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

/// The error of a response that the budget has no space for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the responses in progress hold all of response_memory_mib")]
pub struct Exhausted;

/// The share of one response, until it is dropped.
#[derive(Debug, Default)]
pub struct Charge {
    budget: Option<ResponseMemory>,
    bytes: u64,
}

impl ResponseMemory {
    /// A budget of so many bytes.
    pub fn new(limit_bytes: u64) -> Self {
        Self(Arc::new(Budget { limit_bytes, used_bytes: AtomicU64::new(0) }))
    }

    /// Charges what a response holds, in bytes, before it takes them.
    pub fn charge(&self, bytes: u64) -> Result<Charge, Exhausted> {
        let limit_bytes = self.0.limit_bytes;
        let is_small = bytes <= SMALL_BYTES;
        self.charge_within(bytes, if is_small { limit_bytes } else { limit_bytes / 4 * 3 })
    }

    /// Charges bytes that a response can do without: a quarter of the budget at most, so that large
    /// responses keep half of it.
    pub fn charge_dispensable(&self, bytes: u64) -> Result<Charge, Exhausted> {
        self.charge_within(bytes, self.0.limit_bytes / 4)
    }

    fn charge_within(&self, bytes: u64, limit: u64) -> Result<Charge, Exhausted> {
        if bytes <= UNCOUNTED_BYTES {
            return Ok(Charge::default());
        }
        let add = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        // Relaxed: the number guards no other memory.
        self.0
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .map_err(|_used| Exhausted)?;
        Ok(Charge { budget: Some(self.clone()), bytes })
    }

    /// The charged bytes.
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.0.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_returns_to_the_budget_when_it_is_dropped() {
        let memory = ResponseMemory::new(100_000);
        let first = memory.charge(60_000).expect("space");
        assert_eq!(memory.used_bytes(), 60_000);
        assert_eq!(memory.charge(40_001).expect_err("too much"), Exhausted);
        let second = memory.charge(40_000).expect("space");
        drop(first);
        assert_eq!(memory.used_bytes(), 40_000);
        drop(second);
        assert_eq!(memory.used_bytes(), 0);
    }

    #[test]
    fn the_last_quarter_is_for_small_responses() {
        let memory = ResponseMemory::new(400_000);
        let _large = memory.charge(300_000).expect("three quarters");
        assert_eq!(memory.charge(SMALL_BYTES + 1).expect_err("a large one"), Exhausted);
        let _small = memory.charge(SMALL_BYTES).expect("a small one");
    }

    #[test]
    fn what_a_response_can_do_without_takes_a_quarter_at_most() {
        let memory = ResponseMemory::new(400_000);
        let copy = memory.charge_dispensable(100_000).expect("a quarter");
        assert_eq!(memory.charge_dispensable(2000).expect_err("more than a quarter"), Exhausted);
        let response = memory.charge(200_000).expect("half, of a large one");
        drop(copy);
        assert_eq!(memory.charge_dispensable(2000).expect_err("half is used"), Exhausted);
        drop(response);
        assert_eq!(memory.used_bytes(), 0);
    }

    #[test]
    fn tiny_responses_are_free() {
        let memory = ResponseMemory::new(0);
        let _charge = memory.charge(UNCOUNTED_BYTES).expect("it is not counted");
        assert_eq!(memory.charge(UNCOUNTED_BYTES + 1).expect_err("it is counted"), Exhausted);
        assert_eq!(memory.used_bytes(), 0);
    }
}
