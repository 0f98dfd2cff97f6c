//! Percentiles of waiting times.

use std::time::Duration;

use serde::Serialize;

/// What a set of requests waited, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Number of requests.
    pub requests: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    /// The percentiles of some times; all zero if there are none.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else { return Latency::default() };
        let ms = |part: usize| times[last * part / 1000].as_secs_f64() * 1000.0;
        Latency { requests: times.len(), p50_ms: ms(500), p99_ms: ms(990), max_ms: ms(1000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        let latency = Latency::of((0..=100).rev().map(Duration::from_millis).collect());
        assert_eq!((latency.p50_ms, latency.p99_ms, latency.max_ms), (50.0, 99.0, 100.0));
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
