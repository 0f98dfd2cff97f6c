//! Where segments begin: at the cues of the leading track on the grid, or at the first key frames of clusters
//! where the file has no cues.

use std::num::NonZeroU32;

use super::{
    clock::Clock,
    clusters::Cut,
    cues,
    ebml::Element,
    head::Head,
    hops::{self, Hops},
    ids,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        cuts::{Cuts, NextCut},
        window::Window,
    },
};

/// Cues farther apart than this have been left out by the writer: in milliseconds, and in distances of the grid.
const HOLE_MS: u32 = 30_000;
const HOLE_GRIDS: u32 = 4;

/// The most segments of a file: a day of segments of a second.
pub(super) const SEGMENTS_MAX: usize = 1 << 17;

/// The cuts that are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The number of the leading track.
    pub(super) track: u64,
    /// All of its frames are key frames.
    pub(super) are_all_keys: bool,
    /// Its first key frame.
    pub(super) first: Cut,
    pub(super) clock: Clock,
    /// Added to its times to get presentation times.
    pub(super) shift: i64,
    pub(super) grid_ms: NonZeroU32,
}

/// The cuts of a file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) cuts: Vec<Cut>,
    /// Offsets of the last clusters, at most two.
    pub(super) last: Vec<u64>,
}

/// Finds the cuts, in order. `None` if that takes more than the work.
pub(super) fn read<R: ReadAt + ?Sized>(
    source: &R,
    head: &Head,
    wanted: &Wanted,
    work: &mut u64,
) -> Result<Option<Found>, ReadError> {
    let mut cuts = vec![wanted.first];
    if let Some(body) = &head.cues {
        let mut cues = cues::of_track(source, body, &head.segment, wanted.track)?;
        if !name_clusters(source, &cues)? {
            cues.clear();
        }
        let is_later =
            |cue: &Cut| cue.time > wanted.first.time && cue.cluster >= wanted.first.cluster;
        cuts.extend(cues.into_iter().filter(is_later));
    }
    let hole = i64::from(HOLE_MS.max(wanted.grid_ms.get().saturating_mul(HOLE_GRIDS)));
    let hole = wanted.clock.file_ticks(hole).max(1);
    let end = head.segment.end;
    let leading = Some((wanted.track, wanted.are_all_keys));
    let mut filled: Vec<Cut> = Vec::new();
    for (place, cut) in cuts.iter().enumerate() {
        filled.push(*cut);
        let Some(next) = cuts.get(place + 1) else { break };
        if next.time.saturating_sub(cut.time) > hole && next.cluster > cut.cluster {
            let found = hops::pass(source, cut.cluster..next.cluster, leading, work)?;
            filled.extend(found.cuts);
        }
    }
    let last_cut = cuts.last().copied().unwrap_or(wanted.first);
    // By their sizes alone, to see how far it is.
    let mut tail = match head.cues {
        Some(_) => hops::pass(source, last_cut.cluster..end, None, work)?,
        None => Hops::default(),
    };
    let is_far =
        tail.last.last().is_some_and(|last| last.time().saturating_sub(last_cut.time) > hole);
    if is_far || head.cues.is_none() {
        tail = hops::pass(source, last_cut.cluster..end, leading, work)?;
        filled.append(&mut tail.cuts);
    }
    if *work == 0 && !tail.is_complete {
        return Ok(None);
    }
    filled.sort_by_key(|cut| (cut.time, cut.cluster));
    let cuts = on_grid(&filled, wanted);
    let last = tail.last.iter().map(|cluster| cluster.start).collect();
    Ok((cuts.len() < SEGMENTS_MAX).then_some(Found { cuts, last }))
}

/// Whether the first, the middle and the last cue name a cluster: a changed header moves all of them.
fn name_clusters<R: ReadAt + ?Sized>(source: &R, cues: &[Cut]) -> Result<bool, ReadError> {
    let window = &mut Window::new(source, 16);
    let places = [Some(0), Some(cues.len() / 2), cues.len().checked_sub(1)];
    for cue in places.into_iter().flatten().filter_map(|place| cues.get(place)) {
        let element = Element::read(window, cue.cluster)?;
        if element.is_none_or(|element| element.id != ids::CLUSTER) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The cuts at or behind each multiple of the grid, and the first.
fn on_grid(all: &[Cut], wanted: &Wanted) -> Vec<Cut> {
    let clock = wanted.clock;
    let presented = |cut: &Cut| clock.ticks(cut.time).saturating_add(wanted.shift);
    let mut next = NextCut::new(Cuts::Grid(wanted.grid_ms), clock.timescale);
    let mut cuts = vec![wanted.first];
    let mut start = presented(&wanted.first).max(0);
    next.advance(start, 0);
    let is_later = |cut: &&Cut| cut.time > wanted.first.time && cut.cluster >= wanted.first.cluster;
    let later: Vec<Cut> = all.iter().filter(is_later).copied().collect();
    for cut in &cues::rising(&later) {
        let time = presented(cut);
        if time > start && next.is_reached(time, 0) {
            cuts.push(*cut);
            start = time;
            next.advance(start, 0);
        }
    }
    cuts
}
