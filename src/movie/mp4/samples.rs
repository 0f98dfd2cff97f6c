//! The samples of a track, from sample tables and from fragments.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    auxiliary::Auxiliary,
    corrections::Corrections,
    fragments::{FragmentPosition, FragmentWalk, Fragments},
    pieces::{Piece, Pieces},
    tables::{TablePosition, TableWalk, Tables},
    timeline::Timeline,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Sample, SampleFault, budget},
};

/// The sample lists of a track: tables, fragments, or tables first and then fragments.
#[derive(Clone, Debug)]
pub(in crate::movie) struct Samples {
    pub(super) tables: Option<Tables>,
    pub(super) fragments: Option<Fragments>,
    /// For each sample entry, the number of the first that is equal to it; `None` if the track has one.
    pub(super) equal_entries: Option<Arc<[u8]>>,
    /// Number and duration of the last sample, if the file gives it a duration that cannot be meant.
    pub(super) last: Option<(u32, u32)>,
    /// The pieces of the edit list, if it does more than shift the samples.
    pub(in crate::movie) pieces: Option<Box<Pieces>>,
}

/// A position at which a walk can resume. Small, because the index keeps one per segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::movie) enum Position {
    /// In the tables.
    Table(TablePosition),
    /// In a fragment.
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

    /// Approximate memory use beside its own size, in bytes.
    pub(in crate::movie) fn bytes(&self) -> usize {
        let syncs = self.tables.as_ref().map_or(0, Tables::bytes);
        let restarts = self.fragments.as_ref().map_or(0, |fragments| fragments.restarts.len() * 8);
        let pieces = self.pieces.as_ref().map_or(0, |pieces| pieces.bytes());
        syncs + restarts + pieces + self.equal_entries.as_ref().map_or(0, |equal| equal.len())
    }

    /// The frame of silence, if any piece is silent.
    pub(in crate::movie) fn silence(&self) -> Option<&Bytes> {
        self.pieces.as_ref()?.silence()
    }

    /// When media is shown, in order, in ticks, if it is several pieces.
    pub(in crate::movie) fn piece_times(&self) -> Vec<Range<i64>> {
        let pieces = self.pieces.as_ref().map_or(&[][..], |pieces| &pieces.list);
        let shown = |piece: &Piece| {
            let duration = piece.media.1.saturating_sub(piece.media.0);
            piece.start..piece.start.saturating_add(duration).min(piece.end)
        };
        let is_several = pieces.len() > 1;
        pieces.iter().filter(|_| is_several).map(shown).collect()
    }

    /// What to add to a time in the file to get the presentation time, if it is the same for all samples.
    pub(in crate::movie) fn file_shift(&self, timeline: &Timeline) -> Option<i64> {
        match self.pieces.as_ref().map(|pieces| &pieces.list[..]) {
            None => Some(timeline.shift),
            Some([piece]) => Some(piece.start.saturating_sub(piece.media.0)),
            Some(_) => None,
        }
    }

    /// The number of the first sample entry that is equal to this one.
    fn first_equal(&self, description: u32) -> u32 {
        let Some(equal) = &self.equal_entries else {
            return description;
        };
        // A number that the file does not have means the first, as in tracks with one entry.
        let index = description.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| equal.get(index)).map_or(1, |first| (*first).into())
    }
}

/// A walk over the samples in the file in decoding order, from any position.
#[derive(Debug)]
pub(super) struct Walk<'a, R: ?Sized> {
    samples: &'a Samples,
    source: &'a R,
    stage: Stage<'a, R>,
    /// What was corrected in the tables before the fragments.
    before: Corrections,
    work_left: u64,
}

#[derive(Debug)]
enum Stage<'a, R: ?Sized> {
    Tables(Box<TableWalk<'a, R>>),
    Fragments(Box<FragmentWalk<'a, R>>),
}

impl<'a, R: ReadAt + ?Sized> Walk<'a, R> {
    /// Resumes at a position and reads `span` bytes per table at a time, within `work_left` units of
    /// [work](crate::movie::budget).
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
        Self { samples, source, stage, before: Corrections::default(), work_left }
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

    /// The position of the next sample, if a walk can resume there: not where decoding times wait for those
    /// of the file to catch up.
    pub(super) fn resumable_position(&self) -> Option<Position> {
        match &self.stage {
            Stage::Tables(walk) if walk.lead > 0 => None,
            _ => Some(self.position()),
        }
    }

    /// What was corrected in the samples so far.
    pub(super) fn corrections(&self) -> Corrections {
        let tables = self.samples.tables.as_ref();
        let (from_tables, clock) = match &self.stage {
            Stage::Tables(walk) => (walk.corrections, None),
            Stage::Fragments(walk) => (self.before, Some((walk.at.clock, walk.corrections))),
        };
        let (clock, in_fragments) = clock.unwrap_or_default();
        Corrections {
            missing_durations: tables
                .and_then(Tables::missing_duration)
                .or(in_fragments.missing_durations),
            compositions: from_tables.compositions.saturating_add(in_fragments.compositions),
            wraps: clock.wraps,
            restarts: clock.restarts,
            audio_syncs: in_fragments.audio_syncs
                || tables.is_some_and(|tables| tables.ignores_syncs),
            no_syncs: tables.is_some_and(|tables| tables.has_no_syncs),
            ..from_tables
        }
    }

    /// What each restart of the decoding times of fragments so far adds to those of the file, in ticks.
    pub(super) fn restarts(&self) -> &[i64] {
        match &self.stage {
            Stage::Tables(_) => &[],
            Stage::Fragments(walk) => &walk.restarts,
        }
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
                        self.before = walk.corrections;
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
        let Some(Ok(mut sample)) = next else {
            return Ok(next);
        };
        sample.description = self.samples.first_equal(sample.description);
        if let Some((number, duration)) = self.samples.last
            && number == sample.number
        {
            sample.duration = duration;
        }
        let Some(left) = self.work_left.checked_sub(budget::sample_cost(sample.size)) else {
            self.work_left = 0;
            return Ok(Some(Err(SampleFault::TooMany)));
        };
        self.work_left = left;
        Ok(Some(if is_inside(&sample) { Ok(sample) } else { Err(SampleFault::OutsideFile) }))
    }
}
