//! Watches the roots for changes.
//!
//! The library uses only the path of an event, and looks up the present state of that path (see
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

/// The most changed paths between two look-ups; beyond that the whole root is scanned.
const CHANGED_PATHS_MAX: usize = 10_000;

/// The paths to look up after the quiet period.
#[derive(Debug, Default)]
struct ChangedPaths {
    paths: Mutex<Paths>,
    changed: Notify,
}

#[derive(Debug)]
enum Paths {
    /// These paths, relative to the root.
    Known(BTreeSet<PathBuf>),
    /// Any path: events were lost.
    Unknown,
}

impl Library {
    /// Watches a root for as long as the library lives.
    ///
    /// If the kernel cannot watch (network file systems, too many directories, FreeBSD), only scans find
    /// changes.
    pub async fn keep_watching(self: Arc<Self>, root: usize) {
        if self.roots()[root].root.watchable().is_none() {
            return;
        }
        let changed_paths = Arc::new(ChangedPaths::default());
        if !self.roots()[root].root.is_open() {
            self.roots()[root].replaced.notified().await;
        }
        let mut events_were_lost = false;
        loop {
            let watcher = self.set_watches(root, &changed_paths).await;
            if watcher.is_some() || std::mem::take(&mut events_were_lost) {
                // Finds changes from the time before the watches were set.
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

    /// Sets the watches, on a thread, because the walk through the whole tree may block on its disk.
    async fn set_watches(
        self: &Arc<Self>,
        root: usize,
        changed_paths: &Arc<ChangedPaths>,
    ) -> Option<RecommendedWatcher> {
        let (library, changed_paths) = (Arc::clone(self), Arc::clone(changed_paths));
        let path = self.roots()[root].root.path();
        let mode = match self.roots()[root].only_file() {
            Some(_) => RecursiveMode::NonRecursive,
            None => RecursiveMode::Recursive,
        };
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
                watcher.watch(&path, mode)?;
                Ok(watcher)
            });
            match watcher {
                Ok(watcher) => {
                    info!(root = %path.display(), "watching");
                    // An error means that the server has stopped, and drops the watcher.
                    let _ = sender.send(watcher);
                }
                Err(error) => {
                    let help = "only scans find changes; raise fs.inotify.max_user_watches";
                    warn!(root = %path.display(), %error, help, "the root is not watched");
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("watch".into()).spawn(set) {
            warn!(%error, "no thread to watch the root; only scans find changes");
        }
        watcher.await.ok()
    }

    /// Runs on the watcher's thread: drops open files and wakes followers at once, and postpones the rest
    /// until after the quiet period.
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
                warn!(root = %base.display(), %error, "some changes are found by scans only");
                return changed_paths.add_all();
            }
        };
        let is_closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        if event.kind.is_access() && !is_closed {
            return;
        }
        for path in event.paths.iter().filter_map(|path| path.strip_prefix(base).ok()) {
            self.roots()[root].root.forget(path);
            if let Ok(path) = self.media_path(root, path) {
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
