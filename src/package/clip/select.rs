//! The samples of a clip, from the tables of its file.

use std::ops::Range;

use super::{Clip, ClipRefused, Layout, MEMORY_MAX_BYTES, Part, in_ticks, is_media, write};
use crate::{
    extent::ReadAt,
    movie::{Movie, Sample, Track, codec::Codec},
    package::{cues, tables::Tables},
};

/// The most samples that are read after the end of a clip, in case a later one is presented earlier: no
/// codec reorders a tenth of that.
const REORDER_MAX: usize = 1024;

/// The samples of a clip.
#[derive(Debug)]
pub struct Selection {
    /// The places of the tracks in the movie, and the samples of each; none is empty.
    cuts: Vec<(usize, Cut)>,
}

/// The samples of a track.
#[derive(Debug)]
pub(in crate::package) struct Cut {
    pub(in crate::package) tables: Tables,
    /// Start in the composition timeline of the samples, and duration, in ticks.
    pub(in crate::package) media_time: i64,
    pub(in crate::package) duration: u64,
    /// Duration of the empty edit before it, in ticks.
    pub(in crate::package) delay: u64,
}

/// Reads the samples of a clip.
///
/// # Errors
/// If the clip has no samples or too many, or if the file cannot be read.
pub fn select<R: ReadAt + ?Sized>(
    movie: &Movie,
    clip: &Clip,
    reader: &R,
) -> Result<Selection, ClipRefused> {
    let mut left = MEMORY_MAX_BYTES;
    let mut cuts = Vec::new();
    for (place, track) in clip.tracks(movie) {
        let (cut, _) = cut(track, clip.range(track), reader, left)?;
        left -= cut.tables.memory_bytes();
        cuts.push((place, cut));
    }
    Selection::new(movie, clip, cuts)
}

impl Selection {
    /// The tracks of a clip that have samples, if there is one beside text.
    pub(super) fn new(
        movie: &Movie,
        clip: &Clip,
        mut cuts: Vec<(usize, Cut)>,
    ) -> Result<Self, ClipRefused> {
        cuts.retain(|(_, cut)| cut.tables.samples() > 0);
        match cuts.iter().any(|(place, _)| is_media(&movie.tracks[*place])) {
            true => Ok(Self { cuts }),
            false => Err(clip.empty(movie)),
        }
    }

    pub(super) fn into_cuts(self) -> Vec<(usize, Cut)> {
        self.cuts
    }

    /// The virtual MP4 of these samples. Computes without a read, for some milliseconds an hour.
    ///
    /// # Panics
    /// If the selection is of another movie with fewer tracks.
    pub fn layout(self, movie: &Movie) -> Layout {
        let part = |(place, cut): (usize, Cut)| Part { track: &movie.tracks[place], cut };
        write(self.cuts.into_iter().map(part).collect())
    }
}

/// The samples of a track that a clip from `start` to `end` needs, in at most `memory_max` bytes of memory, and
/// the decoding time of the first.
pub(super) fn cut<R: ReadAt + ?Sized>(
    track: &Track,
    (start, end): (i64, i64),
    reader: &R,
    memory_max: usize,
) -> Result<(Cut, i64), ClipRefused> {
    let mut cutting = Cutting::new(track, start..end);
    let mut walk = track.walk_from(reader, cutting.first_segment());
    while !cutting.is_done {
        let Some(sample) = walk.next_sample()? else { break };
        cutting.add(sample);
        if cutting.memory_bytes() > memory_max {
            return Err(ClipRefused::TooLong);
        }
    }
    Ok(cutting.finish())
}

/// A track that is being cut: takes its samples in decoding order, and keeps those that the clip needs.
#[derive(Debug)]
pub(super) struct Cutting<'a> {
    track: &'a Track,
    /// Of the clip, in ticks.
    range: Range<i64>,
    tables: Tables,
    /// Samples that are decoded after the last presented one; needed if another presented one follows.
    pending: Vec<Sample>,
    first_dts: Option<i64>,
    first_presented: i64,
    /// The same without frames that are decoded only.
    first_shown: i64,
    /// No later sample is needed.
    pub(super) is_done: bool,
}

impl<'a> Cutting<'a> {
    pub(super) fn new(track: &'a Track, range: Range<i64>) -> Self {
        Self {
            track,
            tables: Tables::new(track),
            pending: Vec::new(),
            first_dts: None,
            first_presented: i64::MAX,
            first_shown: i64::MAX,
            is_done: range.start >= track.index.end,
            range,
        }
    }

