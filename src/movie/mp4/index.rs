//! One pass over a track: presented samples, segment boundaries, and the contents of each segment.
//!
//! The index keeps only what the start of a segment needs. This pass checks once that every sample is
//! inside the file, so that no extent can reach outside.

use std::num::NonZeroU32;

use super::{
    auxiliary::{Auxiliary, AuxiliaryFault},
    corrections::Corrections,
    pieces::PieceWalk,
    samples::{Position, Samples},
    timeline::Timeline,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        Indexed, Sample, SampleFault,
        budget::Budget,
        cuts::{Cuts, NextCut},
        segment::{Measured, SEGMENT_SAMPLES_MAX, Segment, SegmentStart, TotalsBuilder},
    },
};

/// Read size per table in a pass over the whole track, in bytes.
const PASS_BYTES: usize = 64 * 1024;

/// Read size per table in a pass over the pieces of an edit list, in bytes.
pub(super) const PIECE_BYTES: usize = 4096;

/// The latest presentation time, in ticks: beyond any real one, and far enough below `i64::MAX` that sums
/// of times do not overflow.
const TIME_MAX: i64 = 1 << 60;

/// Why a track has no index.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IndexFault {
    /// No sample is playable.
    #[error("the track has no playable sample")]
    Empty,
    /// The samples use sample entries that differ in what a decoder has to know.
    #[error(
        "its codec configuration changes after {}.{:03} s (several sample entries); it needs transcoding",
        .after_ms / 1000,
        .after_ms % 1000
    )]
    SeveralDescriptions {
        /// Decoding time of the change, in milliseconds from the first sample.
        after_ms: u64,
    },
    /// The track has more segments than the index may hold.
    #[error("the track has too many segments")]
    TooManySegments,
    /// Segments cannot carry its encryption.
    #[error(transparent)]
    Auxiliary(#[from] AuxiliaryFault),
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

/// A track to be indexed.
#[derive(Debug)]
pub(super) struct Subject<'s> {
    /// Its samples; the duration of the last one is corrected in them.
    pub(super) samples: &'s mut Samples,
    /// Ticks per second.
    pub(super) timescale: NonZeroU32,
    pub(super) timeline: Timeline,
    /// The longest duration according to the headers of the file, in ticks.
    pub(super) declared: Option<i64>,
}

/// The index of a track, and what each restart of the decoding times of its fragments adds to them.
pub(super) type IndexedWithRestarts = (Indexed, Vec<i64>);

/// Reads all samples of a track, within the budget.
pub(super) fn index<R: ReadAt + ?Sized>(
    subject: Subject<'_>,
    source: &R,
    cuts: Cuts<'_>,
    lead: Lead,
    budget: &mut Budget,
) -> Result<Result<IndexedWithRestarts, IndexFault>, ReadError> {
    let Subject { samples, timescale, timeline, declared } = subject;
    let start = (samples.start(), 0);
    // A list of a thousand pieces begins as many reads.
    let span = if matches!(lead, Lead::Arranged) { PIECE_BYTES } else { PASS_BYTES };
    let mut walk = PieceWalk::new(samples, source, start, span, budget.work);
    let mut pass = Pass::new(timescale, timeline, cuts, lead, budget.segments);
    loop {
        let position = walk.resumable_position();
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
        pass.fault = pass.fault_of(&sample, presented, position.is_some());
        if pass.fault.is_some() {
            break;
        }
        let media_duration = walk.media_duration(&sample);
        if let Err(fault) =
            pass.take(position, &sample, presented, media_duration, walk.auxiliary())
        {
            budget.work = walk.work_left();
            return Ok(Err(fault));
        }
    }
    budget.work = walk.work_left();
    let corrections = walk.corrections();
    let restarts = walk.restarts().to_vec();
    let corrected = pass.correct_last(declared);
    if let Some(CorrectedLast { number, duration, .. }) = corrected {
        samples.last = Some((number, duration));
    }
    let indexed = pass.finish().map(|indexed| Indexed {
        corrections: Corrections {
            last_duration: corrected.map(|last| last.in_file),
            ..corrections
        },
        ..indexed
    });
    if let Ok(indexed) = &indexed {
        budget.segments = budget.segments.saturating_sub(indexed.segments.len());
    }
    Ok(indexed.map(|indexed| (indexed, restarts)))
}

/// The last presented sample, with a duration that its file cannot mean.
#[derive(Clone, Copy)]
struct CorrectedLast {
    number: u32,
    duration: u32,
    /// Its duration in the file.
    in_file: u32,
}

