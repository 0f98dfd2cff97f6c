//! A virtual MP4 with a new index: a time range of a title, a selection of its tracks, or the merged
//! fragments of a fragmented file.
//!
//! The samples keep their bytes and their order, and gaps between them are left out. An edit list gives all
//! tracks the same start: video begins with the preceding key frame, audio one frame early, or earlier if
//! its decoder needs preroll.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use super::{
    boxes::{self, Writer},
    cues,
    tables::Tables,
};
use crate::{
    extent::{Extent, Extents, ReadAt, ReadError, Source},
    movie::{Movie, Sample, Segment, Track, codec::Codec},
};

/// Memory limit while a clip is built, in bytes: some ten hours of video and audio.
const MEMORY_MAX_BYTES: usize = 48 << 20;

/// The most samples that are read after the end of a clip, in case a later one is presented earlier: no
/// codec reorders a tenth of that.
const REORDER_MAX: usize = 1024;

/// Ticks per second of a movie if the timescales of its tracks have no common multiple.
const FALLBACK_TIMESCALE: u32 = 90_000;

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

/// A track of a clip.
pub(super) struct Part<'a> {
    pub(super) track: &'a Track,
    pub(super) tables: Tables,
    /// Start in the composition timeline of the samples, and duration, in ticks.
    pub(super) media_time: i64,
    pub(super) duration: u64,
    /// Duration of the empty edit before it, in ticks.
    pub(super) delay: u64,
}

/// Builds a virtual MP4 of some tracks of a movie; encrypted tracks are left out.
pub fn clip<R: ReadAt + ?Sized>(
    movie: &Movie,
    clip: &Clip,
    file: &Arc<dyn Source>,
    reader: &R,
) -> Result<Extents, ClipRefused> {
    // The auxiliary information of encrypted samples is outside the samples and would be lost.
    let is_clear = |track: &&Track| track.entry.encryption.is_none();
    let tracks =
        || clip.tracks.iter().filter_map(|place| movie.tracks.get(*place)).filter(is_clear);
    let mut left = MEMORY_MAX_BYTES;
    let mut parts = Vec::new();
    for track in tracks() {
        let part = part(track, clip, reader, left)?;
        left -= part.tables.memory_bytes();
        if part.tables.samples() > 0 {
            parts.push(part);
        }
    }
    // Subtitles alone are not playable.
    if !parts.iter().any(|part| part.track.is_video() || part.track.is_audio()) {
        let ends = tracks().map(|track| in_ms(track.index.end, track.timescale));
        return Err(ClipRefused::Empty {
            start_ms: clip.start_ms,
            end_ms: clip.end_ms,
            title_ms: ends.max().unwrap_or(0),
        });
    }
    let VirtualMovie { header, media } = write(parts);
    let mut extents = Extents::default();
    for bytes in header {
        extents.push(Extent::Memory(bytes.into())).map_err(|_| ReadError::Changed)?;
    }
    for range in media {
        let source = Arc::clone(file);
        let pushed = extents.push(Extent::Source { source, range });
        pushed.map_err(|_| ReadError::Changed)?;
    }
    Ok(extents)
}

/// The header of a movie, and the ranges of its media data.
pub(super) struct VirtualMovie {
    /// `ftyp`, `moov` and the header of `mdat`.
    pub(super) header: [Vec<u8>; 3],
    /// Ranges of the media data, in order.
    pub(super) media: Vec<Range<u64>>,
}

/// Writes the header of a movie with these tracks.
pub(super) fn write(parts: Vec<Part<'_>>) -> VirtualMovie {
    let media = Media::new(&parts);
    let ftyp = file_type();
    // The index contains offsets of the media data, which come after it: the length of the index depends
    // only on the width of these offsets.
    let is_long = u32::try_from(media.len + (1 << 30)).is_err();
    let mdat_header = if u32::try_from(media.len + 8).is_ok() { 8 } else { 16 };
    let (mut moov, tables) = write_moov(&parts, &media, is_long);
    drop(parts);
    let base = (ftyp.len() + moov.len() + mdat_header) as u64;
    tables.into_iter().for_each(|offsets| add_to_offsets(&mut moov[offsets], base, is_long));
    let mut mdat = Writer::with_capacity(16);
    if mdat_header == 8 {
        mdat.u32(u32::try_from(media.len + 8).expect("checked above"));
        mdat.bytes(b"mdat");
    } else {
        mdat.u32(1);
        mdat.bytes(b"mdat");
        mdat.u64(media.len + 16);
    }
    VirtualMovie { header: [ftyp, moov, mdat.into_bytes()], media: media.ranges }
}

