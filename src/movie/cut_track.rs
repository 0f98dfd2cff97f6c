//! Tracks of containers whose index has cuts only.

use std::{num::NonZeroU32, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    Captions, Carried, FourCc, Indexed, SampleEntry, SegmentReader, TextBlocks, Timeline, Track,
    TrackKind, VideoShape,
    codec::Media,
    shape::Display,
    walk::{Samples, SegmentSamples},
};

/// A track whose samples are known only after a walk over a segment.
#[derive(Debug)]
pub struct CutTrack {
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
    /// Its purposes.
    pub kinds: Vec<TrackKind>,
    /// Whether the track plays by default.
    pub is_enabled: bool,
    /// Matrix, width and height, as the last fields of a `tkhd` (ISO/IEC 14496-12 section 8.3.2).
    pub display: [u8; 44],
    /// Fields that written boxes carry over.
    pub carried: Carried,
    /// Sample entry, as in MP4.
    pub entry: SampleEntry,
    /// Mapping from decoding times to presentation times.
    pub timeline: Timeline,
    /// Segments, none of them measured.
    pub index: Indexed,
    /// Where the file describes it.
    pub whole: Range<u64>,
    /// Bytes that each sample begins with and that are not in the file.
    pub prefix: Bytes,
    /// Where its samples are.
    pub samples: CutSamples,
}

/// Where the samples of a track are.
#[derive(Debug)]
pub enum CutSamples {
    /// In segments.
    Segments {
        /// Reads them.
        reader: Arc<dyn SegmentReader>,
        /// The place of the track among those of the reader.
        place: usize,
        /// The segment of the reader that is the track's first.
        first: usize,
    },
    /// Between those of other tracks, as text.
    Text(TextBlocks),
}

impl From<CutTrack> for Track {
    fn from(track: CutTrack) -> Self {
        let CutTrack { id, handler, timescale, language, name, kinds, is_enabled, .. } = track;
        let CutTrack { carried, entry, timeline, index, whole, prefix, .. } = track;
        let samples = match track.samples {
            CutSamples::Segments { reader, place, first } => {
                Samples::Segments(SegmentSamples { reader, place, first })
            }
            CutSamples::Text(blocks) => Samples::Text(blocks),
        };
        let display = Display::new(track.display);
        let shape = match &entry.media {
            Media::Video(video) => Some(VideoShape::new(&display, video)),
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
            prefix,
            samples,
        }
    }
}
