//! When to send a second request for the same bytes: after the time in which nearly all responses begin.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::recent::Recent;

/// The time over which first bytes are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The shortest time before a hedge.
const DELAY_MIN: Duration = Duration::from_millis(50);

/// The fewest first bytes that say how fast the bucket is.
const FIRST_BYTES_MIN: u32 = 20;

/// The steps of the times: each is a fifth longer than the one before, from 1 ms to 7 s.
const STEPS: usize = 50;

/// The times to the first byte of responses in the last minute.
#[derive(Debug)]
pub(super) struct FirstBytes {
    recent: Mutex<Recent<STEPS>>,
    /// The longest time of each step.
    steps: [Duration; STEPS],
}

impl FirstBytes {
    pub(super) fn new(now: Instant) -> Self {
        let mut longest = Duration::from_millis(1);
        let steps = [(); STEPS].map(|()| {
            let step = longest;
            longest = longest * 6 / 5;
            step
        });
        Self { recent: Mutex::new(Recent::new(WINDOW, now)), steps }
    }

    /// Counts the time to a first byte.
    pub(super) fn count(&self, time: Duration, now: Instant) {
        let step = self.steps.partition_point(|longest| *longest < time).min(STEPS - 1);
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).add(step, now);
    }

    /// The time in which 95 % of the responses began, and at least 50 ms; `None` if there are too few.
    pub(super) fn hedge_delay(&self, now: Instant) -> Option<Duration> {
        let counts = self.recent.lock().unwrap_or_else(PoisonError::into_inner).sums(now);
        let all: u32 = counts.iter().sum();
        if all < FIRST_BYTES_MIN {
            return None;
        }
        let mut seen = 0;
        let step = counts.iter().position(|count| {
            seen += count;
            u64::from(seen) * 100 >= u64::from(all) * 95
        })?;
        Some(self.steps[step].max(DELAY_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_delay_is_the_time_of_nearly_all_first_bytes() {
        let now = Instant::now();
        let first_bytes = FirstBytes::new(now);
        (0..19).for_each(|_| first_bytes.count(milliseconds(200), now));
        assert_eq!(first_bytes.hedge_delay(now), None);
        first_bytes.count(milliseconds(1000), now);
        let delay = first_bytes.hedge_delay(now).expect("there are enough");
        assert!(delay >= milliseconds(200) && delay <= milliseconds(240), "{delay:?}");
        first_bytes.count(Duration::from_secs(60), now);
        let delay = first_bytes.hedge_delay(now).expect("there are enough");
        assert!(delay >= Duration::from_secs(1), "{delay:?}");
        assert_eq!(first_bytes.hedge_delay(now + WINDOW), None);
    }

    #[test]
    fn a_fast_bucket_has_fifty_milliseconds() {
        let now = Instant::now();
        let first_bytes = FirstBytes::new(now);
        (0..100).for_each(|_| first_bytes.count(milliseconds(2), now));
        assert_eq!(first_bytes.hedge_delay(now), Some(DELAY_MIN));
    }
}
