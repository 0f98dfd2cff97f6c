//! The index of a movie: its tracks, their samples, and the samples' presentation times.
//!
//! MP4, QuickTime and fragmented MP4 (ISO/IEC 14496-12) all become a [`Movie`], which keeps about a
//! hundred bytes per segment and leaves the sample tables in the file. A [walk](Track::walk) over the
//! samples of a segment reads a few hundred bytes of them.
//!
//! Files are hostile: no count from a file reserves memory, every offset is checked, and nothing recurses.
//! An invalid track is left out with the reason, and the other tracks play. This module knows no URLs and
//! no manifests.

mod arrange;
mod auxiliary;
mod boxes;
mod budget;
mod captions;
mod carried;
pub mod codec;
mod corrections;
mod cuts;
mod ebml;
mod entries;
mod fragments;
mod handler_name;
pub mod heads;
pub mod index;
pub mod languages;
mod leading;
mod macintosh_languages;
mod matrix;
pub mod matroska_head;
pub mod matroska_languages;
mod mp4;
mod orientation;
mod pieces;
mod restarts;
mod samples;
mod shape;
mod syncs;
mod tables;
mod timeline;
mod track;
mod user_data;
mod window;

use std::{num::NonZeroU32, ops::Range};

use bytes::Bytes;

pub use self::{
    auxiliary::{Auxiliary, AuxiliaryFault},
    boxes::Header,
    captions::Captions,
    carried::Carried,
    codec::{FourCc, SampleEntry},
    corrections::Corrections,
    index::{Indexed, SEGMENT_SAMPLES_MAX, Segment, SegmentStart, Shape, Syncs},
    orientation::Orientation,
    pieces::PieceWalk,
    samples::{Position, Sample, SampleFault},
    shape::VideoShape,
    timeline::{EditSummary, Timeline},
    user_data::TrackKind,
};
use crate::extent::{ReadAt, ReadError};

/// Read size per table for the samples of one segment, in bytes.
const SEGMENT_BYTES: usize = 2048;

/// The boxes in a part of a file.
pub fn children<R: ReadAt + ?Sized>(
    source: &R,
    within: &Range<u64>,
) -> Result<Vec<Header>, ReadError> {
    boxes::children(&mut window::Window::new(source, SEGMENT_BYTES), within)
}

/// The index of a movie.
#[derive(Clone, Debug)]
pub struct Movie {
    /// Major brand of the file (section 4.3).
    pub brand: Option<FourCc>,
    /// Ticks per second of the movie.
    pub timescale: NonZeroU32,
    /// The file gives the movie no timescale, so that it is a guess.
    pub timescale_is_missing: bool,
    /// Playable tracks, in file order.
    pub tracks: Vec<Track>,
    /// Unplayable tracks, with reasons.
    pub left_out: Vec<LeftOut>,
    /// Protection system boxes (`pssh`, ISO/IEC 23001-7 section 8.1).
    pub protection: Vec<Bytes>,
    /// Position of the chapters, if there are any.
    pub chapters: Option<Chapters>,
    /// The `moov` box.
    pub moov: Header,
    /// Offset of the first `mdat`.
    pub mdat: Option<u64>,
    /// Number of fragments.
    pub fragments: usize,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// Whether the file ends as a complete one does: fragments with `mfra` (section 8.8.9), other files with
    /// the end of their last box.
    pub has_end: bool,
}

/// The location of a movie's chapters.
#[derive(Clone, Debug)]
pub enum Chapters {
    /// In a text track, as QuickTime does.
    Track(Box<Track>),
    /// In a list: the body of `chpl`.
    List(Range<u64>),
}

/// One track of a movie.
#[derive(Clone, Debug)]
pub struct Track {
    /// Track identifier.
    pub id: u32,
    /// Handler type: `vide`, `soun`, `text`, …
    pub handler: FourCc,
    /// Ticks per second.
    pub timescale: NonZeroU32,
    /// Language as in the file: ISO 639-2 or BCP 47.
    pub language: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// Its purposes (`kind`, section 8.10.4), in file order.
    pub kinds: Vec<TrackKind>,
    /// Whether the track plays by default.
    pub is_enabled: bool,
    /// Matrix, width and height for a `tkhd` (section 8.3.2) of a movie whose own matrix is the identity.
    pub display: [u8; 44],
    /// Fields that written boxes carry over.
    pub carried: Carried,
    /// How the frames of video are displayed.
    pub shape: Option<VideoShape>,
    /// Sample entry.
    pub entry: SampleEntry,
    /// Mapping from decoding times to presentation times.
    pub timeline: Timeline,
    /// Segments and totals.
    pub index: Indexed,
    /// Closed captions in the video.
    pub captions: Captions,
    /// The whole `trak` box.
    pub whole: Range<u64>,
    samples: samples::Samples,
}

