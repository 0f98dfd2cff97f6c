//! The samples of a track, wherever they are told of.

use super::{
    auxiliary::{Auxiliary, AuxiliaryFault},
    budget,
    fragments::{FragmentPosition, FragmentWalk, Fragments},
    tables::{TablePosition, TableWalk, Tables},
};
use crate::extent::{ReadAt, ReadError};

/// One sample (ISO/IEC 14496-12 section 3.1): a frame of video, some milliseconds of sound, a cue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sample {
    /// Its number in the track, from 0.
    pub number: u32,
    /// Where its bytes are in the file.
    pub offset: u64,
    /// How many they are.
    pub size: u32,
    /// When it is decoded, in the track's ticks.
    pub dts: i64,
    /// How long until the next is decoded, in ticks.
    pub duration: u32,
    /// How much later than decoded it is shown, in ticks.
    pub composition: i32,
    /// Whether decoding can begin with it.
    pub is_sync: bool,
    /// Which sample entry it is to be understood by, from 1.
    pub description: u32,
}

/// Why a track ends before its samples do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SampleFault {
    /// A sample is not, or not wholly, in the file: an interrupted download or recording.
    #[error("the file ends before its samples do")]
    OutsideFile,
    /// The chunk tables hold fewer samples than the sizes tell of.
    #[error("its tables tell of more samples than its chunks hold")]
    NoChunk,
    /// A time is larger than a number can be.
    #[error("its times overflow")]
    TimeOverflows,
    /// There are more samples than can be looked at.
    #[error("it has more samples than can be looked at")]
    TooMany,
    /// A fragment is longer than anything that makes sense.
    #[error("a fragment's header is too long")]
    FragmentTooLong,
    /// A fragment contradicts itself.
    #[error("a fragment contradicts itself")]
    FragmentLies,
    /// What it takes to decrypt a sample is not there, or cannot be sent.
    #[error(transparent)]
    Auxiliary(#[from] AuxiliaryFault),
}

/// Where the samples of a track are told of: in tables, in fragments, or first in one and then in the
/// other.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) tables: Option<Tables>,
    pub(super) fragments: Option<Fragments>,
}

/// From where a walk can go on. Small, because one is kept for each segment.
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
    /// The beginning of the track.
    pub(super) fn start(&self) -> Position {
        match self.tables {
            Some(_) => Position::Table(TablePosition::default()),
            None => Position::Fragment(FragmentPosition::default()),
        }
    }
}

/// A walk over a track's samples in decoding order, from any position on.
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
    /// Goes on from a position, reading so many bytes of each table at a time, until so much
    /// [work](super::budget) is done.
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
            _ => unreachable!("a position is one of the samples that it is used with"),
        };
        Self { samples, source, stage, work_left }
    }

    /// Where the walk can be taken up again before the next sample.
    pub(super) fn position(&self) -> Position {
        match &self.stage {
            Stage::Tables(walk) => Position::Table(walk.at),
            Stage::Fragments(walk) => Position::Fragment(walk.at),
        }
    }

    /// How much work is left.
    pub(super) fn work_left(&self) -> u64 {
        self.work_left
    }

    /// What it takes to decrypt the sample that was last returned.
    pub fn auxiliary(&self) -> Auxiliary {
        match &self.stage {
            Stage::Tables(walk) => walk.auxiliary,
            Stage::Fragments(walk) => walk.auxiliary,
        }
    }

    /// The next sample; `None` behind the last one. A fault ends the track. An error is the disk's.
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
        let Some(left) = self.work_left.checked_sub(budget::of_sample(sample.size)) else {
            self.work_left = 0;
            return Ok(Some(Err(SampleFault::TooMany)));
        };
        self.work_left = left;
        Ok(Some(if is_inside(&sample) { Ok(sample) } else { Err(SampleFault::OutsideFile) }))
    }
}