struct Pass<'a> {
    timescale: NonZeroU32,
    timeline: Timeline,
    lead: Lead,
    segments: Vec<Segment>,
    measured: Vec<Measured>,
    segments_max: usize,
    current: Option<OpenSegment>,
    next_cut: NextCut<'a>,
    description: Option<u32>,
    has_subsamples: Option<bool>,
    first_dts: i64,
    lead_in: i64,
    end_sample: u32,
    end: i64,
    /// The last presented sample, and the end without it.
    last: Option<Sample>,
    end_before: i64,
    /// Its duration in the media, and the shortest and the longest of those before it.
    last_media_duration: i64,
    spread: (i64, i64),
    least_composition: i32,
    presented_samples: u32,
    presented_ticks: u64,
    last_sync: Option<i64>,
    longest_gop: i64,
    bytes: u64,
    usual: (u32, i64),
    fault: Option<SampleFault>,
    /// The open segment as of the last presented sample, and its number.
    shown: Option<(usize, OpenSegment)>,
}

/// A segment to which samples are added.
#[derive(Clone, Copy)]
struct OpenSegment {
    segment: Segment,
    position: Position,
    first_sample: u32,
    builder: TotalsBuilder,
}

impl OpenSegment {
    fn measured(&self) -> Measured {
        let Self { position, first_sample, builder, .. } = *self;
        Measured { position, first_sample, totals: builder.totals }
    }
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
            timescale,
            timeline,
            lead,
            segments: Vec::new(),
            measured: Vec::new(),
            segments_max,
            current: None,
            next_cut: NextCut::new(cuts, timescale),
            description: None,
            has_subsamples: None,
            first_dts: 0,
            lead_in: 0,
            end_sample: 0,
            end: 0,
            last: None,
            end_before: 0,
            last_media_duration: 0,
            spread: (i64::MAX, 0),
            least_composition: 0,
            presented_samples: 0,
            presented_ticks: 0,
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
        position: Option<Position>,
        sample: &Sample,
        presented: i64,
        media_duration: i64,
        auxiliary: Auxiliary,
    ) -> Result<(), IndexFault> {
        if *self.description.get_or_insert(sample.description) != sample.description {
            let ticks = i128::from(sample.dts) - i128::from(self.first_dts);
            let after_ms = ticks.max(0) * 1000 / i128::from(self.timescale.get());
            let after_ms = u64::try_from(after_ms).unwrap_or(u64::MAX);
            return Err(IndexFault::SeveralDescriptions { after_ms });
        }
        // A segment has one flag for all its samples.
        let Auxiliary { has_subsamples, .. } = auxiliary;
        if *self.has_subsamples.get_or_insert(has_subsamples) != has_subsamples {
            return Err(AuxiliaryFault::Mixed.into());
        }
        let ends = presented.saturating_add(i64::from(sample.duration));
        if let Some(position) = position {
            if self.is_first(sample, presented, ends) {
                self.begin_track(sample, presented);
                self.begin_segment(position, sample, presented, 0);
            } else if self.is_cut(sample, presented) {
                self.close_segment()?;
                self.begin_segment(position, sample, presented, sample.duration);
            }
        }
        self.add(sample, presented, auxiliary.len);
        if self.timeline.until.is_none_or(|until| presented < until) {
            self.end_sample = sample.number + 1;
            if self.last.is_some() {
                let before = self.last_media_duration;
                self.spread = (self.spread.0.min(before), self.spread.1.max(before));
            }
            (self.last, self.last_media_duration) = (Some(*sample), media_duration);
            self.end_before = self.end;
            self.end = self.end.max(ends.min(self.timeline.until.unwrap_or(i64::MAX)));
            self.shown = self.current.map(|open| (self.segments.len(), open));
            if presented >= self.timeline.from && !sample.is_hidden {
                self.presented_samples += 1;
                self.presented_ticks =
                    self.presented_ticks.saturating_add(media_duration.unsigned_abs());
            }
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
        self.measured.clear();
        self.current = None;
        self.shown = None;
        self.first_dts = sample.dts;
        self.lead_in = self.timeline.from.saturating_sub(presented).max(0);
        self.least_composition = 0;
        (self.presented_samples, self.presented_ticks) = (0, 0);
        self.last_sync = None;
        self.longest_gop = 0;
        self.bytes = 0;
    }

    /// Begins a segment with a sample, of which `duration` counts for where its cut was.
    fn begin_segment(
        &mut self,
        position: Position,
        sample: &Sample,
        presented: i64,
        duration: u32,
    ) {
        let start =
            if self.segments.is_empty() { presented.max(self.timeline.from) } else { presented };
        let segment = Segment { start: start.max(0) };
        let (first_sample, builder) = (sample.number, TotalsBuilder::new(sample, presented));
        self.current = Some(OpenSegment { segment, position, first_sample, builder });
        self.next_cut.advance(segment.start, duration);
    }

    fn close_segment(&mut self) -> Result<(), IndexFault> {
        // The last segment is still open here.
        if self.segments.len() + 1 >= self.segments_max {
            return Err(IndexFault::TooManySegments);
        }
        if let Some(open) = self.current.take() {
            self.segments.push(open.segment);
            self.measured.push(open.measured());
        }
        Ok(())
    }

    /// Whether a segment begins with this sample. No segment has zero duration.
    fn is_cut(&self, sample: &Sample, presented: i64) -> bool {
        let Some(open) = self.current.filter(|open| presented > open.segment.start) else {
            return false;
        };
        if sample.number - open.first_sample >= SEGMENT_SAMPLES_MAX {
            return true;
        }
        sample.is_sync && self.next_cut.is_reached(presented, sample.duration)
    }

    /// The fault that ends the track before this sample.
    fn fault_of(&self, sample: &Sample, presented: i64, is_resumable: bool) -> Option<SampleFault> {
        if presented.max(self.timeline.from) > TIME_MAX {
            return Some(SampleFault::TimeOverflows);
        }
        // The segment is full, and a cut here would leave it without duration.
        let is_full = self.current.is_some_and(|open| {
            let samples = sample.number - open.first_sample;
            samples >= SEGMENT_SAMPLES_MAX && (presented <= open.segment.start || !is_resumable)
        });
        is_full.then_some(SampleFault::TooMany)
    }

    fn add(&mut self, sample: &Sample, presented: i64, auxiliary_bytes: u8) {
        let Some(open) = &mut self.current else {
            return;
        };
        let is_shown = presented >= self.timeline.from && !sample.is_hidden;
        open.builder.add(sample, presented, is_shown, auxiliary_bytes);
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

    /// Gives the last sample the usual duration if its own is much longer, and the track would end later than
    /// the headers of the file say (`declared`).
    fn correct_last(&mut self, declared: Option<i64>) -> Option<CorrectedLast> {
        let slack = 2 * i64::from(self.timescale.get());
        let Sample { number, duration: in_file, dts, composition, .. } = self.last?;
        let usual = self.usual.0.max(1);
        let is_long = in_file / 10 > usual && i64::from(in_file) > slack;
        let limit = declared?.saturating_add(slack);
        let presented = self.timeline.presented(dts, composition);
        let ends = presented.saturating_add(in_file.into());
        // In presentation time: an edit list moves the end of the media.
        let is_past = ends > limit && presented <= limit;
        (is_long && is_past).then(|| {
            let ends = presented.saturating_add(usual.into());
            let ends = ends.min(self.timeline.until.unwrap_or(i64::MAX));
            self.end = self.end_before.max(ends);
            CorrectedLast { number, duration: usual, in_file }
        })
    }

    fn finish(mut self) -> Result<Indexed, IndexFault> {
        // Samples after the last presented one are not sent.
        let Some((count, last)) = self.shown else {
            return Err(IndexFault::Empty);
        };
        self.segments.truncate(count);
        self.segments.push(last.segment);
        self.measured.truncate(count);
        self.measured.push(last.measured());
        let (mut segments, mut measured) = (self.segments, self.measured);
        segments.shrink_to_fit();
        measured.shrink_to_fit();
        let begins = measured.iter().map(|segment| segment.totals.shape.begins).max();
        let last_ticks = self.last_media_duration;
        let is_usual = (self.spread.0..=self.spread.1).contains(&last_ticks);
        let (presented_samples, presented_ticks) = match self.presented_samples {
            several @ 2.. if !is_usual => {
                (several - 1, self.presented_ticks.saturating_sub(last_ticks.unsigned_abs()))
            }
            all => (all, self.presented_ticks),
        };
        // A last segment with all frames presented before its sync sample would have no duration.
        Ok(Indexed {
            end: self.end.max(segments.last().map_or(0, |last| last.start.saturating_add(1))),
            segments,
            measured,
            end_sample: self.end_sample,
            first_dts: self.first_dts,
            lead_in: self.lead_in,
            raise: self.least_composition.unsigned_abs(),
            usual_duration: self.usual.0,
            presented_samples,
            presented_ticks,
            begins: begins.unwrap_or(SegmentStart::Independent),
            longest_gop: self.longest_gop,
            bytes: self.bytes,
            has_subsamples: self.has_subsamples == Some(true),
            corrections: Corrections::default(),
            fault: self.fault,
        })
    }
}
