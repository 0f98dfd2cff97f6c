//! The titles found so far, to be listed, sorted and searched.

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

/// One playable thing in the library, named by its path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Title {
    /// The path by which clients know it.
    pub path: MediaPath,
    /// Its file's length in bytes.
    pub size_bytes: u64,
    /// When the file was last written to.
    pub modified: SystemTime,
    /// The file's version.
    pub version: Version,
}

impl Title {
    /// A title for this file, unless the file is no title.
    pub fn from_file(path: MediaPath, identity: &Identity) -> Option<Self> {
        media_type::is_title(path.file_name()).then(|| Self {
            path,
            size_bytes: identity.size,
            modified: identity.modified(),
            version: identity.version(),
        })
    }
}

/// All titles, by path. Memory is bounded by the number of titles that it was made for.
///
/// The lock is a plain one: readers and writers run beside the I/O workers, never on them, since a
/// question over a hundred thousand titles takes milliseconds. Only [`len`](Self::len),
/// [`changes`](Self::changes) and [`is_scanning`](Self::is_scanning) may be asked anywhere.
#[derive(Debug)]
pub struct Catalog {
    titles: RwLock<BTreeMap<MediaPath, Listed>>,
    max_titles: usize,
    /// How many titles there are, for those who must not wait for the lock.
    count: AtomicUsize,
    /// How often titles have come, gone or changed.
    changes: AtomicU64,
    /// Roots whose first scan is not finished.
    unscanned: AtomicUsize,
}

#[derive(Debug)]
struct Listed {
    title: Title,
    /// The scan that saw it last; see [`Catalog::sweep`].
    seen: u64,
}

/// By what the titles of an answer are sorted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SortBy {
    /// By path, as bytes.
    #[default]
    Path,
    /// By the time of the last change.
    Modified,
    /// By length.
    Size,
}

/// A question to the catalog.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only titles whose path has all of these words in it, in any case.
    pub search: String,
    /// The order.
    pub sort_by: SortBy,
    /// Whether the order is reversed.
    pub descending: bool,
    /// How many titles to pass over.
    pub offset: usize,
    /// How many titles to return at most.
    pub limit: usize,
}

/// One page of an answer.
#[derive(Clone, Debug)]
pub struct Page {
    /// The titles of this page.
    pub titles: Vec<Title>,
    /// How many titles there are on all pages together.
    pub total: usize,
}

impl Catalog {
    /// An empty catalog of `roots` roots that are all still to be scanned.
    pub fn new(roots: usize, max_titles: usize) -> Self {
        let (titles, count) = (RwLock::default(), AtomicUsize::new(0));
        let (changes, unscanned) = (AtomicU64::new(0), AtomicUsize::new(roots));
        Self { titles, max_titles, count, changes, unscanned }
    }

    /// How many titles are known.
    pub fn len(&self) -> usize {
        self.count.load(atomic::Ordering::Relaxed)
    }