/// An unplayable track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Track identifier; 0 if it is missing.
    pub id: u32,
    /// Handler type, if readable.
    pub handler: Option<FourCc>,
    /// Sample entry type, if readable.
    pub format: Option<FourCc>,
    /// The reason.
    pub why: String,
}

/// Why a file is not a playable movie.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MovieRefused {
    /// No box of a movie was found.
    #[error("not an MP4 or MOV file")]
    NoMovie,
    /// The index is missing.
    #[error("the file has no index (moov): the recording or the download was interrupted")]
    NoMoov,
    /// The index exceeds the length limit.
    #[error("the index (moov) is too long")]
    MoovTooLong,
    /// The index is compressed (`cmov`), as QuickTime did it until 2009.
    #[error("the index (moov) is compressed (cmov)")]
    Compressed,
    /// The movie header is missing or invalid.
    #[error("the movie header (mvhd) is missing or invalid")]
    NoHeader,
    /// No track is playable.
    #[error("the file has no playable track: {}", reasons(.0))]
    NoTrack(Vec<LeftOut>),
}

impl MovieRefused {
    /// Approximate memory use of the reason, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::NoTrack(left_out) => left_out.iter().map(LeftOut::bytes).sum(),
            _ => 0,
        }
    }
}

impl LeftOut {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.why.len()
    }
}

fn reasons(left_out: &[LeftOut]) -> String {
    if left_out.is_empty() {
        return "it has no tracks".to_owned();
    }
    let reasons = left_out.iter().map(|track| format!("track {}: {}", track.id, track.why));
    reasons.collect::<Vec<_>>().join("; ")
}

impl Movie {
    /// Reads the index of a file, with segments that begin on a grid of `grid_ms`. Takes milliseconds of
    /// CPU, and blocks if `source` does.
    pub fn read<R: ReadAt + ?Sized>(
        source: &R,
        grid_ms: NonZeroU32,
    ) -> Result<Result<Self, MovieRefused>, ReadError> {
        mp4::read(source, grid_ms)
    }

    /// Whether a single MP4 of the movie needs tables of its own: it has fragments, or its tables say what is
    /// corrected here. An encrypted track cannot get new ones.
    pub fn needs_new_tables(&self) -> bool {
        let is_clear = self.tracks.iter().all(|track| track.entry.encryption.is_none());
        let is_wrong = |track: &Track| track.index.corrections.change_tables();
        let are_wrong = self.timescale_is_missing || self.tracks.iter().any(is_wrong);
        self.fragments > 0 || is_clear && are_wrong
    }

    /// Approximate memory use of the index, in bytes.
    pub fn bytes(&self) -> usize {
        let text_bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let kind_bytes =
            |kind: &TrackKind| size_of::<TrackKind>() + kind.scheme.len() + kind.value.len();
        let track_bytes = |track: &Track| {
            size_of::<Track>()
                + track.index.segments.capacity() * size_of::<Segment>()
                + track.entry.entry.len()
                + track.samples.bytes()
                + track.samples.pieces.as_ref().map_or(0, |pieces| pieces.bytes())
                + text_bytes(&track.language)
                + text_bytes(&track.name)
                + track.carried.bytes()
                + track.kinds.iter().map(kind_bytes).sum::<usize>()
        };
        let fragments = self.fragments * size_of::<Range<u64>>();
        let chapters = match &self.chapters {
            Some(Chapters::Track(track)) => track_bytes(track),
            _ => 0,
        };
        size_of::<Self>()
            + self.tracks.iter().map(track_bytes).sum::<usize>()
            + self.left_out.iter().map(LeftOut::bytes).sum::<usize>()
            + self.protection.iter().map(Bytes::len).sum::<usize>()
            + fragments
            + chapters
    }
}

