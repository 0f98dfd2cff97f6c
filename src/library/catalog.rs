//! The catalog of titles: listed, sorted and searched.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    ops::Bound,
    path::Path,
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{self, AtomicU64, AtomicUsize},
    },
    time::SystemTime,
};

use super::{MediaPath, media_type};
use crate::extent::disk::{Identity, Version};

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
}

impl Title {
    /// The title of a file; `None` for a file of another type than video and audio.
    pub fn from_file(path: MediaPath, identity: &Identity) -> Option<Self> {
        media_type::is_title(path.file_name()).then(|| Self {
            path,
            size_bytes: identity.size,
            modified: identity.modified(),
            version: identity.version(),
        })
    }
}

/// All titles, by path. The maximum number of titles bounds the memory.
///
/// The lock is a plain one: readers and writers run in the background, never on I/O threads, since a
/// query over a hundred thousand titles takes milliseconds. Any thread may call [`len`](Self::len),
/// [`changes`](Self::changes) and [`is_scanning`](Self::is_scanning).
#[derive(Debug)]
pub struct Catalog {
    titles: RwLock<BTreeMap<MediaPath, Listed>>,
    max_titles: usize,
    /// The number of titles, for threads that must not block on the lock.
    count: AtomicUsize,
    /// Counts additions, removals and changes of titles.
    changes: AtomicU64,
    /// Roots whose first scan has not finished.
    unscanned: AtomicUsize,
}

#[derive(Debug)]
struct Listed {
    title: Title,
    /// The last scan that found the title; see [`Catalog::sweep`].
    scan: u64,
}

/// The sort key of a query.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SortBy {
    /// By path, as bytes.
    #[default]
    Path,
    /// By the time of the last change.
    Modified,
    /// By length in bytes.
    Size,
}

/// A query.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Words that a title's path must contain, in any case.
    pub search: String,
    /// The order.
    pub sort_by: SortBy,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Titles to skip.
    pub offset: usize,
    /// The most titles to return.
    pub limit: usize,
}

/// One page of a result.
#[derive(Clone, Debug)]
pub struct Page {
    /// The titles of this page.
    pub titles: Vec<Title>,
    /// The number of titles on all pages.
    pub total: usize,
}

impl Catalog {
    /// An empty catalog of `roots` roots, none of which has been scanned.
    pub fn new(roots: usize, max_titles: usize) -> Self {
        let (titles, count) = (RwLock::default(), AtomicUsize::new(0));
        let (changes, unscanned) = (AtomicU64::new(0), AtomicUsize::new(roots));
        Self { titles, max_titles, count, changes, unscanned }
    }

    /// The number of titles.
    pub fn len(&self) -> usize {
        self.count.load(atomic::Ordering::Relaxed)
    }

