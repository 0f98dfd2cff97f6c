//! Where the files of a root are.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    File,
    bucket::BucketPlace,
    disk::{DiskPool, Entry, EntryKind, Names, OpenError, Root, Unavailable},
};

/// The place of a root's files.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder.
    Folder(Arc<Root>),
    /// A bucket, or the part of one below a prefix.
    Bucket(Arc<BucketPlace>),
}

impl From<Arc<Root>> for Place {
    fn from(folder: Arc<Root>) -> Self {
        Self::Folder(folder)
    }
}

impl From<Arc<BucketPlace>> for Place {
    fn from(bucket: Arc<BucketPlace>) -> Self {
        Self::Bucket(bucket)
    }
}

impl Place {
    /// The bucket, if it is one.
    pub fn bucket(&self) -> Option<&Arc<BucketPlace>> {
        match self {
            Self::Folder(_) => None,
            Self::Bucket(bucket) => Some(bucket),
        }
    }

    /// The absolute path of a folder, without links once it is open, or the URL of a bucket. For logs, for watching and for programs
    /// that need a name; it never reaches a client.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Bucket(bucket) => bucket.path(),
        }
    }

    /// The folder that the kernel can watch, if it is one.
    pub fn watchable(&self) -> Option<&Arc<Root>> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }

    /// Whether the place was ever opened.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Folder(folder) => folder.is_open(),
            Self::Bucket(bucket) => bucket.is_open(),
        }
    }

    /// The threads for calls that may wait for the files' bytes.
    pub fn pool(&self) -> &DiskPool {
        match self {
            Self::Folder(folder) => folder.pool(),
            Self::Bucket(bucket) => bucket.pool(),
        }
    }

    /// The threads for calls that read files and compute much from them.
    pub fn compute_pool(&self) -> &DiskPool {
        match self {
            Self::Folder(folder) => folder.compute_pool(),
            Self::Bucket(bucket) => bucket.compute_pool(),
        }
    }

    /// Opens a place that is not open yet, or whose path leads to another folder now. Returns whether it
    /// did.
    pub async fn reopen(&self) -> Result<io::Result<bool>, Unavailable> {
        match self {
            Self::Folder(folder) => folder.reopen().await,
            Self::Bucket(bucket) => Ok(bucket.reopen().await),
        }
    }

    /// Reads the listing of a bucket, from which its directories and names come. A folder needs none.
    ///
    /// # Errors
    /// If the bucket cannot be listed.
    pub async fn refresh(&self) -> io::Result<()> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Bucket(bucket) => bucket.list_all().await,
        }
    }

    /// Lists a directory; `relative` is empty for the root itself. Leaves out hidden entries and everything
    /// that is neither a directory nor a regular file.
    pub async fn list(&self, relative: &Path) -> Result<io::Result<Vec<Entry>>, Unavailable> {
        match self {
            Self::Folder(folder) => folder.list(relative).await,
            Self::Bucket(bucket) => bucket.list(relative).await,
        }
    }

    /// Looks a name up: a file, a directory, or an error (`NotFound` if there is nothing).
    pub async fn look_up(&self, path: &Path) -> Result<EntryKind, OpenError> {
        match self {
            Self::Folder(folder) => folder.look_up(path).await,
            Self::Bucket(bucket) => bucket.look_up(path).await,
        }
    }

    /// Calls `evaluate` with the visible names in a directory; `relative` is empty for the root itself.
    /// `evaluate` runs in the disk pool: a directory may hold a hundred thousand names.
    pub async fn names<T: Send + 'static>(
        &self,
        relative: &Path,
        evaluate: impl FnOnce(&Names) -> T + Send + 'static,
    ) -> Result<T, OpenError> {
        match self {
            Self::Folder(folder) => folder.names(relative, evaluate).await,
            Self::Bucket(bucket) => bucket.names(relative, evaluate).await,
        }
    }

    /// Opens a file for reading, in its present state.
    pub async fn open_file(&self, path: &Path) -> Result<Arc<File>, OpenError> {
        match self {
            Self::Folder(folder) => Ok(Arc::new(folder.open_file(path).await?.into())),
            Self::Bucket(bucket) => Ok(Arc::new(bucket.open_file(path).await?.into())),
        }
    }

    /// As [`open_file`](Self::open_file) without waiting; `None` if that is not possible.
    pub fn open_file_now(&self, path: &Path) -> Option<Arc<File>> {
        match self {
            Self::Folder(folder) => Some(Arc::new(folder.open_file_now(path)?.into())),
            Self::Bucket(bucket) => Some(Arc::new(bucket.open_file_now(path)?.into())),
        }
    }

    /// Drops the open file of this path after a change.
    pub fn forget(&self, relative: &Path) {
        match self {
            Self::Folder(folder) => folder.forget(relative),
            Self::Bucket(bucket) => bucket.forget(relative),
        }
    }

    /// Drops all open files below this path, which is a directory or gone.
    pub fn forget_below(&self, relative: &Path) {
        match self {
            Self::Folder(folder) => folder.forget_below(relative),
            Self::Bucket(bucket) => bucket.forget_below(relative),
        }
    }

    /// Drops all open files that have lost their last name, whose disk space no other file can use.
    pub fn forget_removed(&self) {
        match self {
            Self::Folder(folder) => folder.forget_removed(),
            Self::Bucket(_) => {}
        }
    }
}
