//! Which titles there are, what they are called, and where their bytes are.
//!
//! A library is one or more roots. With one, a path below it is a title's name; with several, each
//! root has a name and paths begin with it. Files are opened by name without asking the
//! [`catalog`]: a file that was put there this instant plays, however long the scan still takes.

pub mod catalog;
pub mod index_cache;
pub mod media_type;
pub mod path;
pub mod scan;
pub mod sidecar_name;
pub mod sidecars;
pub mod watch;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::future::join_all;
use tokio::sync::Notify;

pub use catalog::{Catalog, Title};
pub use index_cache::{Index, IndexCache};
pub use path::{MediaPath, PathRefused};
pub use sidecars::Sidecars;

use crate::extent::disk::{EntryKind, File, Identity, OpenError, Root};
use watch::FileChanges;

/// The roots and what is known of them.
#[derive(Debug)]
pub struct Library {
    roots: Vec<NamedRoot>,
    /// The titles found so far.
    pub catalog: Catalog,
    /// The indices of movies that were asked for.
    pub indices: IndexCache,
    /// Files that somebody waits for to grow.
    pub file_changes: FileChanges,
    /// Whether files that are no media are served too.
    pub serve_other_files: AtomicBool,
}

/// A root and the first component of its titles' paths.
#[derive(Debug)]
pub struct NamedRoot {
    /// `None` when the root is the only one.
    pub name: Option<String>,
    /// The directory.
    pub root: Arc<Root>,
    /// Told when another directory was found in its place, so that that one is watched instead.
    pub moved: Notify,
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

    /// Opens the file of this path, in the state that it is in now. What the library does not
    /// serve is `NotFound`, as is what is not there.
    pub async fn open(&self, path: &MediaPath) -> Result<Arc<File>, OpenError> {
        if !self.serves(path) {
            return Err(OpenError::NotFound);
        }
        let (root, relative) = self.resolve(path).ok_or(OpenError::NotFound)?;
        root.open_file(relative).await
    }

    /// As [`open`](Self::open), if that needs no waiting.
    pub fn open_now(&self, path: &MediaPath) -> Option<Arc<File>> {
        let (root, relative) = self.resolve(path).filter(|_| self.serves(path))?;
        root.open_file_now(relative)
    }

    /// Which file is under this path now, asked of the disk; `None` if there is none.
    pub async fn identity(&self, path: &MediaPath) -> Result<Option<Identity>, OpenError> {
        let Some((root, relative)) = self.resolve(path) else {
            return Ok(None);
        };
        match root.look_up(relative).await?.map_err(OpenError::from) {
            Ok(EntryKind::File(identity)) => Ok(Some(identity)),
            Ok(EntryKind::Directory) | Err(OpenError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the file of this path is on disk, for a program that can only be given a name. `None` if
    /// the library does not serve it.
    ///
    /// Only workers may use it, for what they run confined to that very file: a name can be another
    /// file's by the time it is opened. So whoever uses it [opens](Self::open) the file before, which
    /// proves that it is inside its root, and asks for its [identity](Self::identity) behind.
    pub fn path_on_disk(&self, path: &MediaPath) -> Option<PathBuf> {
        let (root, relative) = self.resolve(path).filter(|_| self.serves(path))?;
        Some(root.path().join(relative))
    }

    /// Whether every root's directory answers: what it takes to be ready to serve.
    pub async fn is_readable(&self) -> bool {
        let look = |named: &NamedRoot| {
            let root = Arc::clone(&named.root);
            async move { matches!(root.reopen().await, Ok(Ok(_))) }
        };
        join_all(self.roots.iter().map(look)).await.into_iter().all(|answers| answers)
    }

    fn serves(&self, path: &MediaPath) -> bool {
        media_type::lookup(path.file_name()).is_some()
            || self.serve_other_files.load(Ordering::Relaxed)
    }

    /// The root that a path leads into, and the rest of the path.
    fn resolve<'a>(&self, path: &'a MediaPath) -> Option<(&Arc<Root>, &'a Path)> {
        if let [NamedRoot { name: None, root, .. }] = self.roots.as_slice() {
            return Some((root, path.as_path()));
        }
        let (first, rest) = path.split_first()?;
        let is_first = |named: &&NamedRoot| named.name.as_deref().map(str::as_bytes) == Some(first);
        self.roots.iter().find(is_first).map(|named| (&named.root, rest))
    }

    /// The path by which clients know a file of a root.
    fn path_of(&self, root: usize, relative: &Path) -> Result<MediaPath, PathRefused> {
        match &self.roots[root].name {
            None => MediaPath::from_path(relative),
            Some(name) => MediaPath::from_path(&Path::new(name).join(relative)),
        }
    }
}
