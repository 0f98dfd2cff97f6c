//! Files kept open for the next request.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use rustix::io::Errno;

use super::{EntryKind, File, Identity, Root, Unavailable, file::Seen};

/// Open files by their path below the root, checked by identity.
///
/// An entry is trusted for a while (a watch event ends that at once), then the name is looked up
/// again before it is used. Whatever the age, a local file's status is read anew for each request,
/// so that what is promised is the file's present length and version.
#[derive(Debug)]
pub(super) struct OpenFiles {
    files: Cache<PathBuf, Arc<File>>,
    trust: Duration,
    /// What was known of files that are to be opened anew, so that it is seen when they have grown.
    former: Cache<PathBuf, Seen>,
}

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such regular file that may be read, inside the root.
    #[error("no such file")]
    NotFound,
    /// The disk did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The disk answered with an error that says nothing about the name.
    #[error("the file could not be opened: {0}")]
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        // Names that cannot exist, that lead outside, that loop, that pass through a file, or that
        // may not be read are all the same to a client: not there.
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        match errno {
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::XDEV
                | Errno::LOOP
                | Errno::NAMETOOLONG
                | Errno::INVAL
                | Errno::NXIO
                | Errno::NODEV,
            ) => Self::NotFound,
            Some(Errno::ACCESS | Errno::PERM) => {
                tracing::warn!(%error, "a file in the library may not be read");
                Self::NotFound
            }
            None if error.kind() == io::ErrorKind::NotFound => Self::NotFound,
            // Renames all over the system, or a lease on the file that is still being broken.
            Some(Errno::AGAIN) => Self::Unavailable(Unavailable::Busy),
            _ => Self::Io(error),
        }
    }
}

impl OpenFiles {
    pub(super) fn new(capacity: usize, trust: Duration) -> Self {
        Self { files: Cache::new(capacity), trust, former: Cache::new(capacity) }
    }

    pub(super) fn forget(&self, path: &Path) {
        if let Some((path, file)) = self.files.remove(path) {
            self.former.insert(path, file.seen_as());
        }
    }

    pub(super) fn forget_below(&self, path: &Path) {
        self.files.retain(|kept, _| !kept.starts_with(path));
    }
}

impl Root {
    /// Opens a regular file for reading, in the state that it is in now.
    ///
    /// Concurrent calls for one path cause one open. Cancelling a call is harmless: another that
    /// waits for the same path takes the work over. The lane's deadline is for all of it, however
    /// many take turns.
    pub async fn open_file(self: &Arc<Self>, path: &Path) -> Result<Arc<File>, OpenError> {
        let opened = tokio::time::timeout(self.lane.deadline(), self.open_or_reuse(path)).await;
        opened.map_err(|_elapsed| Unavailable::Deadline)?
    }

    async fn open_or_reuse(self: &Arc<Self>, path: &Path) -> Result<Arc<File>, OpenError> {
        let cache = &self.open_files;
        if let Some(kept) = cache.files.get(path) {
            let begun = Instant::now();
            if kept.looked_up_age(begun) <= cache.trust {
                return self.refresh(path, kept);
            }
            // Several may come here at once; each looks for itself, which is rare and harmless.
            match self.look_up(path).await? {
                Ok(EntryKind::File(found)) if found.same_file(kept.identity()) => {
                    kept.looked_up(begun);
                    let kept = self.keep(path, kept, found);
                    return self.refresh(path, kept);
                }
                _ => drop(cache.files.remove(path)),
            }
        }
        let open = async {
            let (root, path) = (Arc::clone(self), path.to_owned());
            let former = cache.former.remove(&path).map(|(_, former)| former);
            let file = self.lane.run(move || File::open(&root, &path)).await??;
            let file = match former {
                Some(former) => file.seen_before(&former),
                None => file,
            };
            Ok::<_, OpenError>(Arc::new(file))
        };
        cache.files.get_or_insert_async(path, open).await
    }

    /// As [`open_file`](Self::open_file), if that needs no waiting: the file is open, its name was
    /// looked up lately, and its status is in memory.
    pub fn open_file_now(self: &Arc<Self>, path: &Path) -> Option<Arc<File>> {
        let kept = self.open_files.files.get(path)?;
        let now = Instant::now();
        let age = kept.looked_up_age(now);
        if age > self.open_files.trust || !kept.answers_in_place() {
            return None;
        }
        if age > self.open_files.trust / 2 && kept.begin_look_up() {
            self.look_up_beside(path.to_owned(), Arc::clone(&kept));
        }
        if kept.was_seen(now) {
            return Some(kept);
        }
        let file = self.refresh(path, kept).ok()?;
        file.seen(now);
        Some(file)
    }

    /// Looks a kept file's name up before that has to be waited for: a file that is asked for all the
    /// time never is.
    fn look_up_beside(self: &Arc<Self>, path: PathBuf, kept: Arc<File>) {
        let root = Arc::clone(self);
        self.lane.run_detached(move || {
            let begun = Instant::now();
            match root.look_up_blocking(&path) {
                Ok(EntryKind::File(found)) if found.same_file(kept.identity()) => {
                    kept.looked_up(begun);
                }
                _ => drop(root.open_files.files.remove(&path)),
            }
            kept.end_look_up();
        });
    }

    /// The kept file in its present state, if that can be known without waiting: a file that has
    /// grown keeps its descriptor and gets a new length.
    fn refresh(&self, path: &Path, kept: Arc<File>) -> Result<Arc<File>, OpenError> {
        if !kept.answers_in_place() {
            return Ok(kept);
        }
        let now = kept.current_identity()?;
        Ok(self.keep(path, kept, now))
    }

    /// The kept file in the state that it was found in, which is kept from now on.
    fn keep(&self, path: &Path, kept: Arc<File>, found: Identity) -> Arc<File> {
        if found == *kept.identity() {
            return kept;
        }
        let file = Arc::new(kept.in_state(found));
        self.open_files.files.insert(path.to_owned(), Arc::clone(&file));
        file
    }
}
