//! Watches the directories of open files, so that a file under an unchanged name need not be looked up
//! for every second of its use.
//!
//! With 200 hot files, look-ups once a second cost the disk pool hundreds of opens, status calls and
//! thread switches a second on the server's own cores, for names that never changed.
//!
//! A watch proves something only if it began before the look-up. So the order is: note the
//! [count of changes](Moment), watch every directory from the root to the file, resolve the path (without
//! symbolic links, whose targets no watch covers), put the file into the cache, and compare the count. A
//! change in between makes the count differ; a later change is an event that finds the file in the cache.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{fs::OFlags, io::Errno};

use super::Root;
use crate::sys::file::{self, Links, NameEvent, NameWatcher, WatchId};

/// The most watched directories of one root. A watch takes about 1 KiB of kernel memory.
const WATCHES_MAX: usize = 4096;

/// The least time between two resets of a full set of watches. A reset drops the watches of directories
/// without requests.
const RESET_INTERVAL: Duration = Duration::from_secs(60);

/// The watched directories of a root.
#[derive(Debug)]
pub(super) struct WatchedDirectories {
    /// Counts events that concern names of this root, before they take effect.
    changes: AtomicU64,
    /// Increases when events may be lost. A watch covers a file in one epoch only.
    epoch: AtomicU64,
    state: Mutex<State>,
}

/// The state of the counters before a path is resolved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    changes: u64,
    epoch: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Created with the first watch.
    watcher: Option<Arc<NameWatcher>>,
    /// Whether this system cannot watch.
    is_unsupported: bool,
    by_path: HashMap<PathBuf, WatchId>,
    by_id: HashMap<WatchId, PathBuf>,
    last_reset: Option<Instant>,
}

impl Default for WatchedDirectories {
    fn default() -> Self {
        // 0 is no epoch.
        let (changes, epoch) = (AtomicU64::new(0), AtomicU64::new(1));
        Self { changes, epoch, state: Mutex::default() }
    }
}

impl WatchedDirectories {
    /// The present moment. Call it before a path is resolved.
    pub(super) fn now(&self) -> Moment {
        Moment {
            changes: self.changes.load(Ordering::SeqCst),
            epoch: self.epoch.load(Ordering::SeqCst),
        }
    }

    /// Whether no name has changed since that moment.
    pub(super) fn is_unchanged_since(&self, then: Moment) -> bool {
        self.changes.load(Ordering::SeqCst) == then.changes
    }

