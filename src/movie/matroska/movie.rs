//! A file as a [movie](crate::movie::Movie).

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use super::{
    clusters::Clusters,
    index::{self, Index, Refused, TrackIndex},
    text_tracks,
    texts::Texts,
    tracks::{Kind, TrackEntry},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        Carried, Chapters, Container, Corrections, CutSamples, CutTrack, EditSummary, FourCc,
        Indexed, LeftOut, Matroska, Movie, MovieRefused, Segment, SegmentReader, Timeline, Track,
        TrackKind, WalkedSegment,
        codec::{Codec, Media, SampleAspect},
    },
};

/// The first bytes of a file: the identifier of the EBML header.
const EBML: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];

/// Ticks per second of the movie, in which an MP4 of it has its durations.
const MOVIE_TIMESCALE: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

/// The scheme of roles of DASH (ISO/IEC 23009-1 section 5.8.5.5), which ffmpeg writes into MP4.
const DASH_ROLES: &str = "urn:mpeg:dash:role:2011";

/// Frames of which the duration is taken for the frame rate: rounding it to a tick changes nothing then.
const RATED_FRAMES: u32 = 100_000;

/// Whether a file begins like one of Matroska.
pub(in crate::movie) fn is_matroska<R: ReadAt + ?Sized>(source: &R) -> Result<bool, ReadError> {
    let mut first = [0; EBML.len()];
    if source.len() < first.len() as u64 {
        return Ok(false);
    }
    source.read_exact_at(0, &mut first)?;
    Ok(first == EBML)
}

/// Reads the index of a file that plays in place.
pub(in crate::movie) fn read<R: ReadAt + ?Sized>(
    source: &R,
    grid_ms: NonZeroU32,
) -> Result<Result<Movie, MovieRefused>, ReadError> {
    Ok(match index::read(source, grid_ms)? {
        Ok(index) => to_movie(index, source.len()),
        Err(refused) => {
            let left_out = match &refused {
                Refused::NoTrack(left_out) if !left_out.is_empty() => left_out.clone(),
                _ => vec![of_file(refused.to_string())],
            };
            Err(MovieRefused::NotInPlace(left_out))
        }
    })
}

/// A reason that is none of a track.
fn of_file(why: String) -> LeftOut {
    LeftOut { id: 0, handler: None, format: None, why }
}

fn to_movie(index: Index, file_len: u64) -> Result<Movie, MovieRefused> {
    if let Some(left_out) = why_not_in_place(&index) {
        return Err(MovieRefused::NotInPlace(left_out));
    }
    let Index { head, tracks, left_out, clusters, audio_numbers, .. } = index;
    let Index { subtitles, cue_counts, chapters, attachments, clock, .. } = index;
    let first_cluster = head.first_cluster.unwrap_or(head.segment.start);
    let (cues, segment) = (head.cues.clone(), head.segment.clone());
    let texts = Texts { tracks: Vec::new(), cues, segment, first_cluster, clock };
    let enabled = [Kind::Video, Kind::Audio].map(|kind| enabled(&tracks, kind));
    let reader: Arc<dyn SegmentReader> = Arc::new(clusters);
    let tracks = tracks.into_iter().enumerate().map(|(place, track)| {
        let is_enabled = enabled.iter().any(|enabled| enabled.contains(&place));
        to_track(track, place, is_enabled, &reader)
    });
    let mut tracks: Vec<Track> = tracks.collect();
    tracks.extend(text_tracks::build(subtitles, &cue_counts, texts));
    // In the order of the file.
    tracks.sort_by_key(|track| track.whole.start);
    Ok(Movie {
        container: Container::Matroska(Matroska { audio_numbers, attachments }),
        timescale: MOVIE_TIMESCALE,
        tracks,
        left_out,
        protection: Vec::new(),
        chapters: (!chapters.is_empty()).then_some(Chapters::Known(chapters)),
        file_len,
        // A file that is still written has no size, and no cues.
        has_end: head.is_whole || head.cues.is_some(),
    })
}

