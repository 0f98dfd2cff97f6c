//! `Cues` (RFC 9559 section 5.1.5): where the key frames of a track are, as the writer of the file says.

use std::ops::Range;

use super::{
    clusters::Cut,
    ebml::{self, Element, children},
    ids,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// Read size in bytes.
const WINDOW_BYTES: usize = 64 * 1024;

/// The longest `Cues`; the longest point in it, which has a position for each track.
const CUES_BYTES_MAX: u64 = 64 << 20;
const POINT_BYTES_MAX: u64 = 4096;

/// The most cues of a track that are kept; of more every second, fourth, … one.
const CUES_MAX: usize = 1 << 18;

/// A cue of any track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cue {
    pub(super) track: u64,
    /// In ticks of the file.
    pub(super) time: i64,
    /// Offset of the cluster in the file.
    pub(super) cluster: u64,
    /// Offset of the block from the first element of the cluster.
    pub(super) relative: Option<u64>,
    /// In ticks of the file.
    pub(super) duration: Option<u64>,
}

/// The cues of a track, by time, each time once.
pub(super) fn of_track<R: ReadAt + ?Sized>(
    source: &R,
    cues: &Range<u64>,
    segment: &Range<u64>,
    track: u64,
) -> Result<Vec<Cut>, ReadError> {
    let mut cuts: Vec<Cut> = Vec::new();
    // One of this many is kept.
    let (mut step, mut number) = (1_usize, 0_usize);
    each(source, cues, segment, |cue| {
        if cue.track != track {
            return;
        }
        if number.is_multiple_of(step) {
            cuts.push(Cut { time: cue.time, cluster: cue.cluster });
        }
        number += 1;
        if cuts.len() >= CUES_MAX {
            let mut place = 0_usize;
            cuts.retain(|_| {
                place += 1;
                !place.is_multiple_of(2)
            });
            step *= 2;
        }
    })?;
    cuts.sort_unstable_by_key(|cut| (cut.time, cut.cluster));
    cuts.dedup_by_key(|cut| cut.time);
    Ok(rising(&cuts))
}

/// The most of these cuts, in order of time, whose offsets do not fall: of two that contradict each other one is
/// wrong, and a single wrong one must not hide all later ones.
pub(super) fn rising(cuts: &[Cut]) -> Vec<Cut> {
    // For each length of a run the place where the one with the least offset ends, and what is in front of it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(cuts.len());
    for (place, cut) in cuts.iter().enumerate() {
        let length = ends.partition_point(|end| cuts[*end].cluster <= cut.cluster);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let places = std::iter::successors(ends.last().copied(), |place| before[*place]);
    let mut run: Vec<Cut> = places.map(|place| cuts[place]).collect();
    run.reverse();
    run
}

/// Reads all cues, in the order of the file.
pub(super) fn each<R: ReadAt + ?Sized>(
    source: &R,
    cues: &Range<u64>,
    segment: &Range<u64>,
    mut take: impl FnMut(Cue),
) -> Result<(), ReadError> {
    let window = &mut Window::new(source, WINDOW_BYTES);
    let end = cues.end.min(cues.start.saturating_add(CUES_BYTES_MAX));
    let mut at = cues.start;
    while at < end {
        let Some(point) = Element::read(window, at)? else { break };
        let Some(behind) = point.end().filter(|behind| *behind <= end) else { break };
        at = behind;
        let bytes = behind - point.body;
        if point.id != ids::CUE_POINT || bytes > POINT_BYTES_MAX {
            continue;
        }
        let length = usize::try_from(bytes).expect("at most 4096");
        let body = window.get(point.body, length)?;
        let Some(time) = ebml::find_number(body, ids::CUE_TIME) else { continue };
        let Ok(time) = i64::try_from(time) else { continue };
        let positions = children(body).filter(|(id, _)| *id == ids::CUE_TRACK_POSITIONS);
        for (_, position) in positions {
            let number = |id| ebml::find_number(position, id);
            let place = number(ids::CUE_CLUSTER_POSITION)
                .and_then(|position| segment.start.checked_add(position))
                .filter(|cluster| *cluster < segment.end);
            if let (Some(track), Some(cluster)) = (number(ids::CUE_TRACK), place) {
                take(Cue {
                    track,
                    time,
                    cluster,
                    relative: number(ids::CUE_RELATIVE_POSITION),
                    duration: number(ids::CUE_DURATION),
                });
            }
        }
    }
    Ok(())
}
