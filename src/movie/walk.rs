//! Walks over the samples of a track, in whatever container they are.

use std::{ops::Range, sync::Arc};

use super::{
    Auxiliary, Sample, TextBlocks, Timeline, Track,
    mp4::{self, PieceWalk},
    walked::{Cursor, SegmentReader, WalkedSegment},
};
use crate::extent::{ReadAt, ReadError};

/// Read size per table for the samples of one segment, in bytes.
pub(super) const SEGMENT_BYTES: usize = 2048;

/// The most segments before and behind one that are looked at for whether they share its cluster: with fewer the
/// one counts for more.
const SHARING_MAX: usize = 64;

/// A source of any type as one that a trait object can be of.
pub(super) struct Borrowed<'a, R: ?Sized>(pub(super) &'a R);

impl<R: ReadAt + ?Sized> ReadAt for Borrowed<'_, R> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.0.read_exact_at(offset, into)
    }

    fn expect(&self, range: Range<u64>) {
        self.0.expect(range);
    }
}

/// Where the samples of a track are.
#[derive(Clone, Debug)]
pub(super) enum Samples {
    /// In the tables and fragments of MP4.
    Boxes(Box<mp4::Samples>),
    /// In segments that have to be read.
    Segments(SegmentSamples),
    /// Text that is no samples.
    Text(TextBlocks),
}

/// The samples of a track in segments.
#[derive(Clone, Debug)]
pub(super) struct SegmentSamples {
    /// Reads the segments of all tracks.
    pub(super) reader: Arc<dyn SegmentReader>,
    /// The place of the track among them.
    pub(super) place: usize,
    /// The segment of the reader that is the track's first: a track may begin later than others.
    pub(super) first: usize,
}

impl SegmentSamples {
    /// Reads a segment, which is announced to the source first: a walk reads a little of every part of it.
    fn read<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
    ) -> Result<WalkedSegment, ReadError> {
        let segment = self.first.saturating_add(segment);
        source.expect(self.reader.span(segment));
        self.reader.read(&Borrowed(source), segment)
    }
}

impl Samples {
    /// Approximate memory use beside its own size, in bytes; of what several tracks share, the part of the
    /// first one.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Boxes(samples) => size_of::<mp4::Samples>() + samples.bytes(),
            Self::Segments(SegmentSamples { reader, place: 0, .. }) => reader.memory_bytes(),
            Self::Segments(_) => 0,
            Self::Text(blocks) => blocks.header.len(),
        }
    }
}

/// A walk over samples in decoding order, from the first one of a segment.
#[derive(Debug)]
pub struct SampleWalk<'a, R: ?Sized>(Stage<'a, R>);

#[derive(Debug)]
enum Stage<'a, R: ?Sized> {
    /// In boxes, with the number of samples that are left.
    Boxes(PieceWalk<'a, R>, u32),
    /// In segments that are read one after another.
    Segments(SegmentsWalk<'a, R>),
    /// In a segment that is in memory.
    Walked(&'a WalkedSegment, usize, Cursor),
    /// There are none.
    Empty,
}

#[derive(Debug)]
struct SegmentsWalk<'a, R: ?Sized> {
    samples: &'a SegmentSamples,
    source: &'a R,
    /// Those that are not read yet.
    segments: Range<usize>,
    current: WalkedSegment,
    cursor: Cursor,
    /// Number of samples so far.
    count: u32,
}

impl Track {
    /// Walks over the samples of a segment in decoding order.
    pub fn walk_segment<'a, R: ReadAt + ?Sized>(
        &'a self,
        source: &'a R,
        segment: usize,
    ) -> SampleWalk<'a, R> {
        self.walk_segments(source, segment..segment.saturating_add(1))
    }

    /// Walks over the samples in decoding order, from the first one of a segment to the last of the track.
    pub fn walk_from<'a, R: ReadAt + ?Sized>(
        &'a self,
        source: &'a R,
        segment: usize,
    ) -> SampleWalk<'a, R> {
        self.walk_segments(source, segment..usize::MAX)
    }

    /// Walks over the samples of consecutive segments in decoding order.
    pub fn walk_segments<'a, R: ReadAt + ?Sized>(
        &'a self,
        source: &'a R,
        segments: Range<usize>,
    ) -> SampleWalk<'a, R> {
        SampleWalk(match &self.samples {
            Samples::Boxes(samples) => match self.index.measured.get(segments.start) {
                Some(first) => {
                    let start = (first.position, first.first_sample);
                    let next = self.index.measured.get(segments.end);
                    let end = next.map_or(self.index.end_sample, |next| next.first_sample);
                    // The index pass has already paid for these samples.
                    let walk = PieceWalk::new(samples, source, start, SEGMENT_BYTES, u64::MAX);
                    Stage::Boxes(walk, end.saturating_sub(first.first_sample))
                }
                None => Stage::Empty,
            },
            Samples::Segments(samples) => Stage::Segments(SegmentsWalk {
                samples,
                source,
                segments: segments.start..segments.end.min(self.index.segments.len()),
                current: WalkedSegment::default(),
                cursor: Cursor::default(),
                count: 0,
            }),
            Samples::Text(_) => Stage::Empty,
        })
    }

    /// Walks over its samples in a segment that was read before.
    pub fn walk_again<'a, R: ?Sized>(&self, segment: &'a WalkedSegment) -> SampleWalk<'a, R> {
        SampleWalk(match &self.samples {
            Samples::Segments(samples) => Stage::Walked(segment, samples.place, Cursor::default()),
            Samples::Boxes(_) | Samples::Text(_) => Stage::Empty,
        })
    }

    /// The number of its samples in a segment that was read.
    pub fn walked_count(&self, segment: &WalkedSegment) -> usize {
        match &self.samples {
            Samples::Segments(samples) => segment.count(samples.place),
            Samples::Boxes(_) | Samples::Text(_) => 0,
        }
    }

    /// Reads the samples of a segment, those of other tracks included; `None` if the index has measured them, so
    /// that a [walk](Self::walk_segment) costs little.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn read_segment<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        segment: usize,
    ) -> Result<Option<WalkedSegment>, ReadError> {
        match &self.samples {
            Samples::Segments(samples) => samples.read(source, segment).map(Some),
            Samples::Boxes(_) | Samples::Text(_) => Ok(None),
        }
    }

    /// The number of a segment among those of the whole file, if the index has not measured it and it exists.
    pub fn segment_in_file(&self, segment: usize) -> Option<usize> {
        match &self.samples {
            Samples::Segments(samples) if segment < self.index.segments.len() => {
                Some(samples.first.saturating_add(segment))
            }
            Samples::Segments(_) | Samples::Boxes(_) | Samples::Text(_) => None,
        }
    }

    /// The part of the file in which the samples of a segment are, with those of other tracks, if the index has
    /// not measured them.
    pub fn segment_span(&self, segment: usize) -> Option<Range<u64>> {
        match &self.samples {
            Samples::Segments(samples) => {
                Some(samples.reader.span(samples.first.saturating_add(segment)))
            }
            Samples::Boxes(_) | Samples::Text(_) => None,
        }
    }
}

