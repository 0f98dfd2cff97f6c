//! The metrics of buckets and of their cache.

use std::{fmt, time::Duration};

use prometheus_client::{encoding::EncodeLabelSet, registry::Unit};

use super::{
    histogram::Counted,
    render::{All, NO_LABELS, Text, signed},
};

/// The use of a bucket since the start.
#[derive(Debug)]
pub struct BucketUse {
    /// The name of the root; empty for the only one, and for artifacts.
    pub root: String,
    /// What it holds: titles or artifacts.
    pub holds: &'static str,
    /// Requests to the bucket by operation and outcome.
    pub requests: Vec<(&'static str, &'static str, u64)>,
    /// Bytes of objects that were received.
    pub bytes: u64,
    /// Bounds of times to the first byte of a response, and the responses that began within each.
    pub first_bytes: Vec<(Duration, u64)>,
    /// All responses that began.
    pub first_bytes_count: u64,
    /// Their times to the first byte, all together.
    pub first_bytes_sum: Duration,
    /// Hedges whose response came first.
    pub hedges_won: u64,
    /// Hedges whose response came later than that of the request before.
    pub hedges_lost: u64,
    /// Whether requests fail at once, because most of the last ones failed.
    pub breaker_is_open: bool,
}

/// The use of the cache of buckets since the start.
#[derive(Debug)]
pub struct BucketCacheUse {
    /// Bytes in the cache.
    pub bytes: u64,
    /// Bytes that were sent from the cache.
    pub hit_bytes: u64,
    /// Bytes that were fetched into it.
    pub miss_bytes: u64,
    /// Bytes that were removed to make room.
    pub evicted_bytes: u64,
    /// Chunks whose checksum was wrong.
    pub corrupt: u64,
}

/// Labels of the metrics of a bucket.
#[derive(Clone, Debug, EncodeLabelSet)]
struct RequestLabels {
    root: String,
    holds: &'static str,
    op: &'static str,
    outcome: &'static str,
}

impl BucketUse {
    fn labels(&self) -> [(&'static str, String); 2] {
        [("root", self.root.clone()), ("holds", self.holds.to_owned())]
    }

    /// The times to the first byte, in each bucket of the histogram alone.
    fn first_byte_times(&self) -> Counted {
        let mut below = 0;
        let mut buckets: Vec<_> = self
            .first_bytes
            .iter()
            .map(|(bound, within)| {
                let alone = within.saturating_sub(below);
                below = below.max(*within);
                (bound.as_secs_f64(), alone)
            })
            .collect();
        buckets.push((f64::INFINITY, self.first_bytes_count.saturating_sub(below)));
        let count = buckets.iter().map(|(_, count)| count).sum();
        Counted { buckets, count, sum_s: self.first_bytes_sum.as_secs_f64() }
    }
}

impl All {
    pub(super) fn buckets(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let buckets = &self.snapshot.buckets;
        let requests = buckets.iter().flat_map(|bucket| {
            bucket.requests.iter().map(|&(op, outcome, count)| {
                let BucketUse { root, holds, .. } = bucket;
                (RequestLabels { root: root.clone(), holds, op, outcome }, count)
            })
        });
        text.counter(
            "headwater_bucket_requests",
            "Requests to buckets, retries and hedges included, by operation and outcome",
            None,
            requests,
        )?;
        text.counter(
            "headwater_bucket",
            "Bytes of objects received from buckets",
            Some(Unit::Bytes),
            buckets.iter().map(|bucket| (bucket.labels(), bucket.bytes)),
        )?;
        text.histogram(
            "headwater_bucket_first_byte",
            "Time from a request to a bucket to the head of its response",
            buckets.iter().map(|bucket| (bucket.labels(), bucket.first_byte_times())),
        )?;
        let hedges = buckets.iter().flat_map(|bucket| {
            [("won", bucket.hedges_won), ("lost", bucket.hedges_lost)].map(|(outcome, count)| {
                let [root, holds] = bucket.labels();
                ([root, holds, ("outcome", outcome.to_owned())], count)
            })
        });
        text.counter(
            "headwater_bucket_hedges",
            "Requests that were sent to a bucket a second time because the response was late",
            None,
            hedges,
        )?;
        text.gauges(
            "headwater_bucket_breaker",
            "Whether requests to a bucket fail at once because most of the last ones failed",
            buckets.iter().map(|bucket| (bucket.labels(), i64::from(bucket.breaker_is_open))),
        )?;
        self.bucket_cache(text)
    }

