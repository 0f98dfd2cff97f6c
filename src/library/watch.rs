//! Watches the roots for changes.
//!
//! An event only says where to look; the library then looks up what is there (see
//! [`Library::reconcile`]). So the meaning of events does not matter, and a lost event costs freshness
//! until the next scan, never correctness.

use std::{
    collections::BTreeSet,
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, WatcherKind,
    event::{AccessKind, AccessMode},
};
use tokio::sync::{Notify, oneshot};
use tracing::{info, warn};

use super::Library;

/// Changes of one path within this time cause one look-up.
const QUIET_PERIOD: Duration = Duration::from_millis(200);

/// Changed paths remembered between two look-ups at most; beyond that the whole root is scanned.
const CHANGED_PATHS_MAX: usize = 10_000;

/// The paths to look up after the quiet period.
#[derive(Debug, Default)]
struct ChangedPaths {
    paths: Mutex<Paths>,
    changed: Notify,
}

#[derive(Debug)]
enum Paths {
    /// These, relative to the root.
    Known(BTreeSet<PathBuf>),
    /// Any path: events were lost.
    Unknown,
}

impl Library {
    /// Watches a root for as long as the library lives.
    ///
    /// Where the kernel cannot watch (network file systems, too many directories, FreeBSD), only scans
    /// find changes.
    pub async fn keep_watching(self: Arc<Self>, root: usize) {
        let changed_paths = Arc::new(ChangedPaths::default());
        if !self.roots()[root].root.is_open() {
            self.roots()[root].replaced.notified().await;
        }
        let mut events_were_lost = false;
        loop {
            let watcher = self.set_watches(root, &changed_paths).await;
            if watcher.is_some() || std::mem::take(&mut events_were_lost) {
                // No event covers changes that were made while the watches were being set.
                self.scan_root(root).await;
            }
            loop {
                tokio::select! {
                    () = changed_paths.changed.notified() => {}
                    () = self.roots()[root].replaced.notified() => break,
                }
                tokio::time::sleep(QUIET_PERIOD).await;
                match changed_paths.take() {
                    // A lost event may be that of a directory, which then needs a watch.
                    Paths::Unknown => {
                        events_were_lost = true;
                        break;
                    }
                    Paths::Known(paths) => {
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
        changed_paths: &Arc<ChangedPaths>,
    ) -> Option<RecommendedWatcher> {
        let (library, changed_paths) = (Arc::clone(self), Arc::clone(changed_paths));
        let path = self.roots()[root].root.path();
        if !watches_trees() {
            info!(root = %path.display(), "not watched on this system: scans find changes");
            return None;
        }
        let (sender, watcher) = oneshot::channel();
        let set = move || {
            let base = path.clone();
            let handle = move |event| library.handle_event(root, &base, event, &changed_paths);
            // A link may lead out of the library.
            let config = Config::default().with_follow_symlinks(false);
            let watcher = RecommendedWatcher::new(handle, config).and_then(|mut watcher| {
                watcher.watch(&path, RecursiveMode::Recursive)?;
                Ok(watcher)
            });
            match watcher {
                Ok(watcher) => {
                    info!(root = %path.display(), "watching");
                    // Without a receiver the server has stopped, and the watches end here.
                    let _ = sender.send(watcher);
                }
                Err(error) => {
                    let help = "scans find changes; raising fs.inotify.max_user_watches may help";
                    warn!(root = %path.display(), %error, help, "the root is not watched");
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("watch".into()).spawn(set) {
            warn!(%error, "no thread to set watches");
        }
        watcher.await.ok()
    }

    /// Runs on the watcher's thread: drops open files and wakes followers at once, and leaves the rest
    /// for after the quiet period.
    fn handle_event(
        &self,
        root: usize,
        base: &Path,
        event: notify::Result<Event>,
        changed_paths: &ChangedPaths,
    ) {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            Ok(_lost) => return changed_paths.add_all(),
            Err(error) => {
                warn!(root = %base.display(), %error, "the root is not watched completely");
                return changed_paths.add_all();
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
                    true => self.file_changes.notify_closed(&path),
                    false => self.file_changes.notify_changed(&path),
                }
            }
            changed_paths.add(path);
        }
    }
}

/// Whether the kernel reports changes of all files in a directory. kqueue reports changes of open files
/// only, so each file below the root would have to be open; opening them waits for the writer of a pipe,
/// and follows links out of the root.
fn watches_trees() -> bool {
    RecommendedWatcher::kind() != WatcherKind::Kqueue
}

impl Default for Paths {
    fn default() -> Self {
        Self::Known(BTreeSet::new())
    }
}

impl ChangedPaths {
    fn add(&self, path: &Path) {
        let mut paths = self.lock();
        if let Paths::Known(known) = &mut *paths {
            if known.len() < CHANGED_PATHS_MAX {
                known.insert(path.to_owned());
            } else {
                *paths = Paths::Unknown;
            }
        }
        drop(paths);
        self.changed.notify_one();
    }

    fn add_all(&self) {
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
