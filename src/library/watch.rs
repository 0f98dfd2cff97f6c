//! Hearing from the kernel what has changed below a root.
//!
//! Events only say where to look; what is there is then looked up (see [`Library::reconcile`]). So
//! no event's meaning is trusted, and one that is missed costs freshness until the next scan, never
//! correctness.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use notify::{
    EventKind, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout_at},
};
use tracing::{info, warn};

use super::{Library, MediaPath};

/// Changes of one path within this time are looked at once.
const SETTLE: Duration = Duration::from_millis(200);

/// Changed paths remembered at most between two looks; beyond that the whole root is scanned.
const PENDING_MAX: usize = 10_000;

enum Change {
    /// Something about this path, relative to the root, may be different.
    Touched(PathBuf),
    /// Whoever wrote to this file has closed it.
    Closed(PathBuf),
    /// Anything may be different: events were lost.
    Lost,
}

impl Library {
    /// Watches a root for as long as the library lives.
    ///
    /// Setting the watches walks the whole tree and may wait for its disk, hence a thread of its
    /// own. Where the kernel cannot watch (network file systems, too many directories), rescans
    /// remain.
    pub async fn keep_watching(self: Arc<Self>, root: usize) {
        let path = self.roots()[root].root.path().to_owned();
        let (sender, mut changes) = mpsc::unbounded_channel();
        let started = thread::Builder::new().name("watch".into()).spawn(move || {
            if let Err(error) = watch(&path, &sender) {
                let help =
                    "changes appear with the next scan; fs.inotify.max_user_watches may help";
                warn!(root = %path.display(), %error, help, "the root is not watched");
            }
        });
        if let Err(error) = started {
            warn!(%error, "no thread to watch with");
        }
        while let Some(change) = changes.recv().await {
            let mut touched = BTreeSet::new();
            let mut lost = self.take_note(root, change, &mut touched);
            let settled = Instant::now() + SETTLE;
            while let Ok(Some(change)) = timeout_at(settled, changes.recv()).await {
                lost |= self.take_note(root, change, &mut touched);
            }
            if lost || touched.len() > PENDING_MAX {
                self.scan_root(root).await;
            } else {
                for path in touched {
                    self.reconcile(root, &path).await;
                }
            }
        }
    }

    /// What cannot wait for the dust to settle: open files are forgotten, followers are woken.
    /// Returns whether events were lost.
    fn take_note(&self, root: usize, change: Change, touched: &mut BTreeSet<PathBuf>) -> bool {
        let (path, closed) = match change {
            Change::Touched(path) => (path, false),
            Change::Closed(path) => (path, true),
            Change::Lost => return true,
        };
        self.roots()[root].root.forget(&path);
        if let Ok(path) = self.path_of(root, &path) {
            match closed {
                true => self.watched.close(&path),
                false => self.watched.wake(&path),
            }
        }
        touched.insert(path);
        false
    }
}

/// Sets the watches and sends what they tell, until nobody listens.
fn watch(root: &Path, changes: &mpsc::UnboundedSender<Change>) -> notify::Result<()> {
    let (sender, events) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    watcher.watch(root, RecursiveMode::Recursive)?;
    info!(root = %root.display(), "watching");
    // What changed while the watches were being set was seen by nobody.
    if changes.send(Change::Lost).is_err() {
        return Ok(());
    }
    for event in events {
        let event = event?;
        let closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
        if event.kind.is_access() && !closed {
            continue;
        }
        let found = if event.need_rescan() {
            vec![Change::Lost]
        } else {
            let below = event.paths.iter().filter_map(|path| path.strip_prefix(root).ok());
            let change = |path: &Path| match closed {
                true => Change::Closed(path.to_owned()),
                false => Change::Touched(path.to_owned()),
            };
            below.map(change).collect()
        };
        if found.into_iter().any(|change| changes.send(change).is_err()) {
            break;
        }
    }
    Ok(())
}

/// Files that somebody waits for to grow.
#[derive(Debug, Default)]
pub struct Watched {
    files: Mutex<HashMap<MediaPath, Weak<Waited>>>,
}

/// One file that is waited for.
#[derive(Debug, Default)]
pub struct Waited {
    changed: Notify,
    closes: AtomicU64,
}

impl Watched {
    /// Asks to be told of changes to this file. Dropping the result ends that.
    pub fn wait_for(&self, path: &MediaPath) -> Arc<Waited> {
        let mut files = self.lock();
        if let Some(waited) = files.get(path).and_then(Weak::upgrade) {
            return waited;
        }
        files.retain(|_, waited| waited.strong_count() > 0);
        let waited = Arc::new(Waited::default());
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

    fn tell(&self, path: &MediaPath, what: impl FnOnce(&Waited)) {
        if let Some(waited) = self.lock().get(path).and_then(Weak::upgrade) {
            what(&waited);
            waited.changed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MediaPath, Weak<Waited>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waited {
    /// Returns at the next change, or never.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How often a writer was seen to close the file. A count, because several may wait for it.
    pub fn closes(&self) -> u64 {
        self.closes.load(Ordering::Acquire)
    }
}