fn in_ms(ticks: i64, timescale: NonZeroU32) -> u64 {
    let ms = i128::from(ticks) * 1000 / i128::from(timescale.get());
    u64::try_from(ms).unwrap_or(0)
}

fn in_ticks(ms: u64, timescale: NonZeroU32) -> i64 {
    let ticks = u128::from(ms) * u128::from(timescale.get()) / 1000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// Adds `base` to each offset of a table.
fn add_to_offsets(offsets: &mut [u8], base: u64, is_long: bool) {
    let width = if is_long { 8 } else { 4 };
    for entry in offsets.chunks_exact_mut(width) {
        let offset = entry.iter().fold(0, |offset, byte| offset << 8 | u64::from(*byte));
        let shifted = offset.saturating_add(base).to_be_bytes();
        entry.copy_from_slice(&shifted[8 - width..]);
    }
}

/// The part of a track that a clip needs, in at most `memory_max` bytes of memory.
fn part<'a, R: ReadAt + ?Sized>(
    track: &'a Track,
    clip: &Clip,
    reader: &R,
    memory_max: usize,
) -> Result<Part<'a>, ClipRefused> {
    let start = in_ticks(clip.start_ms, track.timescale);
    let end = clip.end_ms.map_or(i64::MAX, |end_ms| in_ticks(end_ms, track.timescale));
    let mut part = Part { track, tables: Tables::new(track), media_time: 0, duration: 0, delay: 0 };
    let segments = &track.index.segments;
    // A segment begins with a sync sample, and audio needs one frame more.
    let after = segments.partition_point(|segment| segment.start <= start);
    let first = after.saturating_sub(if track.is_video() { 1 } else { 2 });
    let Some(segment): Option<&Segment> = segments.get(first) else {
        return Ok(part);
    };
    if start >= track.index.end {
        return Ok(part);
    }
    let mut walk = track.walk(reader, segment);
    let raise = i64::from(track.index.raise);
    // RFC 7845 section 4.6. The output of other decoders is correct from the second frame on.
    let preroll = if track.entry.codec == Codec::Opus { in_ticks(80, track.timescale) } else { 0 };
    let is_text = cues::format(track).is_some();
    // Samples that are decoded after the last presented one; needed if another presented one follows.
    let mut pending: Vec<Sample> = Vec::new();
    let (mut first_dts, mut first_presented) = (None, i64::MAX);
    for _ in segment.first_sample..track.index.end_sample {
        let Some(Ok(sample)) = walk.next_sample()? else {
            return Err(ReadError::Changed.into());
        };
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let ends = presented.saturating_add(i64::from(sample.duration));
        let is_early = if track.is_video() { presented } else { ends } <= start - preroll;
        if sample.is_sync && is_early {
            (part.tables, first_dts, first_presented) = (Tables::new(track), None, i64::MAX);
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
            part.tables.add(&sample);
        }
        if part.tables.memory_bytes() > memory_max {
            return Err(ClipRefused::TooLong);
        }
    }
    let Some(first_dts) = first_dts.filter(|_| part.tables.samples() > 0) else {
        return Ok(part);
    };
    // The first presented moment: the start, or the beginning of the track if that is later.
    let from = first_presented.max(start).max(track.timeline.from);
    let until = end.min(track.index.end);
    part.duration = u64::try_from(until.saturating_sub(from)).unwrap_or(0);
    if part.duration == 0 {
        // All samples end before the start.
        part.tables = Tables::new(track);
        return Ok(part);
    }
    part.delay = from.abs_diff(start);
    let media_time = i128::from(from) - i128::from(track.timeline.shift) - i128::from(first_dts)
        + i128::from(raise);
    part.media_time = i64::try_from(media_time.max(0)).unwrap_or(i64::MAX);
    Ok(part)
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

/// The source ranges of all parts, in file order, and their offsets in the clip.
struct Media {
    ranges: Vec<Range<u64>>,
    /// Offset of each range in the media data of the clip.
    starts: Vec<u64>,
    len: u64,
}

