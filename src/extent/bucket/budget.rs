//! How many requests a bucket may get beyond those that are needed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::recent::Recent;

/// The time over which requests are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The extra requests of each kind, other than hedges, that are allowed however few are needed.
const EXTRA_MIN: u32 = 10;

const NEEDED: usize = 0;

/// A request in addition to the one that is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extra {
    /// After a failure. Two of five: with 30 % of failures, two retries each are 0.39 of the requests, and
    /// with more of them the breaker opens.
    Retry = 1,
    /// After two seconds without a response, beside the request that waits: the bucket is slow, and each
    /// makes it slower. One of ten.
    Late = 2,
    /// After the time in which nearly all responses begin. One of twenty.
    Hedge = 3,
}

/// Counts the requests of the last minute.
#[derive(Debug)]
pub(super) struct Budget(Mutex<Recent<4>>);

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Recent::new(WINDOW, now)))
    }

    /// Counts a request that is needed.
    pub(super) fn count_needed(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(NEEDED, now);
    }

    /// Counts an extra request, if it is allowed.
    pub(super) fn allow(&self, extra: Extra, now: Instant) -> bool {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = recent.sums(now);
        let needed = counts[NEEDED];
        let most = match extra {
            Extra::Retry => (needed * 2 / 5).max(EXTRA_MIN),
            Extra::Late => (needed / 10).max(EXTRA_MIN),
            Extra::Hedge => needed / 20,
        };
        let is_allowed = counts[extra as usize] < most;
        if is_allowed {
            recent.add(extra as usize, now);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(budget: &Budget, extra: Extra, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.allow(extra, now)).count()
    }

    #[test]
    fn extra_requests_are_a_part_of_those_of_the_last_minute() {
        let now = Instant::now();
        let budget = Budget::new(now);
        assert_eq!(allowed(&budget, Extra::Hedge, now), 0);
        assert_eq!(allowed(&budget, Extra::Late, now), 10);
        (0..200).for_each(|_| budget.count_needed(now));
        assert_eq!(allowed(&budget, Extra::Retry, now), 80);
        assert_eq!(allowed(&budget, Extra::Late, now), 10);
        assert_eq!(allowed(&budget, Extra::Hedge, now), 10);
        let later = now + WINDOW;
        assert_eq!(allowed(&budget, Extra::Retry, later), 10);
        assert_eq!(allowed(&budget, Extra::Hedge, later), 0);
    }
}
