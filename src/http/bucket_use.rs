//! The use of buckets and of their cache, for metrics.

use std::time::Duration;

use crate::{
    extent::bucket::{BreakerState, FIRST_BYTE_LIMITS_MS, FetchUsage, Operation, Outcome},
    library::Library,
    telemetry::{BucketCacheUse, BucketUse},
};

/// The use of each root that is a bucket.
pub(super) fn buckets(library: &Library) -> Vec<BucketUse> {
    let roots = library.roots().iter();
    let used = roots.filter_map(|named| {
        let usage = named.root.bucket()?.fetcher().usage();
        Some(bucket(named.name.clone().unwrap_or_default(), &usage))
    });
    used.collect()
}

fn bucket(root: String, usage: &FetchUsage) -> BucketUse {
    let outcomes = |operation: Operation| {
        let count = move |outcome: Outcome| {
            (operation.label(), outcome.label(), usage.requests(operation, outcome))
        };
        Outcome::ALL.into_iter().map(count)
    };
    let limits = FIRST_BYTE_LIMITS_MS.into_iter().map(Duration::from_millis);
    BucketUse {
        root,
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
pub(super) fn cache(library: &Library) -> Option<BucketCacheUse> {
    let usage = library.bucket_cache()?.usage();
    Some(BucketCacheUse {
        bytes: usage.bytes,
        hit_bytes: usage.hit_bytes,
        miss_bytes: usage.miss_bytes,
        evicted_bytes: usage.evicted_bytes,
        corrupt: usage.corrupt,
    })
}
