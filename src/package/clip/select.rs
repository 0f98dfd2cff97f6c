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
        if cut.tables.samples() > 0 {
            cuts.push((place, cut));
        }
    }
    if !cuts.iter().any(|(place, _)| is_media(&movie.tracks[*place])) {
        return Err(clip.empty(movie));
    }
    Ok(Selection { cuts })
}

impl Selection {
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
    let mut cut = Cut { tables: Tables::new(track), media_time: 0, duration: 0, delay: 0 };
    let segments = &track.index.segments;
    // A segment begins with a sync sample, and audio needs one frame more.
    let after = segments.partition_point(|segment| segment.start <= start);
    let first = after.saturating_sub(if track.is_video() { 1 } else { 2 });
    if start >= track.index.end {
        return Ok((cut, 0));
    }
    let mut walk = track.walk_from(reader, first);
    let raise = i64::from(track.index.raise);
    // RFC 7845 section 4.6. The output of other decoders is correct from the second frame on.
    let preroll = if track.entry.codec == Codec::Opus { in_ticks(80, track.timescale) } else { 0 };
    let is_text = cues::is_text(track);
    // Samples that are decoded after the last presented one; needed if another presented one follows.
    let mut pending: Vec<Sample> = Vec::new();
    let (mut first_dts, mut first_presented) = (None, i64::MAX);
    // The same without frames that are decoded only.
    let mut first_shown = i64::MAX;
    while let Some(sample) = walk.next_sample()? {
        if sample.is_silence {
            // The tables extend the frame before: all bytes of a clip are in the file.
            continue;
        }
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let ends = presented.saturating_add(i64::from(sample.duration));
        let is_early = if track.is_video() { presented } else { ends } <= start - preroll;
        if sample.is_sync && is_early {
            (cut.tables, first_dts) = (Tables::new(track), None);
            (first_presented, first_shown) = (i64::MAX, i64::MAX);
            pending.clear();
        }
        if presented >= end {
            // Frames that are presented before the end may be decoded after others that are presented
            // after it, and even after a key frame. The raise makes the smallest composition offset zero,
            // so no later sample is presented before `earliest`.
            let earliest = sample.dts.saturating_add(track.timeline.shift).saturating_sub(raise);
            if earliest >= end || pending.len() >= REORDER_MAX {
                break;
            }
            pending.push(sample);
            continue;
        }
        for sample in pending.drain(..).chain([sample]) {
            let Some(sample) =
                (if is_text { cut_text(track, sample, start..end) } else { Some(sample) })
            else {
                continue;
            };
            first_dts.get_or_insert(sample.dts);
            let presented = track.timeline.presented(sample.dts, sample.composition);
            first_presented = first_presented.min(presented);
            if !sample.is_hidden {
                first_shown = first_shown.min(presented);
            }
            cut.tables.add(&sample);
        }
        if cut.tables.memory_bytes() > memory_max {
            return Err(ClipRefused::TooLong);
        }
    }
    let Some(first_dts) = first_dts.filter(|_| cut.tables.samples() > 0) else {
        return Ok((cut, 0));
    };
    // The first presented moment: the start, or the beginning of the track if that is later.
    let begins = first_presented.max(start).max(track.timeline.from);
    // The edit list hides what is decoded only and presented before the first frame.
    let from = if first_shown == i64::MAX { begins } else { begins.max(first_shown) };
    let until = end.min(track.index.end);
    cut.duration = u64::try_from(until.saturating_sub(from)).unwrap_or(0);
    if cut.duration == 0 {
        // All samples end before the start.
        cut.tables = Tables::new(track);
        return Ok((cut, 0));
    }
    cut.delay = begins.abs_diff(start);
    let media_time = i128::from(from) - i128::from(track.timeline.shift) - i128::from(first_dts)
        + i128::from(raise);
    cut.media_time = i64::try_from(media_time.max(0)).unwrap_or(i64::MAX);
    Ok((cut, first_dts))
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