    fn bucket_cache(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let cache = self.snapshot.bucket_cache.as_ref();
        let bytes = Some(Unit::Bytes);
        text.gauges_of_unit(
            "headwater_cache",
            "Bytes in the cache of buckets, of cache_mib",
            bytes.clone(),
            cache.map(|cache| (NO_LABELS, signed(cache.bytes))),
        )?;
        for (name, help, count) in [
            (
                "headwater_cache_hit",
                "Bytes of buckets that were sent from the cache",
                cache.map(|cache| cache.hit_bytes),
            ),
            (
                "headwater_cache_miss",
                "Bytes of buckets that were fetched into the cache",
                cache.map(|cache| cache.miss_bytes),
            ),
            (
                "headwater_cache_evicted",
                "Bytes of buckets that were removed from the cache to make room",
                cache.map(|cache| cache.evicted_bytes),
            ),
        ] {
            text.counter(name, help, bytes.clone(), count.map(|count| (NO_LABELS, count)))?;
        }
        text.counter(
            "headwater_cache_corrupt",
            "Chunks of 64 KiB in the cache of buckets whose checksum was wrong, and that were fetched again",
            None,
            cache.map(|cache| (NO_LABELS, cache.corrupt)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Metrics, Snapshot};

    #[test]
    fn a_bucket_and_its_cache_have_all_metrics() {
        let ms = Duration::from_millis;
        let bucket = BucketUse {
            root: "films".to_owned(),
            holds: "titles",
            requests: vec![("get", "ok", 7), ("list", "unavailable", 1)],
            bytes: 4096,
            first_bytes: vec![(ms(10), 2), (ms(100), 5)],
            first_bytes_count: 8,
            first_bytes_sum: ms(1500),
            hedges_won: 1,
            hedges_lost: 2,
            breaker_is_open: true,
        };
        let bucket_cache = Some(BucketCacheUse {
            bytes: 10,
            hit_bytes: 20,
            miss_bytes: 30,
            evicted_bytes: 40,
            corrupt: 50,
        });
        let snapshot = Snapshot { buckets: vec![bucket], bucket_cache, ..Snapshot::default() };
        let text = Metrics::default().render(snapshot).replace("{}", "");
        for line in [
            "headwater_bucket_requests_total{root=\"films\",holds=\"titles\",op=\"get\",outcome=\"ok\"} 7",
            "headwater_bucket_bytes_total{root=\"films\",holds=\"titles\"} 4096",
            "headwater_bucket_first_byte_seconds_count{root=\"films\",holds=\"titles\"} 8",
            "headwater_bucket_first_byte_seconds_sum{root=\"films\",holds=\"titles\"} 1.5",
            "headwater_bucket_hedges_total{root=\"films\",holds=\"titles\",outcome=\"lost\"} 2",
            "headwater_bucket_breaker{root=\"films\",holds=\"titles\"} 1",
            "headwater_cache_bytes 10",
            "headwater_cache_hit_bytes_total 20",
            "headwater_cache_miss_bytes_total 30",
            "headwater_cache_evicted_bytes_total 40",
            "headwater_cache_corrupt_total 50",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        for (bound, count) in [("0.01", "2"), ("0.1", "5"), ("+Inf", "8")] {
            let bucket = text.lines().find(|line| {
                line.starts_with("headwater_bucket_first_byte_seconds_bucket{")
                    && line.contains(&format!("le=\"{bound}\""))
            });
            assert!(
                bucket.is_some_and(|line| line.ends_with(&format!("}} {count}"))),
                "{bucket:?}"
            );
        }
    }
}
