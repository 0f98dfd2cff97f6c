//! One pass over a track: which samples are presented, where its segments begin, and what is in them.
//!
//! Nothing is kept of a sample but what a segment's beginning needs. That every sample lies in the
//! file is made sure of here, once, so that no extent can leave it.

use std::num::NonZeroU32;

use super::{
    Auxiliary, AuxiliaryFault, Sample, SampleFault,
    budget::Budget,
    samples::{Position, Samples, Walk},
    timeline::Timeline,
};
use crate::extent::{ReadAt, ReadError};

/// How much of each table is read at a time in a pass over all of it, in bytes.
const PASS_BYTES: usize = 64 * 1024;

/// The latest time at which anything may be presented, in ticks: far beyond any that is meant, and far
/// enough below the largest number that there is, so that times can be added.
const TIME_MAX: i64 = 1 << 60;

/// The most samples of one segment, since its header tells of each: a GOP of eighteen minutes at sixty
/// pictures a second. A longer one is cut where no decoder could begin, which is of use to nobody who
/// seeks, and no harm to who does not.
pub const SEGMENT_SAMPLES_MAX: u32 = 1 << 16;

/// A segment (ISO/IEC 23000-19 section 7.3.2.3): where its samples begin, and what it takes to say how
/// long it is in bytes and in time without looking at them again.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where a walk over its samples begins.
    pub(super) position: Position,
    /// The number of its first sample in the track.
    pub first_sample: u32,
    /// When its first sample is presented, in ticks; never negative.
    pub start: i64,
    /// The bytes of its samples.
    pub payload_bytes: u64,
    /// The bytes of its first sample.
    pub first_bytes: u32,
    /// The bytes that it takes to decrypt its samples; 0 if they are not encrypted, or all in one way.
    pub auxiliary_bytes: u32,
    /// The same of its first sample.
    pub first_auxiliary_bytes: u8,
    /// What its samples have in common.
    pub shape: Shape,
}

impl Segment {
    /// How many samples in front of its first a walk has to look at: those of the same fragment.
    pub fn samples_before(&self) -> u32 {
        match self.position {
            Position::Fragment(at) => at.skip,
            Position::Table(_) => 0,
        }
    }
}

/// What the samples of a segment have in common: what need not be said of each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// All last equally long.
    pub equal_durations: bool,
    /// All have equally many bytes.
    pub equal_sizes: bool,
    /// None is presented at another time than it is decoded at, the track's shift apart.
    pub no_compositions: bool,
    /// Which are sync samples.
    pub syncs: Syncs,
}

/// Which samples of a segment decoding can begin with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Syncs {
    /// Every one.
    All,
    /// The first and no other.
    First,
    /// None, or some in between.
    Some,
}

/// What a pass over a track has found.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The segments in order, none empty.
    pub segments: Vec<Segment>,
    /// The number of the sample behind the last that belongs to a segment.
    pub end_sample: u32,
    /// When the last sample ends, in ticks.
    pub end: i64,
    /// The decoding time of the first sample of the first segment.
    pub first_dts: i64,
    /// What is added to every composition offset so that none is negative, in ticks.
    pub raise: u32,
    /// The duration of most samples, in ticks.
    pub usual_duration: u32,
    /// The longest time between two sync samples, in ticks.
    pub longest_gop: i64,
    /// Bytes of all samples together.
    pub bytes: u64,
    /// Whether what it takes to decrypt a sample tells parts of it.
    pub has_subsamples: bool,
    /// Why the track ends early.
    pub fault: Option<SampleFault>,
}

/// Why a track can have no index.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IndexFault {
    /// There is no sample that could be played.
    #[error("it has no sample that could be played")]
    Empty,
    /// Its samples change their format on the way.
    #[error("its format changes on the way, which needs it to be encoded anew")]
    SeveralDescriptions,
    /// It would be in more segments than can be kept.
    #[error("it would be in too many segments")]
    TooManySegments,
    /// It is encrypted in a way that segments cannot be made of.
    #[error(transparent)]
    Auxiliary(#[from] AuxiliaryFault),
}

