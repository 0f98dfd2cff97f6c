//! The catalog of titles: listed by folder, sorted and searched.

mod key;
mod listing;
mod query;
mod recent;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{self, AtomicU64, AtomicUsize},
    },
    time::SystemTime,
};

use tokio::sync::{Notify, futures::Notified};

pub use self::{
    listing::Folder,
    query::{Page, Query, Scope, SortBy},
    recent::CHANGES_MAX,
};

use self::listing::{Listed, Listing};
use super::{Facts, MediaPath, media_type};
use crate::extent::disk::{Identity, Version};

/// The most titles whose facts are wanted before those of the others.
const WANTED_MAX: usize = 1000;

/// A playable entry of the library.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Title {
    /// The path in URLs.
    pub path: MediaPath,
    /// The length of the file in bytes; of a set, of all its members.
    pub size_bytes: u64,
    /// The time of the last write to the file, or to any member.
    pub modified: SystemTime,
    /// The version of the file, or of all members.
    pub version: Version,
    /// What is known of its media, once the file in this version has been read.
    pub facts: Option<Facts>,
}

impl Title {
    /// The title of a file; `None` for a file of another type than video and audio.
    pub fn from_file(path: MediaPath, identity: &Identity) -> Option<Self> {
        media_type::is_title(path.file_name()).then(|| Self {
            path,
            size_bytes: identity.size,
            modified: identity.modified(),
            version: identity.version(),
            facts: None,
        })
    }

    /// Whether this is the same title in the same version.
    fn is_same(&self, other: &Self) -> bool {
        let state = |title: &Self| (title.size_bytes, title.modified, title.version);
        self.path == other.path && state(self) == state(other)
    }
}

/// The titles that have changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changes {
    /// These, and no others.
    Known {
        /// Titles that lists did not show before, in their present state.
        added: Vec<Title>,
        /// Changed titles, in their present state.
        changed: Vec<Title>,
        /// The paths of titles that lists do not show any more.
        removed: Vec<MediaPath>,
    },
    /// More than [`CHANGES_MAX`], or the end of the first scan.
    Many,
}

/// All titles, by path. The maximum number of titles bounds the memory.
///
/// A title that is a part of another one (`film.720p.mp4` beside `film.mp4`, a member of `film.set/`) is
/// kept, but no list shows it.
///
/// The lock is a plain one: readers and writers run in the background, never on I/O threads, since a
/// query over a hundred thousand titles takes milliseconds. Any thread may call [`len`](Self::len),
/// [`changes`](Self::changes), [`is_scanning`](Self::is_scanning) and
/// [`want_facts`](Self::want_facts).
#[derive(Debug)]
pub struct Catalog {
    listing: RwLock<Listing>,
    max_titles: usize,
    /// The number of shown titles, for threads that must not block on the lock.
    count: AtomicUsize,
    /// The number of the last change.
    changes: AtomicU64,
    /// Roots whose first scan has not finished.
    unscanned: AtomicUsize,
    /// Titles whose facts are wanted first: those that a client was just shown.
    wanted: Mutex<VecDeque<MediaPath>>,
    /// Notified when titles may lack facts.
    lacks_facts: Notify,
}

impl Catalog {
    /// An empty catalog of `roots` roots, none of which has been scanned.
    pub fn new(roots: usize, max_titles: usize) -> Self {
        let listing = Listing::default();
        Self {
            changes: AtomicU64::new(listing.recent().last()),
            listing: RwLock::new(listing),
            max_titles,
            count: AtomicUsize::new(0),
            unscanned: AtomicUsize::new(roots),
            wanted: Mutex::default(),
            lacks_facts: Notify::new(),
        }
    }

    /// The number of titles that lists show.
    pub fn len(&self) -> usize {
        self.count.load(atomic::Ordering::Relaxed)
    }

