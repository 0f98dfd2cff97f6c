//! Edit lists (ISO/IEC 14496-12 section 8.6.6): when a track's samples are presented.
//!
//! Times are in the track's ticks and exact; products of two scales are 128 bits wide.

use std::num::NonZeroU32;

/// One entry of an edit list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edit {
    /// How long it lasts in the movie's ticks; 0 is to the end.
    pub(super) duration: u64,
    /// Where in the track it begins, in the track's ticks; -1 is nothing for so long.
    pub(super) media_time: i64,
}

/// How decoding times become presentation times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
    /// What is added to decoding time and composition offset.
    pub shift: i64,
    /// From when on the track is shown: what empty edits there are before it.
    pub from: i64,
    /// Until when it is shown, if that is before its samples end.
    pub until: Option<i64>,
    /// Edits that take the track somewhere else again, which are not followed.
    pub jumps: u32,
}

impl Timeline {
    /// Evaluates an edit list. `first` is the decoding time of the track's first sample, which is not 0
    /// in a fragment that was cut out of something longer; `origin` is where the movie begins then.
    ///
    /// Empty edits are in the movie's ticks and are converted here. Of several edits the first is
    /// followed, and those that go on where it ends; others are counted as jumps.
    pub(super) fn new(
        edits: &[Edit],
        timescale: NonZeroU32,
        movie_timescale: NonZeroU32,
        first: i64,
        origin: i64,
    ) -> Self {
        let to_ticks = |movie: u64| {
            let ticks = u128::from(movie) * u128::from(timescale.get());
            let ticks = ticks.div_ceil(u128::from(movie_timescale.get()));
            i64::try_from(ticks).unwrap_or(i64::MAX)
        };
        let is_empty = |edit: &&Edit| edit.media_time < 0;
        let empty: u64 = edits
            .iter()
            .take_while(is_empty)
            .fold(0, |sum, edit| sum.saturating_add(edit.duration));
        let delay = to_ticks(empty);
        let mut media = edits.iter().skip_while(is_empty);
        let (mut until, mut jumps, mut media_time) = (None, 0, 0);
        if let Some(edit) = media.next() {
            media_time = edit.media_time;
            let mut duration = edit.duration;
            for next in media {
                let end = media_time.saturating_add(to_ticks(duration));
                // Rounded to the movie's ticks, hence "about".
                let tick = to_ticks(1);
                if duration > 0 && next.media_time.abs_diff(end) <= tick.unsigned_abs() {
                    duration = duration.saturating_add(next.duration);
                } else {
                    jumps += 1;
                }
            }
            if duration > 0 {
                until = Some(delay.saturating_add(to_ticks(duration)));
            }
        }
        let late = first.saturating_sub(origin).max(0);
        let from = delay.saturating_add(late);
        let shift = delay.saturating_sub(media_time).saturating_sub(origin);
        // An edit list tells of the times in the file, which begin late.
        let until = until.map(|until| until.saturating_add(late));
        Self { shift, from, until, jumps }
    }

    /// When something is presented that is decoded at `dts`.
    pub fn presented(&self, dts: i64, composition: i32) -> i64 {
        // Not step by step: the shift may take off what would have been too much.
        let exact = i128::from(dts) + i128::from(composition) + i128::from(self.shift);
        let limit = if exact < 0 { i64::MIN } else { i64::MAX };
        i64::try_from(exact).unwrap_or(limit)
    }
}
