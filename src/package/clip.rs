//! A virtual MP4 whose index is written anew: a part of a title, some of its tracks, or a fragmented
//! file as a whole one.
//!
//! The samples stay where they are and in their order, and what lies between them is left out. All
//! tracks share one start, to which an edit list leads: pictures begin with the key frame before it,
//! sound with one frame more than is heard, or as many as its decoder has to hear before it is right.

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

/// What a clip may take in memory while it is made, in bytes: some ten hours of pictures and sound.
const MEMORY_MAX_BYTES: usize = 48 << 20;

/// Samples that are decoded behind the end of a clip, before it is taken for certain that no later one
/// is shown before: no codec has a tenth of that.
const BEHIND_MAX: usize = 1024;

/// Ticks per second of a movie whose tracks have no clock in common.
const USUAL_TIMESCALE: u32 = 90_000;

/// Why a clip cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClipRefused {
    /// There is nothing between its start and its end.
    #[error("there is nothing to play from {start_ms} ms {}: the title ends at {title_ms} ms", until(.end_ms))]
    Empty {
        /// Its start, in milliseconds.
        start_ms: u64,
        /// Its end, in milliseconds, if that is not the title's.
        end_ms: Option<u64>,
        /// The end of the title, in milliseconds.
        title_ms: u64,
    },
    /// It is too long to be made while somebody waits.
    #[error("this is too long for one clip: ask for a part of it by start and end")]
    TooLong,
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn until(end_ms: &Option<u64>) -> String {
    end_ms.map_or_else(|| "on".to_owned(), |end_ms| format!("to {end_ms} ms"))
}

/// What of a title is asked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Clip {
    /// From when on, in milliseconds.
    pub start_ms: u64,
    /// Until when, in milliseconds; `None` for the end.
    pub end_ms: Option<u64>,
    /// Which tracks, by their places in the movie.
    pub tracks: Vec<usize>,
}

/// One track of a clip.
pub(super) struct Part<'a> {
    pub(super) track: &'a Track,
    pub(super) tables: Tables,
    /// Where in the samples the clip begins, and how long it lasts, in ticks.
    pub(super) media_time: i64,
    pub(super) lasts: u64,
    /// For how long nothing is shown before, in ticks.
    pub(super) empty: u64,
}

/// Makes a virtual MP4 of some tracks of a movie; encrypted ones are left out.
pub fn clip<R: ReadAt + ?Sized>(
    movie: &Movie,
    clip: &Clip,
    file: &Arc<dyn Source>,
    reader: &R,
) -> Result<Extents, ClipRefused> {
    // What says how samples are encrypted lies beside them, and would be lost.
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
    // Subtitles alone are nothing to play.
    if !parts.iter().any(|part| part.track.is_video() || part.track.is_audio()) {
        let ends = tracks().map(|track| in_ms(track.index.end, track.timescale));
        return Err(ClipRefused::Empty {
            start_ms: clip.start_ms,
            end_ms: clip.end_ms,
            title_ms: ends.max().unwrap_or(0),
        });
    }
    let Written { front, media } = write(parts);
    let mut extents = Extents::default();
    for made in front {
        extents.push(Extent::Memory(made.into())).map_err(|_| ReadError::Changed)?;
    }
    for range in media {
        let source = Arc::clone(file);
        let pushed = extents.push(Extent::Source { source, range });
        pushed.map_err(|_| ReadError::Changed)?;
    }
    Ok(extents)
}

/// A movie whose media are elsewhere.
pub(super) struct Written {
    /// All that stands in front of its media: what it is, its index, and the media's header.
    pub(super) front: [Vec<u8>; 3],
    /// Where its media are to be had, in their order.
    pub(super) media: Vec<Range<u64>>,
}

/// Writes the index of a movie of these tracks.
pub(super) fn write(parts: Vec<Part<'_>>) -> Written {
    let media = Media::of(&parts);
    let ftyp = file_type();
    // The index tells where the media are, which is behind it: how long it is depends on how many bytes
    // an offset takes, and on nothing else.
    let is_long = u32::try_from(media.len + (1 << 30)).is_err();
    let mdat_header = if u32::try_from(media.len + 8).is_ok() { 8 } else { 16 };
    let (mut moov, tables) = write_moov(&parts, &media, is_long);
    drop(parts);
    let base = (ftyp.len() + moov.len() + mdat_header) as u64;
    tables.into_iter().for_each(|offsets| add(&mut moov[offsets], base, is_long));
    let mut mdat = Writer::with_capacity(16);
    if mdat_header == 8 {
        mdat.u32(u32::try_from(media.len + 8).expect("it was seen to fit"));
        mdat.bytes(b"mdat");
    } else {
        mdat.u32(1);
        mdat.bytes(b"mdat");
        mdat.u64(media.len + 16);
    }
    Written { front: [ftyp, moov, mdat.into_bytes()], media: media.ranges }
}