    /// Whether no title is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that is another one when titles have come, gone or changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(atomic::Ordering::Acquire)
    }

    fn has_changed(&self) {
        self.changes.fetch_add(1, atomic::Ordering::AcqRel);
    }

    /// Whether a root is still being scanned for the first time.
    pub fn is_scanning(&self) -> bool {
        self.unscanned.load(atomic::Ordering::Acquire) > 0
    }

    pub(super) fn first_scan_finished(&self) {
        self.unscanned.fetch_sub(1, atomic::Ordering::AcqRel);
    }

    /// Notes what the scan `seen` has met. Returns how many titles found no room.
    ///
    /// A title that this scan, or a later one, is known to have been looked at by already is left
    /// as it is: a watch told of it meanwhile, and what it said is newer than the scan's list.
    pub fn note_scanned(&self, titles: impl IntoIterator<Item = Title>, seen: u64) -> usize {
        let mut known = self.write();
        let is_new = |known: &BTreeMap<_, Listed>, title: &Title| {
            known.get(&title.path).is_none_or(|listed| listed.seen < seen)
        };
        let mut refused = 0;
        for title in titles {
            if is_new(&known, &title) && !self.insert(&mut known, title, seen) {
                refused += 1;
            }
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
        refused
    }

    /// Notes a title as it is this moment. Returns whether it found room.
    pub fn note_now(&self, title: Title, seen: u64) -> bool {
        let mut known = self.write();
        // Scans may overlap: an earlier one must not hide a title from a later one's sweep.
        let seen = known.get(&title.path).map_or(seen, |listed| listed.seen.max(seen));
        let found_room = self.insert(&mut known, title, seen);
        self.count.store(known.len(), atomic::Ordering::Relaxed);
        found_room
    }

    fn insert(&self, known: &mut BTreeMap<MediaPath, Listed>, title: Title, seen: u64) -> bool {
        let has_room = known.len() < self.max_titles || known.contains_key(&title.path);
        if has_room {
            let is_known = known.get(&title.path).is_some_and(|listed| listed.title == title);
            known.insert(title.path.clone(), Listed { title, seen });
            if !is_known {
                self.has_changed();
            }
        }
        has_room
    }

    /// Removes a title, or those below it if it was a directory's name.
    pub fn remove(&self, path: &MediaPath) {
        let mut known = self.write();
        let before = known.len();
        if known.remove(path).is_none() {
            // Whatever is below `path` begins with its bytes, and so stands right behind it.
            let behind = known.range((Bound::Excluded(path), Bound::Unbounded));
            let near = behind.take_while(|(other, _)| other.begins_like(path));
            let below = near.filter(|(other, _)| other.as_path().starts_with(path.as_path()));
            let below: Vec<_> = below.map(|(other, _)| other.clone()).collect();
            for title in &below {
                known.remove(title);
            }
        }
        if known.len() < before {
            self.has_changed();
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
    }

    /// Removes the titles below `root` that neither the scan `seen` nor a later one has met.
    pub(super) fn sweep(&self, root: &Path, seen: u64) {
        let gone = |path: &MediaPath, listed: &Listed| {
            listed.seen < seen && path.as_path().starts_with(root)
        };
        let mut known = self.write();
        let before = known.len();
        known.retain(|path, listed| !gone(path, listed));
        if known.len() < before {
            self.has_changed();
        }
        self.count.store(known.len(), atomic::Ordering::Relaxed);
    }

    /// One title by its path.
    pub fn get(&self, path: &MediaPath) -> Option<Title> {
        self.read().get(path).map(|listed| listed.title.clone())
    }

    /// Answers a question.
    pub fn query(&self, query: &Query) -> Page {
        let words: Vec<String> = query.search.split_whitespace().map(str::to_lowercase).collect();
        let known = self.read();
        let found = known.values().map(|listed| &listed.title).filter(|title| {
            words.is_empty() || {
                let path = title.path.display().to_lowercase();
                words.iter().all(|word| path.contains(word))
            }
        });
        let mut found: Vec<&Title> = found.collect();
        // Equal keys are told apart by path, so that every title is on exactly one page.
        let order = |a: &&Title, b: &&Title| -> Ordering {
            let by = match query.sort_by {
                SortBy::Path => Ordering::Equal,
                SortBy::Modified => a.modified.cmp(&b.modified),
                SortBy::Size => a.size_bytes.cmp(&b.size_bytes),
            };
            let by = by.then_with(|| a.path.cmp(&b.path));
            if query.descending { by.reverse() } else { by }
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
    fn what_a_scan_listed_before_does_not_overwrite_what_a_watch_told_since() {
        let catalog = Catalog::new(1, 10);
        let size = |path| catalog.get(&title(path, 0).path).map(|title| title.size_bytes);
        // Scan 2 has listed its directory; before it notes that, a watch tells of something newer.
        assert!(catalog.note_now(title("told.mp4", 20), 2));
        assert_eq!(catalog.note_scanned([title("told.mp4", 10), title("other.mp4", 1)], 2), 0);
        assert_eq!((size("told.mp4"), size("other.mp4")), (Some(20), Some(1)));
        // What it told outlives the sweep of that scan, but not what the next one finds, or misses.
        catalog.sweep(Path::new(""), 2);
        assert_eq!(size("told.mp4"), Some(20));
        assert_eq!(catalog.note_scanned([title("told.mp4", 30)], 3), 0);
        catalog.sweep(Path::new(""), 3);
        assert_eq!((size("told.mp4"), size("other.mp4")), (Some(30), None));
        // Heard of late, when a later scan has met it: what is told is still the newest.
        assert!(catalog.note_now(title("told.mp4", 40), 2));
        catalog.sweep(Path::new(""), 3);
        assert_eq!(size("told.mp4"), Some(40));
    }

    #[test]
    fn what_was_known_already_is_no_change() {
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
    fn of_two_scans_that_overlap_neither_sweeps_what_the_other_has_met() {
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
