//! Whether two movies can be renditions of one title.

use std::num::NonZeroU32;

use crate::movie::{Movie, Segment, Track};

/// Why a movie is no rendition of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Disagreement {
    /// It has no pictures that could be sent in segments, or the title has none at all.
    #[error("it has no pictures that could be sent in segments")]
    NoPictures,
    /// They are cut into different numbers of segments.
    #[error("it is in {other} segments, and the title in {title}: the key frames do not agree")]
    Count {
        /// Those of the title.
        title: usize,
        /// Those of the other.
        other: usize,
    },
    /// A segment begins at another time.
    #[error("its segment {number} begins at another time: the key frames do not agree")]
    Start {
        /// Which, from 1.
        number: usize,
    },
    /// One is longer than the other.
    #[error(
        "it ends at another time than the title: at {other_ms} ms, and the title at {title_ms}"
    )]
    End {
        /// When the title ends, in milliseconds.
        title_ms: i128,
        /// When the other ends, in milliseconds.
        other_ms: i128,
    },
}

/// How far apart the ends may be, in milliseconds: encoders leave out a few frames, or repeat some.
const ENDS_APART_MS_MAX: i128 = 500;

/// Whether a movie is cut where another is, to a tick of the coarser of both clocks, and ends with it:
/// then a player can change from one to the other at any segment (ISO/IEC 23000-19 section 7.3.4).
///
/// The title's own pictures need not be such that they could be sent: then others are all there is.
pub fn agree(title: &Movie, other: &Movie) -> Result<(), Disagreement> {
    let own = pictures(title).or_else(|| title.tracks.iter().find(|track| track.is_video()));
    let (Some(title), Some(other)) = (own, pictures(other)) else {
        return Err(Disagreement::NoPictures);
    };
    let (ours, theirs) = (&title.index.segments, &other.index.segments);
    if ours.len() != theirs.len() {
        return Err(Disagreement::Count { title: ours.len(), other: theirs.len() });
    }
    let differs = |(ours, theirs): (&Segment, &Segment)| {
        !is_equal((ours.start, title.timescale), (theirs.start, other.timescale))
    };
    if let Some(place) = ours.iter().zip(theirs).position(differs) {
        return Err(Disagreement::Start { number: place + 1 });
    }
    let end_ms = |track: &Track| i128::from(track.index.end) * 1000 / ticks(track.timescale);
    let (title_ms, other_ms) = (end_ms(title), end_ms(other));
    if (title_ms - other_ms).abs() > ENDS_APART_MS_MAX {
        return Err(Disagreement::End { title_ms, other_ms });
    }
    Ok(())
}

fn pictures(movie: &Movie) -> Option<&Track> {
    let is_offered = |track: &&Track| track.is_video() && track.entry.packageable().is_ok();
    movie.tracks.iter().find(is_offered)
}

fn ticks(scale: NonZeroU32) -> i128 {
    i128::from(scale.get())
}

/// Whether two times are the same, to a tick of the coarser clock.
fn is_equal((time, scale): (i64, NonZeroU32), (other, other_scale): (i64, NonZeroU32)) -> bool {
    let (scale, other_scale) = (ticks(scale), ticks(other_scale));
    let difference = i128::from(time) * other_scale - i128::from(other) * scale;
    difference.abs() <= scale.max(other_scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_equal_to_a_tick_of_the_coarser_clock() {
        let scale = |ticks| NonZeroU32::new(ticks).expect("a clock");
        assert!(is_equal((6000, scale(1000)), (90_000 * 6, scale(90_000))));
        assert!(is_equal((6001, scale(1000)), (90_000 * 6, scale(90_000))));
        assert!(!is_equal((6002, scale(1000)), (90_000 * 6, scale(90_000))));
    }
}
