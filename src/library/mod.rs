//! The library: titles, their paths, and the roots that hold their files.
//!
//! A library is one or more roots. With one root, a path below it is a title's name; with several, each
//! root has a name and paths begin with it. The library opens files by name, without the [`catalog`]: a
//! file plays from the moment it exists, however long the scan takes.

pub mod cache_lookups;
pub mod catalog;
pub mod facts;
pub mod file_changes;
pub mod index_cache;
pub mod media_type;
pub mod natural_order;
mod parts;
pub mod path;
pub mod scan;
pub mod sidecar_name;
pub mod sidecars;
mod single_file;
pub mod watch;

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::join_all;
use tokio::sync::Notify;

pub use cache_lookups::CacheLookups;
pub use catalog::{Catalog, Title};
pub use facts::{Facts, TitleKind};
pub use file_changes::{FileChanges, FileSubscription};
pub use index_cache::{Index, IndexCache};
pub use path::{MediaPath, PathRefused};
pub use sidecars::Sidecars;

use crate::extent::{
    File, Place,
    bucket::Cache,
    disk::{EntryKind, Identity, OpenError},
};

/// The roots with their titles.
#[derive(Debug)]
pub struct Library {
    roots: Vec<NamedRoot>,
    /// The titles found so far.
    pub catalog: Catalog,
    /// The indices of requested movies.
    pub indices: IndexCache,
    /// Subscriptions to changes of files.
    pub file_changes: FileChanges,
    /// Whether to serve files other than media too.
    pub serve_other_files: AtomicBool,
}

/// A root and the first component of its titles' paths.
#[derive(Debug)]
pub struct NamedRoot {
    /// `None` for the only root.
    pub name: Option<String>,
    /// Where its files are.
    pub root: Place,
    /// The only file that it serves; `None` serves all.
    only: Option<single_file::OnlyFile>,
    /// Notified when the root's path leads to another directory, which is then watched instead.
    replaced: Notify,
    /// Whether a scan has finished.
    is_scanned: AtomicBool,
    /// Whether the first scan has ended, with or without success.
    has_been_scanned: AtomicBool,
    /// Whether titles are not listed because the catalog was full.
    has_left_out: AtomicBool,
}

/// The status of a root.
#[derive(Debug)]
pub struct RootStatus {
    /// The root's name; `None` for the only root.
    pub name: Option<String>,
    /// The error of the root; `None` if it responds.
    pub error: Option<io::Error>,
}

impl NamedRoot {
    /// A root under a name.
    pub fn new(name: Option<String>, root: impl Into<Place>) -> Self {
        let root = root.into();
        Self {
            name,
            root,
            only: None,
            replaced: Notify::new(),
            is_scanned: AtomicBool::new(false),
            has_been_scanned: AtomicBool::new(false),
            has_left_out: AtomicBool::new(false),
        }
    }

    /// Whether a scan has finished: the root was opened, and if it is a bucket, listed to its end.
    pub fn is_scanned(&self) -> bool {
        self.is_scanned.load(Ordering::Relaxed)
    }
}

impl Library {
    /// A library over these roots, with an empty catalog of at most `max_titles`.
    pub fn new(
        roots: Vec<NamedRoot>,
        max_titles: usize,
        serve_other_files: bool,
        indices: IndexCache,
    ) -> Arc<Self> {
        Arc::new(Self {
            indices,
            catalog: Catalog::new(roots.len(), max_titles),
            roots,
            file_changes: FileChanges::default(),
            serve_other_files: AtomicBool::new(serve_other_files),
        })
    }

    /// The roots in the order of the configuration.
    pub fn roots(&self) -> &[NamedRoot] {
        &self.roots
    }

    /// The cache of the roots that are buckets; `None` if none is.
    pub fn bucket_cache(&self) -> Option<Arc<Cache>> {
        let mut buckets = self.roots.iter().filter_map(|named| named.root.bucket());
        buckets.next().map(|bucket| Arc::clone(bucket.cache()))
    }

    /// Opens the file of this path, in its present state. A file that the library does not serve is
    /// `NotFound`, like one that does not exist.
    pub async fn open(&self, path: &MediaPath) -> Result<Arc<File>, OpenError> {
        if !self.serves(path) {
            return Err(OpenError::NotFound);
        }
        let (root, relative) = self.resolve(path).ok_or(OpenError::NotFound)?;
        root.open_file(relative).await
    }

    /// As [`open`](Self::open) without waiting; `None` if that is not possible.
    pub fn open_now(&self, path: &MediaPath) -> Option<Arc<File>> {
        let (root, relative) = self.resolve(path).filter(|_| self.serves(path))?;
        root.open_file_now(relative)
    }

    /// Whether a path leads into a bucket.
    pub fn is_in_bucket(&self, path: &MediaPath) -> bool {
        self.resolve(path).is_some_and(|(root, _)| root.bucket().is_some())
    }

    /// The identity of the file under this path now; `None` if there is no file.
    pub async fn identity(&self, path: &MediaPath) -> Result<Option<Identity>, OpenError> {
        let Some((root, relative)) = self.resolve(path) else {
            return Ok(None);
        };
        match root.look_up(relative).await {
            Ok(EntryKind::File(identity)) => Ok(Some(identity)),
            Ok(EntryKind::Directory) | Err(OpenError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Checks all roots concurrently.
    pub async fn root_statuses(&self) -> Vec<RootStatus> {
        let status = |root: usize| async move {
            let error = self.reopen_root(root).await.err();
            RootStatus { name: self.roots[root].name.clone(), error }
        };
        join_all((0..self.roots.len()).map(status)).await
    }

    fn serves(&self, path: &MediaPath) -> bool {
        media_type::lookup(path.file_name()).is_some()
            || self.serve_other_files.load(Ordering::Relaxed)
    }

    /// The root that a path leads into, and the rest of the path.
    fn resolve<'a>(&self, path: &'a MediaPath) -> Option<(&Place, &'a Path)> {
        let (named, relative) = match self.roots.as_slice() {
            [named @ NamedRoot { name: None, .. }] => (named, path.as_path()),
            roots => {
                let (first, rest) = path.split_first()?;
                let is_first =
                    |named: &&NamedRoot| named.name.as_deref().map(str::as_bytes) == Some(first);
                (roots.iter().find(is_first)?, rest)
            }
        };
        named.serves(relative).then_some((&named.root, relative))
    }

    /// The path in URLs of a file of a root.
    fn media_path(&self, root: usize, relative: &Path) -> Result<MediaPath, PathRefused> {
        match &self.roots[root].name {
            None => MediaPath::from_path(relative),
            Some(name) => MediaPath::from_path(&Path::new(name).join(relative)),
        }
    }
}
