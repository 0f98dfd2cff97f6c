//! Where a bucket is and how it is reached, from the configuration.

use crate::{config::BucketConfig, extent::bucket::BucketSettings};

/// The settings of a bucket.
pub fn bucket_settings(config: &BucketConfig) -> BucketSettings {
    BucketSettings {
        bucket: config.url.name().to_owned(),
        endpoint: config.endpoint.as_ref().map(ToString::to_string),
        region: config.region.as_ref().map(ToString::to_string),
        path_style: config.path_style,
        credentials_file: config.credentials_file.clone(),
        ca_file: config.ca_file.clone(),
    }
}
