//! What a look at all samples of a track tells besides what its index keeps.

use crate::{
    extent::{ReadAt, ReadError},
    movie::{Sample, Track},
};

/// Samples that are looked at for one report, of all tracks together: about a tenth of a second of CPU,
/// and a film of two hours has 170,000 pictures and for each sound 340,000 frames.
pub(super) const SAMPLES_MAX: u64 = 4 << 20;

/// Seconds of which it is kept where they are in the file: ten hours take 288 KB for each track.
const SECONDS_MAX: usize = 36_000;

/// Of a second in which no sample begins.
const NOWHERE: u64 = u64::MAX;

/// What a look at all samples has found. Times are in the track's ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// Samples that were looked at.
    pub(super) samples: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Those that decoding can begin with.
    pub(super) syncs: u64,
    /// The longest time from one of these to the next, or to the end.
    pub(super) longest_gop: i64,
    /// How long all last.
    pub(super) lasts: i64,
    /// Runs of samples that touch in the file.
    pub(super) extents: u64,
    /// Durations of samples, but for the last, which often has none that is true.
    pub(super) shortest: Option<u32>,
    pub(super) longest: Option<u32>,
    /// Samples that last a fifth longer or shorter than is usual.
    pub(super) uneven: u64,
    /// The earliest time at which one is presented.
    pub(super) first_presented: Option<i64>,
    /// Not all were looked at.
    pub(super) is_partial: bool,
    /// Where the first sample of each second is in the file, or [`NOWHERE`].
    places: Vec<u64>,
}

impl Survey {
    /// Looks at a track's samples, and takes those that it has looked at from `left`.
    pub(super) fn of<R: ReadAt + ?Sized>(
        track: &Track,
        source: &R,
        left: &mut u64,
    ) -> Result<Self, ReadError> {
        let mut survey = Self::default();
        let Some(first) = track.index.segments.first() else {
            return Ok(survey);
        };
        let mut walk = track.walk(source, first);
        let (mut behind, mut last_sync, mut last) = (None, None, None);
        for _ in first.first_sample..track.index.end_sample {
            if *left == 0 {
                survey.is_partial = true;
                break;
            }
            let Some(Ok(sample)) = walk.next_sample()? else {
                break;
            };
            *left -= 1;
            survey.count(track, &sample);
            if behind != Some(sample.offset) {
                survey.extents += 1;
            }
            behind = sample.offset.checked_add(u64::from(sample.size));
            if sample.is_sync {
                let since = last_sync.map_or(0, |last: i64| sample.dts.saturating_sub(last));
                survey.longest_gop = survey.longest_gop.max(since);
                last_sync = Some(sample.dts);
            }
            if let Some(before) = last.replace(sample.duration) {
                survey.lasted(before, track.index.usual_duration);
            }
        }
        if let Some(last) = last_sync {
            let begins = track.index.first_dts;
            let end = begins.saturating_add(survey.lasts);
            survey.longest_gop = survey.longest_gop.max(end.saturating_sub(last));
        }
        Ok(survey)
    }

    fn count(&mut self, track: &Track, sample: &Sample) {
        self.samples += 1;
        self.bytes += u64::from(sample.size);
        self.syncs += u64::from(sample.is_sync);
        self.lasts = self.lasts.saturating_add(i64::from(sample.duration));
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let first = self.first_presented.map_or(presented, |first| first.min(presented));
        self.first_presented = Some(first);
        let second = presented.max(0) / i64::from(track.timescale.get());
        if let Ok(second) = usize::try_from(second)
            && second < SECONDS_MAX
        {
            if second >= self.places.len() {
                self.places.resize(second + 1, NOWHERE);
            }
            let place = &mut self.places[second];
            if *place == NOWHERE {
                *place = sample.offset;
            }
        }
    }

    fn lasted(&mut self, duration: u32, usual: u32) {
        self.shortest = Some(self.shortest.map_or(duration, |shortest| shortest.min(duration)));
        self.longest = Some(self.longest.map_or(duration, |longest| longest.max(duration)));
        // Times in milliseconds are off by a part of one.
        let is_uneven = u64::from(duration.abs_diff(usual)) * 5 > u64::from(usual);
        self.uneven += u64::from(is_uneven);
    }

    /// Whether its samples last differently, by more than a stray one in a hundred.
    pub(super) fn is_variable(&self) -> bool {
        self.uneven * 100 > self.samples
    }

    /// The mean length of what lies together, in bytes.
    pub(super) fn average_extent(&self) -> Option<u64> {
        self.bytes.checked_div(self.extents)
    }

    /// The largest distance in the file between what two tracks have of one second, in bytes; and which
    /// second that is.
    pub(super) fn distance(&self, other: &Self) -> Option<(u64, u64)> {
        let pairs = (0..).zip(self.places.iter().zip(&other.places));
        let both = pairs.filter(|(_, (one, other))| **one != NOWHERE && **other != NOWHERE);
        let apart = both.map(|(second, (one, other))| (one.abs_diff(*other), second));
        apart.max_by_key(|(distance, _)| *distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_picture_makes_no_variable_rate() {
        let mut survey = Survey { samples: 1000, ..Survey::default() };
        for duration in [41, 42, 42, 41, 84] {
            survey.lasted(duration, 42);
        }
        assert_eq!((survey.shortest, survey.longest, survey.uneven), (Some(41), Some(84), 1));
        assert!(!survey.is_variable());
        survey.samples = 5;
        assert!(survey.is_variable());
    }

    #[test]
    fn the_distance_is_that_of_the_second_that_lies_worst() {
        let of = |places: &[u64]| Survey { places: places.to_vec(), ..Survey::default() };
        let video = of(&[0, 1000, NOWHERE, 9000]);
        let audio = of(&[100, 500, 7000]);
        assert_eq!(video.distance(&audio), Some((500, 1)));
        assert_eq!(audio.distance(&video), Some((500, 1)));
        assert_eq!(video.distance(&Survey::default()), None);
        assert_eq!(Survey::default().average_extent(), None);
    }
}
