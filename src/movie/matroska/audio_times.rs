//! Times of audio frames. Block times are rounded to a tick of the file, mostly a millisecond, and would
//! jitter; the frames' own lengths do not.
//!
//! Frames follow each other without a gap for as long as the block times agree with that. Such a run begins at
//! the time on which its block times agree: on the grid of the track's frames if they do so there, else in the
//! middle.

use super::clock::Clock;

/// A frame as its block gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Timed {
    /// The time of its block, in ticks of the track; `None` for later frames of a lace.
    pub(super) block_time: Option<i64>,
    /// Its length in samples, if that is known.
    pub(super) samples: Option<u32>,
}

/// Frames of a track whose first frame begins here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Time of the track's first frame.
    pub(super) origin: i64,
    /// The length of frames for which only the times of blocks tell it.
    pub(super) usual: u32,
}

/// Frames without a jump.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Number of its first frame.
    first: usize,
    /// The least and the greatest time of its first frame on which the block times agree.
    least: i64,
    greatest: i64,
    /// The length of its frames, if it is the same for all.
    length: Option<u32>,
}

/// When frames begin, in ticks of the track; never before the frame in front.
pub(super) fn starts(frames: &[Timed], clock: Clock, grid: Grid) -> Vec<i64> {
    let rounding = clock.rounding();
    let mut runs: Vec<Run> = Vec::new();
    // Since the beginning of the run.
    let mut elapsed = 0_i64;
    let mut elapsed_before = Vec::with_capacity(frames.len());
    for (place, frame) in frames.iter().enumerate() {
        if let Some(time) = frame.block_time {
            let begins = time.saturating_sub(elapsed);
            let (least, greatest) =
                (begins.saturating_sub(rounding), begins.saturating_add(rounding));
            match runs.last_mut() {
                Some(run) if least <= run.greatest && greatest >= run.least => {
                    (run.least, run.greatest) = (run.least.max(least), run.greatest.min(greatest));
                }
                // Some writers cut times off instead of rounding them.
                Some(run)
                    if least.saturating_sub(rounding) <= run.greatest
                        && greatest.saturating_add(rounding) >= run.least => {}
                _ => {
                    elapsed = 0;
                    let (least, greatest) =
                        (time.saturating_sub(rounding), time.saturating_add(rounding));
                    runs.push(Run { first: place, least, greatest, length: frame.samples });
                }
            }
        }
        // The last frame of a run can have any length: a file of FLAC ends with a short one.
        if let Some(run) = runs.last_mut().filter(|run| place > run.first) {
            let before = frames[place - 1].samples;
            run.length = run.length.filter(|length| Some(*length) == before);
        }
        elapsed_before.push(elapsed);
        let samples = frame.samples.unwrap_or_else(|| length_by_times(frames, place, grid.usual));
        elapsed = elapsed.saturating_add(samples.into());
    }
    let ends = runs.iter().skip(1).map(|run| run.first).chain([frames.len()]);
    let mut times = Vec::with_capacity(frames.len());
    let mut before = i64::MIN;
    for (run, end) in runs.iter().zip(ends) {
        let begins = run.begins(grid.origin, rounding);
        for elapsed in &elapsed_before[run.first..end] {
            before = begins.saturating_add(*elapsed).max(before);
            times.push(before);
        }
    }
    times
}

impl Run {
    /// On the grid if the block times nearly allow it, else in the middle of what they allow. They may be off by
    /// a rounding more: ffmpeg rounds the first one, which the codec delays, the other way.
    fn begins(&self, origin: i64, rounding: i64) -> i64 {
        let middle = self.least.midpoint(self.greatest);
        let allowed = self.least.saturating_sub(rounding)..=self.greatest.saturating_add(rounding);
        let nearest = self.length.filter(|length| *length > 0).map(|length| {
            let length = i64::from(length);
            let since = middle.saturating_sub(origin);
            let frames = since.saturating_add(length / 2).div_euclid(length);
            origin.saturating_add(frames.saturating_mul(length))
        });
        nearest.filter(|time| allowed.contains(time)).unwrap_or(middle)
    }
}

/// The length of a frame by the time of the next block, which the frames of a lace share.
fn length_by_times(frames: &[Timed], place: usize, usual: u32) -> u32 {
    let is_block = |frame: &Timed| frame.block_time.is_some();
    let first = frames[..=place].iter().rposition(is_block);
    let next = frames[place + 1..].iter().position(is_block).map(|after| place + 1 + after);
    let (Some(first), Some(next)) = (first, next) else { return usual };
    let time = |place: usize| frames[place].block_time.unwrap_or(0);
    let each = time(next).saturating_sub(time(first)) / i64::try_from(next - first).unwrap_or(1);
    u32::try_from(each).ok().filter(|each| *each > 0).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const GRID: Grid = Grid { origin: 0, usual: 1024 };

    fn clock() -> Clock {
        Clock::of_audio(NonZeroU32::new(48_000).expect("a rate"), 1_000_000)
    }

    /// Frames of 1024 samples whose times are rounded to milliseconds.
    fn rounded(first: i64, count: i64) -> Vec<Timed> {
        let frame = |place: i64| {
            let exact = first + 1024 * place;
            let ms = (exact * 1000 + 24_000).div_euclid(48_000);
            Timed { block_time: Some(ms * 48), samples: Some(1024) }
        };
        (0..count).map(frame).collect()
    }

    #[test]
    fn rounded_times_become_exact() {
        let times = starts(&rounded(0, 500), clock(), GRID);
        assert!((0..500).zip(times).all(|(place, time)| time == 1024 * place));
        // A part from the middle is on the same grid.
        let times = starts(&rounded(1024 * 777, 300), clock(), GRID);
        assert!((777..).zip(times).all(|(place, time)| time == 1024 * place));
        // A grid that the block times exclude.
        let times = starts(&rounded(500, 300), clock(), GRID);
        assert!(times[0].abs_diff(500) <= 16, "{}", times[0]);
        assert!(times.windows(2).all(|two| two[1] - two[0] == 1024));
    }

    #[test]
    fn a_jump_begins_again() {
        let mut frames = rounded(0, 10);
        frames.extend(rounded(48_000, 10));
        frames.extend(rounded(10_240, 3));
        let times = starts(&frames, clock(), GRID);
        assert_eq!((times[9], times[10].abs_diff(48_000) <= 24), (9 * 1024, true));
        assert_eq!(times[20..], [times[19]; 3], "never back");
    }

    #[test]
    fn the_frames_of_a_lace_follow_each_other() {
        let mut frames = rounded(0, 16);
        for (place, frame) in frames.iter_mut().enumerate() {
            frame.block_time = frame.block_time.filter(|_| place % 8 == 0);
        }
        let times = starts(&frames, clock(), GRID);
        assert!((0..16).zip(&times).all(|(place, time)| *time == 1024 * place));
        // Without lengths, the time until the next block is divided.
        frames.iter_mut().for_each(|frame| frame.samples = None);
        let times = starts(&frames, clock(), GRID);
        assert!(
            (0..16).zip(&times).all(|(place, time)| time.abs_diff(1024 * place) <= 24),
            "{times:?}"
        );
    }
}