    /// Whether there are no titles.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that changes when titles are added, removed or changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(atomic::Ordering::Acquire)
    }

    fn count_change(&self) {
        self.changes.fetch_add(1, atomic::Ordering::AcqRel);
    }

    /// Whether the first scan of a root is under way.
    pub fn is_scanning(&self) -> bool {
        self.unscanned.load(atomic::Ordering::Acquire) > 0
    }

    pub(super) fn first_scan_finished(&self) {
        self.unscanned.fetch_sub(1, atomic::Ordering::AcqRel);
    }

    /// Adds the titles that a scan found. Returns the number of titles over the maximum.
    ///
    /// Skips titles that were updated during this scan or a later one: the update came from an event and
    /// is newer than the scan's list.
    pub fn note_scanned(&self, titles: impl IntoIterator<Item = Title>, scan: u64) -> usize {
        let mut known = self.write();
        let is_new = |known: &BTreeMap<_, Listed>, title: &Title| {
            known.get(&title.path).is_none_or(|listed| listed.scan < scan)
        };
        let mut refused = 0;
        for title in titles {
            if is_new(&known, &title) && !self.insert(&mut known, title, scan) {
                refused += 1;
            }
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
        refused
    }

    /// Updates a title with its present state. Returns `false` if the catalog is full.
    pub fn note_now(&self, title: Title, scan: u64) -> bool {
        let mut known = self.write();
        // Scans may overlap: an earlier one must not hide a title from a later one's sweep.
        let scan = known.get(&title.path).map_or(scan, |listed| listed.scan.max(scan));
        let fits = self.insert(&mut known, title, scan);
        self.count.store(known.len(), atomic::Ordering::Relaxed);
        fits
    }

    fn insert(&self, known: &mut BTreeMap<MediaPath, Listed>, title: Title, scan: u64) -> bool {
        let has_room = known.len() < self.max_titles || known.contains_key(&title.path);
        if has_room {
            let is_known = known.get(&title.path).is_some_and(|listed| listed.title == title);
            known.insert(title.path.clone(), Listed { title, scan });
            if !is_known {
                self.count_change();
            }
        }
        has_room
    }

    /// Removes a title, and all titles below a directory.
    pub fn remove(&self, path: &MediaPath) {
        let mut known = self.write();
        let before = known.len();
        known.remove(path);
        // Paths below `path` begin with its bytes, so they sort right behind it.
        let behind = known.range((Bound::Excluded(path), Bound::Unbounded));
        let near = behind.take_while(|(other, _)| other.begins_like(path));
        let below: Vec<_> = near
            .filter(|(other, _)| other.as_path().starts_with(path.as_path()))
            .map(|(other, _)| other.clone())
            .collect();
        for title in &below {
            known.remove(title);
        }
        if known.len() < before {
            self.count_change();
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
    }

    /// Removes the title of a set, and none below it.
    pub fn remove_set(&self, path: &MediaPath) {
        let mut known = self.write();
        if known.remove(path).is_some() {
            self.count_change();
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
    }

    /// Removes the titles below `root` that neither this scan nor a later one found.
    pub(super) fn sweep(&self, root: &Path, scan: u64) {
        let gone = |path: &MediaPath, listed: &Listed| {
            listed.scan < scan && path.as_path().starts_with(root)
        };
        let mut known = self.write();
        let before = known.len();
        known.retain(|path, listed| !gone(path, listed));
        if known.len() < before {
            self.count_change();
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
    }

    /// The title of a path.
    pub fn get(&self, path: &MediaPath) -> Option<Title> {
        self.read().get(path).map(|listed| listed.title.clone())
    }

    /// Runs a query.
    pub fn query(&self, query: &Query) -> Page {
        let words: Vec<String> = query.search.split_whitespace().map(str::to_lowercase).collect();
        let known = self.read();
        let matches = |title: &&Title| {
            words.is_empty() || {
                let path = title.path.display().to_lowercase();
                words.iter().all(|word| path.contains(word))
            }
        };
        let mut found: Vec<&Title> =
            known.values().map(|listed| &listed.title).filter(matches).collect();
        // The path breaks ties, so that every title is on exactly one page.
        let order = |a: &&Title, b: &&Title| -> Ordering {
            let by_key = match query.sort_by {
                SortBy::Path => Ordering::Equal,
                SortBy::Modified => a.modified.cmp(&b.modified),
                SortBy::Size => a.size_bytes.cmp(&b.size_bytes),
            };
            let ascending = by_key.then_with(|| a.path.cmp(&b.path));
            if query.descending { ascending.reverse() } else { ascending }
        };
        found.sort_unstable_by(order);
        let page = found.iter().skip(query.offset).take(query.limit);
        Page { titles: page.copied().cloned().collect(), total: found.len() }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<MediaPath, Listed>> {
        self.titles.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<MediaPath, Listed>> {
        self.titles.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(path: &str, size_bytes: u64) -> Title {
        Title {
            path: MediaPath::from_path(Path::new(path)).expect("a path"),
            size_bytes,
            modified: SystemTime::UNIX_EPOCH,
            version: Version::default(),
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
        catalog.sweep(Path::new(""), 2);
        assert_eq!(size("updated.mp4"), Some(20));
        assert_eq!(catalog.note_scanned([title("updated.mp4", 30)], 3), 0);
        catalog.sweep(Path::new(""), 3);
        assert_eq!((size("updated.mp4"), size("other.mp4")), (Some(30), None));
        // An event that is handled after a later scan found the title is still the newest.
        assert!(catalog.note_now(title("updated.mp4", 40), 2));
        catalog.sweep(Path::new(""), 3);
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
        catalog.sweep(Path::new(""), 2);
        catalog.remove(&title("none.mp4", 1).path);
        assert!(!has_changed());
        catalog.note_now(title("a.mp4", 2), 2);
        assert!(has_changed());
        catalog.note_scanned([title("b.mp4", 1)], 3);
        assert!(has_changed());
        assert!(!catalog.note_now(title("too many.mp4", 1), 3));
        assert!(!has_changed());
        catalog.sweep(Path::new(""), 3);
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
        catalog.sweep(Path::new(""), 2);
        assert!(catalog.get(&title("later.mp4").path).is_some());
        catalog.sweep(Path::new(""), 3);
        assert!(catalog.get(&title("both.mp4").path).is_some());
        assert_eq!(catalog.len(), 2);
    }
}