impl Track {
    /// How many bytes the file has for a segment that the index has not measured, of all tracks. Segments that
    /// begin in one cluster share its bytes by their durations.
    pub fn segment_bytes_in_file(&self, segment: usize) -> u64 {
        let Some(span) = self.segment_span(segment) else { return 0 };
        let shares = |other: &usize| self.segment_span(*other).is_some_and(|it| it == span);
        let before = (0..segment).rev().take(SHARING_MAX).take_while(shares);
        let after = (segment + 1..self.index.segments.len()).take(SHARING_MAX).take_while(shares);
        let (first, last) = (before.last().unwrap_or(segment), after.last().unwrap_or(segment));
        let start = |number: usize| self.index.segments.get(number).map_or(0, |it| it.start);
        let end = |number: usize| self.segment_end_time(number).unwrap_or(0);
        let own = u128::from(end(segment).abs_diff(start(segment)));
        let all = u128::from(end(last).abs_diff(start(first))).max(1);
        let bytes = u128::from(span.end.saturating_sub(span.start)) * own;
        u64::try_from(bytes.div_ceil(all)).unwrap_or(u64::MAX)
    }

    /// Total size of its samples, or a larger number if the index does not know it.
    pub fn bytes_at_most(&self) -> u64 {
        if self.index.bytes > 0 {
            return self.index.bytes;
        }
        let in_file = (0..self.index.segments.len()).map(|it| self.segment_bytes_in_file(it));
        in_file.fold(0, u64::saturating_add)
    }
}

impl<R: ReadAt + ?Sized> SampleWalk<'_, R> {
    /// The next sample; `None` after the last one.
    ///
    /// # Errors
    /// If the source cannot be read, or has changed since the index was read.
    pub fn next_sample(&mut self) -> Result<Option<Sample>, ReadError> {
        match &mut self.0 {
            Stage::Boxes(walk, left) => {
                let Some(rest) = left.checked_sub(1) else { return Ok(None) };
                *left = rest;
                // The index pass has read each of these samples: if one is missing, the file has changed.
                match walk.next_sample()? {
                    Some(Ok(sample)) => Ok(Some(sample)),
                    Some(Err(_)) | None => Err(ReadError::Changed),
                }
            }
            Stage::Segments(walk) => walk.next_sample(),
            Stage::Walked(segment, place, cursor) => Ok(cursor.next(segment, *place)),
            Stage::Empty => Ok(None),
        }
    }

    /// When the last returned sample is presented. One that is not shown counts for the start of its piece.
    pub fn presented(&self, sample: &Sample, timeline: &Timeline) -> i64 {
        match &self.0 {
            Stage::Boxes(walk, _) => walk.presented(sample, timeline),
            _ => timeline.presented(sample.dts, sample.composition),
        }
    }

    /// Auxiliary information of the last returned sample.
    pub fn auxiliary(&self) -> Auxiliary {
        match &self.0 {
            Stage::Boxes(walk, _) => walk.auxiliary(),
            _ => Auxiliary::default(),
        }
    }
}

impl<R: ReadAt + ?Sized> SegmentsWalk<'_, R> {
    fn next_sample(&mut self) -> Result<Option<Sample>, ReadError> {
        loop {
            if let Some(sample) = self.cursor.next(&self.current, self.samples.place) {
                let number = self.count;
                self.count = number.saturating_add(1);
                return Ok(Some(Sample { number, ..sample }));
            }
            let Some(segment) = self.segments.next() else { return Ok(None) };
            self.current = self.samples.read(self.source, segment)?;
            self.cursor = Cursor::default();
        }
    }
}
