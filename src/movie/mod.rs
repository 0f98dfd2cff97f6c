//! The index of a movie: its tracks, their samples, and the samples' presentation times.
//!
//! Each container has a reader: that of `mp4/` reads MP4, QuickTime and fragmented MP4 (ISO/IEC 14496-12). All of
//! them make a [`Movie`], and what is made of a movie knows only tracks, segments and samples. An index keeps about a
//! hundred bytes per segment at most, and leaves the samples in the file: a [walk](Track::walk_segment) over
//! those of a segment reads a few hundred bytes of tables.
//!
//! Files are hostile: no count from a file reserves memory, every offset is checked, and nothing recurses.
//! An invalid track is left out with the reason, and the other tracks play. This module knows no URLs and
//! no manifests.

mod budget;
mod captions;
pub mod codec;
mod container;
mod cut_track;
mod cuts;
pub mod heads;
pub mod languages;
mod leading;
mod matrix;
mod matroska;
mod mp4;
mod orientation;
mod sample;
mod segment;
mod shape;
mod text_blocks;
mod walk;
mod walked;
mod window;

use std::{num::NonZeroU32, ops::Range};

use bytes::Bytes;

pub use self::{
    captions::Captions,
    codec::{FourCc, SampleEntry},
    container::{Container, Matroska, Mp4},
    cut_track::{CutSamples, CutTrack},
    matroska::{Attachment, MatroskaKind, MatroskaSummary},
    mp4::{
        Auxiliary, AuxiliaryFault, Carried, Corrections, EditSummary, Header, Timeline, TrackKind,
    },
    orientation::Orientation,
    sample::{Sample, SampleFault},
    segment::{
        Indexed, Measured, SEGMENT_SAMPLES_MAX, SampleTotals, Segment, SegmentStart, Shape, Syncs,
    },
    shape::VideoShape,
    text_blocks::{BlockFormat, TextBlock, TextBlocks, TextReader},
    walk::SampleWalk,
    walked::{SegmentReader, WalkedSegment},
};

use self::{codec::Codec, segment::TotalsBuilder, walk::Samples};
use crate::extent::{ReadAt, ReadError};

/// The boxes in a part of a file.
pub fn children<R: ReadAt + ?Sized>(
    source: &R,
    within: &Range<u64>,
) -> Result<Vec<Header>, ReadError> {
    mp4::children(&mut window::Window::new(source, walk::SEGMENT_BYTES), within)
}

/// The index of a movie.
#[derive(Clone, Debug)]
pub struct Movie {
    /// Its container.
    pub container: Container,
    /// Ticks per second of the movie.
    pub timescale: NonZeroU32,
    /// Playable tracks, in file order.
    pub tracks: Vec<Track>,
    /// Unplayable tracks, with reasons.
    pub left_out: Vec<LeftOut>,
    /// Protection system boxes (`pssh`, ISO/IEC 23001-7 section 8.1).
    pub protection: Vec<Bytes>,
    /// Position of the chapters, if there are any.
    pub chapters: Option<Chapters>,
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
    /// In the index: the start of each in milliseconds, and its title.
    Known(Vec<(u64, String)>),
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
    /// Bytes that each sample begins with and that are not in the file: a container may have removed them.
    pub prefix: Bytes,
    samples: Samples,
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
    /// The file is Matroska that does not play in place; with the tracks that are the reason.
    #[error("the file does not play in place: {}", reasons(.0))]
    NotInPlace(Vec<LeftOut>),
}

