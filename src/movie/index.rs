//! One pass over a track: presented samples, segment boundaries, and the contents of each segment.
//!
//! The index keeps only what the start of a segment needs. This pass checks once that every sample is
//! inside the file, so that no extent can reach outside.

use std::num::NonZeroU32;

use super::{
    Auxiliary, AuxiliaryFault, Sample, SampleFault,
    budget::Budget,
    pieces::PieceWalk,
    samples::{Position, Samples},
    timeline::Timeline,
};
use crate::extent::{ReadAt, ReadError};

/// Read size per table in a pass over the whole track, in bytes.
const PASS_BYTES: usize = 64 * 1024;

/// The latest presentation time, in ticks: beyond any real one, and far enough below `i64::MAX` that sums
/// of times do not overflow.
const TIME_MAX: i64 = 1 << 60;

/// The most samples in one segment, because its header lists each: a GOP of eighteen minutes at 60 frames
/// per second. A longer GOP is cut between sync samples, which harms seeking and not playback.
pub const SEGMENT_SAMPLES_MAX: u32 = 1 << 16;

/// A segment (ISO/IEC 23000-19 section 7.3.2.3): the position of its samples, and totals that give its
/// size and duration without another read.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Start of a walk over its samples.
    pub(super) position: Position,
    /// Number of its first sample in the track.
    pub first_sample: u32,
    /// Presentation time of its first sample, in ticks; never negative.
    pub start: i64,
    /// Total size of its samples.
    pub payload_bytes: u64,
    /// Size of its first sample.
    pub first_bytes: u32,
    /// Size of the auxiliary information of its samples; 0 if they are clear or share one constant IV.
    pub auxiliary_bytes: u32,
    /// Size of the auxiliary information of its first sample.
    pub first_auxiliary_bytes: u8,
    /// Properties that its samples share.
    pub shape: Shape,
}

impl Segment {
    /// Number of earlier samples that a walk reads first: those before it in the same fragment.
    pub fn samples_before(&self) -> u32 {
        match self.position {
            Position::Fragment(at) => at.skip,
            Position::Table(_) => 0,
        }
    }
}

/// Properties that the samples of a segment share, so that a header need not repeat them for each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// All have the same duration.
    pub equal_durations: bool,
    /// All have the same size.
    pub equal_sizes: bool,
    /// All composition offsets are zero.
    pub no_compositions: bool,
    /// The sync samples.
    pub syncs: Syncs,
}

/// The sync samples of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Syncs {
    /// All of them.
    All,
    /// Only the first.
    First,
    /// Any other pattern.
    Some,
}

/// The index of a track: the result of one pass over its samples.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// Segments in order, none empty.
    pub segments: Vec<Segment>,
    /// Number of the sample after the last one in a segment.
    pub end_sample: u32,
    /// End of the last sample, in ticks.
    pub end: i64,
    /// Decoding time of the first sample of the first segment.
    pub first_dts: i64,
    /// Duration that is decoded before the start and not presented, in ticks.
    pub lead_in: i64,
    /// Added to every composition offset so that none is negative, in ticks.
    pub raise: u32,
    /// Duration of most samples, in ticks.
    pub usual_duration: u32,
    /// Longest distance between two sync samples, in ticks.
    pub longest_gop: i64,
    /// Total size of all samples.
    pub bytes: u64,
    /// Whether the auxiliary information lists subsamples.
    pub has_subsamples: bool,
    /// Why the track ends early.
    pub fault: Option<SampleFault>,
}

/// Why a track has no index.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IndexFault {
    /// No sample is playable.
    #[error("the track has no playable sample")]
    Empty,
    /// The samples use several sample entries.
    #[error("the format changes within the track; it needs transcoding")]
    SeveralDescriptions,
    /// The track has more segments than the index may hold.
    #[error("the track has too many segments")]
    TooManySegments,
    /// Segments cannot carry its encryption.
    #[error(transparent)]
    Auxiliary(#[from] AuxiliaryFault),
}

/// The cuts between the segments of a track.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cuts<'a> {
    /// At the first sync sample presented at or after each multiple of this many milliseconds.
    Grid(NonZeroU32),
    /// At the sample nearest to each of these times, in ticks of another track's timescale.
    Near { times: &'a [i64], timescale: NonZeroU32 },
}

/// The samples that a decoder needs before the first presented one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lead {
    /// All samples from the preceding key frame.
    KeyFrame,
    /// One audio frame, and more for the decoder's preroll.
    Audio {
        /// Time that the decoder needs before its output is correct, in ticks.
        preroll: i64,
    },
    /// The first sample is known: the pieces of an edit list begin with it.
    Arranged,
}