    /// The segment in which the samples begin: one begins with a sync sample, and audio needs one frame more.
    pub(super) fn first_segment(&self) -> usize {
        let segments = &self.track.index.segments;
        let after = segments.partition_point(|segment| segment.start <= self.range.start);
        after.saturating_sub(if self.track.is_video() { 1 } else { 2 })
    }

    /// Approximate memory use, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.tables.memory_bytes()
    }

    /// Takes the next sample.
    pub(super) fn add(&mut self, sample: Sample) {
        if self.is_done || sample.is_silence {
            // The tables extend the frame before silence: all bytes of a clip are in the file.
            return;
        }
        let (track, Range { start, end }) = (self.track, self.range.clone());
        let raise = i64::from(track.index.raise);
        // RFC 7845 section 4.6. The output of other decoders is correct from the second frame on.
        let preroll =
            if track.entry.codec == Codec::Opus { in_ticks(80, track.timescale) } else { 0 };
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let ends = presented.saturating_add(i64::from(sample.duration));
        let is_early = if track.is_video() { presented } else { ends } <= start - preroll;
        if sample.is_sync && is_early {
            self.restart();
        }
        if presented >= end {
            // Frames that are presented before the end may be decoded after others that are presented
            // after it, and even after a key frame. The raise makes the smallest composition offset zero,
            // so no later sample is presented before `earliest`.
            let earliest = sample.dts.saturating_add(track.timeline.shift).saturating_sub(raise);
            match earliest >= end || self.pending.len() >= REORDER_MAX {
                true => self.is_done = true,
                false => self.pending.push(sample),
            }
            return;
        }
        for sample in std::mem::take(&mut self.pending).into_iter().chain([sample]) {
            self.keep(sample);
        }
    }

    /// Drops what is there: decoding begins later.
    fn restart(&mut self) {
        (self.tables, self.first_dts) = (Tables::new(self.track), None);
        (self.first_presented, self.first_shown) = (i64::MAX, i64::MAX);
        self.pending.clear();
    }

    fn keep(&mut self, sample: Sample) {
        let track = self.track;
        let kept = match cues::is_text(track) {
            true => cut_text(track, sample, self.range.clone()),
            false => Some(sample),
        };
        let Some(sample) = kept else { return };
        self.first_dts.get_or_insert(sample.dts);
        let presented = track.timeline.presented(sample.dts, sample.composition);
        self.first_presented = self.first_presented.min(presented);
        if !sample.is_hidden {
            self.first_shown = self.first_shown.min(presented);
        }
        self.tables.add(&sample);
    }

    /// The samples, and the decoding time of the first.
    pub(super) fn finish(self) -> (Cut, i64) {
        let Self { track, range: Range { start, end }, tables, first_dts, .. } = self;
        let none = || Cut { tables: Tables::new(track), media_time: 0, duration: 0, delay: 0 };
        let Some(first_dts) = first_dts.filter(|_| tables.samples() > 0) else {
            return (none(), 0);
        };
        // The first presented moment: the start, or the beginning of the track if that is later.
        let begins = self.first_presented.max(start).max(track.timeline.from);
        // The edit list hides what is decoded only and presented before the first frame.
        let first_shown = Some(self.first_shown).filter(|shown| *shown != i64::MAX);
        let from = first_shown.map_or(begins, |shown| begins.max(shown));
        let until = end.min(track.index.end);
        let duration = u64::try_from(until.saturating_sub(from)).unwrap_or(0);
        if duration == 0 {
            // All samples end before the start.
            return (none(), 0);
        }
        let media_time =
            i128::from(from) - i128::from(track.timeline.shift) - i128::from(first_dts)
                + i128::from(track.index.raise);
        let media_time = i64::try_from(media_time.max(0)).unwrap_or(i64::MAX);
        (Cut { tables, media_time, duration, delay: begins.abs_diff(start) }, first_dts)
    }
}

/// Cuts a text sample to the range of a clip; `None` if it is outside. Text needs no decoding, and ffmpeg
/// shows text early after an edit that begins inside a sample.
fn cut_text(track: &Track, sample: Sample, range: Range<i64>) -> Option<Sample> {
    let begins = track.timeline.presented(sample.dts, sample.composition);
    let ends = begins.saturating_add(sample.duration.into());
    let (from, until) = (begins.max(range.start), ends.min(range.end));
    let duration = u32::try_from(until.saturating_sub(from)).ok().filter(|ticks| *ticks > 0)?;
    let dts = sample.dts.saturating_add(from.saturating_sub(begins));
    Some(Sample { dts, duration, ..sample })
}
