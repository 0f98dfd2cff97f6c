//! Titles that could not be read, and when each is tried again.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::{extent::disk::Version, library::MediaPath};

/// The delay before the first retry. Each further one doubles it, up to the maximum.
const DELAY_MIN: Duration = Duration::from_secs(3);
const DELAY_MAX: Duration = Duration::from_secs(600);

/// The failed titles. Each is one of the catalog, whose maximum bounds the memory.
#[derive(Debug, Default)]
pub(super) struct Retries(HashMap<MediaPath, Failure>);

#[derive(Debug)]
struct Failure {
    version: Version,
    delay: Duration,
    due: Instant,
}

impl Retries {
    /// Whether a title may be read: it did not fail in this version, or long enough ago.
    pub(super) fn is_due(&self, path: &MediaPath, version: Version, now: Instant) -> bool {
        let failure = self.0.get(path).filter(|failure| failure.version == version);
        failure.is_none_or(|failure| failure.due <= now)
    }

    /// Notes that a title could not be read. One that is ready soon is tried again after the shortest delay.
    pub(super) fn note_failure(
        &mut self,
        path: &MediaPath,
        version: Version,
        is_soon: bool,
        now: Instant,
    ) {
        let before = self.0.get(path).filter(|failure| failure.version == version && !is_soon);
        let delay = before.map_or(DELAY_MIN, |before| (2 * before.delay).min(DELAY_MAX));
        self.0.insert(path.clone(), Failure { version, delay, due: now + delay });
    }

    /// Forgets a title that was read.
    pub(super) fn forget(&mut self, path: &MediaPath) {
        self.0.remove(path);
    }

    /// Keeps the titles that exist in this version.
    pub(super) fn retain(&mut self, exists: impl Fn(&MediaPath, Version) -> bool) {
        self.0.retain(|path, failure| exists(path, failure.version));
    }

    /// The titles that may be read again.
    pub(super) fn due(&self, now: Instant) -> Vec<MediaPath> {
        let due = self.0.iter().filter(|(_, failure)| failure.due <= now);
        due.map(|(path, _)| path.clone()).collect()
    }

    /// The time of the next retry.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().map(|failure| failure.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_title_is_tried_more_and_more_seldom_until_it_changes() {
        let path = MediaPath::decode("a.mp4").expect("a path");
        let (version, other) = (Version::default(), Version::default().with(1));
        let (mut retries, mut now) = (Retries::default(), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..10 {
            assert!(retries.is_due(&path, version, now));
            retries.note_failure(&path, version, false, now);
            assert!(!retries.is_due(&path, version, now));
            assert!(retries.is_due(&path, other, now), "another version");
            let due = retries.next_due().expect("a retry");
            delays.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(delays, [3, 6, 12, 24, 48, 96, 192, 384, 600, 600]);
        retries.note_failure(&path, version, true, now);
        assert_eq!(retries.next_due(), Some(now + DELAY_MIN));
        retries.retain(|_, version| version == other);
        assert_eq!(retries.next_due(), None);
    }
}
