//! The index of a virtual MP4.

use std::{num::NonZeroU32, ops::Range};

use super::{
    Cut, Layout, is_media,
    ranges::{Mapper, Ranges},
};
use crate::{
    movie::Track,
    package::{
        boxes::{self, Writer},
        track_boxes,
    },
};

/// Ticks per second of a movie if the timescales of its tracks have no common multiple.
const FALLBACK_TIMESCALE: u32 = 90_000;

/// A track of a virtual MP4.
pub(in crate::package) struct Part<'a> {
    pub(in crate::package) track: &'a Track,
    pub(in crate::package) cut: Cut,
}

/// Writes the index of a movie with these tracks, and lists its media data.
pub(in crate::package) fn write(parts: Vec<Part<'_>>) -> Layout {
    let media = media(&parts);
    write_with(parts, media)
}

/// As [`write()`], with a part of the file as the media data, in which the samples are with others between them.
pub(super) fn write_around(parts: Vec<Part<'_>>, media: Range<u64>) -> Layout {
    write_with(parts, Ranges::from_sorted([media]))
}

fn write_with(parts: Vec<Part<'_>>, media: Ranges) -> Layout {
    let mut header = Writer::default();
    track_boxes::write_file_type(&mut header, parts.iter().map(|part| part.track));
    // The index contains offsets of the media data, which come after it: the length of the index depends
    // only on the width of these offsets.
    let is_long = u32::try_from(media.len() + (1 << 30)).is_err();
    let tables = write_moov(&mut header, &parts, &media, is_long);
    drop(parts);
    write_media_header(&mut header, media.len());
    let mut header = header.into_bytes();
    let base = header.len() as u64;
    tables.into_iter().for_each(|offsets| add_to_offsets(&mut header[offsets], base, is_long));
    header.shrink_to_fit();
    Layout::new(header.into(), media)
}

/// The ranges of the media data of all tracks, in file order.
fn media(parts: &[Part<'_>]) -> Ranges {
    let chunks = parts.iter().flat_map(|part| part.cut.tables.chunks());
    let mut sorted: Vec<Range<u64>> =
        chunks.map(|chunk| chunk.offset..chunk.end).filter(|range| !range.is_empty()).collect();
    // A stable sort merges the runs of the tracks, each of which is usually in order.
    sorted.sort_by_key(|range| range.start);
    Ranges::from_sorted(sorted)
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

/// The header of `mdat`, for media data of this length.
fn write_media_header(writer: &mut Writer, media_bytes: u64) {
    match u32::try_from(media_bytes + 8) {
        Ok(size) => {
            writer.u32(size);
            writer.bytes(b"mdat");
        }
        Err(_) => {
            writer.u32(1);
            writer.bytes(b"mdat");
            writer.u64(media_bytes + 16);
        }
    }
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

/// Writes `moov`. Returns the ranges of its offset tables in the writer; the offsets count from the start
/// of the media data.
fn write_moov(
    writer: &mut Writer,
    parts: &[Part<'_>],
    media: &Ranges,
    is_long: bool,
) -> Vec<Range<usize>> {
    let movie_timescale = movie_timescale(parts);
    let in_movie =
        |ticks, part: &Part<'_>| in_movie_ticks(ticks, part.track.timescale, movie_timescale);
    let duration = |part: &Part<'_>| {
        let Cut { delay, duration, .. } = part.cut;
        in_movie(delay, part).saturating_add(in_movie(duration, part))
    };
    let mut offsets = Vec::new();
    writer.boxed(b"moov", |moov| {
        let longest = parts.iter().map(duration).max().unwrap_or(0);
        let next = u32::try_from(parts.len()).expect("a few tracks") + 1;
        boxes::movie_header(moov, movie_timescale, longest, next);
        for (id, part) in (1..).zip(parts) {
            moov.boxed(b"trak", |trak| {
                let Part { track, cut } = part;
                let flags = flags(parts, part);
                track_boxes::write_header(trak, track, id, duration(part), flags);
                let presented = (in_movie(cut.duration, part), cut.media_time);
                let empty = (in_movie(cut.delay, part), -1);
                let edits = if cut.delay > 0 { vec![empty, presented] } else { vec![presented] };
                boxes::edit_list(trak, &edits);
                offsets.push(write_media(trak, part, media, is_long));
                track_boxes::write_user_data(trak, track);
            });
        }
    });
    offsets
}

/// The flags of a track's header: those of the file, and the first video and the first audio track are
/// enabled if no other of the kind is. A selection may leave out the track that the file enables.
fn flags(parts: &[Part<'_>], part: &Part<'_>) -> u32 {
    let track = part.track;
    let mut of_kind =
        parts.iter().map(|part| part.track).filter(|other| other.handler == track.handler);
    let is_enabled = |track: &Track| track.carried.flags & track_boxes::ENABLED != 0;
    let is_first = of_kind.clone().next().is_some_and(|first| first.id == track.id);
    if is_media(track) && is_first && !of_kind.any(is_enabled) {
        return track.carried.flags | track_boxes::ENABLED;
    }
    track.carried.flags
}

fn write_media(trak: &mut Writer, part: &Part<'_>, media: &Ranges, is_long: bool) -> Range<usize> {
    let Part { track, cut: Cut { tables, .. } } = part;
    let mut offsets = 0..0;
    track_boxes::write_media(trak, track, tables.duration(), |stbl| {
        let mut mapper = Mapper::new(media);
        offsets = tables.write(stbl, is_long, |offset| mapper.map(offset));
        track_boxes::write_roll_description(stbl, track);
        if track_boxes::roll_distance(track).is_some() {
            track_boxes::write_roll_group(stbl, tables.samples());
        }
    });
    offsets
}