/// Where a track may be cut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cuts<'a> {
    /// At the first sync sample that is presented at or behind each multiple of so many milliseconds.
    Grid(NonZeroU32),
    /// At the sample that is nearest to each of these times, in ticks of another track's timescale.
    Near { times: &'a [i64], timescale: NonZeroU32 },
}

/// What a decoder needs of a track from before the first thing that is presented.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lead {
    /// All from the key frame on that is presented then or before.
    KeyFrame,
    /// One whole frame of sound, and as many more as last these ticks.
    Sound {
        /// How long the decoder has to listen until what it says is right.
        preroll: i64,
    },
}

/// Looks at all samples of a track, as far as there is budget left.
pub(super) fn index<R: ReadAt + ?Sized>(
    samples: &Samples,
    source: &R,
    timescale: NonZeroU32,
    timeline: Timeline,
    cuts: Cuts<'_>,
    lead: Lead,
    budget: &mut Budget,
) -> Result<Result<Indexed, IndexFault>, ReadError> {
    let mut walk = Walk::new(samples, source, samples.start(), PASS_BYTES, budget.work);
    let mut pass = Pass::new(timescale, timeline, cuts, lead, budget.segments);
    loop {
        let position = walk.position();
        let sample = match walk.next_sample()? {
            Some(Ok(sample)) => sample,
            // A player that could decrypt a part of it would rather know why not all.
            Some(Err(SampleFault::Auxiliary(fault))) => return Ok(Err(fault.into())),
            Some(Err(fault)) => {
                pass.fault = Some(fault);
                break;
            }
            None => break,
        };
        pass.fault = pass.fault_of(&sample);
        if pass.fault.is_some() {
            break;
        }
        if let Err(fault) = pass.take(position, &sample, walk.auxiliary()) {
            budget.work = walk.work_left();
            return Ok(Err(fault));
        }
    }
    budget.work = walk.work_left();
    let indexed = pass.finish();
    if let Ok(indexed) = &indexed {
        budget.segments = budget.segments.saturating_sub(indexed.segments.len());
    }
    Ok(indexed)
}

struct Pass<'a> {
    timescale: i128,
    timeline: Timeline,
    cuts: Cuts<'a>,
    lead: Lead,
    segments: Vec<Segment>,
    segments_max: usize,
    /// The segment that is being filled, with the durations and sizes of its first sample.
    current: Option<(Segment, u32, u32)>,
    /// The next multiple of the grid, or the next of the times.
    next_cut: usize,
    description: Option<u32>,
    has_subsamples: Option<bool>,
    first_dts: i64,
    end_sample: u32,
    end: i64,
    least_composition: i32,
    last_sync: Option<i64>,
    longest_gop: i64,
    bytes: u64,
    usual: (u32, i64),
    fault: Option<SampleFault>,
    /// What the last segment was like when the last sample that is shown had been taken.
    shown: Option<(usize, Segment)>,
}

impl<'a> Pass<'a> {
    fn new(
        timescale: NonZeroU32,
        timeline: Timeline,
        cuts: Cuts<'a>,
        lead: Lead,
        segments_max: usize,
    ) -> Self {
        Self {
            timescale: i128::from(timescale.get()),
            timeline,
            cuts,
            lead,
            segments: Vec::new(),
            segments_max,
            current: None,
            next_cut: 0,
            description: None,
            has_subsamples: None,
            first_dts: 0,
            end_sample: 0,
            end: 0,
            least_composition: 0,
            last_sync: None,
            longest_gop: 0,
            bytes: 0,
            usual: (0, 0),
            fault: None,
            shown: None,
        }
    }

