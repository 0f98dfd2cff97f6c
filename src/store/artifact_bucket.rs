//! Artifact storage in a bucket, for workers and origins without a common folder.
//!
//! ```text
//! <prefix>artifacts/<key>/<token>/<file>    published; rows of the database name them
//! <prefix>store.id                          the identity that its database has, too
//! ```
//!
//! An object appears as a whole, and no row names it before all files of its artifact are there: so no rename
//! is needed. What no row names is garbage, and housekeeping removes it.

use std::{ffi::OsString, fmt, fs, io, path::Path, time::SystemTime};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, future::ready, stream};

use super::{artifact_key::Key, artifacts::on_disk, identity_file};
use crate::extent::bucket::{BucketSettings, SettingsError, Writer};

/// The folder of artifacts below the prefix.
pub const FOLDER: &str = "artifacts/";

/// The object with the identity of the store.
const IDENTITY: &str = "store.id";

/// The files of an artifact that are put at the same time: the tiles of a storyboard are a hundred.
const PUTS_MAX: usize = 4;

/// The artifacts in a bucket.
#[derive(Debug)]
pub struct ArtifactBucket {
    writer: Writer,
    /// `s3://bucket/prefix`, with a slash at its end.
    url: String,
    /// Empty, or with a slash at its end.
    prefix: String,
}

/// An object of an artifact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ArtifactObject {
    /// Its key in the bucket.
    pub name: String,
    /// The artifact.
    pub key: Key,
    /// The lease under which it was made.
    pub token: i64,
    /// Its length in bytes.
    pub size: u64,
    /// When it was put there, if the bucket says so.
    pub modified: Option<SystemTime>,
}

/// A page of the listing of all artifacts.
#[derive(Clone, Debug, Default)]
pub struct ArtifactPage {
    /// The objects of artifacts.
    pub objects: Vec<ArtifactObject>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

impl ArtifactBucket {
    /// The artifacts below a prefix of a bucket. Sends no request.
    ///
    /// # Errors
    /// If the settings cannot work.
    pub fn new(bucket: &BucketSettings, prefix: &str) -> Result<Self, SettingsError> {
        let writer = Writer::new(bucket)?;
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let url = format!("s3://{}/{prefix}", bucket.bucket);
        Ok(Self { writer, url, prefix })
    }

    fn artifact(&self, key: &Key, token: i64) -> String {
        format!("{}{FOLDER}{key}/{token}/", self.prefix)
    }

    /// Puts the files of a folder. Returns their size in bytes.
    pub(super) async fn put(&self, folder: &Path, key: &Key, token: i64) -> io::Result<u64> {
        let artifact = self.artifact(key, token);
        let listed = folder.to_owned();
        let names = on_disk(move || -> io::Result<Vec<_>> {
            fs::read_dir(listed)?.map(|entry| Ok(entry?.file_name())).collect()
        });
        let names = names.await?;
        let put = |name: OsString| {
            let (object, file) = (format!("{artifact}{}", name.display()), folder.join(name));
            async move { self.writer.put_file(&object, &file).await }
        };
        let puts = stream::iter(names).map(put).buffer_unordered(PUTS_MAX);
        puts.try_fold(0, |sum, bytes| ready(Ok(sum + bytes))).await
    }

    /// Removes the objects of an artifact.
    pub(super) async fn remove(&self, key: &Key, token: i64) -> io::Result<()> {
        let artifact = self.artifact(key, token);
        // An artifact has a few files.
        for object in self.writer.page(&artifact, None).await?.objects {
            self.writer.remove(&object.key).await?;
        }
        Ok(())
    }

    /// Removes an object.
    ///
    /// # Errors
    /// If the bucket does not do it.
    pub async fn remove_object(&self, object: &ArtifactObject) -> io::Result<()> {
        self.writer.remove(&object.name).await
    }

    /// Lists artifacts, behind the end of an earlier page.
    ///
    /// # Errors
    /// If the bucket does not respond.
    pub async fn page(&self, after: Option<&str>) -> io::Result<ArtifactPage> {
        let folder = format!("{}{FOLDER}", self.prefix);
        let page = self.writer.page(&folder, after).await?;
        let objects = page.objects.iter().filter_map(|object| {
            let (key, token) = parse(object.key.strip_prefix(&folder)?)?;
            Some(ArtifactObject {
                name: object.key.to_string(),
                key,
                token,
                size: object.size,
                modified: object.modified,
            })
        });
        Ok(ArtifactPage { objects: objects.collect(), next: page.next })
    }

    /// The URL of the identity of the store.
    pub(super) fn identity_url(&self) -> String {
        format!("{}{IDENTITY}", self.url)
    }

    /// Reads the identity of the store; `None` if the bucket has none.
    pub(super) async fn identity(&self) -> io::Result<Option<String>> {
        match self.writer.read(&self.identity_object()).await? {
            Some(bytes) => identity_file::parse(&bytes),
            None => Ok(None),
        }
    }

    /// Writes an identity, unless another process is faster. Returns the one that is there.
    pub(super) async fn create_identity(&self, id: &str) -> io::Result<String> {
        self.writer.put_new(&self.identity_object(), content(id)).await?;
        let found = self.identity().await?;
        found.ok_or_else(|| io::Error::other("the bucket has not kept the identity of the store"))
    }

    /// Writes an identity in place of another.
    pub(super) async fn replace_identity(&self, id: &str) -> io::Result<()> {
        self.writer.put(&self.identity_object(), content(id)).await
    }

    fn identity_object(&self) -> String {
        format!("{}{IDENTITY}", self.prefix)
    }
}

impl fmt::Display for ArtifactBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.trim_end_matches('/'))
    }
}

fn content(id: &str) -> Bytes {
    format!("{id}\n").into()
}

/// The key and the token of `<key>/<token>/<file>`.
fn parse(path: &str) -> Option<(Key, i64)> {
    let mut names = path.split('/');
    let (key, token, file) = (names.next()?, names.next()?, names.next()?);
    // The version of a title, so that no file of anything else is taken for one of an artifact.
    let version = key.split_once('-')?.0;
    let is_version = version.len() == 16 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_whole = is_version && names.next().is_none() && !file.is_empty();
    is_whole.then_some((Key::new(key)?, token.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_artifacts_are_taken_for_such() {
        let parsed = |path: &str| parse(path).map(|(key, token)| (key.to_string(), token));
        let key = "00ff00ff00ff00ff-poster";
        assert_eq!(parsed(&format!("{key}/7/poster.jpg")), Some((key.to_owned(), 7)));
        for other in ["7", "7/", "b/c", "7/b/c", "/b"] {
            assert_eq!(parsed(&format!("{key}/{other}")), None, "{other}");
        }
        for other in ["", "a", "a/7/b", "/7/b", "00ff-a/7/b", "films/7/b", "00ff00ff00ff00fg-a/7/b"]
        {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
