//! A movie's index: which tracks a file has, which samples they have, and when those are presented.
//!
//! MP4, QuickTime and fragmented MP4 end in the same thing (ISO/IEC 14496-12): a [`Movie`], which keeps
//! a few bytes for each segment and leaves the tables in the file. Whoever needs the samples of a
//! segment [walks](Track::walk) over them, which reads some hundred bytes.
//!
//! Files are hostile. Nothing is reserved by a number that stands in one, every offset is checked, and
//! nothing recurses. What makes no sense costs the track that it is in, with the reason; the rest plays.
//! This room knows no URL and no manifest.

mod auxiliary;
mod boxes;
mod budget;
pub mod codec;
mod fragments;
pub mod index;
pub mod languages;
mod mp4;
mod samples;
mod tables;
mod timeline;
mod track;
mod window;

use std::{num::NonZeroU32, ops::Range};

use bytes::Bytes;

pub use self::{
    auxiliary::{Auxiliary, AuxiliaryFault},
    boxes::Header,
    codec::{FourCc, SampleEntry},
    index::{Indexed, SEGMENT_SAMPLES_MAX, Segment, Shape, Syncs},
    samples::{Position, Sample, SampleFault, Walk},
    timeline::Timeline,
};
use crate::extent::{ReadAt, ReadError};

/// How much of each table is read at a time for the samples of one segment, in bytes.
const SEGMENT_BYTES: usize = 2048;

/// The boxes in a part of a file.
pub fn children<R: ReadAt + ?Sized>(
    source: &R,
    within: &Range<u64>,
) -> Result<Vec<Header>, ReadError> {
    boxes::children(&mut window::Window::new(source, SEGMENT_BYTES), within)
}

/// A movie's index.
#[derive(Clone, Debug)]
pub struct Movie {
    /// The major brand of the file (section 4.3).
    pub brand: Option<FourCc>,
    /// Ticks per second of the movie itself.
    pub timescale: NonZeroU32,
    /// Its tracks, as they come in the file.
    pub tracks: Vec<Track>,
    /// Tracks that cannot be played, and why.
    pub left_out: Vec<LeftOut>,
    /// Boxes that say how the media are encrypted (`pssh`, ISO/IEC 23001-7 section 8.1).
    pub protection: Vec<Bytes>,
    /// Where the names of its chapters are, if it has any.
    pub chapters: Option<Chapters>,
    /// Where `moov` is.
    pub moov: Header,
    /// Where the first media data is.
    pub mdat: Option<u64>,
    /// How many fragments the file has.
    pub fragments: usize,
    /// The length of the file, in bytes.
    pub file_len: u64,
}

/// Where the names of a movie's chapters are.
#[derive(Clone, Debug)]
pub enum Chapters {
    /// In a track of texts, as QuickTime has it.
    Track(Box<Track>),
    /// In a list: the content of `chpl`.
    List(Range<u64>),
}

/// One track of a movie.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its identifier in the file.
    pub id: u32,
    /// What kind of media it is.
    pub handler: FourCc,
    /// Ticks per second.
    pub timescale: NonZeroU32,
    /// Its language, as the file says: ISO 639-2 or BCP 47.
    pub language: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// Whether it is to be played if nobody chooses.
    pub is_enabled: bool,
    /// How its pictures are to be turned and how large they are to be shown: the last fields of `tkhd`
    /// (section 8.3.2), matrix, width and height.
    pub picture: [u8; 44],
    /// How its samples are coded.
    pub entry: SampleEntry,
    /// How decoding times become presentation times.
    pub timeline: Timeline,
    /// Its segments, and what else is known from its samples.
    pub index: Indexed,
    /// Where its `trak` is.
    pub whole: Range<u64>,
    samples: samples::Samples,
}

/// A track that cannot be played.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Its identifier in the file; 0 if there is none.
    pub id: u32,
    /// What kind of media it is, if that could be read.
    pub handler: Option<FourCc>,
    /// How its samples are coded, if that could be read.
    pub format: Option<FourCc>,
    /// Why it is left out.
    pub why: String,
}

/// Why a file is no movie that could be played.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MovieRefused {
    /// It does not begin as one.
    #[error("this is no MP4 or MOV file")]
    NoMovie,
    /// Its index is missing.
    #[error("the file has no index (moov): its recording or its download was interrupted")]
    NoMoov,
    /// Its index is longer than anything that makes sense.
    #[error("the file's index (moov) is too long")]
    MoovTooLong,
    /// Its header is missing or makes no sense.
    #[error("the movie's header (mvhd) is missing or makes no sense")]
    NoHeader,
    /// No track can be played.
    #[error("no track of the file can be played: {}", reasons(.0))]
    NoTrack(Vec<LeftOut>),
}