impl MovieRefused {
    /// Approximate memory use of the reason, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::NoTrack(left_out) | Self::NotInPlace(left_out) => {
                left_out.iter().map(LeftOut::bytes).sum()
            }
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
        match matroska::is_matroska(source)? {
            true => matroska::read(source, grid_ms),
            false => mp4::read(source, grid_ms),
        }
    }

    /// Approximate memory use of the index, in bytes.
    pub fn bytes(&self) -> usize {
        let text_bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let kind_bytes =
            |kind: &TrackKind| size_of::<TrackKind>() + kind.scheme.len() + kind.value.len();
        let track_bytes = |track: &Track| {
            size_of::<Track>()
                + track.index.segments.capacity() * size_of::<Segment>()
                + track.index.measured.capacity() * size_of::<Measured>()
                + track.entry.entry.len()
                + track.samples.bytes()
                + text_bytes(&track.language)
                + text_bytes(&track.name)
                + track.carried.bytes()
                + track.kinds.iter().map(kind_bytes).sum::<usize>()
        };
        let fragments = self.mp4().map_or(0, |mp4| mp4.fragments) * size_of::<Range<u64>>();
        let chapters = match &self.chapters {
            Some(Chapters::Track(track)) => track_bytes(track),
            Some(Chapters::Known(known)) => {
                known.iter().map(|(_, title)| size_of::<(u64, String)>() + title.len()).sum()
            }
            Some(Chapters::List(_)) | None => 0,
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
    /// Whether this is a video track.
    pub fn is_video(&self) -> bool {
        self.handler == FourCc(*b"vide")
    }

    /// Whether this is an audio track.
    pub fn is_audio(&self) -> bool {
        self.handler == FourCc(*b"soun")
    }

    /// The bytes of a sample that [is silence](Sample::is_silence).
    pub fn silence(&self) -> Option<&Bytes> {
        self.boxes()?.silence()
    }

    /// When media is shown, in order, in ticks, if it is several pieces: not in gaps, and not while one frame
    /// is held.
    pub fn piece_times(&self) -> Vec<Range<i64>> {
        self.boxes().map_or_else(Vec::new, mp4::Samples::piece_times)
    }

    /// Whether its samples are those of pieces of an edit list.
    pub fn has_pieces(&self) -> bool {
        self.boxes().is_some_and(|samples| samples.pieces.is_some())
    }

    /// What to add to a time in the file to get the presentation time, if it is the same for all samples.
    pub fn file_shift(&self) -> Option<i64> {
        match self.boxes() {
            Some(samples) => samples.file_shift(&self.timeline),
            None => Some(self.timeline.shift),
        }
    }

    fn boxes(&self) -> Option<&mp4::Samples> {
        match &self.samples {
            Samples::Boxes(samples) => Some(samples),
            Samples::Segments(_) | Samples::Text(_) => None,
        }
    }

    /// What is known of the samples of a segment; `None` if the index only knows its cut, or if there is no such
    /// segment.
    pub fn measured(&self, segment: usize) -> Option<&Measured> {
        self.index.measured.get(segment)
    }

    /// Number of the sample after the last of a measured segment.
    pub fn segment_end(&self, segment: usize) -> Option<u32> {
        let measured = &self.index.measured;
        measured.get(segment)?;
        Some(measured.get(segment + 1).map_or(self.index.end_sample, |next| next.first_sample))
    }

    /// Number of samples of all segments, if they are measured.
    pub fn sample_count(&self) -> Option<u32> {
        let first = self.index.measured.first()?;
        Some(self.index.end_sample.saturating_sub(first.first_sample))
    }

    /// What its samples in a segment that was read are together, and their number; `None` if it has none there.
    pub fn walked_totals(&self, segment: &WalkedSegment) -> Option<(SampleTotals, u32)> {
        let mut walk = self.walk_again::<[u8]>(segment);
        let mut builder: Option<TotalsBuilder> = None;
        while let Ok(Some(sample)) = walk.next_sample() {
            let presented = self.timeline.presented(sample.dts, sample.composition);
            let is_shown = presented >= self.timeline.from;
            builder
                .get_or_insert_with(|| TotalsBuilder::new(&sample, presented))
                .add(&sample, presented, is_shown, 0);
        }
        builder.map(|builder| (builder.totals, builder.count))
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
