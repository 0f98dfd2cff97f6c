//! Queries of the catalog.

use std::cmp::Ordering;

use super::{
    Title,
    listing::{Entry, Folder, Listing},
};
use crate::library::{MediaPath, natural_order::fold};

/// The sort key of a query.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SortBy {
    /// By path, in natural order.
    #[default]
    Path,
    /// By name, in natural order.
    Name,
    /// By the time of the last change.
    Modified,
    /// By length in bytes.
    Size,
    /// By duration; a title of unknown duration is last in either order.
    Duration,
}

/// The titles that a query is about.
#[derive(Clone, Debug, Default)]
pub enum Scope {
    /// All.
    #[default]
    All,
    /// Those directly in a folder, or in the top of the library (`None`); of a search, those below it.
    Folder(Option<MediaPath>),
}

/// A query.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The titles.
    pub scope: Scope,
    /// Words that a title's path must contain, in any case and with any accents; below the folder, if there
    /// is one.
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
    /// The first `FOLDERS_MAX` folders directly in the folder, in natural order; of a search, none.
    pub folders: Vec<Folder>,
    /// The number of all folders directly in the folder.
    pub total_folders: usize,
}

/// The most folders on a page. A search finds the titles of the others.
pub const FOLDERS_MAX: usize = 1000;

impl Query {
    /// Runs the query.
    pub(super) fn run(&self, listing: &Listing) -> Page {
        let mut words: Vec<String> =
            self.search.split_whitespace().map(fold).filter(|word| !word.is_empty()).collect();
        // A query may repeat a word thousands of times, and every path is searched for each.
        words.sort_unstable();
        words.dedup();
        match &self.scope {
            Scope::All if words.is_empty() && self.sort_by == SortBy::Path => self.all(listing),
            Scope::All => self.page(search(listing, None, &words), Vec::new()),
            Scope::Folder(folder) if words.is_empty() => {
                let (titles, folders) = listing.children(folder.as_ref());
                self.page(titles, folders)
            }
            Scope::Folder(folder) => {
                self.page(search(listing, folder.as_ref(), &words), Vec::new())
            }
        }
    }

    /// A page of all titles in their own order, without a look at the others.
    fn all(&self, listing: &Listing) -> Page {
        let cut = |titles: &mut dyn Iterator<Item = Entry<'_>>| -> Vec<Title> {
            titles
                .skip(self.offset)
                .take(self.limit)
                .map(|(_, listed)| listed.title.clone())
                .collect()
        };
        let titles = match self.descending {
            true => cut(&mut listing.below(None).rev()),
            false => cut(&mut listing.below(None)),
        };
        Page { titles, total: listing.shown(), folders: Vec::new(), total_folders: 0 }
    }

    /// A page of these titles, which are in natural order.
    fn page(&self, mut found: Vec<Entry<'_>>, mut folders: Vec<Folder>) -> Page {
        let (total, total_folders) = (found.len(), folders.len());
        folders.truncate(FOLDERS_MAX);
        let page = match self.sort_by {
            SortBy::Path if self.descending => {
                found.reverse();
                &found[self.offset.min(total)..]
            }
            SortBy::Path => &found[self.offset.min(total)..],
            _ => self.sorted(&mut found),
        };
        let titles = page.iter().take(self.limit).map(|(_, listed)| listed.title.clone()).collect();
        Page { titles, total, folders, total_folders }
    }

    /// The titles from the page on, of which those of the page are sorted: the order of the others costs
    /// nothing.
    fn sorted<'a, 'b>(&self, found: &'b mut [Entry<'a>]) -> &'b [Entry<'a>] {
        let order = |a: &Entry<'_>, b: &Entry<'_>| self.compare(*a, *b);
        let rest = match self.offset {
            0 => found,
            offset if offset < found.len() => found.select_nth_unstable_by(offset - 1, order).2,
            _ => return &[],
        };
        let page = match self.limit {
            limit if limit < rest.len() => rest.select_nth_unstable_by(limit, order).0,
            _ => rest,
        };
        page.sort_unstable_by(order);
        page
    }

    fn compare(&self, (key, a): Entry<'_>, (other_key, b): Entry<'_>) -> Ordering {
        let ordered = |order: Ordering| if self.descending { order.reverse() } else { order };
        let by_value = match self.sort_by {
            SortBy::Path => Ordering::Equal,
            SortBy::Name => ordered(key[a.name_start..].cmp(&other_key[b.name_start..])),
            SortBy::Modified => ordered(a.title.modified.cmp(&b.title.modified)),
            SortBy::Size => ordered(a.title.size_bytes.cmp(&b.title.size_bytes)),
            SortBy::Duration => {
                let duration = |title: &Title| title.facts.and_then(|facts| facts.duration_ms);
                let (a, b) = (duration(&a.title), duration(&b.title));
                a.is_none().cmp(&b.is_none()).then_with(|| ordered(a.cmp(&b)))
            }
        };
        // The path breaks ties, so that every title is on exactly one page.
        by_value.then_with(|| ordered(key.cmp(other_key)))
    }
}

/// The titles below a folder, or all, whose paths below it contain all words.
fn search<'a>(
    listing: &'a Listing,
    folder: Option<&MediaPath>,
    words: &[String],
) -> Vec<Entry<'a>> {
    // The folder's own name is no match.
    let above = folder.map_or(0, |folder| fold(&folder.display()).len() + 1);
    let matches = |(_, listed): &Entry<'_>| {
        let path = listed.folded.get(above..).unwrap_or_default();
        words.iter().all(|word| path.contains(word.as_str()))
    };
    listing.below(folder).filter(matches).collect()
}