fn in_ms(ticks: i64, timescale: NonZeroU32) -> u64 {
    let ms = i128::from(ticks) * 1000 / i128::from(timescale.get());
    u64::try_from(ms).unwrap_or(0)
}

fn in_ticks(ms: u64, timescale: NonZeroU32) -> i64 {
    let ticks = u128::from(ms) * u128::from(timescale.get()) / 1000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// Adds to each of the offsets in a table.
fn add(offsets: &mut [u8], base: u64, is_long: bool) {
    let width = if is_long { 8 } else { 4 };
    for entry in offsets.chunks_exact_mut(width) {
        let offset = entry.iter().fold(0, |offset, byte| offset << 8 | u64::from(*byte));
        let shifted = offset.saturating_add(base).to_be_bytes();
        entry.copy_from_slice(&shifted[8 - width..]);
    }
}

/// The samples of a track that a clip needs, which may take so many bytes in memory.
fn part<'a, R: ReadAt + ?Sized>(
    track: &'a Track,
    clip: &Clip,
    reader: &R,
    memory_max: usize,
) -> Result<Part<'a>, ClipRefused> {
    let start = in_ticks(clip.start_ms, track.timescale);
    let end = clip.end_ms.map_or(i64::MAX, |end_ms| in_ticks(end_ms, track.timescale));
    let mut part = Part { track, tables: Tables::new(track), media_time: 0, lasts: 0, empty: 0 };
    let segments = &track.index.segments;
    // A segment begins with a sample that decoding can begin with, and sound wants one frame more.
    let first = segments.partition_point(|segment| segment.start <= start);
    let first = first.saturating_sub(if track.is_video() { 1 } else { 2 });
    let Some(segment): Option<&Segment> = segments.get(first) else {
        return Ok(part);
    };
    if start >= track.index.end {
        return Ok(part);
    }
    let mut walk = track.walk(reader, segment);
    let raise = i64::from(track.index.raise);
    // RFC 7845 section 4.6. Other decoders are right with the second frame.
    let preroll = if track.entry.codec == Codec::Opus { in_ticks(80, track.timescale) } else { 0 };
    let is_text = cues::format(track).is_some();
    // Decoded behind the last that is shown: they are needed if another one is shown.
    let mut behind: Vec<Sample> = Vec::new();
    let (mut first_dts, mut begins) = (None, i64::MAX);
    for _ in segment.first_sample..track.index.end_sample {
        let Some(Ok(sample)) = walk.next_sample()? else {
            return Err(ReadError::Changed.into());
        };
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let ends = presented.saturating_add(i64::from(sample.duration));
        let is_early = if track.is_video() { presented } else { ends } <= start - preroll;
        if sample.is_sync && is_early {
            (part.tables, first_dts, begins) = (Tables::new(track), None, i64::MAX);
            behind.clear();
        }
        if presented >= end {
            // Pictures that are shown before the end may be decoded behind others that are shown after
            // it, also behind a key frame. No composition offset is less than what raises the least to
            // zero.
            let earliest = sample.dts.saturating_add(track.timeline.shift).saturating_sub(raise);
            if earliest >= end || behind.len() >= BEHIND_MAX {
                break;
            }
            behind.push(sample);
            continue;
        }
        for sample in behind.drain(..).chain([sample]) {
            let Some(sample) =
                (if is_text { cut_text(track, sample, start..end) } else { Some(sample) })
            else {
                continue;
            };
            first_dts.get_or_insert(sample.dts);
            begins = begins.min(track.timeline.presented(sample.dts, sample.composition));
            part.tables.add(&sample);
        }
        if part.tables.memory_bytes() > memory_max {
            return Err(ClipRefused::TooLong);
        }
    }
    let Some(first_dts) = first_dts.filter(|_| part.tables.samples() > 0) else {
        return Ok(part);
    };
    // What is seen first: the start, or where the track begins if that is later.
    let seen = begins.max(start).max(track.timeline.from);
    let until = end.min(track.index.end);
    part.lasts = u64::try_from(until.saturating_sub(seen)).unwrap_or(0);
    if part.lasts == 0 {
        // All that was found is over before the start, which may be any number.
        part.tables = Tables::new(track);
        return Ok(part);
    }
    part.empty = seen.abs_diff(start);
    let media_time = i128::from(seen) - i128::from(track.timeline.shift) - i128::from(first_dts)
        + i128::from(raise);
    part.media_time = i64::try_from(media_time.max(0)).unwrap_or(i64::MAX);
    Ok(part)
}

