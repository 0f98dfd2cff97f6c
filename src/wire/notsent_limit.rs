//! How much of an answer the kernel takes ahead of what its client has room for.
//!
//! Little for most, so that a viewer who seeks or leaves wastes little, and a file that changes is
//! seen to. But with little each call hands over little, and wakes are many: over loopback 1 GiB at
//! 1 MiB ahead costs a fifth more CPU than at 4 MiB. So a client that takes much is given more.

use std::time::{Duration, Instant};

/// The most that is taken ahead unless the configuration says more, in bytes. More was measured to
/// save nothing; the kernel keeps about this much for a connection by default (`tcp_wmem`).
const MOST_BYTES: u32 = 4 << 20;

/// What a client takes in this time may wait for it, within the limits.
const REACH: Duration = Duration::from_millis(200);

/// The limit of one connection (`TCP_NOTSENT_LOWAT`), and what it goes by.
#[derive(Debug)]
pub(super) struct NotSentLimit {
    least: u32,
    limit: u32,
    /// What was handed over since the rate was last looked at.
    taken: u64,
    since: Option<Instant>,
}

impl NotSentLimit {
    /// A connection begins with the least, in bytes, of which the kernel knows already.
    pub(super) fn new(least: u32) -> Self {
        Self { least, limit: least, taken: 0, since: None }
    }

    /// So many bytes were handed to the kernel.
    pub(super) fn took(&mut self, bytes: usize) {
        self.taken += bytes as u64;
    }

    /// The kernel takes no more at present. The limit that it is to go by from now on, if that is
    /// another.
    pub(super) fn filled(&mut self, now: Instant) -> Option<u32> {
        let since = *self.since.get_or_insert(now);
        // A rate is told from what has certainly left, not from what the kernel took in at once.
        if self.taken < 4 * u64::from(self.limit) {
            return None;
        }
        let left = u128::from(self.taken - u64::from(self.limit));
        let elapsed = now.saturating_duration_since(since).as_micros().max(1);
        let wanted = u32::try_from(left * REACH.as_micros() / elapsed).unwrap_or(u32::MAX);
        (self.taken, self.since) = (0, Some(now));
        let wanted = wanted.clamp(self.least, self.least.max(MOST_BYTES));
        // Not for every breath of the network.
        let is_another = wanted > self.limit + self.limit / 2 || wanted < self.limit / 2;
        is_another.then(|| self.set(wanted))
    }

    /// The client takes nothing. The limit that the kernel is to go by from now on, if that is another.
    pub(super) fn stalled(&mut self) -> Option<u32> {
        (self.taken, self.since) = (0, None);
        (self.limit != self.least).then(|| self.set(self.least))
    }

    fn set(&mut self, limit: u32) -> u32 {
        self.limit = limit;
        limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u32 = 1 << 20;

    /// The limits that a client is given who takes so many bytes a millisecond.
    fn limits(bytes_per_ms: u64) -> Vec<u32> {
        let mut ahead = NotSentLimit::new(MIB);
        let mut now = Instant::now();
        let filled = (0..64).filter_map(|_| {
            ahead.took(MIB as usize);
            now += Duration::from_micros(u64::from(MIB) * 1000 / bytes_per_ms);
            ahead.filled(now)
        });
        filled.collect()
    }

    #[test]
    fn a_client_that_takes_much_is_given_more() {
        assert_eq!(limits(1_000_000), [MOST_BYTES]);
    }

    #[test]
    fn a_client_on_an_ordinary_line_is_given_the_least() {
        assert_eq!(limits(4_000), [0; 0]);
    }

    #[test]
    fn a_client_that_stops_is_given_the_least_again() {
        let mut ahead = NotSentLimit::new(MIB);
        let mut now = Instant::now();
        for _ in 0..8 {
            ahead.took(MIB as usize);
            now += Duration::from_millis(1);
            ahead.filled(now);
        }
        assert_eq!(ahead.stalled(), Some(MIB));
        assert_eq!(ahead.stalled(), None);
    }

    #[test]
    fn more_than_the_most_is_left_as_it_was_configured() {
        let mut ahead = NotSentLimit::new(64 * MIB);
        let now = Instant::now();
        for ms in 0..1024 {
            ahead.took(MIB as usize);
            assert_eq!(ahead.filled(now + Duration::from_millis(ms)), None);
        }
    }
}
