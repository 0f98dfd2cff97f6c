//! The last changes of titles, for subscribers.

use std::{
    collections::{BTreeSet, VecDeque},
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
    /// The paths of the last changes, the newest at the end.
    paths: VecDeque<MediaPath>,
}

impl Default for RecentChanges {
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = u64::try_from(since_epoch.as_micros()).unwrap_or(0);
        Self { last: start, paths: VecDeque::new() }
    }
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

    /// The titles that changed after the change `since`; `None` if there are too many, or if it is a number of
    /// another server.
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
        let start = recent.last();
        assert_eq!(recent.since(start), Some(BTreeSet::new()));
        assert_eq!(recent.since(start - 1), None, "a number from before the start");
        let max = CHANGES_MAX as u64;
        (0..max).for_each(|number| recent.push(&path(number)));
        recent.push(&path(max - 1));
        assert_eq!(recent.since(start), None);
        assert_eq!(recent.since(start + 1).map(|paths| paths.len()), Some(CHANGES_MAX - 1));
        assert_eq!(recent.since(start + max - 1), Some(BTreeSet::from([path(max - 1)])));
        assert_eq!(recent.since(recent.last()), Some(BTreeSet::new()));
        assert_eq!(recent.since(recent.last() + 1), None, "a number of another server");
        recent.push_all();
        assert_eq!(recent.since(start + max + 1), None);
        recent.push(&path(0));
        assert_eq!(recent.since(recent.last() - 1), Some(BTreeSet::from([path(0)])));
    }
}