    /// Whether lists show no titles.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that grows when titles are added, removed or changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(atomic::Ordering::Acquire)
    }

    /// The titles that changed after the change number `since`, in their present state, and the number of
    /// the last change. [`Changes::Many`] also if `since` is a number of another server.
    pub fn changes_since(&self, since: u64) -> (Changes, u64) {
        let listing = self.read();
        let last = listing.recent().last();
        let Some(titles) = listing.recent().since(since) else {
            return (Changes::Many, last);
        };
        let (mut added, mut changed, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for (path, is_new) in titles {
            match listing.get(&path).filter(|listed| listed.is_shown) {
                Some(listed) if is_new => added.push(listed.title.clone()),
                Some(listed) => changed.push(listed.title.clone()),
                None => removed.push(path),
            }
        }
        (Changes::Known { added, changed, removed }, last)
    }

    /// Whether the first scan of a root is under way.
    pub fn is_scanning(&self) -> bool {
        self.unscanned.load(atomic::Ordering::Acquire) > 0
    }

    pub(super) fn first_scan_finished(&self) {
        if self.unscanned.fetch_sub(1, atomic::Ordering::AcqRel) == 1 {
            self.update(Listing::note_all_changed);
        }
    }

    /// Adds the titles that a scan found. Returns the number of titles over the maximum.
    ///
    /// Skips titles that were updated during this scan or a later one: the update came from an event and
    /// is newer than the scan's list.
    pub fn note_scanned(&self, titles: impl IntoIterator<Item = Title>, scan: u64) -> usize {
        self.update(|listing| {
            let is_new = |listing: &Listing, title: &Title| {
                listing.get(&title.path).is_none_or(|listed| listed.scan < scan)
            };
            let mut refused = 0;
            for title in titles {
                if is_new(listing, &title) && !self.insert(listing, title, scan) {
                    refused += 1;
                }
            }
            refused
        })
    }

    /// Updates a title with its present state. Returns `false` if the catalog is full.
    pub fn note_now(&self, title: Title, scan: u64) -> bool {
        self.update(|listing| {
            // Scans may overlap: an earlier one must not hide a title from a later one's sweep.
            let scan = listing.get(&title.path).map_or(scan, |listed| listed.scan.max(scan));
            self.insert(listing, title, scan)
        })
    }

    /// Whether it takes another title.
    pub(super) fn has_room(&self) -> bool {
        self.read().len() < self.max_titles
    }

    fn insert(&self, listing: &mut Listing, title: Title, scan: u64) -> bool {
        let has_room = listing.len() < self.max_titles || listing.get(&title.path).is_some();
        if has_room {
            listing.insert(title, scan);
        }
        has_room
    }

    /// Removes a title, and all titles below a directory.
    pub fn remove(&self, path: &MediaPath) {
        self.update(|listing| {
            listing.remove(path);
            listing.remove_below(Some(path), |_| true);
        });
    }

    /// Removes a title, and none below its path.
    pub fn remove_title(&self, path: &MediaPath) {
        self.update(|listing| listing.remove(path));
    }

    /// Removes the titles below a folder, or of all, that neither this scan nor a later one found.
    pub(super) fn sweep(&self, folder: Option<&MediaPath>, scan: u64) {
        let is_gone = |listed: &Listed| listed.scan < scan;
        self.update(|listing| {
            // The folder itself may have been a set.
            if let Some(folder) = folder
                && listing.get(folder).is_some_and(is_gone)
            {
                listing.remove(folder);
            }
            listing.remove_below(folder, is_gone);
        });
    }

    /// The title of a path, whether lists show it or not.
    pub fn get(&self, path: &MediaPath) -> Option<Title> {
        self.read().get(path).map(|listed| listed.title.clone())
    }

    /// Whether lists show titles below a folder.
    pub fn has_folder(&self, folder: &MediaPath) -> bool {
        self.read().has_folder(folder)
    }

    /// Runs a query.
    pub fn query(&self, query: &Query) -> Page {
        query.run(&self.read())
    }

    /// Notes what is known of the media of a title in this version.
    pub fn note_facts(&self, facts: impl IntoIterator<Item = (MediaPath, Version, Facts)>) {
        self.update(|listing| {
            for (path, version, facts) in facts {
                listing.note_facts(&path, version, facts);
            }
        });
    }

    /// The titles without facts behind a sort key, at most `max`, and the key of the last of them.
    pub fn without_facts(
        &self,
        behind: Option<&[u8]>,
        max: usize,
    ) -> (Vec<Title>, Option<Box<[u8]>>) {
        self.read().without_facts(behind, max)
    }

    /// Wants the facts of these titles before those of all others, in this order.
    pub fn want_facts(&self, paths: impl DoubleEndedIterator<Item = MediaPath>) {
        let mut wanted = self.wanted();
        let before = wanted.len();
        for path in paths.rev() {
            wanted.push_front(path);
        }
        let has_grown = wanted.len() > before;
        wanted.truncate(WANTED_MAX);
        drop(wanted);
        if has_grown {
            self.lacks_facts.notify_one();
        }
    }

    /// The next title whose facts are wanted first.
    pub fn next_wanted(&self) -> Option<MediaPath> {
        self.wanted().pop_front()
    }

    /// Waits until titles may lack facts.
    pub fn lacks_facts(&self) -> Notified<'_> {
        self.lacks_facts.notified()
    }

    fn wanted(&self) -> MutexGuard<'_, VecDeque<MediaPath>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Listing> {
        self.listing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the titles.
    fn update<T>(&self, change: impl FnOnce(&mut Listing) -> T) -> T {
        let mut listing = self.listing.write().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut listing);
        self.count.store(listing.shown(), atomic::Ordering::Relaxed);
        let last = listing.recent().last();
        drop(listing);
        if self.changes.fetch_max(last, atomic::Ordering::AcqRel) < last {
            self.lacks_facts.notify_one();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn title(path: &str, size_bytes: u64) -> Title {
        Title {
            path: MediaPath::from_path(Path::new(path)).expect("a path"),
            size_bytes,
            modified: SystemTime::UNIX_EPOCH,
            version: Version::default(),
            facts: None,
        }
    }

    #[test]
    fn a_scan_does_not_overwrite_newer_updates_from_events() {
        let catalog = Catalog::new(1, 10);
        let size = |path| catalog.get(&title(path, 0).path).map(|title| title.size_bytes);
        // Scan 2 has listed its directory; before it adds the titles, an event updates one.
        assert!(catalog.note_now(title("updated.mp4", 20), 2));
        assert_eq!(catalog.note_scanned([title("updated.mp4", 10), title("other.mp4", 1)], 2), 0);
        assert_eq!((size("updated.mp4"), size("other.mp4")), (Some(20), Some(1)));
        // The update survives the sweep of that scan; the next scan overwrites or removes it.
        catalog.sweep(None, 2);
        assert_eq!(size("updated.mp4"), Some(20));
        assert_eq!(catalog.note_scanned([title("updated.mp4", 30)], 3), 0);
        catalog.sweep(None, 3);
        assert_eq!((size("updated.mp4"), size("other.mp4")), (Some(30), None));
        // An event that is handled after a later scan found the title is still the newest.
        assert!(catalog.note_now(title("updated.mp4", 40), 2));
        catalog.sweep(None, 3);
        assert_eq!(size("updated.mp4"), Some(40));
    }

    #[test]
    fn an_equal_title_is_no_change() {
        let catalog = Catalog::new(1, 2);
        let mut last = catalog.changes();
        let mut has_changed =
            || std::mem::replace(&mut last, catalog.changes()) != catalog.changes();
        catalog.note_scanned([title("a.mp4", 1)], 1);
        assert!(has_changed());
        catalog.note_scanned([title("a.mp4", 1)], 2);
        assert!(catalog.note_now(title("a.mp4", 1), 2));
        catalog.sweep(None, 2);
        catalog.remove(&title("none.mp4", 1).path);
        assert!(!has_changed());
        catalog.note_now(title("a.mp4", 2), 2);
        assert!(has_changed());
        catalog.note_scanned([title("b.mp4", 1)], 3);
        assert!(has_changed());
        assert!(!catalog.note_now(title("too many.mp4", 1), 3));
        assert!(!has_changed());
        catalog.sweep(None, 3);
        assert!(has_changed());
        catalog.remove(&title("b.mp4", 1).path);
        assert!(has_changed());
    }

    #[test]
    fn overlapping_scans_keep_the_titles_of_each_other() {
        let title = |path| title(path, 1);
        let catalog = Catalog::new(1, 10);
        catalog.note_scanned([title("both.mp4"), title("gone.mp4")], 1);
        catalog.note_scanned([title("both.mp4"), title("later.mp4")], 3);
        catalog.note_scanned([title("both.mp4")], 2);
        catalog.sweep(None, 2);
        assert!(catalog.get(&title("later.mp4").path).is_some());
        catalog.sweep(None, 3);
        assert!(catalog.get(&title("both.mp4").path).is_some());
        assert_eq!(catalog.len(), 2);
    }
}
