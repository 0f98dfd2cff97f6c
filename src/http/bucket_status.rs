//! The state of the roots that are buckets and of their cache, by their last responses; sends no request.

use serde::Serialize;

use crate::{
    bucket_catalog::{BucketCatalog, ListingSource},
    extent::bucket::{BreakerState, BucketPlace},
    library::Library,
};

/// The state of a bucket.
#[derive(Debug, Serialize)]
pub struct BucketStatus {
    /// The name of the root; `None` if it is the only one.
    root: Option<String>,
    /// Why it does not serve what is not in the cache.
    error: Option<String>,
    /// Where the names of its objects come from.
    listing: &'static str,
}

/// The state of the cache of buckets.
#[derive(Debug, Serialize)]
pub struct CacheStatus {
    bytes: u64,
    max_bytes: u64,
    /// Whether its disk is full, so that bytes go through memory.
    is_full: bool,
}

/// The state of each root that is a bucket.
pub fn buckets(library: &Library, catalog: &BucketCatalog) -> Vec<BucketStatus> {
    let roots = library.roots().iter().enumerate();
    let status = roots.filter_map(|(number, named)| {
        let error = trouble(named.root.bucket()?);
        let listing = catalog.source(number).map_or("", ListingSource::as_str);
        Some(BucketStatus { root: named.name.clone(), error, listing })
    });
    status.collect()
}

/// The state of the cache that all buckets share; `None` without a bucket.
pub fn cache(library: &Library, max_bytes: u64) -> Option<CacheStatus> {
    let usage = library.bucket_cache()?.usage();
    Some(CacheStatus { bytes: usage.bytes, max_bytes, is_full: usage.is_full })
}

/// Why a bucket does not serve what is not in the cache.
pub fn trouble(bucket: &BucketPlace) -> Option<String> {
    let usage = bucket.fetcher().usage();
    if let Some(status) = usage.refused_status {
        return Some(format!("the bucket refuses the credentials: status {status}"));
    }
    if usage.breaker != BreakerState::Closed {
        return Some("most of the last responses of the bucket failed".to_owned());
    }
    (!bucket.is_open()).then(|| "the bucket has not responded yet".to_owned())
}