impl MovieRefused {
    /// About how many bytes the reason takes in memory.
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
        return "it has none".to_owned();
    }
    let reasons = left_out.iter().map(|track| format!("track {}: {}", track.id, track.why));
    reasons.collect::<Vec<_>>().join("; ")
}

impl Movie {
    /// Reads a file's index, with segments that begin on a grid of so many milliseconds. Takes
    /// milliseconds of CPU, and waits for the file if `source` does.
    pub fn read<R: ReadAt + ?Sized>(
        source: &R,
        grid_ms: NonZeroU32,
    ) -> Result<Result<Self, MovieRefused>, ReadError> {
        mp4::read(source, grid_ms)
    }

    /// About how many bytes the index takes in memory.
    pub fn bytes(&self) -> usize {
        let of_text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let of_track = |track: &Track| {
            size_of::<Track>()
                + track.index.segments.capacity() * size_of::<Segment>()
                + track.entry.entry.len()
                + of_text(&track.language)
                + of_text(&track.name)
        };
        let fragments = self.fragments * size_of::<Range<u64>>();
        let chapters = match &self.chapters {
            Some(Chapters::Track(track)) => of_track(track),
            _ => 0,
        };
        size_of::<Self>()
            + self.tracks.iter().map(of_track).sum::<usize>()
            + self.left_out.iter().map(LeftOut::bytes).sum::<usize>()
            + self.protection.iter().map(Bytes::len).sum::<usize>()
            + fragments
            + chapters
    }
}

impl Track {
    fn new(head: track::Head, timeline: Timeline, index: Indexed) -> Self {
        let track::Head { id, handler, timescale, language, name, is_enabled, .. } = head;
        let track::Head { picture, entry, samples, whole, .. } = head;
        Self {
            id,
            handler,
            timescale,
            language,
            name,
            is_enabled,
            picture,
            entry,
            timeline,
            index,
            whole,
            samples,
        }
    }

    /// Whether it is pictures.
    pub fn is_video(&self) -> bool {
        self.handler == FourCc(*b"vide")
    }

    /// Whether its pictures are turned by a quarter.
    pub fn is_on_its_side(&self) -> bool {
        let field = |at: usize| self.picture[4 * at..4 * at + 4] != [0; 4];
        // The matrix is a b u c d v x y w: a and d stretch, b and c turn.
        !field(0) && field(1) && field(3) && !field(4)
    }

    /// Whether it is sound.
    pub fn is_audio(&self) -> bool {
        self.handler == FourCc(*b"soun")
    }

    /// The samples from a segment's first on, in decoding order.
    pub fn walk<'a, R: ReadAt + ?Sized>(&'a self, source: &'a R, segment: &Segment) -> Walk<'a, R> {
        // Whoever made the index has been here, and it was not too much.
        Walk::new(&self.samples, source, segment.position, SEGMENT_BYTES, u64::MAX)
    }

    /// The number of the sample behind a segment's last; `None` if there is no such segment.
    pub fn segment_end(&self, segment: usize) -> Option<u32> {
        let segments = &self.index.segments;
        segments.get(segment)?;
        Some(segments.get(segment + 1).map_or(self.index.end_sample, |next| next.first_sample))
    }

    /// When a segment ends, which is when the next begins, in ticks.
    pub fn segment_end_time(&self, segment: usize) -> Option<i64> {
        let segments = &self.index.segments;
        segments.get(segment)?;
        Some(segments.get(segment + 1).map_or(self.index.end, |next| next.start))
    }

    /// The decoding time at which its first segment begins in what is made of the movie, in ticks; and
    /// where its presentation begins in that, which is what an edit list says there.
    ///
    /// Empty edits become a later beginning, and what is left of the delay between decoding and
    /// presentation becomes `media_time` of one edit; both are never negative.
    pub fn output_times(&self) -> (i64, i64) {
        let Indexed { first_dts, raise, .. } = self.index;
        let start = self.timeline.from;
        let remains = i128::from(start) - i128::from(first_dts) + i128::from(raise)
            - i128::from(self.timeline.shift);
        let media_time = i64::try_from(remains.max(0)).unwrap_or(i64::MAX);
        // What cannot be taken off by an edit is added by beginning later.
        let later = i64::try_from((-remains).max(0)).unwrap_or(0);
        (start.saturating_add(later), media_time)
    }
}
