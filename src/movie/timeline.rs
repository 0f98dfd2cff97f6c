//! Edit lists (ISO/IEC 14496-12 section 8.6.6): the presentation times of a track's samples.
//!
//! Times are exact, in the track's ticks; products of two timescales use 128 bits.

use std::num::NonZeroU32;

/// One entry of an edit list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Edit {
    /// Duration in the movie's ticks; 0 means to the end.
    pub(super) duration: u64,
    /// Start in the track's ticks; -1 marks an empty edit.
    pub(super) media_time: i64,
}

/// The mapping from decoding times to presentation times.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Timeline {
    /// Added to decoding time plus composition offset.
    pub shift: i64,
    /// Presentation time at which the track starts: the duration of its leading empty edits.
    pub from: i64,
    /// Presentation time at which the track ends, if that is before its last sample.
    pub until: Option<i64>,
    /// Number of later edits that are ignored because they jump.
    pub jumps: u32,
}

impl Timeline {
    /// Evaluates an edit list. `first` is the decoding time of the track's first sample, which is not 0 in
    /// a fragment of a longer recording; `origin` is the movie's start in that case.
    ///
    /// Empty edits are in the movie's ticks and are converted. The first edit counts, with those that
    /// continue at its end; others count as jumps.
    pub(super) fn new(
        edits: &[Edit],
        timescale: NonZeroU32,
        movie_timescale: NonZeroU32,
        first: i64,
        origin: i64,
    ) -> Self {
        let to_ticks = |movie: u64| {
            let product = u128::from(movie) * u128::from(timescale.get());
            let ticks = product.div_ceil(u128::from(movie_timescale.get()));
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
                // Durations are rounded to the movie's ticks.
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
        // The edit list refers to the times in the file, which start late.
        let until = until.map(|until| until.saturating_add(late));
        Self { shift, from, until, jumps }
    }

    /// The presentation time of a sample.
    pub fn presented(&self, dts: i64, composition: i32) -> i64 {
        // In one 128-bit sum: an intermediate sum may overflow where the total does not.
        let exact = i128::from(dts) + i128::from(composition) + i128::from(self.shift);
        let limit = if exact < 0 { i64::MIN } else { i64::MAX };
        i64::try_from(exact).unwrap_or(limit)
    }
}