impl Media {
    fn new(parts: &[Part<'_>]) -> Self {
        let chunks = parts.iter().flat_map(|part| part.tables.chunks());
        let mut sorted: Vec<Range<u64>> =
            chunks.map(|chunk| chunk.offset..chunk.end).filter(|range| !range.is_empty()).collect();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match ranges.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => ranges.push(range),
            }
        }
        let mut len = 0;
        let mut starts = Vec::with_capacity(ranges.len());
        for range in &ranges {
            starts.push(len);
            len += range.end - range.start;
        }
        Self { ranges, starts, len }
    }

    /// Maps an offset in the file to one in the media data of the clip.
    fn map_offset(&self, offset: u64) -> u64 {
        let place = self.ranges.partition_point(|range| range.end <= offset);
        let Some(range) = self.ranges.get(place) else {
            return self.len;
        };
        self.starts[place] + offset.saturating_sub(range.start)
    }
}

fn file_type() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.boxed(b"ftyp", |ftyp| {
        ftyp.bytes(b"isom");
        ftyp.u32(0x200);
        [b"isom", b"iso2", b"mp41"].into_iter().for_each(|brand| ftyp.bytes(brand));
    });
    writer.into_bytes()
}

/// Ticks per second of the movie: a common multiple of the timescales of the tracks if possible, so that
/// empty edits are exact.
fn movie_timescale(parts: &[Part<'_>]) -> u32 {
    let common = parts.iter().try_fold(1_u32, |common, part| {
        let timescale = part.track.timescale.get();
        let (mut divisor, mut rest) = (common, timescale);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        (common / divisor).checked_mul(timescale)
    });
    common.unwrap_or(FALLBACK_TIMESCALE)
}

fn in_movie_ticks(ticks: u64, timescale: NonZeroU32, movie_timescale: u32) -> u64 {
    let scaled = u128::from(ticks) * u128::from(movie_timescale);
    u64::try_from(scaled.div_ceil(u128::from(timescale.get()))).unwrap_or(u64::MAX)
}

/// Writes the index. Also returns the ranges of its offset tables; the offsets count from the start of
/// the media data.
fn write_moov(parts: &[Part<'_>], media: &Media, is_long: bool) -> (Vec<u8>, Vec<Range<usize>>) {
    let movie_timescale = movie_timescale(parts);
    let in_movie =
        |ticks, part: &Part<'_>| in_movie_ticks(ticks, part.track.timescale, movie_timescale);
    let duration =
        |part: &Part<'_>| in_movie(part.delay, part).saturating_add(in_movie(part.duration, part));
    let mut writer = Writer::default();
    let mut offsets = Vec::new();
    writer.boxed(b"moov", |moov| {
        let longest = parts.iter().map(duration).max().unwrap_or(0);
        let next = u32::try_from(parts.len()).expect("a few tracks") + 1;
        boxes::movie_header(moov, movie_timescale, longest, next);
        for (id, part) in (1..).zip(parts) {
            moov.boxed(b"trak", |trak| {
                let track = part.track;
                boxes::track_header(trak, id, duration(part), track.is_audio(), &track.display);
                let presented = (in_movie(part.duration, part), part.media_time);
                let empty = (in_movie(part.delay, part), -1);
                let edits = if part.delay > 0 { vec![empty, presented] } else { vec![presented] };
                boxes::edit_list(trak, &edits);
                offsets.push(write_media(trak, part, media, is_long));
            });
        }
    });
    (writer.into_bytes(), offsets)
}

fn write_media(trak: &mut Writer, part: &Part<'_>, media: &Media, is_long: bool) -> Range<usize> {
    let track = part.track;
    let mut offsets = 0..0;
    trak.boxed(b"mdia", |mdia| {
        let language = track.language.as_deref().unwrap_or_default();
        let duration = part.tables.duration();
        boxes::media_header(mdia, track.timescale.get(), duration, language);
        boxes::handler(mdia, &track.handler.0, track.name.as_deref().unwrap_or_default());
        mdia.boxed(b"minf", |minf| {
            boxes::media_kind(minf, &track.handler.0);
            minf.boxed(b"stbl", |stbl| {
                stbl.full(b"stsd", 0, 0, |stsd| {
                    stsd.u32(1);
                    stsd.bytes(&track.entry.entry);
                });
                offsets = part.tables.write(stbl, is_long, |offset| media.map_offset(offset));
            });
        });
    });
    offsets
}
