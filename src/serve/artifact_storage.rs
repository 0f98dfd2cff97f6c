//! The storage of artifacts, by the configuration.

use std::{io, path::Path, sync::Arc};

use super::{
    bucket_settings::bucket_settings,
    buckets::{CacheOf, open_bucket, open_cache_folder},
    start::{StartError, root_settings},
};
use crate::{
    config::{BucketConfig, Settings},
    extent::{
        Place,
        bucket::Ends,
        disk::{Buffers, Root},
    },
    library::Library,
    store::{ArtifactBucket, artifacts::ArtifactStore},
};

/// Memory for the parts of artifacts on their way to connections, in bytes.
const BUFFERS_BYTES: usize = 8 << 20;

/// The folder of artifacts in their bucket.
const FOLDER: &str = "artifacts";

/// Opens the storage for writing.
pub fn open(settings: &Settings, data: &Path) -> Result<ArtifactStore, StartError> {
    let folder = settings.artifacts_folder(data);
    let min_free_bytes = settings.min_free_disk_mib.get() << 20;
    let store = ArtifactStore::open_in(&folder, data, min_free_bytes)
        .map_err(|error| StartError::Artifacts { folder, error })?;
    let Some(config) = settings.artifacts_bucket()? else { return Ok(store) };
    let bucket = ArtifactBucket::new(&bucket_settings(&config), config.url.prefix());
    let url = config.url.to_string();
    Ok(store.with_bucket(bucket.map_err(|error| StartError::Bucket { url, error })?))
}

/// Opens the published artifacts for reading, as a root: a bucket's are read through the same cache.
pub async fn open_for_reading(
    store: &ArtifactStore,
    settings: &Settings,
    library: &Library,
    cache_of: CacheOf,
) -> Result<Place, StartError> {
    let buffers = Buffers::new(BUFFERS_BYTES);
    let Some(config) = settings.artifacts_bucket()? else {
        let folder = store.published_dir();
        let root = Root::open(FOLDER, folder, buffers, root_settings(settings)).await;
        let named = |error: io::Error| StartError::Artifacts { folder: folder.to_owned(), error };
        return Ok(root.map_err(named)?.into());
    };
    let cache = match library.bucket_cache() {
        Some(cache) => cache,
        None => open_cache_folder(settings, cache_of).await?,
    };
    let below = BucketConfig { url: config.url.below(FOLDER), ..config };
    // Movies among them have their index in front, and images are short: one request is enough.
    let ends = Ends::First;
    let place: Arc<_> = open_bucket(FOLDER, &below, settings, cache, buffers, ends).await?;
    Ok(place.into())
}
