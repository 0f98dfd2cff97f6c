//! The frame rate of a video track: the average of what is presented, for manifests and for the report.

use super::presentation::Ratio;
use crate::movie::Track;

/// The usual rates, in frames and seconds.
const USUAL: [(u32, u32); 14] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48_000, 1001),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (100, 1),
    (120_000, 1001),
    (120, 1),
    (240, 1),
];

/// An average is one of the usual rates if it is as near: a thousandth part. Times in milliseconds, and a last
/// frame of another duration, change the average by less.
const NEAR: u128 = 1000;

/// The largest denominator of an exact rate; other averages are rounded to thousandths.
const DENOMINATOR_MAX: u128 = 1001;

/// Frames per second of a track; `None` if it has no duration, or less than a frame in 1000 s.
pub(super) fn frame_rate(track: &Track) -> Option<Ratio> {
    let index = &track.index;
    average(index.presented_samples, index.presented_ticks, track.timescale.get())
}

/// The average rate of `frames` in `ticks`.
fn average(frames: u32, ticks: u64, timescale: u32) -> Option<Ratio> {
    // In the form of a fraction: this many frames in this time.
    let (frames, time) = (u128::from(frames) * u128::from(timescale), u128::from(ticks));
    if frames == 0 || time == 0 {
        return None;
    }
    // The distance from a rate, as a part of it.
    let distance = |&(usual, seconds): &(u32, u32)| {
        let (ours, usual) = (frames * u128::from(seconds), time * u128::from(usual));
        (ours.abs_diff(usual), usual)
    };
    let is_near = |rate: &&(u32, u32)| {
        let (distance, usual) = distance(rate);
        distance * NEAR <= usual
    };
    let nearest = USUAL.iter().filter(is_near).min_by(|one, other| {
        let ((one, of_one), (other, of_other)) = (distance(one), distance(other));
        (one * of_other).cmp(&(other * of_one))
    });
    if let Some(&(frames, seconds)) = nearest {
        return Ratio::new(frames, seconds);
    }
    let (mut divisor, mut rest) = (frames, time);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let (numerator, denominator) = match time / divisor {
        denominator @ ..=DENOMINATOR_MAX => (frames / divisor, denominator),
        _ => ((frames * 1000 + time / 2) / time, 1000),
    };
    Ratio::new(u32::try_from(numerator).ok()?, u32::try_from(denominator).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(frames: u32, ticks: u64, timescale: u32) -> Option<(u32, u32)> {
        average(frames, ticks, timescale).map(|rate| (rate.numerator(), rate.denominator()))
    }

    #[test]
    fn usual_rates_are_exact() {
        assert_eq!(rate(300, 300 * 512, 12_800), Some((25, 1)));
        assert_eq!(rate(300, 300 * 1001, 24_000), Some((24_000, 1001)));
        // 24 frames per second in milliseconds: 42, 42, 41.
        assert_eq!(rate(300, 100 * 125, 1000), Some((24, 1)));
    }

    #[test]
    fn the_rate_of_variable_frames_is_their_average() {
        assert_eq!(rate(300, 150 + 150 * 7199, 90_000), Some((25, 1)));
        assert_eq!(rate(300, 943_501, 90_000), Some((28_617, 1000)));
    }

    #[test]
    fn unusual_rates_are_exact_if_they_are_regular() {
        assert_eq!(rate(13, 1000, 1000), Some((13, 1)));
        assert_eq!(rate(200, 200 * 3, 100), Some((100, 3)));
        assert_eq!(rate(3, 180, 1), Some((1, 60)));
    }

    #[test]
    fn no_frames_and_no_time_have_no_rate() {
        assert_eq!(rate(0, 100, 25), None);
        assert_eq!(rate(100, 0, 25), None);
        assert_eq!(rate(1, 1 << 60, 25), None);
    }
}
