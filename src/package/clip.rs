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
};
use crate::{
    extent::{Extent, Extents, ReadAt, ReadError, Source},
    movie::{Movie, Sample, Segment, Track, codec::Codec},
};

/// Samples of all tracks together at most, which is what it may take in memory while it is made:
/// thirty hours of pictures and sound.
const SAMPLES_MAX: usize = 8 << 20;

/// Ticks per second of a movie whose tracks have no clock in common.
const USUAL_TIMESCALE: u32 = 90_000;

/// Why a clip cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClipRefused {
    /// There is nothing between its start and its end.
    #[error(
        "there is nothing to play from {start_ms} ms {}: the title ends at {title_ms} ms",
        .end_ms.map_or_else(|| "on".to_owned(), |end_ms| format!("to {end_ms} ms"))
    )]
    Empty {
        /// Its start, in milliseconds.
        start_ms: u64,
        /// Its end, in milliseconds; `None` for the title's.
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
struct Part<'a> {
    track: &'a Track,
    samples: Vec<Sample>,
    /// Where in the samples the clip begins, and how long it lasts, in ticks.
    media_time: i64,
    lasts: u64,
    /// For how long nothing is shown before, in ticks.
    empty: u64,
}

/// Makes a virtual MP4 of some tracks of a movie.
pub fn clip<R: ReadAt + ?Sized>(
    movie: &Movie,
    clip: &Clip,
    file: &Arc<dyn Source>,
    reader: &R,
) -> Result<Extents, ClipRefused> {
    let tracks = || clip.tracks.iter().filter_map(|place| movie.tracks.get(*place));
    let mut left = SAMPLES_MAX;
    let mut parts = Vec::new();
    for track in tracks() {
        let part = part(track, clip, reader, left)?;
        left -= part.samples.len();
        if !part.samples.is_empty() {
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
    let media = Media::of(&parts);
    let ftyp = file_type();
    // The index tells where the media are, which is behind it: how long it is depends on how many bytes
    // an offset takes, and on nothing else.
    let is_long = u32::try_from(media.len + (1 << 30)).is_err();
    let mdat_header = if u32::try_from(media.len + 8).is_ok() { 8 } else { 16 };
    let moov_len = write_moov(&parts, &media, 0, is_long).len();
    let base = (ftyp.len() + moov_len + mdat_header) as u64;
    let mut writer = Writer::with_capacity(ftyp.len() + moov_len + mdat_header);
    writer.bytes(&ftyp);
    writer.bytes(&write_moov(&parts, &media, base, is_long));
    if mdat_header == 8 {
        writer.u32(u32::try_from(media.len + 8).expect("it was seen to fit"));
        writer.bytes(b"mdat");
    } else {
        writer.u32(1);
        writer.bytes(b"mdat");
        writer.u64(media.len + 16);
    }
    let mut extents = Extents::of(Extent::Memory(writer.into_bytes().into()));
    for range in media.ranges {
        let source = Arc::clone(file);
        let pushed = extents.push(Extent::Source { source, range });
        pushed.map_err(|_| ReadError::Changed)?;
    }
    Ok(extents)
}

fn in_ms(ticks: i64, timescale: NonZeroU32) -> u64 {
    let ms = i128::from(ticks) * 1000 / i128::from(timescale.get());
    u64::try_from(ms).unwrap_or(0)
}

fn in_ticks(ms: u64, timescale: NonZeroU32) -> i64 {
    let ticks = u128::from(ms) * u128::from(timescale.get()) / 1000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// The samples of a track that a clip needs.
fn part<'a, R: ReadAt + ?Sized>(
    track: &'a Track,
    clip: &Clip,
    reader: &R,
    samples_max: usize,
) -> Result<Part<'a>, ClipRefused> {
    let start = in_ticks(clip.start_ms, track.timescale);
    let end = clip.end_ms.map_or(i64::MAX, |end_ms| in_ticks(end_ms, track.timescale));
    let mut part = Part { track, samples: Vec::new(), media_time: 0, lasts: 0, empty: 0 };
    let segments = &track.index.segments;
    // A segment begins with a sample that decoding can begin with, and sound wants one frame more.
    let first = segments.partition_point(|segment| segment.start <= start);
    let first = first.saturating_sub(if track.is_video() { 1 } else { 2 });
    let Some(segment): Option<&Segment> = segments.get(first) else {
        return Ok(part);
    };
    let mut walk = track.walk(reader, segment);
    let raise = i64::from(track.index.raise);
    // RFC 7845 section 4.6. Other decoders are right with the second frame.
    let preroll = if track.entry.codec == Codec::Opus { in_ticks(80, track.timescale) } else { 0 };
    let mut last_shown = 0;
    for _ in segment.first_sample..track.index.end_sample {
        let Some(Ok(sample)) = walk.next_sample()? else {
            return Err(ReadError::Changed.into());
        };
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let ends = presented.saturating_add(i64::from(sample.duration));
        let is_early = if track.is_video() { presented } else { ends } <= start - preroll;
        if sample.is_sync && is_early {
            part.samples.clear();
        }
        // Pictures that are shown before the end may be decoded behind others that are shown after it,
        // also behind a key frame. No composition offset is less than what raises the least to zero.
        let earliest = sample.dts.saturating_add(track.timeline.shift).saturating_sub(raise);
        if presented >= end && earliest >= end {
            break;
        }
        if part.samples.len() >= samples_max {
            return Err(ClipRefused::TooLong);
        }
        part.samples.push(sample);
        if presented < end {
            last_shown = part.samples.len();
        }
    }
    part.samples.truncate(last_shown);
    if cues::format(track).is_some() {
        part.cut_text(start..end);
    }
    let Some(first) = part.samples.first() else {
        return Ok(part);
    };
    let shift = track.timeline.shift;
    let begins =
        part.samples.iter().map(|sample| track.timeline.presented(sample.dts, sample.composition));
    let begins = begins.min().unwrap_or(0);
    // What is seen first: the start, or where the track begins if that is later.
    let seen = begins.max(start).max(track.timeline.from);
    let until = end.min(track.index.end);
    part.lasts = u64::try_from(until.saturating_sub(seen)).unwrap_or(0);
    if part.lasts == 0 {
        // All that was found is over before the start, which may be any number.
        part.samples.clear();
        return Ok(part);
    }
    part.empty = (seen - start).unsigned_abs();
    // The times of a file may be near the ends of what numbers can be; how far apart they are is not.
    let media_time =
        i128::from(seen) - i128::from(shift) - i128::from(first.dts) + i128::from(raise);
    part.media_time = i64::try_from(media_time).unwrap_or(i64::MAX);
    Ok(part)
}

impl Part<'_> {
    /// Lets what is shown at the start begin there, and what is shown at the end be over then. Nothing
    /// has to be decoded for it, and ffmpeg shows text early after an edit that begins in a sample.
    fn cut_text(&mut self, range: Range<i64>) {
        let timeline = self.track.timeline;
        for sample in &mut self.samples {
            let begins = timeline.presented(sample.dts, sample.composition);
            let ends = begins.saturating_add(sample.duration.into());
            let (from, until) = (begins.max(range.start), ends.min(range.end));
            if let Ok(lasts) = u32::try_from(until.saturating_sub(from)) {
                sample.dts = sample.dts.saturating_add(from.saturating_sub(begins));
                sample.duration = lasts;
            }
        }
        self.samples.retain(|sample| sample.duration > 0);
    }

    /// How long each sample lasts until the next: what the file says, but for gaps between fragments,
    /// which are in the times of decoding alone.
    fn durations(&self) -> impl Iterator<Item = u32> {
        let first = self.samples.first().map_or(0, |sample| sample.dts);
        let next = self.samples.iter().skip(1).map(|next| Some(next.dts)).chain([None]);
        self.samples.iter().zip(next).scan(first, |at, (sample, next)| {
            let lasts = next
                .map_or(Ok(sample.duration), |next| u32::try_from(next.saturating_sub(*at).max(0)));
            let lasts = lasts.unwrap_or(sample.duration);
            *at = at.saturating_add(i64::from(lasts));
            Some(lasts)
        })
    }
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
        let samples = parts.iter().flat_map(|part| &part.samples);
        let ranges = samples.map(|sample| sample.offset..sample.offset + u64::from(sample.size));
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

fn write_moov(parts: &[Part<'_>], media: &Media, base: u64, is_long: bool) -> Vec<u8> {
    let movie_timescale = movie_timescale(parts);
    let in_movie =
        |ticks, part: &Part<'_>| in_movie_ticks(ticks, part.track.timescale, movie_timescale);
    let lasts = |part: &Part<'_>| in_movie(part.empty, part) + in_movie(part.lasts, part);
    let mut writer = Writer::default();
    writer.boxed(b"moov", |moov| {
        let duration = parts.iter().map(lasts).max().unwrap_or(0);
        let next = u32::try_from(parts.len()).expect("a few tracks") + 1;
        boxes::movie_header(moov, movie_timescale, duration, next);
        for (id, part) in (1..).zip(parts) {
            moov.boxed(b"trak", |trak| {
                let track = part.track;
                boxes::track_header(trak, id, lasts(part), track.is_audio(), &track.picture);
                let shown = (in_movie(part.lasts, part), part.media_time);
                let empty = (in_movie(part.empty, part), -1);
                let edits = if part.empty > 0 { vec![empty, shown] } else { vec![shown] };
                boxes::edit_list(trak, &edits);
                write_media(trak, part, media, base, is_long);
            });
        }
    });
    writer.into_bytes()
}

fn write_media(trak: &mut Writer, part: &Part<'_>, media: &Media, base: u64, is_long: bool) {
    let track = part.track;
    trak.boxed(b"mdia", |mdia| {
        let duration = part.durations().map(u64::from).sum();
        let language = track.language.as_deref().unwrap_or_default();
        boxes::media_header(mdia, track.timescale.get(), duration, language);
        boxes::handler(mdia, &track.handler.0, track.name.as_deref().unwrap_or_default());
        mdia.boxed(b"minf", |minf| {
            boxes::media_kind(minf, &track.handler.0);
            minf.boxed(b"stbl", |stbl| write_tables(stbl, part, media, base, is_long));
        });
    });
}

fn write_tables(stbl: &mut Writer, part: &Part<'_>, media: &Media, base: u64, is_long: bool) {
    let samples = &part.samples;
    stbl.full(b"stsd", 0, 0, |stsd| {
        stsd.u32(1);
        stsd.bytes(&part.track.entry.entry);
    });
    runs(stbl, b"stts", part.durations());
    let raise = part.track.index.raise.cast_signed();
    let compositions = samples.iter().map(|sample| sample.composition.wrapping_add(raise));
    if compositions.clone().any(|composition| composition != 0) {
        runs(stbl, b"ctts", compositions.map(i32::cast_unsigned));
    }
    if samples.iter().any(|sample| !sample.is_sync) {
        let syncs = || (1..).zip(samples).filter(|(_, sample)| sample.is_sync);
        stbl.full(b"stss", 0, 0, |stss| {
            stss.u32(u32::try_from(syncs().count()).expect("fewer than samples"));
            syncs().for_each(|(number, _)| stss.u32(number));
        });
    }
    stbl.full(b"stsz", 0, 0, |stsz| {
        stsz.u32(0);
        stsz.u32(u32::try_from(samples.len()).expect("a few millions"));
        samples.iter().for_each(|sample| stsz.u32(sample.size));
    });
    // A chunk is what lies next to each other.
    let mut chunks: Vec<(u64, u32)> = Vec::new();
    let mut behind = None;
    for sample in samples {
        match chunks.last_mut() {
            Some((_, count)) if behind == Some(sample.offset) => *count += 1,
            _ => chunks.push((base + media.place_of(sample.offset), 1)),
        }
        behind = Some(sample.offset + u64::from(sample.size));
    }
    let count_of = |chunk: usize| chunks[chunk].1;
    let changes: Vec<usize> = (0..chunks.len())
        .filter(|&chunk| chunk == 0 || count_of(chunk) != count_of(chunk - 1))
        .collect();
    stbl.full(b"stsc", 0, 0, |stsc| {
        stsc.u32(u32::try_from(changes.len()).expect("fewer than samples"));
        for &chunk in &changes {
            stsc.u32(u32::try_from(chunk).expect("fewer than samples") + 1);
            stsc.u32(count_of(chunk));
            stsc.u32(1);
        }
    });
    stbl.full(if is_long { b"co64" } else { b"stco" }, 0, 0, |table| {
        table.u32(u32::try_from(chunks.len()).expect("fewer than samples"));
        for &(offset, _) in &chunks {
            match is_long {
                true => table.u64(offset),
                false => table.u32(u32::try_from(offset).expect("it was seen to fit")),
            }
        }
    });
}

/// A table of counts and values (`stts`, `ctts`).
fn runs(stbl: &mut Writer, kind: &[u8; 4], values: impl Iterator<Item = u32>) {
    let mut entries: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match entries.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => entries.push((1, value)),
        }
    }
    // Version 1 has signed offsets; none is negative here, since all were raised.
    stbl.full(kind, 0, 0, |table| {
        table.u32(u32::try_from(entries.len()).expect("fewer than samples"));
        for (count, value) in entries {
            table.u32(count);
            table.u32(value);
        }
    });
}
