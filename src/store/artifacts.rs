//! Artifact storage: posters, storyboard sheets, renditions.
//!
//! ```text
//! artifacts/<key>/<token>/…          published; rows of the database name them
//! artifacts/in-progress/<token>/…    workspaces of running jobs
//! artifacts/store.id                 the identity that its database has, too
//! ```
//!
//! The token of the job's lease names a folder, so that two workers never write the same file, and a
//! worker that lost its lease cannot touch what another has published. A rename publishes a folder as a
//! whole, and only then a row names it; housekeeping removes folders without a row.
//!
//! Artifacts may be in a [bucket](ArtifactBucket) instead. Then only the workspaces are in a folder.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use tokio::task::spawn_blocking;

pub use super::artifact_key::Key;
use super::{artifact_bucket::ArtifactBucket, identity_file};

/// Folder of published artifacts, in the data folder.
const PUBLISHED: &str = "artifacts";

/// Folder of workspaces, in that of artifacts: a rename must not cross disks, and an operator may mount
/// a disk for artifacts.
const IN_PROGRESS: &str = "in-progress";

/// The file with the identity of the store, in the folder of artifacts. It is no key.
const IDENTITY: &str = "store.id";

/// Folders of older programs in that of artifacts.
const OLD_LAYOUT: [&str; 2] = ["made", "making"];

/// The folder of an artifact, below [`ArtifactStore::published_dir`].
pub fn artifact_dir(key: &Key, token: i64) -> PathBuf {
    [key.as_str(), &token.to_string()].iter().collect()
}

/// The storage of artifacts.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    /// The folder of published artifacts, if they are in no bucket.
    published: PathBuf,
    in_progress: PathBuf,
    bucket: Option<Arc<ArtifactBucket>>,
    /// The data folder of this process.
    data: PathBuf,
    /// The identity of the store, once it is checked.
    identity: Arc<OnceLock<String>>,
    /// Bytes to keep free on the disk.
    min_free_bytes: u64,
}

/// Why a job gets no workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The disk is too full.
    #[error("the disk of the data folder has {free_mib} MiB left, the job needs {needed_mib} MiB")]
    Full {
        /// Free space.
        free_mib: u64,
        /// Needed space, including the space to keep free.
        needed_mib: u64,
    },
    /// The folder cannot be created.
    #[error("artifact storage: {0}")]
    Io(#[from] io::Error),
}

impl ArtifactStore {
    /// Opens the folders in the data folder, and creates them if they do not exist.
    pub fn open(data: &Path, min_free_bytes: u64) -> io::Result<Self> {
        Self::open_in(&data.join(PUBLISHED), data, min_free_bytes)
    }

    /// As [`open`](Self::open), with another folder for artifacts than that in the data folder.
    pub fn open_in(published: &Path, data: &Path, min_free_bytes: u64) -> io::Result<Self> {
        let in_progress = published.join(IN_PROGRESS);
        create_private(&in_progress)?;
        Ok(Self {
            published: published.to_owned(),
            in_progress,
            bucket: None,
            data: data.to_owned(),
            identity: Arc::default(),
            min_free_bytes,
        })
    }

    /// The same with published artifacts in a bucket. The folder keeps the workspaces of this machine.
    #[must_use]
    pub fn with_bucket(self, bucket: ArtifactBucket) -> Self {
        Self { bucket: Some(Arc::new(bucket)), ..self }
    }

    /// The bucket of published artifacts, if they are in one.
    pub fn bucket(&self) -> Option<&Arc<ArtifactBucket>> {
        self.bucket.as_ref()
    }

    /// The data folder of this process.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of all published artifacts.
    pub fn published_dir(&self) -> &Path {
        &self.published
    }

    /// The file with the identity of the store.
    pub(super) fn identity_file(&self) -> PathBuf {
        self.published.join(IDENTITY)
    }

    /// The identity of the store, which a folder that is created again gets, too.
    pub(super) fn keep_identity(&self, id: String) {
        let _ = self.identity.set(id);
    }

