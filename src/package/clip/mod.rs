//! A virtual MP4 with a new index: a time range of a title, a selection of its tracks, or the merged
//! fragments of a fragmented file.
//!
//! The samples keep their bytes and their order, and gaps between them are left out. An edit list gives all
//! tracks the same start: video begins with the preceding key frame, audio one frame early, or earlier if
//! its decoder needs preroll.
//!
//! A clip is made in three steps, each cheaper to refuse than the next: [`check`] needs the index in memory
//! only, [`select()`] reads the sample tables of the file, and [`Selection::layout`] computes the new index.
//! A container without tables has its segments read instead: see [`WalkedSelection`].

mod header;
mod layout;
mod ranges;
mod select;
mod span;
mod split;
mod walked;

use std::num::NonZeroU32;

pub(super) use self::{
    header::{Part, write},
    select::Cut,
};
pub use self::{
    layout::{Layout, WINDOW_BYTES_MAX},
    select::{Selection, select},
    span::Span,
    split::SplitMovie,
    walked::{
        NeededSegment, WalkedSelection, approximate_samples, media_range, needed_segments, whole,
    },
};
use super::tables;
use crate::{
    extent::ReadError,
    movie::{Movie, Track},
};

/// Memory limit while a clip is built, in bytes: some ten hours of video and audio of MP4, two of
/// Matroska.
pub const MEMORY_MAX_BYTES: usize = 48 << 20;

/// Why a clip is impossible.
#[derive(Debug, thiserror::Error)]
pub enum ClipRefused {
    /// The range contains no samples.
    #[error("nothing to play from {start_ms} ms {}: the title ends at {title_ms} ms", until(.end_ms))]
    Empty {
        /// Start in milliseconds.
        start_ms: u64,
        /// End in milliseconds; `None` for the end of the title.
        end_ms: Option<u64>,
        /// End of the title in milliseconds.
        title_ms: u64,
    },
    /// Building it takes too much memory.
    #[error("the clip is too long: request a shorter range with start and end")]
    TooLong,
    /// The clusters of the file are not in the order of time, so that no part of it has all samples.
    #[error("the file is out of order, and too long for an MP4 without a remux")]
    OutOfOrder,
    /// The file is unreadable.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn until(end_ms: &Option<u64>) -> String {
    end_ms.map_or_else(|| "on".to_owned(), |end_ms| format!("to {end_ms} ms"))
}

/// A selection from a title.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Clip {
    /// Start in milliseconds.
    pub start_ms: u64,
    /// End in milliseconds; `None` for the end of the title.
    pub end_ms: Option<u64>,
    /// Places of the tracks in the movie.
    pub tracks: Vec<usize>,
}

impl Clip {
    /// Its tracks, with their places; encrypted tracks are left out. Their auxiliary information is outside
    /// the samples and would be lost.
    fn tracks<'a>(&self, movie: &'a Movie) -> impl Iterator<Item = (usize, &'a Track)> {
        let track = |place: &usize| Some((*place, movie.tracks.get(*place)?));
        let is_clear = |(_, track): &(usize, &Track)| track.entry.encryption.is_none();
        self.tracks.iter().filter_map(track).filter(is_clear)
    }

    /// Its start and end in a track, in ticks.
    fn range(&self, track: &Track) -> (i64, i64) {
        let in_ticks = |ms| in_ticks(ms, track.timescale);
        (in_ticks(self.start_ms), self.end_ms.map_or(i64::MAX, in_ticks))
    }

    /// The error of a clip without samples.
    fn empty(&self, movie: &Movie) -> ClipRefused {
        let ends = self.tracks(movie).map(|(_, track)| in_ms(track.index.end, track.timescale));
        ClipRefused::Empty {
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            title_ms: ends.max().unwrap_or(0),
        }
    }
}

/// Refuses a clip for which the index is reason enough, without any read.
///
/// # Errors
/// If the title ends before the clip starts, or if its samples are certainly too many.
pub fn check(movie: &Movie, clip: &Clip) -> Result<(), ClipRefused> {
    let has_samples =
        |(_, track): (usize, &Track)| is_media(track) && clip.range(track).0 < track.index.end;
    if !clip.tracks(movie).any(has_samples) {
        return Err(clip.empty(movie));
    }
    let least_bytes = |(_, track)| tables::least_bytes(samples_min(track, clip.range(track)));
    if clip.tracks(movie).map(least_bytes).sum::<usize>() > MEMORY_MAX_BYTES {
        return Err(ClipRefused::TooLong);
    }
    Ok(())
}

/// Whether a track alone is playable; subtitles alone are not.
fn is_media(track: &Track) -> bool {
    track.is_video() || track.is_audio()
}

/// The number of samples of a track in a range of time, in ticks: at least so many that the index knows of.
fn samples_min(track: &Track, (start, end): (i64, i64)) -> u32 {
    let first_sample = |number: usize| track.measured(number).map(|segment| segment.first_sample);
    let segments = &track.index.segments;
    let first = segments.partition_point(|segment| segment.start <= start);
    let after = segments.partition_point(|segment| segment.start < end);
    let until = match after.checked_sub(1) {
        // The last segment may end after the clip.
        Some(last) if end < track.index.end => first_sample(last).unwrap_or(0),
        Some(_) => track.index.end_sample,
        None => 0,
    };
    first_sample(first).map_or(0, |first| until.saturating_sub(first))
}

fn in_ms(ticks: i64, timescale: NonZeroU32) -> u64 {
    let ms = i128::from(ticks) * 1000 / i128::from(timescale.get());
    u64::try_from(ms).unwrap_or(0)
}

fn in_ticks(ms: u64, timescale: NonZeroU32) -> i64 {
    let ticks = u128::from(ms) * u128::from(timescale.get()) / 1000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
