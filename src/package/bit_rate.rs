//! Bit rates of a track, from the sizes and times of its segments: exact where the sizes are, else at most so high.

use std::{collections::VecDeque, iter, num::NonZeroU32};

use super::presentation::{Sizes, Track};

/// Bit rates of the segments of a track, in bits per second, rounded up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BitRate {
    /// The largest bit rate of any run of segments with a duration of 0.5 to 1.5 target durations
    /// (RFC 8216bis section 4.4.6.2), and at least the average.
    pub peak: u64,
    /// Bit rate of all segments together.
    pub average: u64,
    /// Whether that is known, and no upper limit.
    pub average_is_known: bool,
}

impl Default for BitRate {
    /// That of nothing.
    fn default() -> Self {
        Self { peak: 0, average: 0, average_is_known: true }
    }
}

/// Cumulated bytes and ticks at a segment boundary; as a difference, bytes over ticks is a slope.
#[derive(Clone, Copy, Debug)]
struct Point {
    bytes: i64,
    ticks: i64,
}

impl BitRate {
    /// Bit rates of the segments of a track.
    pub fn from_track(track: &Track) -> Self {
        let sizes = track.segments.iter().map(|segment| segment.bytes);
        let rate = Self::new(sizes, track);
        match track.sizes {
            Sizes::AtMost { average_bits_s: Some(average) } => {
                Self { average, peak: rate.peak.max(average), average_is_known: true }
            }
            _ => rate,
        }
    }

    /// Bit rates of the key frames of a video track, each with the duration of its segment.
    pub fn from_iframes(track: &Track) -> Self {
        let iframes = track.video().map(|video| &video.iframes[..]).unwrap_or_default();
        Self::new(iframes.iter().map(|iframe| iframe.bytes), track)
    }

    /// Bit rate of two tracks that play together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            peak: self.peak.saturating_add(other.peak),
            average: self.average.saturating_add(other.average),
            average_is_known: self.average_is_known && other.average_is_known,
        }
    }

    /// Bit rate that suffices for either of two tracks.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            peak: self.peak.max(other.peak),
            average: self.average.max(other.average),
            average_is_known: self.average_is_known && other.average_is_known,
        }
    }

    fn new(sizes: impl Iterator<Item = u64>, track: &Track) -> Self {
        let points = points(sizes.zip(track.ends()));
        let Some(whole) = points.last().copied().filter(|whole| whole.ticks > 0) else {
            return Self::default();
        };
        let target_ticks =
            u128::from(track.target_duration_s()) * u128::from(track.timescale.get());
        let ticks = |ticks: u128| i64::try_from(ticks).unwrap_or(i64::MAX);
        let (shortest, longest) = (ticks(target_ticks.div_ceil(2)), ticks(target_ticks * 3 / 2));
        Self {
            peak: steepest(&points, whole, shortest, longest).bits_per_second(track.timescale),
            average: whole.bits_per_second(track.timescale),
            average_is_known: track.sizes == Sizes::Exact,
        }
    }
}

impl Point {
    /// The distance in bytes (times the slope's ticks) of this point above a line of that slope through
    /// zero. Both factors are below 2^63, so the difference of two results fits as well.
    fn above(self, slope: Self) -> i128 {
        i128::from(self.bytes) * i128::from(slope.ticks)
            - i128::from(self.ticks) * i128::from(slope.bytes)
    }

    fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, ticks: self.ticks - other.ticks }
    }

    fn bits_per_second(self, timescale: NonZeroU32) -> u64 {
        let (bytes, ticks) = (self.bytes.unsigned_abs(), self.ticks.unsigned_abs());
        let scaled = u128::from(bytes) * 8 * u128::from(timescale.get());
        u64::try_from(scaled.div_ceil(u128::from(ticks))).unwrap_or(u64::MAX)
    }
}

/// Cumulated sizes and their times, from zero on.
fn points(segments: impl Iterator<Item = (u64, u64)>) -> Vec<Point> {
    let clamp = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let totals = segments.scan(0_i64, |bytes, (size, end)| {
        *bytes = bytes.saturating_add(clamp(size));
        Some(Point { bytes: *bytes, ticks: clamp(end) })
    });
    iter::once(Point { bytes: 0, ticks: 0 }).chain(totals).collect()
}