    fn take(
        &mut self,
        position: Position,
        sample: &Sample,
        auxiliary: Auxiliary,
    ) -> Result<(), IndexFault> {
        if *self.description.get_or_insert(sample.description) != sample.description {
            return Err(IndexFault::SeveralDescriptions);
        }
        // One flag says it for all samples of a segment.
        let Auxiliary { has_subsamples, .. } = auxiliary;
        if *self.has_subsamples.get_or_insert(has_subsamples) != has_subsamples {
            return Err(AuxiliaryFault::Mixed.into());
        }
        let presented = self.timeline.presented(sample.dts, sample.composition);
        let ends = presented.saturating_add(i64::from(sample.duration));
        if self.is_first(sample, presented, ends) {
            self.begin_track(sample);
            self.begin_segment(position, sample, presented);
        } else if self.is_cut(sample, presented) {
            self.close_segment()?;
            self.next_cut += 1;
            self.begin_segment(position, sample, presented);
        }
        self.add(sample, auxiliary.len);
        if self.timeline.until.is_none_or(|until| presented < until) {
            self.end_sample = sample.number + 1;
            self.end = self.end.max(ends.min(self.timeline.until.unwrap_or(i64::MAX)));
            self.shown = self.current.map(|(segment, ..)| (self.segments.len(), segment));
        }
        Ok(())
    }

    /// Whether what came before this sample is not needed to present what the edit list begins with.
    fn is_first(&self, sample: &Sample, presented: i64, ends: i64) -> bool {
        let is_early = match self.lead {
            Lead::KeyFrame => presented <= self.timeline.from,
            Lead::Sound { preroll } => ends.saturating_add(preroll) <= self.timeline.from,
        };
        self.current.is_none() || (sample.is_sync && is_early)
    }

    fn begin_track(&mut self, sample: &Sample) {
        self.segments.clear();
        self.current = None;
        self.shown = None;
        self.first_dts = sample.dts;
        self.least_composition = 0;
        self.last_sync = None;
        self.longest_gop = 0;
        self.bytes = 0;
    }

    fn begin_segment(&mut self, position: Position, sample: &Sample, presented: i64) {
        let start =
            if self.segments.is_empty() { presented.max(self.timeline.from) } else { presented };
        let shape = Shape {
            equal_durations: true,
            equal_sizes: true,
            no_compositions: true,
            syncs: Syncs::All,
        };
        let segment = Segment {
            position,
            first_sample: sample.number,
            start: start.max(0),
            payload_bytes: 0,
            first_bytes: sample.size,
            auxiliary_bytes: 0,
            first_auxiliary_bytes: 0,
            shape,
        };
        self.current = Some((segment, sample.duration, sample.size));
        self.advance_cut(segment.start);
    }

    fn close_segment(&mut self) -> Result<(), IndexFault> {
        // One more is open when the last is closed.
        if self.segments.len() + 1 >= self.segments_max {
            return Err(IndexFault::TooManySegments);
        }
        self.segments.extend(self.current.take().map(|(segment, ..)| segment));
        Ok(())
    }

    /// The next cut is the first behind a segment that begins at `start`.
    fn advance_cut(&mut self, start: i64) {
        match self.cuts {
            Cuts::Grid(grid_ms) => {
                let passed =
                    i128::from(start) * 1000 / (i128::from(grid_ms.get()) * self.timescale);
                self.next_cut = usize::try_from(passed).unwrap_or(usize::MAX - 1) + 1;
            }
            Cuts::Near { times, .. } => {
                let is_behind = |pass: &Self| pass.is_near(start, 0, pass.next_cut);
                while self.next_cut < times.len() && is_behind(self) {
                    self.next_cut += 1;
                }
            }
        }
    }

    /// Whether a segment is to begin with this sample. Each lasts some time.
    fn is_cut(&self, sample: &Sample, presented: i64) -> bool {
        let Some((segment, ..)) = self.current.filter(|(segment, ..)| presented > segment.start)
        else {
            return false;
        };
        if sample.number - segment.first_sample >= SEGMENT_SAMPLES_MAX {
            return true;
        }
        match self.cuts {
            Cuts::Grid(grid_ms) => {
                let grid = self.next_cut as i128 * i128::from(grid_ms.get()) * self.timescale;
                sample.is_sync && i128::from(presented) * 1000 >= grid
            }
            Cuts::Near { times, .. } => {
                sample.is_sync
                    && self.next_cut < times.len()
                    && self.is_near(presented, sample.duration, self.next_cut)
            }
        }
    }

