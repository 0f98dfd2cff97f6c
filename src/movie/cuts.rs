//! Where the segments of a track begin: video on a grid of time, other tracks near the video.

use std::num::NonZeroU32;

/// The cuts between the segments of a track.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cuts<'a> {
    /// At the first sync sample presented at or after each multiple of this many milliseconds.
    Grid(NonZeroU32),
    /// Near the cuts of another track.
    Near(Near<'a>),
}

/// The cuts of another track, which this one follows: at the sample nearest to each of them. Where they are
/// farther apart than twice the grid, or that track has ended, this one is cut on the grid as well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near<'a> {
    /// The cuts, in ticks.
    pub(super) times: &'a [i64],
    /// The end of that track, in ticks.
    pub(super) end: i64,
    /// Ticks per second of these times.
    pub(super) timescale: NonZeroU32,
    /// Distance of the grid in milliseconds.
    pub(super) grid_ms: NonZeroU32,
}

/// The next cut of a track, of which samples are compared with it in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextCut<'a> {
    cuts: Cuts<'a>,
    /// Ticks per second of the track.
    timescale: i128,
    /// The number of passed times of [`Near`].
    passed: usize,
    /// The next cut: in ticks of the track times 1000 for a grid, else in ticks of the other track times
    /// 1000.
    next: i128,
}

impl<'a> NextCut<'a> {
    /// Before the first segment.
    pub(super) fn new(cuts: Cuts<'a>, timescale: NonZeroU32) -> Self {
        Self { cuts, timescale: i128::from(timescale.get()), passed: 0, next: 0 }
    }

    /// Moves past a segment that begins at `start` with a sample of this duration, in ticks of the track.
    pub(super) fn advance(&mut self, start: i64, duration: u32) {
        self.next = match self.cuts {
            Cuts::Grid(grid_ms) => {
                let grid = i128::from(grid_ms.get()) * self.timescale;
                (i128::from(start) * 1000 / grid + 1) * grid
            }
            Cuts::Near(near) => self.next_near(&near, 2 * i128::from(start) + i128::from(duration)),
        };
    }

    /// Whether a sample begins a segment: one at or after a cut of a grid, or the one nearest to a cut of
    /// another track. `duration` is until the next sample.
    pub(super) fn is_reached(&self, presented: i64, duration: u32) -> bool {
        match self.cuts {
            Cuts::Grid(_) => i128::from(presented) * 1000 >= self.next,
            Cuts::Near(near) => {
                // At least as near as the next sample.
                let middle = 2 * i128::from(presented) + i128::from(duration);
                middle * i128::from(near.timescale.get()) * 1000 >= 2 * self.next * self.timescale
            }
        }
    }

    /// The cut after the middle of a sample, which is in half ticks of the track: a segment begins nearest to
    /// its cut, before or after.
    fn next_near(&mut self, near: &Near<'_>, middle: i128) -> i128 {
        let ticks = i128::from(near.timescale.get());
        let grid = i128::from(near.grid_ms.get()) * ticks;
        let is_passed = |time: &i64| middle * ticks >= 2 * i128::from(*time) * self.timescale;
        while near.times.get(self.passed).is_some_and(is_passed) {
            self.passed += 1;
        }
        let begun = middle * ticks * 1000 / (2 * self.timescale);
        let on_grid = |from: i128| (from.max(0) / grid + 1) * grid;
        let of = |time: i64| i128::from(time) * 1000;
        let before = self.passed.checked_sub(1).map_or(0, |last| of(near.times[last]));
        match near.times.get(self.passed) {
            Some(&time) if of(time) - before > 2 * grid => {
                let regular = on_grid(begun);
                if of(time) - regular >= grid { regular } else { of(time) }
            }
            Some(&time) => of(time),
            None => {
                let end = of(near.end);
                let is_long = end - before > 2 * grid;
                let regular = on_grid(begun);
                let least = end.saturating_add(grid);
                if is_long && end - regular >= grid {
                    regular
                } else {
                    regular.max(on_grid(least - 1))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The starts of segments of a track with a sample each 100 ms, in tenths of a second, beside video with
    /// these cuts and this end in seconds, on a grid of 6 s.
    fn starts(cuts: &[i64], end: i64, last: i64) -> Vec<i64> {
        let number = |number| NonZeroU32::new(number).expect("not zero");
        let times: Vec<i64> = cuts.iter().map(|cut| cut * 90_000).collect();
        let end = end * 90_000;
        let near = Near { times: &times, end, timescale: number(90_000), grid_ms: number(6000) };
        let mut next = NextCut::new(Cuts::Near(near), number(10));
        let mut starts = vec![0];
        next.advance(0, 0);
        for sample in 1..last * 10 {
            if next.is_reached(sample, 1) {
                starts.push(sample);
                next.advance(sample, 1);
            }
        }
        starts
    }

    #[test]
    fn audio_follows_the_cuts_of_video_up_to_twice_the_grid() {
        assert_eq!(starts(&[5, 13, 25], 30, 31), [0, 50, 130, 250]);
    }

    #[test]
    fn audio_is_cut_on_the_grid_where_video_is_not() {
        assert_eq!(starts(&[30], 36, 36), [0, 60, 120, 180, 240, 300]);
        assert_eq!(starts(&[13], 14, 14), [0, 60, 130]);
        assert_eq!(starts(&[], 60, 60), [0, 60, 120, 180, 240, 300, 360, 420, 480, 540]);
    }

    #[test]
    fn audio_is_cut_on_the_grid_after_the_end_of_video() {
        assert_eq!(starts(&[], 5, 30), [0, 120, 180, 240]);
        assert_eq!(starts(&[6], 10, 15), [0, 60]);
    }
}
