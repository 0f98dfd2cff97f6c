//! Buckets as roots, by the configuration.

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::spawn_blocking, time::timeout};
use tracing::warn;

use super::{bucket_settings::bucket_settings, start::StartError};
use crate::{
    config::{BucketConfig, NamedRootConfig, Settings},
    extent::{
        bucket::{BucketPlace, BucketPlaceSettings, Cache, CacheSettings, Ends, FetchSettings},
        disk::{Buffers, DiskPoolSettings},
    },
};

/// The process that uses a cache: each has a folder of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CacheOf {
    /// A server, whose cache is configured.
    Server,
    /// A worker. It reads much of a title once, and needs little of it later.
    Worker,
}

/// The most bytes of a worker's cache.
const WORKER_CACHE_MAX_MIB: u64 = 1024;

/// The most workers of one data folder that have caches.
const WORKER_CACHES_MAX: usize = 64;

/// The objects to list for each title: subtitles, renditions and artwork are beside it.
const OBJECTS_PER_TITLE: usize = 4;

/// The time that a call may take beyond the deadline of its requests, which fail first.
const CALL_GRACE: Duration = Duration::from_secs(2);

/// How long a start waits for the first response of a bucket, so that the banner knows it. One that is silent
/// must not delay the other roots.
const FIRST_RESPONSE_MAX: Duration = Duration::from_secs(1);

/// Opens the cache of buckets, if a root is a bucket.
pub async fn open_cache(
    settings: &Settings,
    roots: &[NamedRootConfig],
    of: CacheOf,
) -> Result<Option<Arc<Cache>>, StartError> {
    if roots.iter().all(|root| root.source.folder().is_some()) {
        return Ok(None);
    }
    open_cache_folder(settings, of).await.map(Some)
}

/// Opens the cache of buckets.
pub async fn open_cache_folder(settings: &Settings, of: CacheOf) -> Result<Arc<Cache>, StartError> {
    let data = settings.data_folder()?;
    let pool = DiskPoolSettings {
        threads: settings.disk_threads.count(),
        queue: settings.disk_queue.count(),
        deadline: Duration::from_millis(settings.disk_deadline_ms.get()),
    };
    let mib = match of {
        CacheOf::Server => settings.cache_mib.get(),
        CacheOf::Worker => settings.cache_mib.get().min(WORKER_CACHE_MAX_MIB),
    };
    let min_free_bytes = settings.min_free_disk_mib.get() << 20;
    let open = move |folder: &Path| {
        let (folder, budget_bytes) = (folder.to_owned(), mib << 20);
        Cache::open(CacheSettings { folder, budget_bytes, min_free_bytes, pool })
    };
    let folder = settings.cache_folder(&data);
    let opening = spawn_blocking(move || match of {
        CacheOf::Server => open(&folder),
        // The first that no other worker of this data folder uses.
        CacheOf::Worker => {
            let mut opened = Err(io::Error::other("no cache of a worker is free"));
            for number in 0..WORKER_CACHES_MAX {
                opened = open(&data.join("worker-cache").join(number.to_string()));
                if opened.is_ok() {
                    break;
                }
            }
            opened
        }
    });
    let opened = opening.await.map_err(io::Error::other).flatten();
    opened.map_err(StartError::Cache)
}

/// A bucket as a root; `unlisted` is read to open an object that no listing has. Hardly waits for it: one that does not respond is reported, and tried again.
pub async fn open_bucket(
    name: &str,
    config: &BucketConfig,
    settings: &Settings,
    cache: Arc<Cache>,
    buffers: Buffers,
    unlisted: Ends,
) -> Result<Arc<BucketPlace>, StartError> {
    let deadline = Duration::from_millis(settings.bucket_deadline_ms.get());
    let requests = settings.bucket_requests.count();
    let place_settings = BucketPlaceSettings {
        bucket: bucket_settings(config),
        prefix: config.url.prefix().trim_matches('/').to_owned(),
        fetch: FetchSettings { deadline, requests, hedge: settings.bucket_hedge },
        trust: Duration::from_secs(settings.bucket_trust_s.get()),
        absent: Duration::from_secs(settings.not_found_max_age_s.get()),
        ahead_bytes: settings.bucket_ahead_mib.get() << 20,
        // A thread waits for the requests of one call.
        pool: DiskPoolSettings {
            threads: requests,
            queue: settings.disk_queue.count(),
            deadline: deadline + CALL_GRACE,
        },
        unlisted,
        objects_max: settings.max_titles.count().saturating_mul(OBJECTS_PER_TITLE),
    };
    let place = BucketPlace::new(name, place_settings, cache, buffers, Handle::current());
    let place = place.map_err(|error| StartError::Bucket { url: config.url.to_string(), error })?;
    let (first, url) = (Arc::clone(&place), config.url.clone());
    let reopened = tokio::spawn(async move {
        if let Err(error) = first.reopen().await {
            warn!(bucket = %url, %error, "the bucket is not available, retrying");
        }
    });
    // It goes on after that.
    let _ = timeout(FIRST_RESPONSE_MAX, reopened).await;
    Ok(place)
}
