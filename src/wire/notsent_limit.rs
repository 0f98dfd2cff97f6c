//! The limit of unsent bytes in the kernel for one connection (`TCP_NOTSENT_LOWAT`).
//!
//! A low limit wastes little when a viewer seeks or leaves, and shows early that a file has changed. But
//! under a low limit each call sends little, and wake-ups are many: over loopback 1 GiB costs a fifth more
//! CPU at 1 MiB than at 4 MiB. So a fast client gets a higher limit.

use std::time::{Duration, Instant};

/// The highest limit, unless the configured one is higher, in bytes. More was measured to save nothing;
/// the kernel's default send buffer (`tcp_wmem`) grows to about this size.
const MAX_BYTES: u32 = 4 << 20;

/// The limit is the number of bytes that the client receives in this time, within the bounds.
const TARGET_DELAY: Duration = Duration::from_millis(200);

/// The same for a connection whose streams wait for the bytes in the kernel, however urgent they are.
const STREAMS_TARGET_DELAY: Duration = Duration::from_millis(50);

/// The limit of one connection, adapted to its rate.
#[derive(Debug)]
pub(super) struct NotSentLimit {
    min: u32,
    limit: u32,
    target_delay: Duration,
    /// Bytes written since the rate was last measured.
    written: u64,
    since: Option<Instant>,
}

impl NotSentLimit {
    /// A limit that starts with the minimum, in bytes, which the socket already has.
    pub(super) fn new(min: u32) -> Self {
        Self { min, limit: min, target_delay: TARGET_DELAY, written: 0, since: None }
    }

    /// The same for a connection of many streams.
    pub(super) fn for_streams(min: u32) -> Self {
        Self { target_delay: STREAMS_TARGET_DELAY, ..Self::new(min) }
    }

    /// Counts bytes that the kernel has accepted.
    pub(super) fn record(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// Adapts the limit when the socket is full. Returns the new limit if it changes.
    pub(super) fn adapt(&mut self, now: Instant) -> Option<u32> {
        let Some(since) = self.since else {
            // What the socket took before it was full for the first time measures no rate.
            (self.written, self.since) = (0, Some(now));
            return None;
        };
        // Only bytes that have certainly left measure the rate, not those that the kernel has buffered.
        if self.written < 4 * u64::from(self.limit) {
            return None;
        }
        let received = u128::from(self.written - u64::from(self.limit));
        let elapsed = now.saturating_duration_since(since).as_micros().max(1);
        let wanted = u32::try_from(received * self.target_delay.as_micros() / elapsed)
            .unwrap_or(u32::MAX)
            .clamp(self.min, self.min.max(MAX_BYTES));
        (self.written, self.since) = (0, Some(now));
        // Ignore small fluctuations of the network.
        let has_changed = wanted > self.limit + self.limit / 2 || wanted < self.limit / 2;
        has_changed.then(|| self.set(wanted))
    }

    /// Resets the limit when the client stalls. Returns the new limit if it changes.
    pub(super) fn reset(&mut self) -> Option<u32> {
        (self.written, self.since) = (0, None);
        (self.limit != self.min).then(|| self.set(self.min))
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

    /// The limits of a client that receives this many bytes a millisecond.
    fn limits(bytes_per_ms: u64) -> Vec<u32> {
        limits_from(NotSentLimit::new(MIB), bytes_per_ms)
    }

    fn limits_from(mut limit: NotSentLimit, bytes_per_ms: u64) -> Vec<u32> {
        let mut now = Instant::now();
        let adapted = (0..64).filter_map(|_| {
            limit.record(MIB as usize);
            now += Duration::from_micros(u64::from(MIB) * 1000 / bytes_per_ms);
            limit.adapt(now)
        });
        adapted.collect()
    }

    #[test]
    fn a_fast_client_gets_a_higher_limit() {
        assert_eq!(limits(1_000_000), [MAX_BYTES]);
    }

    #[test]
    fn a_client_on_an_ordinary_connection_keeps_the_minimum() {
        assert_eq!(limits(4_000), [0; 0]);
    }

    #[test]
    fn streams_wait_for_less_in_the_kernel() {
        let highest = |limit| limits_from(limit, 40_000).into_iter().max();
        assert_eq!(highest(NotSentLimit::new(MIB / 4)), Some(MAX_BYTES));
        let of_streams = highest(NotSentLimit::for_streams(MIB / 4)).expect("a higher limit");
        assert!((MIB..=2 * MIB).contains(&of_streams), "{of_streams}");
    }

    #[test]
    fn a_stalled_client_falls_back_to_the_minimum() {
        let mut limit = NotSentLimit::new(MIB);
        let mut now = Instant::now();
        for _ in 0..8 {
            limit.record(MIB as usize);
            now += Duration::from_millis(1);
            limit.adapt(now);
        }
        assert_eq!(limit.reset(), Some(MIB));
        assert_eq!(limit.reset(), None);
    }

    #[test]
    fn a_configured_limit_above_the_maximum_stays() {
        let mut limit = NotSentLimit::new(64 * MIB);
        let now = Instant::now();
        for ms in 0..1024 {
            limit.record(MIB as usize);
            assert_eq!(limit.adapt(now + Duration::from_millis(ms)), None);
        }
    }
}