/// Text as it is shown in a clip: what is there at its start begins then, and what is there at its end is
/// over then; `None` of what is not shown. Nothing has to be decoded for it, and ffmpeg shows text early
/// after an edit that begins in a sample.
fn cut_text(track: &Track, sample: Sample, range: Range<i64>) -> Option<Sample> {
    let begins = track.timeline.presented(sample.dts, sample.composition);
    let ends = begins.saturating_add(sample.duration.into());
    let (from, until) = (begins.max(range.start), ends.min(range.end));
    let duration = u32::try_from(until.saturating_sub(from)).ok().filter(|lasts| *lasts > 0)?;
    let dts = sample.dts.saturating_add(from.saturating_sub(begins));
    Some(Sample { dts, duration, ..sample })
}

/// The bytes of all parts, in the order of the file, and where each lies in the clip.
struct Media {
    ranges: Vec<Range<u64>>,
    /// Where each range begins in the clip's media.
    starts: Vec<u64>,
    len: u64,
}

impl Media {
    fn of(parts: &[Part<'_>]) -> Self {
        let chunks = parts.iter().flat_map(|part| part.tables.chunks());
        let ranges = chunks.map(|chunk| chunk.offset..chunk.end);
        let mut sorted: Vec<Range<u64>> = ranges.filter(|range| !range.is_empty()).collect();
        sorted.sort_unstable_by_key(|range| range.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match ranges.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => ranges.push(range),
            }
        }
        let mut len = 0;
        let starts = ranges.iter().map(|range| {
            let start = len;
            len += range.end - range.start;
            start
        });
        let starts = starts.collect();
        Self { ranges, starts, len }
    }

    /// Where a byte of the file lies in the clip's media.
    fn place_of(&self, offset: u64) -> u64 {
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

/// Ticks per second of the movie itself: so many that those of each track are whole ones, as far as
/// that goes, and an empty edit is exact.
fn movie_timescale(parts: &[Part<'_>]) -> u32 {
    let common = parts.iter().try_fold(1_u32, |common, part| {
        let timescale = part.track.timescale.get();
        let (mut divisor, mut rest) = (common, timescale);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        (common / divisor).checked_mul(timescale)
    });
    common.unwrap_or(USUAL_TIMESCALE)
}

fn in_movie_ticks(ticks: u64, timescale: NonZeroU32, movie_timescale: u32) -> u64 {
    let scaled = u128::from(ticks) * u128::from(movie_timescale);
    u64::try_from(scaled.div_ceil(u128::from(timescale.get()))).unwrap_or(u64::MAX)
}

/// The index, and where the offsets of each track are in it: those of the media's beginning, from which
/// all count.
fn write_moov(parts: &[Part<'_>], media: &Media, is_long: bool) -> (Vec<u8>, Vec<Range<usize>>) {
    let movie_timescale = movie_timescale(parts);
    let in_movie =
        |ticks, part: &Part<'_>| in_movie_ticks(ticks, part.track.timescale, movie_timescale);
    let lasts =
        |part: &Part<'_>| in_movie(part.empty, part).saturating_add(in_movie(part.lasts, part));
    let mut writer = Writer::default();
    let mut offsets = Vec::new();
    writer.boxed(b"moov", |moov| {
        let duration = parts.iter().map(lasts).max().unwrap_or(0);
        let next = u32::try_from(parts.len()).expect("a few tracks") + 1;
        boxes::movie_header(moov, movie_timescale, duration, next);
        for (id, part) in (1..).zip(parts) {
            moov.boxed(b"trak", |trak| {
                let track = part.track;
                boxes::track_header(trak, id, lasts(part), track.is_audio(), &track.display);
                let shown = (in_movie(part.lasts, part), part.media_time);
                let empty = (in_movie(part.empty, part), -1);
                let edits = if part.empty > 0 { vec![empty, shown] } else { vec![shown] };
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
                offsets = part.tables.write(stbl, is_long, |offset| media.place_of(offset));
            });
        });
    });
    offsets
}
