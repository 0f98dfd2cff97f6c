//! Hearing from the kernel what has changed below a root.
//!
//! Events only say where to look; what is there is then looked up (see [`Library::reconcile`]). So
//! no event's meaning is trusted, and one that is missed costs freshness until the next scan, never
//! correctness.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, WatcherKind,
    event::{AccessKind, AccessMode},
};
use tokio::sync::{Notify, oneshot};
use tracing::{info, warn};

use super::{Library, MediaPath};

/// Changes of one path within this time are looked at once.
const SETTLE: Duration = Duration::from_millis(200);

/// Changed paths remembered at most between two looks; beyond that the whole root is scanned.
const PENDING_MAX: usize = 10_000;

/// What is to be looked at when the dust has settled.
#[derive(Debug, Default)]
struct Pending {
    paths: Mutex<Paths>,
    changed: Notify,
}

#[derive(Debug)]
enum Paths {
    /// These, relative to the root.
    Some(BTreeSet<PathBuf>),
    /// Anything may be different: events were lost.
    Unknown,
}

impl Library {
    /// Watches a root for as long as the library lives.
    ///
    /// Where the kernel cannot watch (network file systems, too many directories, FreeBSD), scans remain.
    pub async fn keep_watching(self: Arc<Self>, root: usize) {
        let pending = Arc::new(Pending::default());
        loop {
            let watcher = self.set_watches(root, &pending).await;
            if watcher.is_some() {
                // What changed while the watches were being set was seen by nobody.
                self.scan_root(root).await;
            }
            loop {
                tokio::select! {
                    () = pending.changed.notified() => {}
                    () = self.roots()[root].moved.notified() => break,
                }
                tokio::time::sleep(SETTLE).await;
                match pending.take() {
                    Paths::Unknown => self.scan_root(root).await,
                    Paths::Some(paths) => {
                        for path in paths {
                            self.reconcile(root, &path).await;
                        }
                    }
                }
            }
        }
    }

    /// Sets the watches. That walks the whole tree and may wait for its disk, hence a thread.
    async fn set_watches(
        self: &Arc<Self>,
        root: usize,
        pending: &Arc<Pending>,
    ) -> Option<RecommendedWatcher> {
        let (library, pending) = (Arc::clone(self), Arc::clone(pending));
        let path = self.roots()[root].root.path().to_owned();
        if !tells_of_trees() {
            info!(root = %path.display(), "not watched here: changes appear with the next scan");
            return None;
        }
        let (sender, watcher) = oneshot::channel();
        let set = move || {
            let base = path.clone();
            let heard = move |event| library.heard(root, &base, event, &pending);
            // A link may lead out of the library, and what is there is nobody's business.
            let config = Config::default().with_follow_symlinks(false);
            let watcher = RecommendedWatcher::new(heard, config).and_then(|mut watcher| {
                watcher.watch(&path, RecursiveMode::Recursive)?;
                Ok(watcher)
            });
            match watcher {
                Ok(watcher) => {
                    info!(root = %path.display(), "watching");
                    // If nobody waits any more, the server is gone and the watches go, too.
                    let _ = sender.send(watcher);
                }
                Err(error) => {
                    let help = "changes appear with the next scan; \
                        raising fs.inotify.max_user_watches may help";
                    warn!(root = %path.display(), %error, help, "the root is not watched");
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("watch".into()).spawn(set) {
            warn!(%error, "no thread to watch with");
        }
        watcher.await.ok()
    }

    /// What is done at once, on the watcher's thread: open files are forgotten and followers woken.
    /// All else waits until the dust has settled.
    fn heard(&self, root: usize, base: &Path, event: notify::Result<Event>, pending: &Pending) {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            Ok(_lost) => return pending.lose(),
            Err(error) => {
                warn!(root = %base.display(), %error, "the root is not watched completely");
                return pending.lose();
            }
        };
        let is_closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        if event.kind.is_access() && !is_closed {
            return;
        }
        for path in event.paths.iter().filter_map(|path| path.strip_prefix(base).ok()) {
            self.roots()[root].root.forget(path);
            if let Ok(path) = self.path_of(root, path) {
                match is_closed {
                    true => self.file_changes.close(&path),
                    false => self.file_changes.wake(&path),
                }
            }
            pending.touch(path);
        }
    }
}

/// Whether the kernel tells of all that is in a folder. kqueue tells of open files, so that each one below
/// the root would have to be held open; and opening them all waits for whoever writes into a pipe, and
/// follows links to where nobody may look.
fn tells_of_trees() -> bool {
    RecommendedWatcher::kind() != WatcherKind::Kqueue
}

impl Default for Paths {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Pending {
    fn touch(&self, path: &Path) {
        let mut paths = self.lock();
        if let Paths::Some(known) = &mut *paths {
            if known.len() < PENDING_MAX {
                known.insert(path.to_owned());
            } else {
                *paths = Paths::Unknown;
            }
        }
        drop(paths);
        self.changed.notify_one();
    }

    fn lose(&self) {
        *self.lock() = Paths::Unknown;
        self.changed.notify_one();
    }

    fn take(&self) -> Paths {
        mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Paths> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files that somebody waits for to grow.
#[derive(Debug, Default)]
pub struct FileChanges {
    files: Mutex<HashMap<MediaPath, Weak<FileSubscription>>>,
}

/// One file that is waited for.
#[derive(Debug, Default)]
pub struct FileSubscription {
    changed: Notify,
    closes: AtomicU64,
}

impl FileChanges {
    /// Asks to be told of changes to this file. Dropping the result ends that.
    pub fn subscribe(&self, path: &MediaPath) -> Arc<FileSubscription> {
        let mut files = self.lock();
        if let Some(waited) = files.get(path).and_then(Weak::upgrade) {
            return waited;
        }
        files.retain(|_, waited| waited.strong_count() > 0);
        let waited = Arc::new(FileSubscription::default());
        files.insert(path.clone(), Arc::downgrade(&waited));
        waited
    }

    /// The file may have changed.
    pub(super) fn wake(&self, path: &MediaPath) {
        self.tell(path, |_| {});
    }

    /// The file's writer has closed it.
    pub(super) fn close(&self, path: &MediaPath) {
        self.tell(path, |waited| {
            waited.closes.fetch_add(1, Ordering::Release);
        });
    }

    fn tell(&self, path: &MediaPath, what: impl FnOnce(&FileSubscription)) {
        if let Some(waited) = self.lock().get(path).and_then(Weak::upgrade) {
            what(&waited);
            waited.changed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MediaPath, Weak<FileSubscription>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FileSubscription {
    /// Ends at the next change, or never; changes count from this call on, not from when the result is
    /// waited for.
    pub fn changed(&self) -> impl Future<Output = ()> {
        self.changed.notified()
    }

    /// How often a writer was seen to close the file. A count, because several may wait for it.
    pub fn closes(&self) -> u64 {
        self.closes.load(Ordering::Acquire)
    }
}
