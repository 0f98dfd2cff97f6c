//! Statistics from one pass over all samples of a track, beyond those that the index keeps.

use std::num::NonZeroU32;

use super::texts;
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Sample, Track},
};

/// The most samples of all tracks that one report reads: about a tenth of a second of CPU. Two hours have
/// 170,000 video frames, and 340,000 audio frames per audio track.
pub(super) const SAMPLES_MAX: u64 = 4 << 20;

/// The most seconds with a known file offset: ten hours take 288 KB per track.
const SECONDS_MAX: usize = 36_000;

/// The most segments that a report reads of a track whose samples are between others in the file, and not in a
/// table.
const UNMEASURED_SEGMENTS_MAX: usize = 8;

/// Marks a second in which no sample begins.
const NO_OFFSET: u64 = u64::MAX;

/// Statistics of the samples of a track. Times are in the track's ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// Number of samples that were read.
    pub(super) samples: u64,
    /// Number of those that are decoded and not shown.
    pub(super) hidden: u64,
    /// Their total size.
    pub(super) bytes: u64,
    /// Number of sync samples.
    pub(super) syncs: u64,
    /// Longest distance from a sync sample to the next, or to the end.
    pub(super) longest_gop: i64,
    /// Total duration.
    pub(super) duration: i64,
    /// Number of contiguous runs of samples in the file.
    pub(super) extents: u64,
    /// Shortest and longest sample, without the last, which often has a wrong duration.
    pub(super) shortest: Option<u32>,
    pub(super) longest: Option<u32>,
    /// Samples that are at least a fifth longer or shorter than usual.
    pub(super) uneven: u64,
    /// Earliest presentation time.
    pub(super) first_presented: Option<i64>,
    /// Whether this is a text track without cues.
    pub(super) is_without_cues: bool,
    /// Only so many segments at the beginning were read: the samples of the others are in no table.
    pub(super) segments: Option<usize>,
    /// Whether the limit ended the pass early.
    pub(super) is_partial: bool,
    /// Offset of the first sample of each second, or [`NO_OFFSET`].
    offsets: Vec<u64>,
}

impl Survey {
    /// Reads the samples of a track, and subtracts their number from `left`.
    pub(super) fn read<R: ReadAt + ?Sized>(
        track: &Track,
        source: &R,
        left: &mut u64,
    ) -> Result<Self, ReadError> {
        let mut survey = Self::default();
        let count = track.index.segments.len();
        let is_measured = !track.index.measured.is_empty();
        let surveyed = if is_measured { count } else { count.min(UNMEASURED_SEGMENTS_MAX) };
        survey.segments = (surveyed < count).then_some(surveyed);
        let mut walk = track.walk_segments(source, 0..surveyed);
        let (mut run_end, mut last_sync, mut last_duration) = (None, None, None);
        while let Some(sample) = walk.next_sample()? {
            if *left == 0 {
                survey.is_partial = true;
                break;
            }
            *left -= 1;
            if sample.is_silence {
                continue;
            }
            survey.count(track, &sample);
            if run_end != Some(sample.offset) {
                survey.extents += 1;
            }
            run_end = sample.offset.checked_add(u64::from(sample.size));
            if sample.is_sync {
                let since = last_sync.map_or(0, |last: i64| sample.dts.saturating_sub(last));
                survey.longest_gop = survey.longest_gop.max(since);
                last_sync = Some(sample.dts);
            }
            if !sample.is_hidden
                && let Some(duration) = last_duration.replace(sample.duration)
            {
                survey.add_duration(duration, track.index.usual_duration);
            }
        }
        if let Some(last) = last_sync {
            let end = track.index.first_dts.saturating_add(survey.duration);
            survey.longest_gop = survey.longest_gop.max(end.saturating_sub(last));
        }
        survey.is_without_cues = texts::is_without_cues(track, source)?;
        Ok(survey)
    }

    fn count(&mut self, track: &Track, sample: &Sample) {
        self.samples += 1;
        self.hidden += u64::from(sample.is_hidden);
        self.bytes += u64::from(sample.size);
        self.syncs += u64::from(sample.is_sync);
        self.duration = self.duration.saturating_add(i64::from(sample.duration));
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let first = self.first_presented.map_or(presented, |first| first.min(presented));
        self.first_presented = Some(first);
        let second = presented.max(0) / i64::from(track.timescale.get());
        if let Ok(second) = usize::try_from(second)
            && second < SECONDS_MAX
        {
            if second >= self.offsets.len() {
                self.offsets.resize(second + 1, NO_OFFSET);
            }
            let offset = &mut self.offsets[second];
            if *offset == NO_OFFSET {
                *offset = sample.offset;
            }
        }
    }

    fn add_duration(&mut self, duration: u32, usual: u32) {
        self.shortest = Some(self.shortest.map_or(duration, |shortest| shortest.min(duration)));
        self.longest = Some(self.longest.map_or(duration, |longest| longest.max(duration)));
        // Durations in milliseconds are rounded, so small differences are normal.
        let is_uneven = u64::from(duration.abs_diff(usual)) * 5 > u64::from(usual);
        self.uneven += u64::from(is_uneven);
    }

    /// Whether the frame rate is variable: more than one sample in a hundred is uneven.
    pub(super) fn is_variable(&self) -> bool {
        self.uneven * 100 > self.samples
    }

    /// Bits per second of the samples that were read.
    pub(super) fn average_bits_s(&self, timescale: NonZeroU32) -> u64 {
        let bits = u128::from(self.bytes) * 8 * u128::from(timescale.get());
        let average = bits.checked_div(u128::from(self.duration.unsigned_abs())).unwrap_or(0);
        u64::try_from(average).unwrap_or(u64::MAX)
    }

    /// Average length of a contiguous run, in bytes.
    pub(super) fn average_extent(&self) -> Option<u64> {
        self.bytes.checked_div(self.extents)
    }

    /// The largest distance in the file between samples of two tracks in the same second, in bytes; and
    /// that second.
    pub(super) fn distance(&self, other: &Self) -> Option<(u64, u64)> {
        let pairs = (0..).zip(self.offsets.iter().zip(&other.offsets));
        let both = pairs.filter(|(_, (one, other))| **one != NO_OFFSET && **other != NO_OFFSET);
        let distances = both.map(|(second, (one, other))| (one.abs_diff(*other), second));
        distances.max_by_key(|(distance, _)| *distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_uneven_frame_is_no_variable_frame_rate() {
        let mut survey = Survey { samples: 1000, ..Survey::default() };
        for duration in [41, 42, 42, 41, 84] {
            survey.add_duration(duration, 42);
        }
        assert_eq!((survey.shortest, survey.longest, survey.uneven), (Some(41), Some(84), 1));
        assert!(!survey.is_variable());
        survey.samples = 5;
        assert!(survey.is_variable());
    }

    #[test]
    fn the_distance_is_the_largest_of_all_seconds() {
        let survey = |offsets: &[u64]| Survey { offsets: offsets.to_vec(), ..Survey::default() };
        let video = survey(&[0, 1000, NO_OFFSET, 9000]);
        let audio = survey(&[100, 500, 7000]);
        assert_eq!(video.distance(&audio), Some((500, 1)));
        assert_eq!(audio.distance(&video), Some((500, 1)));
        assert_eq!(video.distance(&Survey::default()), None);
        assert_eq!(Survey::default().average_extent(), None);
    }
}