    /// The present epoch: files that were covered in an earlier one are not covered now.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Counts a change.
    pub(super) fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Begins a new epoch: no file is covered any more.
    fn begin_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.note_change();
    }

    /// Ends all watches.
    pub(super) fn reset(&self) {
        self.reset_locked(&mut self.lock());
    }

    fn reset_locked(&self, state: &mut State) {
        self.begin_epoch();
        state.by_path.clear();
        for (watch, _) in state.by_id.drain() {
            if let Some(watcher) = &state.watcher {
                watcher.remove(watch);
            }
        }
        state.last_reset = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WatchedDirectories {
    /// Wakes the thread, which then finds the root gone.
    fn drop(&mut self) {
        self.reset();
        if let Some(watcher) = &self.lock().watcher {
            watcher.wake();
        }
    }
}

impl Moment {
    /// The epoch of the moment.
    pub(super) fn epoch(self) -> u64 {
        self.epoch
    }
}

impl Root {
    /// Watches every directory from the root to the one that holds `file`, as far as none is watched yet.
    /// Returns whether all are watched. Blocks: for disk threads only.
    pub(super) fn watch_directories_of(self: &Arc<Self>, file: &Path) -> bool {
        let mut directories: Vec<&Path> = file.ancestors().skip(1).collect();
        directories.reverse();
        let unwatched = {
            let state = self.watched.lock();
            if state.is_unsupported {
                return false;
            }
            directories.retain(|directory| !state.by_path.contains_key(*directory));
            directories
        };
        unwatched.into_iter().all(|directory| self.watch_directory(directory))
    }

    fn watch_directory(self: &Arc<Self>, directory: &Path) -> bool {
        // As inotify(7), which needs the right to read it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let moment = self.watched.now();
        let Ok(base) = self.directory() else {
            return false;
        };
        let Ok(opened) = file::open_beneath(base.as_fd(), directory, flags, Links::Refused) else {
            return false;
        };
        matches!(file::reports_names(&opened), Ok(true))
            && self.watch_opened(directory, &opened, moment)
    }

    /// Watches a directory that was opened after `moment`.
    fn watch_opened(self: &Arc<Self>, directory: &Path, opened: &OwnedFd, moment: Moment) -> bool {
        let mut state = self.watched.lock();
        // Under the lock: an event that was handled before this directory is in the tables may mean that
        // its path leads to another one now. An event that comes later finds it in the tables.
        if !self.watched.is_unchanged_since(moment) {
            return false;
        }
        if state.by_id.len() >= WATCHES_MAX {
            if state.last_reset.is_some_and(|last| last.elapsed() < RESET_INTERVAL) {
                return false;
            }
            // This drops the watches of the directories above too; the next look-up watches them again.
            self.watched.reset_locked(&mut state);
            return false;
        }
        let Some(watcher) = self.watcher(&mut state) else {
            return false;
        };
        // Under the lock, so that no event of the watch is handled before it is in the tables.
        match watcher.add(opened.as_fd()) {
            // A directory with two paths (a bind mount, a name in other case) is watched under the first.
            Ok(watch) if state.by_id.contains_key(&watch) => state.by_path.contains_key(directory),
            Ok(watch) => {
                state.by_id.insert(watch, directory.to_owned());
                state.by_path.insert(directory.to_owned(), watch);
                true
            }
            Err(error) => {
                tracing::debug!(?directory, %error, "cannot watch a directory, using look-ups");
                false
            }
        }
    }

    /// The watcher, created with its thread if this is the first watch.
    fn watcher(self: &Arc<Self>, state: &mut State) -> Option<Arc<NameWatcher>> {
        if state.watcher.is_none() && !state.is_unsupported {
            let started = NameWatcher::new().map_err(std::io::Error::from).and_then(|watcher| {
                let watcher = Arc::new(watcher);
                let (followed, root) = (Arc::clone(&watcher), Arc::downgrade(self));
                let follow = move || follow_events(&followed, &root);
                thread::Builder::new().name("file-watch".into()).spawn(follow)?;
                Ok(watcher)
            });
            match started {
                Ok(watcher) => state.watcher = Some(watcher),
                Err(error) => {
                    if error.raw_os_error() != Some(Errno::NOSYS.raw_os_error()) {
                        tracing::warn!(%error, "cannot watch open files, using look-ups");
                    }
                    state.is_unsupported = true;
                }
            }
        }
        state.watcher.clone()
    }

    fn handle_name_event(&self, event: NameEvent<'_>) {
        // A watch that this process has removed: its end is no change of a name.
        if let NameEvent::Ended { directory } = event
            && !self.watched.lock().by_id.contains_key(&directory)
        {
            return;
        }
        // Before it takes effect: see the order above.
        self.watched.note_change();
        match event {
            NameEvent::File { directory, name } => {
                let path = self.watched.lock().by_id.get(&directory).map(|path| path.join(name));
                if let Some(path) = path {
                    self.forget(&path);
                }
            }
            NameEvent::Directory { directory, name } => {
                if let Some(path) = self.watched.unwatch_below(directory, name) {
                    self.forget_below(&path);
                }
            }
            NameEvent::Ended { directory } => {
                let mut state = self.watched.lock();
                if let Some(path) = state.by_id.remove(&directory) {
                    state.by_path.remove(&path);
                    drop(state);
                    self.forget_below(&path);
                }
            }
            // Not only the files: a lost event may have replaced a watched directory.
            NameEvent::Lost => self.watched.reset(),
        }
    }
}

impl WatchedDirectories {
    /// Ends the watches of a name in a watched directory and of everything below it. Returns its path.
    fn unwatch_below(&self, directory: WatchId, name: &OsStr) -> Option<PathBuf> {
        let mut state = self.lock();
        let ended = state.by_id.get(&directory)?.join(name);
        let State { watcher, by_path, by_id, .. } = &mut *state;
        by_id.retain(|watch, path| {
            let is_kept = !path.starts_with(&ended);
            if !is_kept {
                by_path.remove(path);
                if let Some(watcher) = watcher {
                    watcher.remove(*watch);
                }
            }
            is_kept
        });
        Some(ended)
    }
}

/// Handles events until the root is gone.
fn follow_events(watcher: &NameWatcher, root: &Weak<Root>) {
    let read = watcher.for_each_event(|event| match root.upgrade() {
        Some(root) => {
            root.handle_name_event(event);
            true
        }
        None => false,
    });
    if let (Err(error), Some(root)) = (read, root.upgrade()) {
        tracing::warn!(%error, "cannot watch open files any more, using look-ups");
        let mut state = root.watched.lock();
        state.is_unsupported = true;
        root.watched.reset_locked(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::extent::disk::{Buffers, DiskPoolSettings, RootSettings, testing::until};

    fn root(folder: &tempfile::TempDir) -> Arc<Root> {
        let pool = DiskPoolSettings { threads: 1, queue: 16, deadline: Duration::from_secs(60) };
        let hour = Duration::from_secs(3600);
        let settings =
            RootSettings { pool, open_files: 16, revalidate_after: hour, quiet_period: Some(hour) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let opened = Root::open("test", folder.path(), Buffers::new(1 << 20), settings);
        runtime.expect("a runtime").block_on(opened).expect("a root")
    }

    fn is_watched(root: &Root, directory: &str) -> bool {
        root.watched.lock().by_path.contains_key(Path::new(directory))
    }

    #[test]
    fn lost_events_end_the_watches_of_all_directories() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("a")).expect("a directory");
        let root = root(&folder);
        assert!(root.watch_directories_of(Path::new("a/x.mp4")));
        root.handle_name_event(NameEvent::Lost);
        assert!(!is_watched(&root, "a"), "it may be another directory now");
        assert!(root.watch_directories_of(Path::new("a/x.mp4")));
    }

    #[test]
    fn a_directory_replaced_before_its_watch_is_not_watched() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name| folder.path().join(name);
        fs::create_dir(path("a")).expect("a directory");
        fs::create_dir(path("new")).expect("a directory");
        let root = root(&folder);
        assert!(root.watch_directories_of(Path::new("x.mp4")), "the root is watched");
        let moment = root.watched.now();
        let opened = OwnedFd::from(fs::File::open(path("a")).expect("a directory"));
        fs::rename(path("a"), path("old")).expect("renamed");
        fs::rename(path("new"), path("a")).expect("renamed");
        until("an event arrives", || !root.watched.is_unchanged_since(moment));
        assert!(!root.watch_opened(Path::new("a"), &opened, moment));
        assert!(!is_watched(&root, "a"));
    }

    #[test]
    fn a_directory_that_changes_leaves_its_neighbours_watched() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b"] {
            fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        let root = root(&folder);
        assert!(root.watch_directories_of(Path::new("a/x.mp4")));
        assert!(root.watch_directories_of(Path::new("b/x.mp4")));
        fs::rename(folder.path().join("a"), folder.path().join("c")).expect("renamed");
        until("the event arrives", || !is_watched(&root, "a"));
        assert!(is_watched(&root, "b") && is_watched(&root, ""));
    }
}
