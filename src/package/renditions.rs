//! Alignment of movies: whether they can be renditions of one title.

use std::num::NonZeroU32;

use crate::movie::{Movie, Segment, Track};

/// Why a movie is not a rendition of a title.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misalignment {
    /// The movie has no video track for segments, or the title has no video.
    #[error("no video track fits into segments")]
    NoVideo,
    /// The numbers of segments differ.
    #[error("it has {other} segments, and the title has {title}: the key frames are not aligned")]
    Count {
        /// Segments of the title.
        title: usize,
        /// Segments of the other movie.
        other: usize,
    },
    /// The start times of a segment differ.
    #[error("segment {number} starts at a different time: the key frames are not aligned")]
    Start {
        /// Number of the segment, from 1.
        number: usize,
    },
    /// The durations differ.
    #[error("it ends at {other_ms} ms, and the title ends at {title_ms} ms")]
    End {
        /// End of the title, in milliseconds.
        title_ms: i128,
        /// End of the other movie, in milliseconds.
        other_ms: i128,
    },
}

/// The largest difference of the ends, in milliseconds: encoders drop or repeat a few frames.
const END_DIFFERENCE_MAX_MS: i128 = 500;

/// Checks that two movies have the same segment boundaries, to a tick of the coarser timescale, and the
/// same end. Then a player can switch at any segment (ISO/IEC 23000-19 section 7.3.4).
///
/// The title's own video need not fit into segments: then only the renditions are sent.
pub fn check_alignment(title: &Movie, other: &Movie) -> Result<(), Misalignment> {
    let own = video(title).or_else(|| title.tracks.iter().find(|track| track.is_video()));
    let (Some(title), Some(other)) = (own, video(other)) else {
        return Err(Misalignment::NoVideo);
    };
    let (ours, theirs) = (&title.index.segments, &other.index.segments);
    if ours.len() != theirs.len() {
        return Err(Misalignment::Count { title: ours.len(), other: theirs.len() });
    }
    let differs = |(ours, theirs): (&Segment, &Segment)| {
        !is_equal((ours.start, title.timescale), (theirs.start, other.timescale))
    };
    if let Some(place) = ours.iter().zip(theirs).position(differs) {
        return Err(Misalignment::Start { number: place + 1 });
    }
    let end_ms = |track: &Track| i128::from(track.index.end) * 1000 / ticks(track.timescale);
    let (title_ms, other_ms) = (end_ms(title), end_ms(other));
    if (title_ms - other_ms).abs() > END_DIFFERENCE_MAX_MS {
        return Err(Misalignment::End { title_ms, other_ms });
    }
    Ok(())
}

fn video(movie: &Movie) -> Option<&Track> {
    let is_offered = |track: &&Track| track.is_video() && track.entry.packageable().is_ok();
    movie.tracks.iter().find(is_offered)
}

fn ticks(scale: NonZeroU32) -> i128 {
    i128::from(scale.get())
}

/// Whether two times are equal, to a tick of the coarser timescale.
fn is_equal((time, scale): (i64, NonZeroU32), (other, other_scale): (i64, NonZeroU32)) -> bool {
    let (scale, other_scale) = (ticks(scale), ticks(other_scale));
    let difference = i128::from(time) * other_scale - i128::from(other) * scale;
    difference.abs() <= scale.max(other_scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_equal_to_a_tick_of_the_coarser_timescale() {
        let scale = |ticks| NonZeroU32::new(ticks).expect("a timescale");
        assert!(is_equal((6000, scale(1000)), (90_000 * 6, scale(90_000))));
        assert!(is_equal((6001, scale(1000)), (90_000 * 6, scale(90_000))));
        assert!(!is_equal((6002, scale(1000)), (90_000 * 6, scale(90_000))));
    }
}
