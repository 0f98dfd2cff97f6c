//! A histogram of durations that many threads count in without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A histogram of durations, in the buckets of Prometheus.
#[derive(Debug)]
pub struct Histogram {
    /// The upper bounds of the buckets, in microseconds.
    bounds_us: &'static [u64],
    /// The durations in each bucket, and last those beyond all bounds.
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// What a histogram has counted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counted {
    /// The upper bound of each bucket, in seconds, and the durations in it alone.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) count: u64,
    pub(super) sum_s: f64,
}

impl Histogram {
    /// An empty histogram with these bounds, in ascending order.
    pub fn new(bounds_us: &'static [u64]) -> Self {
        let counts = (0..=bounds_us.len()).map(|_| AtomicU64::default()).collect();
        Self { bounds_us, counts, sum_us: AtomicU64::default() }
    }

    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds_us.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn counted(&self) -> Counted {
        let bounds_s = self.bounds_us.iter().map(|us| Duration::from_micros(*us).as_secs_f64());
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds_s.chain([f64::INFINITY]).zip(counts).collect();
        Counted {
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
            sum_s: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let histogram = Histogram::new(&[1_000, 10_000]);
        for us in [0, 1_000, 1_001, 10_000, 10_001, 3_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let counted = histogram.counted();
        assert_eq!(counted.buckets, [(0.001, 2), (0.01, 2), (f64::INFINITY, 2)]);
        assert_eq!(counted.count, 6);
        assert!((counted.sum_s - 3.022_002).abs() < 1e-9, "{}", counted.sum_s);
    }
}