/// Why a file loses more in place than in a remux: the tracks that are the reason.
fn why_not_in_place(index: &Index) -> Option<Vec<LeftOut>> {
    let refused = |track: &TrackIndex| {
        let why = track.entry.packageable().err()?.to_string();
        let id = track_id(&track.track);
        Some(LeftOut { id, handler: None, format: Some(track.entry.format), why })
    };
    let of_kind = |kind: Kind| index.tracks.iter().filter(move |track| track.track.kind == kind);
    let left_out_of = |handler: [u8; 4]| {
        index.left_out.iter().filter(move |track| track.handler == Some(FourCc(handler)))
    };
    let mut reasons: Vec<LeftOut> = of_kind(Kind::Video).filter_map(refused).collect();
    if of_kind(Kind::Video).next().is_none() {
        reasons.extend(left_out_of(*b"vide").cloned());
    }
    if of_kind(Kind::Audio).all(|track| track.entry.packageable().is_err()) {
        reasons.extend(of_kind(Kind::Audio).filter_map(refused));
        reasons.extend(left_out_of(*b"soun").cloned());
    }
    (!reasons.is_empty()).then_some(reasons)
}

pub(super) fn track_id(track: &TrackEntry) -> u32 {
    u32::try_from(track.number).unwrap_or(0)
}

/// The places of the tracks of a kind that play by default: the first one, if the file names none.
fn enabled(tracks: &[TrackIndex], kind: Kind) -> Vec<usize> {
    let of_kind = tracks.iter().enumerate().filter(|(_, track)| track.track.kind == kind);
    let is_default =
        |(_, track): &(usize, &TrackIndex)| track.track.is_enabled && track.track.is_default;
    let places: Vec<usize> = of_kind.clone().filter(is_default).map(|(place, _)| place).collect();
    if places.is_empty() { of_kind.map(|(place, _)| place).take(1).collect() } else { places }
}

fn to_track(
    index: TrackIndex,
    place: usize,
    is_enabled: bool,
    reader: &Arc<dyn SegmentReader>,
) -> Track {
    let display = display(&index);
    let rate = frame_rate(&index);
    let carried = carried(&index);
    let TrackIndex { track, entry, prefix, timescale, shift, from, first_dts, end, .. } = index;
    let TrackIndex { raise, usual_duration, first_cut, starts, begins, bytes, .. } = index;
    let indexed = Indexed {
        segments: starts.into_iter().map(|start| Segment { start }).collect(),
        measured: Vec::new(),
        end_sample: 0,
        end,
        first_dts,
        lead_in: 0,
        raise,
        usual_duration,
        presented_samples: rate.0,
        presented_ticks: rate.1,
        begins,
        longest_gop: 0,
        bytes: bytes.unwrap_or(0),
        has_subsamples: false,
        corrections: Corrections::default(),
        fault: None,
    };
    Track::from(CutTrack {
        id: track_id(&track),
        handler: FourCc(if track.kind == Kind::Video { *b"vide" } else { *b"soun" }),
        timescale,
        kinds: kinds(&track),
        is_enabled,
        language: track.language,
        name: track.name,
        display,
        carried,
        entry,
        timeline: Timeline { shift, from, until: None, edits: EditSummary::default() },
        index: indexed,
        whole: track.whole,
        prefix,
        samples: CutSamples::Segments { reader: Arc::clone(reader), place, first: first_cut },
    })
}

/// A number of frames, and their duration in ticks.
fn frame_rate(index: &TrackIndex) -> (u32, u64) {
    let timescale = u128::from(index.timescale.get());
    let by_default = index.track.default_duration_ns.map(|ns| {
        let ticks = u128::from(ns) * u128::from(RATED_FRAMES) * timescale / 1_000_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    });
    let usual = u64::from(index.usual_duration) * u64::from(RATED_FRAMES);
    (RATED_FRAMES, by_default.filter(|_| index.track.kind == Kind::Video).unwrap_or(usual))
}

