//! Looking through a root for titles, beside everything else.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::{debug, info, warn};

use super::{Library, Title};
use crate::extent::disk::{EntryKind, OpenError};

/// Directories below directories are followed this deep; deeper ones are reported and left out.
const DEPTH_MAX: usize = 64;

/// Numbers the scans of a process, so that a title knows which one saw it last.
static SCANS: AtomicU64 = AtomicU64::new(1);

impl Library {
    /// Scans a root now, and again every `interval`, for as long as the library lives. What a
    /// watch has missed is repaired by that.
    pub async fn keep_scanning(self: Arc<Self>, root: usize, interval: Duration) {
        let mut first = true;
        loop {
            self.scan_root(root).await;
            if std::mem::take(&mut first) {
                self.catalog.first_scan_finished();
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Scans a root once, and forgets its titles that are gone.
    ///
    /// A directory that cannot be read is reported; its titles are then kept, since nothing is
    /// known of them.
    pub async fn scan_root(&self, root: usize) {
        let named = &self.roots()[root];
        match named.root.reopen().await.map_err(std::io::Error::other).flatten() {
            Ok(false) => {}
            Ok(true) => named.moved.notify_one(),
            Err(error) => {
                warn!(root = %named.root.path().display(), %error, "the root cannot be opened");
                return;
            }
        }
        let scan = SCANS.fetch_add(1, Ordering::Relaxed);
        let complete = self.scan_below(root, PathBuf::new(), scan).await;
        if complete {
            self.catalog.sweep(Path::new(named.name.as_deref().unwrap_or_default()), scan);
        }
        info!(root = %named.root.path().display(), titles = self.catalog.len(), complete, "scanned");
    }

    /// Brings the catalog up to date with what is under one path now: a file, a directory and all
    /// below it, or nothing any more.
    pub async fn reconcile(&self, root: usize, relative: &Path) {
        let Ok(path) = self.path_of(root, relative) else {
            return;
        };
        let named = &self.roots()[root];
        match named.root.look_up(relative).await {
            Ok(Ok(EntryKind::File(identity))) => {
                // The scan that began last, which may be running and have passed by already. The
                // next one must not take this title for one that it has met itself.
                let scan = SCANS.load(Ordering::Relaxed) - 1;
                if let Some(title) = Title::from_file(path, &identity) {
                    self.report_refused(usize::from(!self.catalog.note_now(title, scan)));
                }
            }
            Ok(Ok(EntryKind::Directory)) => {
                named.root.forget_below(relative);
                let scan = SCANS.fetch_add(1, Ordering::Relaxed);
                if self.scan_below(root, relative.to_owned(), scan).await {
                    self.catalog.sweep(path.as_path(), scan);
                }
            }
            Ok(Err(error)) => match OpenError::from(error) {
                OpenError::NotFound => {
                    named.root.forget_below(relative);
                    debug!(?path, "gone from the library");
                    self.catalog.remove(&path);
                }
                error => warn!(?path, %error, "left as it was until the next scan"),
            },
            Err(unavailable) => warn!(?path, %unavailable, "left as it was until the next scan"),
        }
    }

    /// Notes all titles below a directory. Returns whether every directory could be read.
    async fn scan_below(&self, root: usize, start: PathBuf, scan: u64) -> bool {
        let named = &self.roots()[root];
        let mut complete = true;
        let mut pending = vec![(start, 0)];
        while let Some((directory, depth)) = pending.pop() {
            let listed = named.root.list(&directory).await;
            let entries = match listed.map_err(std::io::Error::other).flatten() {
                Ok(entries) => entries,
                Err(error) => {
                    warn!(directory = %directory.display(), %error, "a directory was not scanned");
                    complete = false;
                    continue;
                }
            };
            let mut titles = Vec::new();
            for entry in entries {
                let relative = directory.join(entry.name);
                match entry.kind {
                    EntryKind::File(identity) => {
                        let path = self.path_of(root, &relative).ok();
                        titles.extend(path.and_then(|path| Title::from_file(path, &identity)));
                    }
                    EntryKind::Directory if depth < DEPTH_MAX => {
                        pending.push((relative, depth + 1))
                    }
                    EntryKind::Directory => warn!(?relative, "too deep; left out"),
                }
            }
            self.report_refused(self.catalog.note_scanned(titles, scan));
        }
        complete
    }

    fn report_refused(&self, refused: usize) {
        if refused > 0 {
            warn!(refused, "more titles than max_titles; these play but are not listed");
        }
    }
}
