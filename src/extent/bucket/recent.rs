//! Counts of what happened lately.

use std::time::Duration;

use tokio::time::Instant;

/// The parts of a window. A count is forgotten with its part.
const PARTS: u32 = 10;

/// Counters of the last `window`. The functions take the time, so that tests need no clock.
#[derive(Debug)]
pub(super) struct Recent<const COUNTERS: usize> {
    part: Duration,
    /// The beginning of the newest part.
    newest: Instant,
    parts: [[u32; COUNTERS]; PARTS as usize],
}

impl<const COUNTERS: usize> Recent<COUNTERS> {
    pub(super) fn new(window: Duration, now: Instant) -> Self {
        Self { part: window / PARTS, newest: now, parts: [[0; COUNTERS]; PARTS as usize] }
    }

    pub(super) fn add(&mut self, counter: usize, now: Instant) {
        self.forget(now);
        let count = &mut self.parts[0][counter];
        *count = count.saturating_add(1);
    }

    /// All counters of the window.
    pub(super) fn sums(&mut self, now: Instant) -> [u32; COUNTERS] {
        self.forget(now);
        let mut sums = [0_u32; COUNTERS];
        for part in &self.parts {
            for (sum, count) in sums.iter_mut().zip(part) {
                *sum = sum.saturating_add(*count);
            }
        }
        sums
    }

    fn forget(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.newest);
        let passed = elapsed.as_nanos() / self.part.as_nanos().max(1);
        for _ in 0..passed.min(u128::from(PARTS)) {
            self.parts.rotate_right(1);
            self.parts[0] = [0; COUNTERS];
        }
        self.newest += match u32::try_from(passed) {
            Ok(passed) if passed <= PARTS => self.part * passed,
            // Everything is forgotten, so the newest part may begin now.
            _ => elapsed,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_forgotten_after_the_window() {
        let start = Instant::now();
        let mut recent = Recent::<2>::new(Duration::from_secs(10), start);
        recent.add(0, start);
        recent.add(1, start + Duration::from_secs(5));
        assert_eq!(recent.sums(start + Duration::from_millis(9_999)), [1, 1]);
        assert_eq!(recent.sums(start + Duration::from_secs(10)), [0, 1]);
        assert_eq!(recent.sums(start + Duration::from_secs(3_600)), [0, 0]);
        recent.add(0, start + Duration::from_secs(3_600));
        assert_eq!(recent.sums(start + Duration::from_secs(3_609)), [1, 0]);
    }
}
