//! The use of buckets and of their cache, for metrics.

use std::time::Duration;

use super::Site;
use crate::{
    extent::bucket::{BreakerState, FIRST_BYTE_LIMITS_MS, FetchUsage, Operation, Outcome},
    telemetry::{BucketCacheUse, BucketUse},
};

/// The use of each root that is a bucket, and of the bucket of artifacts.
pub(super) fn buckets(site: &Site) -> Vec<BucketUse> {
    let roots = site.titles.library.roots().iter();
    let used = roots.filter_map(|named| {
        let usage = named.root.bucket()?.fetcher().usage();
        Some(bucket(named.name.clone().unwrap_or_default(), "titles", &usage))
    });
    let artifacts = site.artifacts_bucket();
    let artifacts =
        artifacts.map(|place| bucket(String::new(), "artifacts", &place.fetcher().usage()));
    used.chain(artifacts).collect()
}

fn bucket(root: String, holds: &'static str, usage: &FetchUsage) -> BucketUse {
    let outcomes = |operation: Operation| {
        let count = move |outcome: Outcome| {
            (operation.label(), outcome.label(), usage.requests(operation, outcome))
        };
        Outcome::ALL.into_iter().map(count)
    };
    let limits = FIRST_BYTE_LIMITS_MS.into_iter().map(Duration::from_millis);
    BucketUse {
        root,
        holds,
        requests: Operation::ALL.into_iter().flat_map(outcomes).collect(),
        bytes: usage.bytes,
        first_bytes: limits.zip(usage.first_bytes).collect(),
        first_bytes_count: usage.first_bytes_count,
        first_bytes_sum: usage.first_bytes_sum,
        hedges_won: usage.hedges_won,
        hedges_lost: usage.hedges_lost,
        breaker_is_open: usage.breaker != BreakerState::Closed,
    }
}

/// The use of the cache that all buckets share.
pub(super) fn cache(site: &Site) -> Option<BucketCacheUse> {
    let usage = site.bucket_cache()?.usage();
    Some(BucketCacheUse {
        bytes: usage.bytes,
        hit_bytes: usage.hit_bytes,
        miss_bytes: usage.miss_bytes,
        evicted_bytes: usage.evicted_bytes,
        corrupt: usage.corrupt,
    })
}