    /// Bytes that jobs may write before the disk reaches its minimum of free space.
    pub fn available_bytes(&self) -> io::Result<u64> {
        Ok(self.free_bytes()?.saturating_sub(self.min_free_bytes))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.in_progress)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Creates a workspace for a job that needs about `needed_bytes`.
    pub fn workspace(&self, token: i64, needed_bytes: u64) -> Result<Workspace, WorkspaceError> {
        // A user may have deleted the data folder since the start.
        create_private(&self.in_progress)?;
        if let Some(id) = self.identity.get()
            && self.bucket.is_none()
            && !self.identity_file().exists()
        {
            identity_file::replace(&self.identity_file(), id)?;
        }
        let free_bytes = self.free_bytes()?;
        let needed_bytes = needed_bytes.saturating_add(self.min_free_bytes);
        if free_bytes < needed_bytes {
            let (free_mib, needed_mib) = (free_bytes >> 20, needed_bytes.div_ceil(1 << 20));
            return Err(WorkspaceError::Full { free_mib, needed_mib });
        }
        let dir = self.in_progress.join(token.to_string());
        remove_dir(&dir)?;
        fs::create_dir(&dir)?;
        Ok(Workspace { dir: Some(dir), published: self.published.clone(), token })
    }

    /// Publishes the files of a workspace. Returns their size in bytes.
    ///
    /// # Errors
    /// If the files cannot be flushed to the disk, or the bucket does not take them.
    pub async fn publish(&self, workspace: Workspace, key: &Key) -> io::Result<u64> {
        match &self.bucket {
            Some(bucket) => {
                let bytes = bucket.put(workspace.path(), key, workspace.token).await;
                // Blocks on the disk.
                spawn_blocking(move || drop(workspace)).await.map_err(io::Error::other)?;
                bytes
            }
            None => {
                let key = key.clone();
                on_disk(move || workspace.publish(&key)).await
            }
        }
    }

    /// Removes an artifact.
    ///
    /// # Errors
    /// If the disk or the bucket does not do it.
    pub async fn remove(&self, key: &Key, token: i64) -> io::Result<()> {
        match &self.bucket {
            Some(bucket) => bucket.remove(key, token).await,
            None => {
                let (store, key) = (self.clone(), key.clone());
                on_disk(move || store.remove_dir(&key, token)).await
            }
        }
    }

    /// Removes the folder of an artifact.
    fn remove_dir(&self, key: &Key, token: i64) -> io::Result<()> {
        let key_dir = self.published.join(key.as_str());
        remove_dir(&key_dir.join(token.to_string()))?;
        // Fails, as it should, if another lease's folder is in it.
        let _ = fs::remove_dir(key_dir);
        Ok(())
    }

    /// Lists all published artifacts on disk.
    pub fn published(&self) -> io::Result<Vec<(Key, i64)>> {
        let mut artifacts = Vec::new();
        let names = names(&self.published)?.into_iter().filter(|name| name != IN_PROGRESS);
        for key in names.filter_map(Key::new) {
            let tokens = tokens(&self.published.join(key.as_str()))?;
            artifacts.extend(tokens.into_iter().map(|token| (key.clone(), token)));
        }
        Ok(artifacts)
    }

    /// Lists the workspaces of running jobs and of lost workers.
    pub fn in_progress(&self) -> io::Result<Vec<i64>> {
        tokens(&self.in_progress)
    }

    /// Removes the workspace of a lost worker.
    pub fn remove_in_progress(&self, token: i64) -> io::Result<()> {
        remove_dir(&self.in_progress.join(token.to_string()))
    }

    /// Removes the folders of programs with the older layout `artifacts/{made,making}`.
    pub fn remove_old_layout(&self) -> io::Result<()> {
        OLD_LAYOUT.iter().try_for_each(|name| remove_dir(&self.published.join(name)))
    }
}

/// The folder in which a job writes its files. Its drop removes it.
#[derive(Debug)]
pub struct Workspace {
    /// `None` once it is published.
    dir: Option<PathBuf>,
    published: PathBuf,
    token: i64,
}

impl Workspace {
    /// Its path.
    pub fn path(&self) -> &Path {
        self.dir.as_deref().unwrap_or(&self.published)
    }

