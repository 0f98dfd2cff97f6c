//! The titles of a catalog, in natural order, and how many each folder shows.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use super::{Title, key, recent::RecentChanges};
use crate::{
    extent::disk::Version,
    library::{Facts, MediaPath, natural_order::fold, parts::wholes, sidecars::is_set},
};

/// A title of the catalog.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) title: Title,
    /// The path for searches.
    pub(super) folded: Box<str>,
    /// Where the name begins in the sort key.
    pub(super) name_start: usize,
    /// The last scan that found the title; see [`Catalog::sweep`](super::Catalog::sweep).
    pub(super) scan: u64,
    /// Whether lists show the title: it is no part of another one.
    pub(super) is_shown: bool,
}

/// A folder with titles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Folder {
    /// Its path.
    pub path: MediaPath,
    /// The number of titles below it, at any depth.
    pub titles: usize,
}

/// All titles, by their sort key.
#[derive(Debug, Default)]
pub(super) struct Listing {
    titles: BTreeMap<Box<[u8]>, Listed>,
    /// The number of shown titles below each folder, at any depth; none is zero.
    folders: HashMap<MediaPath, usize>,
    /// The number of shown titles.
    shown: usize,
    recent: RecentChanges,
}

/// A sort key and its title.
pub(super) type Entry<'a> = (&'a [u8], &'a Listed);

impl Listing {
    /// The number of titles, shown or not.
    pub(super) fn len(&self) -> usize {
        self.titles.len()
    }

    /// The number of titles that lists show.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    /// The last changes.
    pub(super) fn recent(&self) -> &RecentChanges {
        &self.recent
    }

    /// Counts a change that concerns no single title.
    pub(super) fn note_all_changed(&mut self) {
        self.recent.push_all();
    }

    /// The title of a path.
    pub(super) fn get(&self, path: &MediaPath) -> Option<&Listed> {
        self.titles.get(&key::of_title(path).0)
    }

    /// Whether a folder shows titles.
    pub(super) fn has_folder(&self, folder: &MediaPath) -> bool {
        self.folders.contains_key(folder)
    }