impl Track {
    fn new(head: track::Head, timeline: Timeline, index: Indexed) -> Self {
        let track::Head { id, handler, timescale, language, name, is_enabled, .. } = head;
        let track::Head { kinds, display, carried, entry, samples, whole, .. } = head;
        let shape = match &entry.media {
            codec::Media::Video(video) => Some(VideoShape::new(&display, video)),
            _ => None,
        };
        Self {
            id,
            handler,
            timescale,
            language,
            name,
            kinds,
            is_enabled,
            display: display.fields(&entry.media),
            carried,
            shape,
            entry,
            timeline,
            index,
            captions: Captions::default(),
            whole,
            samples,
        }
    }

    /// Whether this is a video track.
    pub fn is_video(&self) -> bool {
        self.handler == FourCc(*b"vide")
    }

    /// Whether this is an audio track.
    pub fn is_audio(&self) -> bool {
        self.handler == FourCc(*b"soun")
    }

    /// Walks over the samples in decoding order, from the first of a segment.
    pub fn walk<'a, R: ReadAt + ?Sized>(
        &'a self,
        source: &'a R,
        segment: &Segment,
    ) -> PieceWalk<'a, R> {
        let start = (segment.position, segment.first_sample);
        // The index pass has already paid for these samples.
        PieceWalk::new(&self.samples, source, start, SEGMENT_BYTES, u64::MAX)
    }

    /// The bytes of a sample that [is silence](Sample::is_silence).
    pub fn silence(&self) -> Option<&Bytes> {
        self.samples.pieces.as_ref()?.silence()
    }

    /// When media is shown, in order, in ticks, if it is several pieces: not in gaps, and not while one frame
    /// is held.
    pub fn piece_times(&self) -> Vec<Range<i64>> {
        let pieces = self.samples.pieces.as_ref().map_or(&[][..], |pieces| &pieces.list);
        let shown = |piece: &pieces::Piece| {
            let duration = piece.media.1.saturating_sub(piece.media.0);
            piece.start..piece.start.saturating_add(duration).min(piece.end)
        };
        let is_several = pieces.len() > 1;
        pieces.iter().filter(|_| is_several).map(shown).collect()
    }

    /// Whether its samples are those of pieces of an edit list.
    pub fn has_pieces(&self) -> bool {
        self.samples.pieces.is_some()
    }

    /// What to add to a time in the file to get the presentation time, if it is the same for all samples.
    pub fn file_shift(&self) -> Option<i64> {
        match self.samples.pieces.as_ref().map(|pieces| &pieces.list[..]) {
            None => Some(self.timeline.shift),
            Some([piece]) => Some(piece.start.saturating_sub(piece.media.0)),
            Some(_) => None,
        }
    }

    /// Number of the sample after a segment's last; `None` if there is no such segment.
    pub fn segment_end(&self, segment: usize) -> Option<u32> {
        let segments = &self.index.segments;
        segments.get(segment)?;
        Some(segments.get(segment + 1).map_or(self.index.end_sample, |next| next.first_sample))
    }

    /// End of a segment, which is the start of the next, in ticks.
    pub fn segment_end_time(&self, segment: usize) -> Option<i64> {
        let segments = &self.index.segments;
        segments.get(segment)?;
        Some(segments.get(segment + 1).map_or(self.index.end, |next| next.start))
    }

    /// For packaged output: the decoding time of the first segment, and the `media_time` of its edit list, in
    /// ticks.
    ///
    /// Empty edits become a later decoding time; the remaining delay between decoding and presentation
    /// becomes the `media_time` of one edit. Neither is negative.
    pub fn output_times(&self) -> (i64, i64) {
        let Indexed { first_dts, raise, .. } = self.index;
        let start = self.timeline.from;
        let remains = i128::from(start) - i128::from(first_dts) + i128::from(raise)
            - i128::from(self.timeline.shift);
        let media_time = i64::try_from(remains.max(0)).unwrap_or(i64::MAX);
        // A negative rest moves the start instead.
        let later = i64::try_from((-remains).max(0)).unwrap_or(0);
        (start.saturating_add(later), media_time)
    }
}
