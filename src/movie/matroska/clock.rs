//! The ticks of a file, and those of its tracks.
//!
//! All times of a file are multiples of `TimestampScale` nanoseconds (RFC 9559 section 11.2). Video keeps them;
//! audio has ticks of its sample rate.

use std::num::NonZeroU32;

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// The most ticks a second of a video track: a duration has 32 bits, which is an hour.
const TIMESCALE_MAX: u64 = 1_000_000;

/// The clock of a track: a rational number of its ticks for each tick of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Clock {
    /// Ticks of the track per second.
    pub(super) timescale: NonZeroU32,
    /// Nanoseconds of a tick of the file.
    scale_ns: u64,
}

impl Clock {
    /// The clock of video: the ticks of the file, or microseconds if these are finer.
    pub(super) fn of_file(scale_ns: u64) -> Self {
        let divisor = greatest_common_divisor(SECOND_NS, scale_ns.max(1));
        let timescale = (SECOND_NS / divisor).min(TIMESCALE_MAX);
        let timescale = u32::try_from(timescale).ok().and_then(NonZeroU32::new);
        Self { timescale: timescale.unwrap_or(NonZeroU32::MIN), scale_ns }
    }

    /// The clock of audio with this sample rate.
    pub(super) fn of_audio(sample_rate: NonZeroU32, scale_ns: u64) -> Self {
        Self { timescale: sample_rate, scale_ns }
    }

    /// A time of the file, rounded to a tick of the track.
    pub(super) fn ticks(self, ticks: i64) -> i64 {
        let product = i128::from(ticks) * i128::from(self.scale_ns) * self.per_second();
        to_i64(divided(product, i128::from(SECOND_NS)))
    }

    /// A duration in nanoseconds, rounded to a tick of the track.
    pub(super) fn ticks_of_ns(self, ns: i64) -> i64 {
        to_i64(divided(i128::from(ns) * self.per_second(), i128::from(SECOND_NS)))
    }

    /// How far a rounded time can be off, rounded up to ticks of the track: half a tick of the file, or half a
    /// millisecond, because files with finer ticks are often copies of others.
    pub(super) fn rounding(self) -> i64 {
        let product = i128::from(self.scale_ns.max(MILLISECOND_NS)) * self.per_second();
        to_i64((product + i128::from(2 * SECOND_NS) - 1) / i128::from(2 * SECOND_NS))
    }

    /// A time of the file in milliseconds, rounded.
    pub(super) fn ms(self, ticks: i64) -> i64 {
        let ns = i128::from(ticks) * i128::from(self.scale_ns);
        to_i64(divided(ns, MILLISECOND_NS.into()))
    }

    /// A duration in milliseconds, in ticks of the file.
    pub(super) fn file_ticks(self, ms: i64) -> i64 {
        to_i64(i128::from(ms) * 1_000_000 / i128::from(self.scale_ns.max(1)))
    }

    fn per_second(self) -> i128 {
        self.timescale.get().into()
    }
}

/// The nearest whole number; a half is rounded up.
fn divided(number: i128, by: i128) -> i128 {
    (2 * number + by).div_euclid(2 * by)
}

/// Times that do not fit are beyond any file.
fn to_i64(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

fn greatest_common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_has_the_ticks_of_the_file() {
        for (scale_ns, timescale, ticks, of_track) in [
            (1_000_000, 1000, 40, 40),
            (100_000, 10_000, 400, 400),
            (1_000_000_000, 1, 7, 7),
            // A tick of 1/90000 s, rounded to nanoseconds: too fine.
            (11_111, 1_000_000, 90_000, 999_990),
            (1, 1_000_000, 1_000_500, 1001),
        ] {
            let clock = Clock::of_file(scale_ns);
            assert_eq!((clock.timescale.get(), clock.ticks(ticks)), (timescale, of_track));
        }
    }

    #[test]
    fn audio_is_rounded_to_samples() {
        let clock = Clock::of_audio(NonZeroU32::new(44_100).expect("a rate"), 1_000_000);
        assert_eq!([clock.ticks(23), clock.ticks(-23), clock.ticks(1)], [1014, -1014, 44]);
        assert_eq!((clock.rounding(), clock.ticks_of_ns(6_500_000)), (23, 287));
        assert_eq!(clock.ticks(i64::MAX), i64::MAX);
    }
}
