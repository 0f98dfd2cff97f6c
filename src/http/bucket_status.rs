//! The state of the roots that are buckets and of their cache, by their last responses; sends no request.

use serde::Serialize;

use super::Site;
use crate::{
    bucket_catalog::ListingSource,
    extent::bucket::{BreakerState, BucketPlace},
};

/// The queue, which names artifacts, is opened with them.
const NOT_OPEN: &str = "the bucket or the database has not responded yet";

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

/// The state of the bucket of artifacts.
#[derive(Debug, Serialize)]
pub struct ArtifactsStatus {
    /// Why it does not serve what is not in the cache.
    error: Option<String>,
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
pub fn buckets(site: &Site) -> Vec<BucketStatus> {
    let roots = site.titles.library.roots().iter().enumerate();
    let status = roots.filter_map(|(number, named)| {
        let error = trouble(named.root.bucket()?);
        let listing = site.bucket_catalog.source(number).map_or("", ListingSource::as_str);
        Some(BucketStatus { root: named.name.clone(), error, listing })
    });
    status.collect()
}

/// The state of the bucket of artifacts; `None` if they are in a folder.
pub fn artifacts(site: &Site) -> Option<ArtifactsStatus> {
    let error = match site.artifacts_bucket() {
        Some(bucket) => trouble(&bucket),
        None if site.settings.load().has_artifacts_bucket() => Some(NOT_OPEN.to_owned()),
        None => return None,
    };
    Some(ArtifactsStatus { error })
}

/// The state of the cache that all buckets share; `None` without a bucket.
pub fn cache(site: &Site) -> Option<CacheStatus> {
    let usage = site.bucket_cache()?.usage();
    let max_bytes = site.settings.load().cache_mib.get() << 20;
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
    if !bucket.is_open() {
        return Some("the bucket has not responded yet".to_owned());
    }
    bucket.fetcher().is_failing().then(|| "the last responses of the bucket failed".to_owned())
}
