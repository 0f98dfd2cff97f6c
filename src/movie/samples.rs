//! The samples of a track, from sample tables and from fragments.

use super::{
    auxiliary::{Auxiliary, AuxiliaryFault},
    budget,
    fragments::{FragmentPosition, FragmentWalk, Fragments},
    pieces::Pieces,
    tables::{TablePosition, TableWalk, Tables},
};
use crate::extent::{ReadAt, ReadError};

/// One sample (ISO/IEC 14496-12 section 3.1): a video frame, an audio frame, a cue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Number in the track, from 0.
    pub number: u32,
    /// Offset of its bytes in the file.
    pub offset: u64,
    /// Size in bytes.
    pub size: u32,
    /// Decoding time, in the track's ticks.
    pub dts: i64,
    /// Time until the next sample is decoded, in ticks.
    pub duration: u32,
    /// Composition offset, in ticks: presentation time minus decoding time.
    pub composition: i32,
    /// Whether decoding can start here.
    pub is_sync: bool,
    /// Index of its sample entry, from 1.
    pub description: u32,
    /// It is decoded and not shown: another sample at the border of an edit needs it.
    pub is_hidden: bool,
    /// It is a frame of [silence](super::Track::silence) in memory, and not in the file.
    pub is_silence: bool,
}

/// Why a track ends before its last sample.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SampleFault {
    /// A sample is wholly or partly outside the file: an interrupted download or recording.
    #[error("the file ends before its last sample")]
    OutsideFile,
    /// The chunk tables hold fewer samples than the size table.
    #[error("its size table has more samples than its chunks")]
    NoChunk,
    /// A time exceeds the number range.
    #[error("its times overflow")]
    TimeOverflows,
    /// The track has more samples than the work budget allows.
    #[error("it has too many samples")]
    TooMany,
    /// A fragment header exceeds the length limit.
    #[error("a fragment's header is too long")]
    FragmentTooLong,
    /// A fragment is cut short or contradicts itself.
    #[error("a fragment is invalid")]
    FragmentInvalid,
    /// The auxiliary information of an encrypted sample is missing or unusable.
    #[error(transparent)]
    Auxiliary(#[from] AuxiliaryFault),
}

/// The sample lists of a track: tables, fragments, or tables first and then fragments.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) tables: Option<Tables>,
    pub(super) fragments: Option<Fragments>,
    /// The pieces of the edit list, if it does more than shift the samples.
    pub(super) pieces: Option<Box<Pieces>>,
}

/// A position at which a walk can resume. Small, because the index keeps one per segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Position {
    /// In the tables.
    #[expect(private_interfaces, reason = "only to be handed back")]
    Table(TablePosition),
    /// In a fragment.
    #[expect(private_interfaces, reason = "only to be handed back")]
    Fragment(FragmentPosition),
}

impl Samples {
    /// The start of the track.
    pub(super) fn start(&self) -> Position {
        if let Some(first) = self.pieces.as_ref().and_then(|pieces| pieces.list.first()) {
            return first.position;
        }
        match self.tables {
            Some(_) => Position::Table(TablePosition::default()),
            None => Position::Fragment(FragmentPosition::default()),
        }
    }
}

/// A walk over the samples in the file in decoding order, from any position.
#[derive(Debug)]
pub struct Walk<'a, R: ?Sized> {
    samples: &'a Samples,
    source: &'a R,
    stage: Stage<'a, R>,
    work_left: u64,
}

#[derive(Debug)]
enum Stage<'a, R: ?Sized> {
    Tables(Box<TableWalk<'a, R>>),
    Fragments(Box<FragmentWalk<'a, R>>),
}

impl<'a, R: ReadAt + ?Sized> Walk<'a, R> {
    /// Resumes at a position and reads `span` bytes per table at a time, within `work_left` units of
    /// [work](super::budget).
    pub(super) fn new(
        samples: &'a Samples,
        source: &'a R,
        from: Position,
        span: usize,
        work_left: u64,
    ) -> Self {
        let stage = match (from, &samples.tables, &samples.fragments) {
            (Position::Table(at), Some(tables), _) => {
                Stage::Tables(Box::new(TableWalk::new(tables, source, at, span)))
            }
            (Position::Fragment(at), _, Some(fragments)) => {
                Stage::Fragments(Box::new(FragmentWalk::new(fragments, source, at)))
            }
            _ => unreachable!("a position belongs to the samples that it came from"),
        };
        Self { samples, source, stage, work_left }
    }

    /// The position of the next sample, to resume there.
    pub(super) fn position(&self) -> Position {
        match &self.stage {
            Stage::Tables(walk) => Position::Table(walk.at),
            Stage::Fragments(walk) => Position::Fragment(walk.at),
        }
    }

    /// Consumes work for a sample that is not in the file; false if none is left.
    pub(super) fn charge(&mut self, work: u64) -> bool {
        let left = self.work_left.checked_sub(work);
        self.work_left = left.unwrap_or(0);
        left.is_some()
    }

    /// The remaining work budget.
    pub(super) fn work_left(&self) -> u64 {
        self.work_left
    }

    /// Auxiliary information of the last returned sample.
    pub fn auxiliary(&self) -> Auxiliary {
        match &self.stage {
            Stage::Tables(walk) => walk.auxiliary,
            Stage::Fragments(walk) => walk.auxiliary,
        }
    }

    /// The next sample; `None` after the last one. A fault ends the track; an error comes from the disk.
    pub fn next_sample(&mut self) -> Result<Option<Result<Sample, SampleFault>>, ReadError> {
        let len = self.source.len();
        let next = match &mut self.stage {
            Stage::Tables(walk) => match walk.next()? {
                None => match &self.samples.fragments {
                    None => return Ok(None),
                    Some(fragments) => {
                        let (dts, sample) = (walk.at.dts, walk.at.sample);
                        let at = FragmentPosition { dts, sample, ..FragmentPosition::default() };
                        let walk = FragmentWalk::new(fragments, self.source, at);
                        self.stage = Stage::Fragments(Box::new(walk));
                        return self.next_sample();
                    }
                },
                next => next,
            },
            Stage::Fragments(walk) => walk.next(&mut self.work_left)?,
        };
        let auxiliary = self.auxiliary();
        let is_inside = |sample: &Sample| {
            let is_inside =
                |offset: u64, size| offset.checked_add(size).is_some_and(|end| end <= len);
            is_inside(sample.offset, u64::from(sample.size))
                && is_inside(auxiliary.offset, u64::from(auxiliary.len))
        };
        let Some(Ok(sample)) = next else {
            return Ok(next);
        };
        let Some(left) = self.work_left.checked_sub(budget::sample_cost(sample.size)) else {
            self.work_left = 0;
            return Ok(Some(Err(SampleFault::TooMany)));
        };
        self.work_left = left;
        Ok(Some(if is_inside(&sample) { Ok(sample) } else { Err(SampleFault::OutsideFile) }))
    }
}
