//! The segments of a track: when each begins, and what is known of its samples.
//!
//! There are two levels of knowledge. Each index has the *cuts*: when each segment begins, and where to look for
//! its samples. That suffices for playlists and images. An index that has read all samples has *measured* them,
//! too: it knows the number of samples and of bytes of each segment, and what the samples share, so that the
//! exact size of a segment is known without reading a sample again.

use super::{
    Sample,
    mp4::{Corrections, Position},
    sample::SampleFault,
};

/// The most samples in one segment, because its header lists each: a GOP of eighteen minutes at 60 frames
/// per second. A longer GOP is cut between sync samples, which harms seeking and not playback.
pub const SEGMENT_SAMPLES_MAX: u32 = 1 << 16;

/// A segment (ISO/IEC 23000-19 section 7.3.2.3).
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Presentation time of its first sample, in ticks; never negative.
    pub start: i64,
}

/// What an index that has read the samples of a segment knows of them.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Start of a walk over its samples.
    pub(super) position: Position,
    /// Number of its first sample in the track.
    pub first_sample: u32,
    /// What its samples are together.
    pub totals: SampleTotals,
}

impl Measured {
    /// Number of earlier samples that a walk reads first: those before it in the same fragment.
    pub fn samples_before(&self) -> u32 {
        match self.position {
            Position::Fragment(at) => at.skip,
            Position::Table(_) => 0,
        }
    }
}

/// What the samples of a segment are together: enough for the size of its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SampleTotals {
    /// Total size of the samples.
    pub payload_bytes: u64,
    /// Size of the first sample.
    pub first_bytes: u32,
    /// Size of the auxiliary information of the samples; 0 if they are clear or share one constant IV.
    pub auxiliary_bytes: u32,
    /// Size of the auxiliary information of the first sample.
    pub first_auxiliary_bytes: u8,
    /// Properties that the samples share.
    pub shape: Shape,
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
    /// What decoding needs to begin with the segment.
    pub begins: SegmentStart,
}

/// What decoding needs to begin with a segment: the type of its stream access point (ISO/IEC 14496-12
/// section I.2.1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SegmentStart {
    /// Nothing: the first sample is a sync sample, and all others are presented after it (types 1 and 2).
    Independent,
    /// Some samples are presented before the sync sample that the segment begins with, and may refer to the
    /// segment before: an open GOP (type 3).
    Leading,
    /// The segment does not begin with a sync sample.
    Dependent,
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

/// The index of a track.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// Segments in order.
    pub segments: Vec<Segment>,
    /// What is known of the samples of each segment, none empty; no entry if the index only knows the
    /// cuts.
    pub measured: Vec<Measured>,
    /// Number of the sample after the last one in a segment; 0 if that is not known.
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
    /// Number of samples that are presented; without the last, if it is shorter or longer than all others.
    pub presented_samples: u32,
    /// Their total duration, in ticks.
    pub presented_ticks: u64,
    /// What decoding needs to begin with any segment.
    pub begins: SegmentStart,
    /// Longest distance between two sync samples, in ticks; 0 if that is not known.
    pub longest_gop: i64,
    /// Total size of all samples; 0 if that is not known.
    pub bytes: u64,
    /// Whether the auxiliary information lists subsamples.
    pub has_subsamples: bool,
    /// What the file says and cannot mean.
    pub corrections: Corrections,
    /// Why the track ends early.
    pub fault: Option<SampleFault>,
}

/// Adds up the samples of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct TotalsBuilder {
    pub(super) totals: SampleTotals,
    /// Number of samples so far.
    pub(super) count: u32,
    /// Duration of the first sample, and when it is presented, in ticks.
    first_duration: u32,
    first_presented: i64,
}

impl TotalsBuilder {
    /// Before the first sample of a segment is added.
    pub(super) fn new(first: &Sample, presented: i64) -> Self {
        let shape = Shape {
            equal_durations: true,
            equal_sizes: true,
            no_compositions: true,
            syncs: Syncs::All,
            begins: match first.is_sync {
                true => SegmentStart::Independent,
                false => SegmentStart::Dependent,
            },
        };
        let totals = SampleTotals {
            payload_bytes: 0,
            first_bytes: first.size,
            auxiliary_bytes: 0,
            first_auxiliary_bytes: 0,
            shape,
        };
        let (first_duration, first_presented) = (first.duration, presented);
        Self { totals, count: 0, first_duration, first_presented }
    }

    /// Adds a sample, which is shown or only decoded.
    pub(super) fn add(
        &mut self,
        sample: &Sample,
        presented: i64,
        is_shown: bool,
        auxiliary_bytes: u8,
    ) {
        let totals = &mut self.totals;
        let shape = &mut totals.shape;
        let is_first = self.count == 0;
        shape.equal_durations &= self.first_duration == sample.duration;
        shape.equal_sizes &= totals.first_bytes == sample.size;
        shape.no_compositions &= sample.composition == 0;
        let is_leading = presented < self.first_presented && is_shown;
        if is_leading && shape.begins == SegmentStart::Independent {
            shape.begins = SegmentStart::Leading;
        }
        shape.syncs = match (shape.syncs, is_first, sample.is_sync) {
            (_, true, true) | (Syncs::All, false, true) => Syncs::All,
            // Only the second sample distinguishes `All` from `First`.
            (Syncs::All, false, false) if self.count == 1 => Syncs::First,
            (Syncs::First, false, false) => Syncs::First,
            _ => Syncs::Some,
        };
        totals.payload_bytes += u64::from(sample.size);
        // Saturation is out of reach: `SEGMENT_SAMPLES_MAX` times 255 fits.
        totals.auxiliary_bytes = totals.auxiliary_bytes.saturating_add(auxiliary_bytes.into());
        if is_first {
            totals.first_auxiliary_bytes = auxiliary_bytes;
        }
        self.count += 1;
    }
}
