//! Whether something still writes a title's file.
//!
//! A playlist of a recording in progress would be that of a complete title, and shared caches would keep it.
//! So such a title is unavailable until its end is seen: the end that its format has, or the writer's.
//! Players and caches retry a 503, and store none.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use super::Titles;
use crate::{
    extent::File,
    library::{Index, MediaPath},
    movie::MovieRefused,
};

/// A file that grew within this time counts as growing, whatever its format.
const SEEN_TO_GROW: Duration = Duration::from_secs(2);

/// The time without a change after which a file counts as complete, in seconds.
#[derive(Debug)]
pub struct IdleLimit(AtomicU64);

impl IdleLimit {
    /// A limit in seconds.
    pub fn new(seconds: u64) -> Self {
        Self(AtomicU64::new(seconds))
    }

    /// Changes the limit.
    pub fn set(&self, seconds: u64) {
        self.0.store(seconds, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// Whether a file was just seen to grow.
pub(super) fn was_seen_to_grow(file: &File) -> bool {
    file.has_grown_within(SEEN_TO_GROW)
}

impl Titles {
    /// Whether a file that has no end yet may get one.
    pub(super) fn may_grow(&self, title: &MediaPath, file: &File, index: &Index) -> bool {
        let modified = file.identity().modified();
        !has_end(index)
            && self.is_recent(modified)
            && match file.has_writer() {
                Some(has_writer) => has_writer,
                // The file system does not tell; the watch may have seen the end.
                None => !self.library.file_changes.was_closed_since(title, modified),
            }
    }

    fn is_recent(&self, modified: SystemTime) -> bool {
        let now = SystemTime::now();
        let age = now.duration_since(modified).unwrap_or_else(|future| future.duration());
        age < self.idle_limit.get()
    }
}

/// Whether a file ends as its format ends.
fn has_end(index: &Index) -> bool {
    match index {
        Ok(movie) => movie.has_end,
        Err(refused) => match **refused {
            // Its index may follow. The end of other formats is unknown.
            MovieRefused::NoMoov | MovieRefused::NoMovie | MovieRefused::NotInPlace(_) => false,
            _ => true,
        },
    }
}
