//! Scans the roots for titles, in the background.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};

use super::{Library, MediaPath, NamedRoot, Title, sidecars::is_set};
use crate::extent::disk::{EntryKind, Identity, OpenError};

/// The depth limit of a scan; it reports deeper directories and leaves them out.
const DEPTH_MAX: usize = 64;

/// The interval between checks that a root is available, and that its path leads to the same directory.
const REOPEN_INTERVAL: Duration = Duration::from_secs(5);

/// Numbers the scans of a process, so that each title records the last scan that found it.
static SCANS: AtomicU64 = AtomicU64::new(1);

impl Library {
    /// Scans a root now, and again every `interval`, for as long as the library lives. A scan finds changes
    /// that a watch missed, and opens a root that has become available.
    pub async fn keep_scanning(self: Arc<Self>, root: usize, interval: Duration) {
        loop {
            let is_listed = self.scan_root(root).await;
            self.end_first_scan(root);
            match (self.roots()[root].root.is_open(), is_listed) {
                (true, true) => self.wait_for_scan(root, interval).await,
                (true, false) => tokio::time::sleep(REOPEN_INTERVAL.min(interval)).await,
                (false, _) => Arc::clone(&self).open_when_available(root).await,
            }
        }
    }

    /// The first scan of a root has ended, with or without success. Later calls do nothing.
    pub fn end_first_scan(&self, root: usize) {
        if !self.roots()[root].has_been_scanned.swap(true, Ordering::Relaxed) {
            self.catalog.first_scan_finished();
        }
    }

