//! What a track says and cannot mean, and what is read instead. Every reader of samples gets the corrected
//! ones; the report lists the corrections.

use std::num::NonZeroU32;

/// The longest composition offset in seconds, as a distance from that of other samples: timelapse video at
/// one frame per second is reordered by some ten.
const COMPOSITION_MAX_S: i64 = 60;

/// A composition offset that is this much longer than others, in seconds, is wrong if its sample would be
/// presented as long after the end of the media.
const PAST_END_S: i64 = 2;

/// Numbers of corrections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Corrections {
    /// Negative durations: decoding times go on from the sample before.
    pub negative_durations: u32,
    /// The duration that all samples get because the file gives none, in ticks.
    pub missing_durations: Option<u32>,
    /// The duration of the last sample in the file, in ticks, if it contradicts all that the file says.
    pub last_duration: Option<u32>,
    /// Composition offsets beyond all others.
    pub compositions: u32,
    /// Passes of the 32-bit limit of decoding times in fragments.
    pub wraps: u32,
    /// Other steps back of decoding times in fragments.
    pub restarts: u32,
    /// How much later than those of other tracks the decoding times of fragments begin, in ticks, if the track
    /// begins with the others nevertheless.
    pub late_start: Option<i64>,
    /// The media header has no timescale; that of the movie is taken.
    pub missing_timescale: bool,
    /// Sync flags of audio that needs none.
    pub audio_syncs: bool,
    /// Video whose table of sync samples is empty.
    pub no_syncs: bool,
    /// Number of equal sample entries that are read as one; 0 or 1 if there are no others.
    pub equal_entries: u8,
}

impl Corrections {
    /// Whether the tables of the file are wrong, so that a copy of them is, too.
    pub fn change_tables(&self) -> bool {
        // Fragments always get new tables.
        self.equal_entries > 1
            || self.missing_timescale
            || self.negative_durations > 0
            || self.missing_durations.is_some()
            || self.last_duration.is_some()
            || self.compositions > 0
            || self.audio_syncs
            || self.no_syncs
    }
}

/// Composition offsets that can be meant, in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompositionLimits {
    /// An offset like those of most samples, which replaces wrong ones.
    usual: i32,
    /// Ticks per second.
    timescale: i64,
    /// End of the media, if it is known.
    media_end: Option<i64>,
}

impl CompositionLimits {
    pub(super) fn new(usual: i32, timescale: NonZeroU32, media_end: Option<i64>) -> Self {
        Self { usual, timescale: timescale.get().into(), media_end }
    }

    /// The offset of a sample, and whether it is another one than in the file.
    pub(super) fn check(&self, dts: i64, composition: i32) -> (i32, bool) {
        let distance = i64::from(composition.abs_diff(self.usual));
        // Hot: most samples end here.
        if distance <= PAST_END_S * self.timescale {
            return (composition, false);
        }
        let presented = dts.saturating_add(composition.into());
        let least = PAST_END_S * self.timescale;
        let is_past_end = self.media_end.is_some_and(|end| presented > end.saturating_add(least));
        if is_past_end || distance > COMPOSITION_MAX_S * self.timescale {
            (self.usual, true)
        } else {
            (composition, false)
        }
    }
}

/// The decoding times of fragments: what is added to those in the file, and how often that changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Clock {
    /// Added to the times in the file, in ticks.
    offset: i64,
    pub(super) wraps: u32,
    pub(super) restarts: u32,
}

impl Clock {
    /// The decoding time of a fragment whose file says `declared`, where the fragment before ends at
    /// `expected`. A step back of most of 2^32 is a wrap of a 32-bit number. After any other step back of more
    /// than a second, decoding times go on: by as much as those of the leading track at its step of the same
    /// number (`leading`), so that tracks stay in step, or else where the fragment before ends.
    pub(super) fn read(
        &mut self,
        declared: i64,
        expected: i64,
        timescale: NonZeroU32,
        leading: &[i64],
    ) -> Option<i64> {
        const WRAP: i64 = 1 << 32;
        let second = i64::from(timescale.get());
        let time = declared.checked_add(self.offset)?;
        let back = expected.saturating_sub(time);
        if back <= second {
            return Some(time);
        }
        let after_wrap = time.checked_add(WRAP)?;
        if after_wrap.abs_diff(expected) < (1 << 31) {
            self.wraps = self.wraps.saturating_add(1);
            self.offset = self.offset.checked_add(WRAP)?;
            return Some(after_wrap);
        }
        let shifted = |offset: &i64| declared.checked_add(*offset);
        let led = leading.get(self.restarts as usize).and_then(shifted);
        let time =
            led.filter(|led| led.abs_diff(expected) <= second.unsigned_abs()).unwrap_or(expected);
        self.restarts = self.restarts.saturating_add(1);
        self.offset = time.checked_sub(declared)?;
        Some(time)
    }

    /// What is added to the times in the file, in ticks.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMESCALE: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

    #[test]
    fn an_offset_is_wrong_far_from_others_or_past_the_end() {
        let limits = CompositionLimits::new(80, TIMESCALE, Some(10_000));
        assert_eq!(limits.check(9_900, 200), (200, false));
        assert_eq!(limits.check(5_000, 5_000), (5_000, false));
        assert_eq!(limits.check(9_900, 5_000), (80, true));
        assert_eq!(limits.check(0, -70_000), (80, true));
        let unknown = CompositionLimits::new(80, TIMESCALE, None);
        assert_eq!(unknown.check(9_900, 5_000), (5_000, false));
        assert_eq!(unknown.check(9_900, 70_000), (80, true));
    }

    #[test]
    fn a_step_back_is_a_wrap_or_a_restart() {
        let mut clock = Clock::default();
        let mut read = |declared, expected| clock.read(declared, expected, TIMESCALE, &[]);
        assert_eq!(read(4_294_967_000, 4_294_967_000), Some(4_294_967_000));
        assert_eq!(read(4, 4_294_967_300), Some(4_294_967_300));
        assert_eq!(read(1_500, 4_294_968_800), Some(4_294_968_796));
        assert_eq!(read(0, 4_294_970_000), Some(4_294_970_000));
        assert_eq!(read(2_000, 4_294_972_000), Some(4_294_972_000));
        assert_eq!((clock.wraps, clock.restarts), (1, 1));
    }

    #[test]
    fn a_track_goes_on_as_the_leading_one_does_if_that_is_near() {
        let read = |expected| Clock::default().read(0, expected, TIMESCALE, &[12_000]);
        assert_eq!(read(12_020), Some(12_000));
        assert_eq!(read(14_020), Some(14_020));
    }
}
