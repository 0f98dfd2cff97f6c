//! The value of `artifacts`.

use std::{path::PathBuf, str::FromStr};

use serde::Deserialize;

use super::root::BucketUrl;

/// The place of artifacts: a folder, or a bucket.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub enum ArtifactsPlace {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, below a prefix.
    Bucket(BucketUrl),
}

impl TryFrom<String> for ArtifactsPlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("s3", _)) => text.try_into().map(Self::Bucket),
            // What has the form of a URL may hold a password.
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err(format!("\"{scheme}://…\" is not a folder or s3://bucket/prefix"))
            }
            _ if text.is_empty() => Err("\"\" is not a folder or s3://bucket/prefix".into()),
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

impl FromStr for ArtifactsPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

impl ArtifactsPlace {
    /// Changes the path of a folder.
    pub(super) fn change_path(&mut self, change: impl FnOnce(&mut PathBuf)) {
        match self {
            Self::Folder(folder) => change(folder),
            Self::Bucket(_) => {}
        }
    }
}
