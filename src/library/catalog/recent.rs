//! The last changes of titles, for subscribers.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::library::MediaPath;

/// The most changes between two looks that an event names one by one.
pub const CHANGES_MAX: usize = 50;

/// The numbers and paths of the last changes.
///
/// The first number is the time of the start in microseconds, so that a number that a client has from another
/// server, or from before a restart, is either too old or too great: it must read the list again. JSON numbers
/// hold it exactly.
#[derive(Debug)]
pub(super) struct RecentChanges {
    last: u64,
    /// The titles of the last changes, and whether lists show them since, the newest at the end.
    titles: VecDeque<(MediaPath, bool)>,
}

impl Default for RecentChanges {
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = u64::try_from(since_epoch.as_micros()).unwrap_or(0);
        Self { last: start, titles: VecDeque::new() }
    }
}

impl RecentChanges {
    /// The number of the last change.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Counts the change of a title; `is_new` if lists did not show it before.
    pub(super) fn push(&mut self, path: &MediaPath, is_new: bool) {
        self.last += 1;
        self.titles.push_back((path.clone(), is_new));
        if self.titles.len() > CHANGES_MAX {
            self.titles.pop_front();
        }
    }

    /// Counts a change that concerns no single title.
    pub(super) fn push_all(&mut self) {
        self.last += CHANGES_MAX as u64 + 1;
        self.titles.clear();
    }

    /// The titles that changed after the change `since`, and whether they are new; `None` if there are too many,
    /// or if it is a number of another server.
    pub(super) fn since(&self, since: u64) -> Option<BTreeMap<MediaPath, bool>> {
        let count = usize::try_from(self.last.checked_sub(since)?).ok()?;
        let first = self.titles.len().checked_sub(count)?;
        let mut titles = BTreeMap::new();
        for (path, is_new) in self.titles.range(first..) {
            *titles.entry(path.clone()).or_default() |= is_new;
        }
        Some(titles)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_the_last_changes_are_known() {
        let path = |number: u64| {
            MediaPath::from_path(Path::new(&format!("{number}.mp4"))).expect("a path")
        };
        let mut recent = RecentChanges::default();
        let start = recent.last();
        assert_eq!(recent.since(start), Some(BTreeMap::new()));
        assert_eq!(recent.since(start - 1), None, "a number from before the start");
        let max = CHANGES_MAX as u64;
        (0..max).for_each(|number| recent.push(&path(number), true));
        recent.push(&path(max - 1), false);
        assert_eq!(recent.since(start), None);
        assert_eq!(recent.since(start + 1).map(|paths| paths.len()), Some(CHANGES_MAX - 1));
        assert_eq!(recent.since(start + max - 1), Some(BTreeMap::from([(path(max - 1), true)])));
        assert_eq!(recent.since(recent.last()), Some(BTreeMap::new()));
        assert_eq!(recent.since(recent.last() + 1), None, "a number of another server");
        recent.push_all();
        assert_eq!(recent.since(start + max + 1), None);
        recent.push(&path(0), true);
        recent.push(&path(0), false);
        assert_eq!(recent.since(recent.last() - 1), Some(BTreeMap::from([(path(0), false)])));
        assert_eq!(recent.since(recent.last() - 2), Some(BTreeMap::from([(path(0), true)])));
    }
}
