//! Whether two movies can be renditions of one title.

use std::num::NonZeroU32;

use crate::movie::{Movie, Segment, Track};

/// Why a movie is no rendition of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Disagreement {
    /// One of them has no pictures that could be sent in segments.
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
}

/// Whether a movie is cut where another is, to a tick of the coarser of both clocks: then a player can
/// change from one to the other at any segment (ISO/IEC 23000-19 section 7.3.4).
pub fn agree(title: &Movie, other: &Movie) -> Result<(), Disagreement> {
    let pictures = |movie: &Movie| {
        let is_offered = |track: &&Track| track.is_video() && track.entry.packageable().is_ok();
        movie.tracks.iter().find(is_offered).cloned()
    };
    let (Some(title), Some(other)) = (pictures(title), pictures(other)) else {
        return Err(Disagreement::NoPictures);
    };
    let (ours, theirs) = (&title.index.segments, &other.index.segments);
    if ours.len() != theirs.len() {
        return Err(Disagreement::Count { title: ours.len(), other: theirs.len() });
    }
    let differs = |(ours, theirs): (&Segment, &Segment)| {
        !is_equal((ours.start, title.timescale), (theirs.start, other.timescale))
    };
    match ours.iter().zip(theirs).position(differs) {
        Some(place) => Err(Disagreement::Start { number: place + 1 }),
        None => Ok(()),
    }
}

/// Whether two times are the same, to a tick of the coarser clock.
fn is_equal((time, scale): (i64, NonZeroU32), (other, other_scale): (i64, NonZeroU32)) -> bool {
    let (scale, other_scale) = (i128::from(scale.get()), i128::from(other_scale.get()));
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