    /// Why the track ends before this sample, if it does.
    fn fault_of(&self, sample: &Sample) -> Option<SampleFault> {
        let presented = self.timeline.presented(sample.dts, sample.composition);
        if presented.max(self.timeline.from) > TIME_MAX {
            return Some(SampleFault::TimeOverflows);
        }
        // A segment is full, and cannot be cut because this sample is not shown later than it begins.
        let is_full = self.current.is_some_and(|(segment, ..)| {
            let samples = sample.number - segment.first_sample;
            samples >= SEGMENT_SAMPLES_MAX && presented <= segment.start
        });
        is_full.then_some(SampleFault::TooMany)
    }

    /// Whether a sample is at least as near to a time as the one behind it.
    fn is_near(&self, presented: i64, duration: u32, cut: usize) -> bool {
        let Cuts::Near { times, timescale } = self.cuts else {
            return false;
        };
        let middle = 2 * i128::from(presented) + i128::from(duration);
        let time = 2 * i128::from(times[cut]) * self.timescale;
        middle * i128::from(timescale.get()) >= time
    }

    fn add(&mut self, sample: &Sample, auxiliary_bytes: u8) {
        let Some((segment, duration, size)) = &mut self.current else {
            return;
        };
        let is_first = segment.first_sample == sample.number;
        let shape = &mut segment.shape;
        shape.equal_durations &= *duration == sample.duration;
        shape.equal_sizes &= *size == sample.size;
        shape.no_compositions &= sample.composition == 0;
        shape.syncs = match (shape.syncs, is_first, sample.is_sync) {
            (_, true, true) | (Syncs::All, false, true) => Syncs::All,
            // The second sample tells apart what one could be.
            (Syncs::All, false, false) if sample.number == segment.first_sample + 1 => Syncs::First,
            (Syncs::First, false, false) => Syncs::First,
            _ => Syncs::Some,
        };
        segment.payload_bytes += u64::from(sample.size);
        // No segment has so many samples that this would matter.
        segment.auxiliary_bytes = segment.auxiliary_bytes.saturating_add(auxiliary_bytes.into());
        if is_first {
            segment.first_auxiliary_bytes = auxiliary_bytes;
        }
        self.bytes += u64::from(sample.size);
        self.least_composition = self.least_composition.min(sample.composition);
        // The duration that a majority of samples has, if there is one (Boyer and Moore).
        match &mut self.usual {
            (usual, votes) if *usual == sample.duration => *votes += 1,
            (_, votes) if *votes > 0 => *votes -= 1,
            usual => *usual = (sample.duration, 1),
        }
        if sample.is_sync {
            let since = self.last_sync.map_or(0, |last| sample.dts - last);
            self.longest_gop = self.longest_gop.max(since);
            self.last_sync = Some(sample.dts);
        }
    }

    fn finish(mut self) -> Result<Indexed, IndexFault> {
        // What comes behind the last sample that is shown is not sent.
        let Some((count, last)) = self.shown else {
            return Err(IndexFault::Empty);
        };
        self.segments.truncate(count);
        self.segments.push(last);
        let mut segments = self.segments;
        segments.shrink_to_fit();
        // A last segment that is over before it begins (its pictures are shown before the sync sample)
        // would last no time.
        Ok(Indexed {
            end: self.end.max(segments.last().map_or(0, |last| last.start.saturating_add(1))),
            segments,
            end_sample: self.end_sample,
            first_dts: self.first_dts,
            raise: self.least_composition.unsigned_abs(),
            usual_duration: self.usual.0,
            longest_gop: self.longest_gop,
            bytes: self.bytes,
            has_subsamples: self.has_subsamples == Some(true),
            fault: self.fault,
        })
    }
}