    /// Waits for an interval, or until the root's path means another directory.
    async fn wait_for_scan(&self, root: usize, interval: Duration) {
        let due = Instant::now() + interval;
        while Instant::now() < due {
            tokio::time::sleep(REOPEN_INTERVAL.min(due - Instant::now())).await;
            match self.reopen_root(root).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => debug!(%error, "the root is not available"),
            }
        }
    }

    /// Tries to open a root until it succeeds.
    pub async fn open_when_available(self: Arc<Self>, root: usize) {
        loop {
            tokio::time::sleep(REOPEN_INTERVAL).await;
            match self.reopen_root(root).await {
                Ok(_) => {
                    let path = self.roots()[root].root.path();
                    return info!(root = %path.display(), "the root is available");
                }
                Err(error) => debug!(%error, "the root is still not available"),
            }
        }
    }

    /// Opens a root that is not open yet, or whose path leads to another directory now, which is then
    /// watched. Returns whether it did. Fails if the root does not respond.
    pub(super) async fn reopen_root(&self, root: usize) -> io::Result<bool> {
        let named = &self.roots()[root];
        let is_replaced = named.root.reopen().await.map_err(io::Error::other).flatten()?;
        if is_replaced {
            named.replaced.notify_one();
        }
        Ok(is_replaced)
    }

    /// Scans a root once, and removes titles that are gone.
    ///
    /// An unreadable directory is logged, and its titles stay listed. Returns whether the root could be listed
    /// at all.
    pub async fn scan_root(&self, root: usize) -> bool {
        let reopened = self.reopen_root(root).await;
        let named = &self.roots()[root];
        let path = named.root.path();
        if let Err(error) = reopened {
            warn!(root = %path.display(), %error, "cannot open the root, retrying");
            return false;
        }
        if let Err(error) = named.root.refresh().await {
            warn!(root = %path.display(), %error, "cannot list the root, retrying");
            return false;
        }
        self.scan_open_root(root).await;
        true
    }

    /// Scans a root that is open and, if it is a bucket, listed.
    pub async fn scan_open_root(&self, root: usize) {
        let named = &self.roots()[root];
        if let Some(file) = named.only_file() {
            self.reconcile(root, Path::new(file)).await;
            return self.log_scan(named, true);
        }
        named.has_left_out.store(false, Ordering::Relaxed);
        let scan = SCANS.fetch_add(1, Ordering::Relaxed);
        let complete = self.scan_below(root, PathBuf::new(), scan).await;
        if complete {
            let names = named.name.as_deref().map(|name| MediaPath::from_path(Path::new(name)));
            match names {
                None => self.catalog.sweep(None, scan),
                // No title has a path below a name that is refused.
                Some(below) => below.iter().for_each(|below| self.catalog.sweep(Some(below), scan)),
            }
        }
        self.log_scan(named, complete);
    }

    /// Logs a scan: the first one for people, and the later ones for debugging.
    fn log_scan(&self, named: &NamedRoot, complete: bool) {
        let (root, titles) = (named.root.path(), self.catalog.len());
        match named.is_scanned.swap(true, Ordering::Relaxed) {
            false => info!(root = %root.display(), titles, complete, "scanned"),
            true => debug!(root = %root.display(), titles, complete, "scanned again"),
        }
    }

    /// Updates the catalog with the present state of one path: a file, a directory with everything below
    /// it, or nothing.
    pub async fn reconcile(&self, root: usize, relative: &Path) {
        let Ok(path) = self.media_path(root, relative) else {
            return;
        };
        let named = &self.roots()[root];
        if !named.may_list(relative) {
            return;
        }
        match named.root.look_up(relative).await {
            Ok(EntryKind::File(identity)) => {
                // The number of the last scan, which may be under way and past this path. With the next
                // number the title would survive a scan that did not find it.
                let scan = SCANS.load(Ordering::Relaxed) - 1;
                if let Some(title) = Title::from_file(path, &identity) {
                    self.report_refused(root, usize::from(!self.catalog.note_now(title, scan)));
                }
            }
            Ok(EntryKind::Directory) => {
                named.root.forget_below(relative);
                let scan = SCANS.fetch_add(1, Ordering::Relaxed);
                if self.scan_below(root, relative.to_owned(), scan).await {
                    self.catalog.sweep(Some(&path), scan);
                }
            }
            Err(OpenError::NotFound) => {
                named.root.forget_below(relative);
                debug!(?path, "removed from the catalog");
                self.catalog.remove(&path);
            }
            Err(error) => warn!(?path, %error, "title not updated until the next scan"),
        }
        self.reconcile_set(root, relative).await;
    }

    /// Updates the catalog with the state of one object of a bucket; `None` if it is gone. Sends no request.
    pub async fn note_object(&self, root: usize, relative: &Path, identity: Option<&Identity>) {
        let Ok(path) = self.media_path(root, relative) else {
            return;
        };
        let title = identity.and_then(|identity| Title::from_file(path.clone(), identity));
        match title {
            Some(title) => {
                let scan = SCANS.load(Ordering::Relaxed) - 1;
                self.report_refused(root, usize::from(!self.catalog.note_now(title, scan)));
            }
            None => self.catalog.remove_title(&path),
        }
        self.reconcile_set(root, relative).await;
    }

    /// Updates the catalog with the present state of a set, if a path lies in one.
    async fn reconcile_set(&self, root: usize, relative: &Path) {
        let folder = relative.parent().and_then(|folder| self.media_path(root, folder).ok());
        let Some(folder) = folder.filter(is_set) else { return };
        match self.set_title(&folder).await {
            Ok(Some(title)) => {
                let scan = SCANS.load(Ordering::Relaxed) - 1;
                self.report_refused(root, usize::from(!self.catalog.note_now(title, scan)));
            }
            Ok(None) => self.catalog.remove_title(&folder),
            Err(error) => warn!(?folder, %error, "set not updated until the next scan"),
        }
    }

    /// Notes all titles below a directory. Returns whether every directory could be read.
    async fn scan_below(&self, root: usize, start: PathBuf, scan: u64) -> bool {
        let named = &self.roots()[root];
        let mut complete = true;
        let mut pending = vec![(start, 0)];
        while let Some((directory, depth)) = pending.pop() {
            let listed = named.root.list(&directory).await;
            let entries = match listed.map_err(io::Error::other).flatten() {
                Ok(entries) => entries,
                Err(error) => {
                    warn!(directory = %directory.display(), %error, "cannot read a directory");
                    complete = false;
                    continue;
                }
            };
            let set = self.media_path(root, &directory).ok();
            let mut titles: Vec<_> =
                set.and_then(|path| Title::from_set(path, &entries)).into_iter().collect();
            for entry in entries {
                let relative = directory.join(entry.name);
                match entry.kind {
                    EntryKind::File(identity) => {
                        let path = self.media_path(root, &relative).ok();
                        titles.extend(path.and_then(|path| Title::from_file(path, &identity)));
                    }
                    EntryKind::Directory if depth < DEPTH_MAX => {
                        pending.push((relative, depth + 1))
                    }
                    EntryKind::Directory => warn!(?relative, "directory too deep, not scanned"),
                }
            }
            self.report_refused(root, self.catalog.note_scanned(titles, scan));
        }
        complete
    }

    /// Whether titles of a root were left out because the catalog was full, and there is room now.
    pub fn has_room_for_more(&self, root: usize) -> bool {
        self.roots()[root].has_left_out.load(Ordering::Relaxed) && self.catalog.has_room()
    }

    fn report_refused(&self, root: usize, refused: usize) {
        if refused > 0 {
            self.roots()[root].has_left_out.store(true, Ordering::Relaxed);
            warn!(refused, "titles not listed, although they play; raise max_titles");
        }
    }
}