/// Reads all samples of a track, within the budget.
pub(super) fn index<R: ReadAt + ?Sized>(
    samples: &Samples,
    source: &R,
    timescale: NonZeroU32,
    timeline: Timeline,
    cuts: Cuts<'_>,
    lead: Lead,
    budget: &mut Budget,
) -> Result<Result<Indexed, IndexFault>, ReadError> {
    let start = (samples.start(), 0);
    let mut walk = PieceWalk::new(samples, source, start, PASS_BYTES, budget.work);
    let mut pass = Pass::new(timescale, timeline, cuts, lead, budget.segments);
    loop {
        let position = walk.position();
        let sample = match walk.next_sample()? {
            Some(Ok(sample)) => sample,
            // A partly decryptable track would hide the reason from the player.
            Some(Err(SampleFault::Auxiliary(fault))) => return Ok(Err(fault.into())),
            Some(Err(fault)) => {
                pass.fault = Some(fault);
                break;
            }
            None => break,
        };
        let presented = walk.presented(&sample, &timeline);
        pass.fault = pass.fault_of(&sample, presented);
        if pass.fault.is_some() {
            break;
        }
        if let Err(fault) = pass.take(position, &sample, presented, walk.auxiliary()) {
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
    /// The open segment, with the duration and size of its first sample.
    current: Option<(Segment, u32, u32)>,
    /// The next multiple of the grid, or index of the next time.
    next_cut: usize,
    description: Option<u32>,
    has_subsamples: Option<bool>,
    first_dts: i64,
    lead_in: i64,
    end_sample: u32,
    end: i64,
    least_composition: i32,
    last_sync: Option<i64>,
    longest_gop: i64,
    bytes: u64,
    usual: (u32, i64),
    fault: Option<SampleFault>,
    /// The open segment as of the last presented sample.
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
            lead_in: 0,
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
        presented: i64,
        auxiliary: Auxiliary,
    ) -> Result<(), IndexFault> {
        if *self.description.get_or_insert(sample.description) != sample.description {
            return Err(IndexFault::SeveralDescriptions);
        }
        // A segment has one flag for all its samples.
        let Auxiliary { has_subsamples, .. } = auxiliary;
        if *self.has_subsamples.get_or_insert(has_subsamples) != has_subsamples {
            return Err(AuxiliaryFault::Mixed.into());
        }
        let ends = presented.saturating_add(i64::from(sample.duration));
        if self.is_first(sample, presented, ends) {
            self.begin_track(sample, presented);
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

    /// Whether the samples before this one are not needed to present the start of the edit list.
    fn is_first(&self, sample: &Sample, presented: i64, ends: i64) -> bool {
        let is_early = match self.lead {
            Lead::KeyFrame => presented <= self.timeline.from,
            Lead::Audio { preroll } => ends.saturating_add(preroll) <= self.timeline.from,
            Lead::Arranged => false,
        };
        self.current.is_none() || (sample.is_sync && is_early)
    }

    fn begin_track(&mut self, sample: &Sample, presented: i64) {
        self.segments.clear();
        self.current = None;
        self.shown = None;
        self.first_dts = sample.dts;
        self.lead_in = self.timeline.from.saturating_sub(presented).max(0);
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
        // The last segment is still open here.
        if self.segments.len() + 1 >= self.segments_max {
            return Err(IndexFault::TooManySegments);
        }
        self.segments.extend(self.current.take().map(|(segment, ..)| segment));
        Ok(())
    }

    /// Moves the next cut past a segment that begins at `start`.
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

    /// Whether a segment begins with this sample. No segment has zero duration.
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

    /// The fault that ends the track before this sample.
    fn fault_of(&self, sample: &Sample, presented: i64) -> Option<SampleFault> {
        if presented.max(self.timeline.from) > TIME_MAX {
            return Some(SampleFault::TimeOverflows);
        }
        // The segment is full, and a cut here would leave it without duration.
        let is_full = self.current.is_some_and(|(segment, ..)| {
            let samples = sample.number - segment.first_sample;
            samples >= SEGMENT_SAMPLES_MAX && presented <= segment.start
        });
        is_full.then_some(SampleFault::TooMany)
    }

    /// Whether a sample is at least as near to a cut as the next sample.
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
            // Only the second sample distinguishes `All` from `First`.
            (Syncs::All, false, false) if sample.number == segment.first_sample + 1 => Syncs::First,
            (Syncs::First, false, false) => Syncs::First,
            _ => Syncs::Some,
        };
        segment.payload_bytes += u64::from(sample.size);
        // Saturation is out of reach: `SEGMENT_SAMPLES_MAX` times 255 fits.
        segment.auxiliary_bytes = segment.auxiliary_bytes.saturating_add(auxiliary_bytes.into());
        if is_first {
            segment.first_auxiliary_bytes = auxiliary_bytes;
        }
        self.bytes += u64::from(sample.size);
        self.least_composition = self.least_composition.min(sample.composition);
        // The duration of the majority of samples, if there is one (Boyer and Moore).
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
        // Samples after the last presented one are not sent.
        let Some((count, last)) = self.shown else {
            return Err(IndexFault::Empty);
        };
        self.segments.truncate(count);
        self.segments.push(last);
        let mut segments = self.segments;
        segments.shrink_to_fit();
        // A last segment with all frames presented before its sync sample would have no duration.
        Ok(Indexed {
            end: self.end.max(segments.last().map_or(0, |last| last.start.saturating_add(1))),
            segments,
            end_sample: self.end_sample,
            first_dts: self.first_dts,
            lead_in: self.lead_in,
            raise: self.least_composition.unsigned_abs(),
            usual_duration: self.usual.0,
            longest_gop: self.longest_gop,
            bytes: self.bytes,
            has_subsamples: self.has_subsamples == Some(true),
            fault: self.fault,
        })
    }
}