/// The steepest slope between two points that are `shortest` (at least 1) to `longest` ticks apart, or
/// `slope` if none is steeper.
///
/// A pair beats a slope if its end is higher above a line of that slope than its start. A queue keeps the
/// lowest starts in reach, so that one pass over all points finds the pair that beats the slope by most;
/// its slope is the next candidate. This is Dinkelbach's method for fractions: a few rounds of linear time,
/// even if thousands of segments are in reach, as they are next to a single one of half an hour.
fn steepest(points: &[Point], mut slope: Point, shortest: i64, longest: i64) -> Point {
    let mut lowest: VecDeque<(i128, Point)> = VecDeque::new();
    loop {
        lowest.clear();
        let mut best = (0, slope);
        let mut starts = points.iter();
        for &end in points {
            while let Some(&start) = starts.as_slice().first()
                && end.ticks - start.ticks >= shortest
            {
                starts.next();
                let above = start.above(slope);
                while lowest.pop_back_if(|(other, _)| *other >= above).is_some() {}
                lowest.push_back((above, start));
            }
            while lowest.pop_front_if(|(_, start)| end.ticks - start.ticks > longest).is_some() {}
            if let Some(&(above, start)) = lowest.front() {
                let gain = end.above(slope) - above;
                if gain > best.0 {
                    best = (gain, end.minus(start));
                }
            }
        }
        if best.0 == 0 {
            return slope;
        }
        slope = best.1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::package::presentation::samples::{segments, text, video};

    /// The definition, literally.
    fn peak_by_trying_all(track: &Track) -> u64 {
        let timescale = u128::from(track.timescale.get());
        let target = u128::from(track.target_duration_s()) * timescale;
        let mut peak = 0;
        for first in 0..track.segments.len() {
            for run in (first + 1..=track.segments.len()).map(|end| &track.segments[first..end]) {
                let ticks: u128 = run.iter().map(|segment| u128::from(segment.duration)).sum();
                let bytes: u128 = run.iter().map(|segment| u128::from(segment.bytes)).sum();
                if 2 * ticks >= target && 2 * ticks <= 3 * target {
                    peak = peak.max((bytes * 8 * timescale).div_ceil(ticks));
                }
            }
        }
        u64::try_from(peak).expect("small")
    }

    #[test]
    fn the_peak_is_that_of_the_largest_segment_and_the_average_that_of_all() {
        let rate = BitRate::from_track(&video("video-1"));
        // 600,000 bytes in 6.006 s, and 1,350,000 in 16.5165 s.
        assert_eq!(rate, BitRate { peak: 799_201, average: 653_892, average_is_known: true });
        let rate = BitRate::from_iframes(&video("video-1"));
        assert_eq!(rate, BitRate { peak: 53_281, average: 43_593, average_is_known: true });
    }

    #[test]
    fn an_average_is_known_of_exact_sizes_or_by_the_file() {
        let mut track = video("video-1");
        track.sizes = Sizes::AtMost { average_bits_s: None };
        let unknown = BitRate::from_track(&track);
        assert_eq!((unknown.peak, unknown.average_is_known), (799_201, false));
        track.sizes = Sizes::AtMost { average_bits_s: Some(500_000) };
        let known = BitRate::from_track(&track);
        assert_eq!(known, BitRate { peak: 799_201, average: 500_000, average_is_known: true });
        assert!(!known.and(unknown).average_is_known && !unknown.or(known).average_is_known);
        assert!(known.and(BitRate::default()).average_is_known);
    }

    #[test]
    fn a_segment_shorter_than_half_the_target_counts_only_with_its_neighbours() {
        let mut track = text("text-1", "");
        track.segments = segments(&[(6000, 6000), (1000, 50_000), (6000, 6000)]);
        // 56,000 bytes in 7 s; not 50,000 in one.
        assert_eq!(BitRate::from_track(&track).peak, 64_000);
    }

    #[test]
    fn a_track_without_time_has_no_rate() {
        let mut track = text("text-1", "");
        track.segments = segments(&[]);
        assert_eq!(BitRate::from_track(&track), BitRate::default());
        track.segments = segments(&[(0, 100)]);
        assert_eq!(BitRate::from_track(&track), BitRate::default());
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut track = text("text-1", "");
        track.timescale = NonZeroU32::MAX;
        track.segments = segments(&[(u64::MAX / 2, u64::MAX), (u64::MAX / 2, u64::MAX), (1, 1)]);
        assert!(BitRate::from_track(&track).peak >= BitRate::from_track(&track).average);
        track.segments = segments(&[(1, u64::MAX)]);
        assert_eq!(BitRate::from_track(&track).peak, u64::MAX);
    }

    proptest! {
        #[test]
        fn the_peak_is_the_largest_of_all_runs_near_the_target_duration(
            sizes in prop::collection::vec((1_u64..10_000, 0_u64..100_000), 1..40),
        ) {
            let mut track = text("text-1", "");
            track.segments = segments(&sizes);
            let rate = BitRate::from_track(&track);
            prop_assert_eq!(rate.peak, peak_by_trying_all(&track).max(rate.average));
        }
    }
}
