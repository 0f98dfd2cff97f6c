//! The last changes of titles, for subscribers.

use std::collections::{BTreeSet, VecDeque};

use crate::library::MediaPath;

/// The most changes between two looks that an event names one by one.
pub const CHANGES_MAX: usize = 50;

/// The numbers and paths of the last changes.
#[derive(Debug, Default)]
pub(super) struct RecentChanges {
    last: u64,
    /// The paths of the last changes, the newest at the end.
    paths: VecDeque<MediaPath>,
}

impl RecentChanges {
    /// The number of the last change.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Counts the change of a title.
    pub(super) fn push(&mut self, path: &MediaPath) {
        self.last += 1;
        self.paths.push_back(path.clone());
        if self.paths.len() > CHANGES_MAX {
            self.paths.pop_front();
        }
    }

    /// Counts a change that concerns no single title.
    pub(super) fn push_all(&mut self) {
        self.last += CHANGES_MAX as u64 + 1;
        self.paths.clear();
    }

    /// The titles that changed after the change `since`; `None` if there are too many.
    pub(super) fn since(&self, since: u64) -> Option<BTreeSet<MediaPath>> {
        let count = usize::try_from(self.last.checked_sub(since)?).ok()?;
        let first = self.paths.len().checked_sub(count)?;
        Some(self.paths.range(first..).cloned().collect())
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
        assert_eq!(recent.since(0), Some(BTreeSet::new()));
        let max = CHANGES_MAX as u64;
        (0..max).for_each(|number| recent.push(&path(number)));
        recent.push(&path(max - 1));
        assert_eq!(recent.since(0), None);
        assert_eq!(recent.since(1).map(|paths| paths.len()), Some(CHANGES_MAX - 1));
        assert_eq!(recent.since(max - 1), Some(BTreeSet::from([path(max - 1)])));
        assert_eq!(recent.since(recent.last()), Some(BTreeSet::new()));
        recent.push_all();
        assert_eq!(recent.since(max + 1), None);
        recent.push(&path(0));
        assert_eq!(recent.since(recent.last() - 1), Some(BTreeSet::from([path(0)])));
    }
}