/// Matrix, width and height as a `tkhd` has them.
fn display(index: &TrackIndex) -> [u8; 44] {
    let mut fields = [0; 44];
    let Media::Video(video) = &index.entry.media else {
        write_matrix(&mut fields, [1, 0, 0, 1], (0, 0));
        return fields;
    };
    let SampleAspect { h_spacing, v_spacing } = video.sample_aspect;
    let width = u64::from(video.width) * u64::from(h_spacing) / u64::from(v_spacing.max(1));
    let width = u32::try_from(width).unwrap_or(0).min(u16::MAX.into());
    let height = u32::from(video.height);
    let (matrix, origin) = match index.track.video.rotation {
        90 => ([0, 1, -1, 0], (height, 0)),
        180 => ([-1, 0, 0, -1], (width, height)),
        270 => ([0, -1, 1, 0], (0, width)),
        _ => ([1, 0, 0, 1], (0, 0)),
    };
    write_matrix(&mut fields, matrix, origin);
    fields[36..40].copy_from_slice(&(width << 16).to_be_bytes());
    fields[40..].copy_from_slice(&(height << 16).to_be_bytes());
    fields
}

/// Writes the matrix `a b u, c d v, x y w`.
fn write_matrix(fields: &mut [u8; 44], [a, b, c, d]: [i32; 4], (x, y): (u32, u32)) {
    let numbers = [a << 16, b << 16, 0, c << 16, d << 16, 0];
    let origin = [x << 16, y << 16, 1 << 30];
    for (place, number) in fields.as_chunks_mut().0.iter_mut().zip(numbers) {
        *place = number.to_be_bytes();
    }
    for (place, number) in fields[24..].as_chunks_mut().0.iter_mut().zip(origin) {
        *place = number.to_be_bytes();
    }
}

/// What an MP4 by ffmpeg has in these fields.
fn carried(index: &TrackIndex) -> Carried {
    /// Enabled, and in the movie.
    const FLAGS: u32 = 3;
    let is_video = index.track.kind == Kind::Video;
    let preroll = match index.entry.codec {
        // 80 ms (RFC 7845 section 4.6).
        Codec::Opus => i16::try_from(3840_u32.div_ceil(index.usual_duration.max(1))).ok(),
        Codec::Aac | Codec::HeAac | Codec::HeAacV2 => Some(1),
        _ => None,
    };
    Carried {
        flags: FLAGS,
        layer: 0,
        alternate_group: 0,
        volume: if is_video { 0 } else { 0x100 },
        handler_name: if is_video { "VideoHandler" } else { "SoundHandler" }.to_owned(),
        roll_distance: preroll.map(|frames| -frames),
    }
}

pub(super) fn kinds(track: &TrackEntry) -> Vec<TrackKind> {
    let roles = [
        (track.is_forced, "forced-subtitle"),
        (track.is_hearing_impaired, "caption"),
        (track.is_visual_impaired, "description"),
        (track.is_commentary, "commentary"),
    ];
    let kind = |(_, role): (bool, &str)| TrackKind {
        scheme: DASH_ROLES.to_owned(),
        value: role.to_owned(),
    };
    roles.into_iter().filter(|(is_set, _)| *is_set).map(kind).collect()
}

impl SegmentReader for Clusters {
    fn read(&self, source: &dyn ReadAt, segment: usize) -> Result<WalkedSegment, ReadError> {
        let samples = self.walk(source, segment)?;
        // Samples of a damaged file may contradict each other.
        Ok(WalkedSegment::new(&samples).unwrap_or_default())
    }

    fn span(&self, segment: usize) -> Range<u64> {
        self.range(segment).unwrap_or_default()
    }

    fn memory_bytes(&self) -> usize {
        self.bytes()
    }
}