    /// The shown titles below a folder, or all, in natural order.
    pub(super) fn below<'a>(
        &'a self,
        folder: Option<&MediaPath>,
    ) -> impl DoubleEndedIterator<Item = Entry<'a>> + use<'a> {
        self.all_below(folder).filter(|(_, listed)| listed.is_shown)
    }

    fn all_below<'a>(
        &'a self,
        folder: Option<&MediaPath>,
    ) -> impl DoubleEndedIterator<Item = Entry<'a>> + use<'a> {
        self.range(&key::of_folder(folder))
    }

    fn range<'a>(
        &'a self,
        beginning: &[u8],
    ) -> impl DoubleEndedIterator<Item = Entry<'a>> + use<'a> {
        self.titles
            .range::<[u8], _>(as_slices(&key::range(beginning)))
            .map(|(key, listed)| (&**key, listed))
    }

    /// The shown titles and the folders directly in a folder, in natural order. Takes no longer for titles
    /// that are deeper.
    pub(super) fn children(&self, folder: Option<&MediaPath>) -> (Vec<Entry<'_>>, Vec<Folder>) {
        let above = key::of_folder(folder);
        let mut range = key::range(&above);
        let (mut titles, mut folders) = (Vec::new(), Vec::new());
        loop {
            let mut subfolder = None;
            for (key, listed) in self.titles.range::<[u8], _>(as_slices(&range)) {
                subfolder = key::subfolder(key, &above).map(|subfolder| (subfolder, listed));
                match subfolder {
                    Some(_) => break,
                    None if listed.is_shown => titles.push((&**key, listed)),
                    None => {}
                }
            }
            let Some((subfolder, listed)) = subfolder else {
                return (titles, folders);
            };
            let depth = folder.map_or(0, |folder| folder.names().count());
            let path = listed.title.path.folders().nth(depth);
            let known = path.and_then(|path| self.folders.get_key_value(path));
            folders
                .extend(known.map(|(path, titles)| Folder { path: path.clone(), titles: *titles }));
            // Past all titles below it.
            match key::after(subfolder) {
                Some(behind) => range.0 = Bound::Included(behind),
                None => return (titles, folders),
            }
        }
    }

    /// Adds a title, or replaces it. Keeps what is known of the media of an unchanged one.
    pub(super) fn insert(&mut self, title: Title, scan: u64) {
        let path = title.path.clone();
        let (key, name_start) = key::of_title(&path);
        if let Some(listed) = self.titles.get_mut(&key) {
            listed.scan = scan;
            if !listed.title.is_same(&title) {
                listed.title = title;
                let is_shown = listed.is_shown;
                self.note_changed(&path, is_shown);
            }
            return;
        }
        let is_shown = !self.is_part(&path);
        let folded = fold(&path.display()).into();
        self.titles.insert(key, Listed { title, folded, name_start, scan, is_shown });
        if is_shown {
            self.count(&path);
        }
        self.update_parts(&path);
    }

    /// Removes a title.
    pub(super) fn remove(&mut self, path: &MediaPath) {
        if let Some(Listed { is_shown, .. }) = self.titles.remove(&key::of_title(path).0) {
            if is_shown {
                self.uncount(path);
            }
            self.update_parts(path);
        }
    }

    /// Removes the titles below a folder, or of all, for which this is true.
    pub(super) fn remove_below(
        &mut self,
        folder: Option<&MediaPath>,
        is_gone: impl Fn(&Listed) -> bool,
    ) {
        let gone: Vec<_> = self
            .all_below(folder)
            .filter(|(_, listed)| is_gone(listed))
            .map(|(_, listed)| listed.title.path.clone())
            .collect();
        for path in &gone {
            self.remove(path);
        }
    }

    /// Notes what is known of the media of a title in this version.
    pub(super) fn note_facts(&mut self, path: &MediaPath, version: Version, facts: Facts) {
        let Some(listed) = self.titles.get_mut(&key::of_title(path).0) else { return };
        if listed.title.version == version && listed.title.facts.replace(facts) != Some(facts) {
            let is_shown = listed.is_shown;
            self.note_changed(path, is_shown);
        }
    }

    /// The titles without facts behind a sort key, at most `max`, and the key of the last of them.
    pub(super) fn without_facts(
        &self,
        behind: Option<&[u8]>,
        max: usize,
    ) -> (Vec<Title>, Option<Box<[u8]>>) {
        let start = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let unknown = self.titles.range::<[u8], _>((start, Bound::Unbounded));
        let unknown =
            unknown.filter(|(_, listed)| listed.is_shown && listed.title.facts.is_none()).take(max);
        let (mut titles, mut last) = (Vec::new(), None);
        for (key, listed) in unknown {
            titles.push(listed.title.clone());
            last = Some(key.clone());
        }
        (titles, last)
    }

    /// Counts a change of a title, if lists show it.
    fn note_changed(&mut self, path: &MediaPath, is_shown: bool) {
        if is_shown {
            self.recent.push(path, false);
        }
    }

    /// Whether a title is a part of another one of the catalog.
    fn is_part(&self, path: &MediaPath) -> bool {
        wholes(path).iter().any(|whole| self.get(whole).is_some())
    }

    /// Shows or hides the parts of a title that has come or gone.
    fn update_parts(&mut self, whole: &MediaPath) {
        let beginning = match is_set(whole) {
            true => key::of_folder(Some(whole)),
            false => key::of_continued(whole),
        };
        let is_candidate = |path: &MediaPath| wholes(path).contains(whole);
        let parts: Vec<_> = self
            .range(&beginning)
            .map(|(_, listed)| &listed.title.path)
            .filter(|path| is_candidate(path))
            .cloned()
            .collect();
        for path in parts {
            let is_shown = !self.is_part(&path);
            let Some(listed) = self.titles.get_mut(&key::of_title(&path).0) else { continue };
            if std::mem::replace(&mut listed.is_shown, is_shown) != is_shown {
                match is_shown {
                    true => self.count(&path),
                    false => self.uncount(&path),
                }
            }
        }
    }

    /// Counts a title that lists show from now on.
    fn count(&mut self, path: &MediaPath) {
        self.recent.push(path, true);
        self.shown += 1;
        let folders = std::iter::successors(path.parent(), MediaPath::parent);
        for folder in folders {
            *self.folders.entry(folder).or_default() += 1;
        }
    }

    /// Counts off a title that lists do not show any more.
    fn uncount(&mut self, path: &MediaPath) {
        self.recent.push(path, false);
        self.shown -= 1;
        for folder in path.folders() {
            if let Some(count) = self.folders.get_mut(folder) {
                *count -= 1;
                if *count == 0 {
                    self.folders.remove(folder);
                }
            }
        }
    }
}

/// Borrows the bounds of a range.
fn as_slices((start, end): &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice))
}