    /// Flushes all files to the disk and publishes them. Returns their size in bytes.
    pub fn publish(mut self, key: &Key) -> io::Result<u64> {
        let dir = self.dir.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let mut bytes = 0;
        for name in names(dir)? {
            let file = fs::File::open(dir.join(name))?;
            file.sync_all()?;
            bytes += file.metadata()?.len();
        }
        sync(dir)?;
        let key_dir = self.published.join(key.as_str());
        let to = key_dir.join(self.token.to_string());
        let publish = || fs::create_dir_all(&key_dir).and_then(|()| fs::rename(dir, &to));
        match publish() {
            // Between the two steps another process removed the key's last artifact and its folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => publish()?,
            published => published?,
        }
        self.dir = None;
        sync(&key_dir)?;
        sync(&self.published)?;
        Ok(bytes)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.dir.as_deref().map(remove_dir) {
            tracing::warn!(token = self.token, %error, "could not remove workspace, retrying later");
        }
    }
}

/// Runs a call that may block on the disk.
pub(super) async fn on_disk<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(call).await.map_err(io::Error::other).flatten()
}

/// Creates a folder and its parents, with access for their owner only.
fn create_private(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn sync(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The names in a folder; empty if it does not exist.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

fn tokens(dir: &Path) -> io::Result<Vec<i64>> {
    Ok(names(dir)?.iter().filter_map(|name| name.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str) -> Key {
        Key::new(key).expect("a key")
    }

    #[test]
    fn a_rename_publishes_an_artifact_as_a_whole() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(data.path(), 0).expect("a folder");
        let workspace = artifacts.workspace(1, 1).expect("enough space");
        fs::write(workspace.path().join("a.jpg"), b"abc").expect("a file");
        assert_eq!(artifacts.in_progress().expect("a list"), [1]);
        assert!(artifacts.published().expect("a list").is_empty());
        assert_eq!(workspace.publish(&key("k")).expect("published"), 3);
        assert!(artifacts.in_progress().expect("a list").is_empty());
        assert_eq!(artifacts.published().expect("a list"), [(key("k"), 1)]);
        assert_eq!(fs::read(artifacts.published_dir().join("k/1/a.jpg")).expect("a file"), b"abc");
        artifacts.remove_dir(&key("k"), 1).expect("removed");
        assert!(!artifacts.published_dir().join("k").exists());
    }

    #[test]
    fn a_dropped_workspace_leaves_nothing() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(data.path(), 0).expect("a folder");
        let workspace = artifacts.workspace(1, 1).expect("enough space");
        fs::write(workspace.path().join("a.jpg"), b"abc").expect("a file");
        drop(workspace);
        assert!(artifacts.in_progress().expect("a list").is_empty());
        assert!(artifacts.published().expect("a list").is_empty());
    }

    #[test]
    fn a_deleted_data_folder_is_created_again() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(&data.path().join("data"), 0).expect("a folder");
        fs::remove_dir_all(data.path().join("data")).expect("removed");
        let workspace = artifacts.workspace(1, 1).expect("enough space");
        workspace.publish(&key("k")).expect("published");
        assert_eq!(artifacts.published().expect("a list"), [(key("k"), 1)]);
    }

    #[test]
    fn a_full_disk_refuses_the_workspace() {
        let data = tempfile::tempdir().expect("a folder");
        let artifacts = ArtifactStore::open(data.path(), u64::MAX).expect("a folder");
        let refused = artifacts.workspace(1, 1 << 20).expect_err("the disk is full");
        assert!(matches!(refused, WorkspaceError::Full { .. }), "{refused}");
        assert!(artifacts.in_progress().expect("a list").is_empty());
        assert!(artifacts.published().expect("a list").is_empty());
    }

    #[test]
    fn folders_of_the_older_layout_are_removed_and_artifacts_stay() {
        let data = tempfile::tempdir().expect("a folder");
        for dir in ["artifacts/made/k/1", "artifacts/making/2"] {
            fs::create_dir_all(data.path().join(dir)).expect("a folder");
        }
        let artifacts = ArtifactStore::open(data.path(), 0).expect("a folder");
        artifacts.workspace(3, 0).expect("enough space").publish(&key("k")).expect("published");
        artifacts.remove_old_layout().expect("removed");
        let mut left = names(&data.path().join("artifacts")).expect("a list");
        left.sort();
        assert_eq!(left, ["in-progress", "k"]);
        artifacts.remove_old_layout().expect("nothing to remove");
    }
}
