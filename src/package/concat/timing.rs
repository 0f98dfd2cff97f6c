//! The presentation and decode times of joined chunks.

use super::{EncodedChunk, JoinError, for_each_sample};
use crate::{
    extent::ReadAt,
    movie::{Sample, Track},
};

/// The maximum number of frames of a title: twice those of a day at 60 a second. Each takes some thirty
/// bytes of memory while the chunks are joined.
const FRAMES_MAX: usize = 10_000_000;

/// The times of all frames, in ticks of the title.
pub(super) struct Timing {
    /// The presentation times, in this order.
    pub(super) presented: Vec<i64>,
    /// The difference between the title's times and those of each chunk.
    pub(super) shifts: Vec<i64>,
    /// The reorder depth: the maximum number of frames that are decoded before a frame and presented
    /// after.
    reorder_depth: usize,
    /// The duration of most frames.
    pub(super) usual_duration: i64,
}

impl Timing {
    pub(super) fn new<R: ReadAt>(
        chunks: &[EncodedChunk<R>],
        tracks: &[&Track],
    ) -> Result<Self, JoinError> {
        let usual_duration = tracks.first().map_or(1, |track| track.index.usual_duration.max(1));
        let mut timing = Self {
            presented: Vec::new(),
            shifts: Vec::new(),
            reorder_depth: 0,
            usual_duration: usual_duration.into(),
        };
        for (index, (chunk, track)) in chunks.iter().zip(tracks).enumerate() {
            let mut in_decode_order = Vec::new();
            let frames_left = FRAMES_MAX - timing.presented.len();
            for_each_sample(track, &chunk.file, index, |sample| {
                if in_decode_order.len() >= frames_left {
                    return Err(JoinError::TooLong);
                }
                in_decode_order.push(timing.presentation_time(track, &sample, 0)?);
                Ok(())
            })?;
            let mut sorted = in_decode_order.clone();
            sorted.sort_unstable();
            let first = *sorted.first().ok_or(JoinError::Incomplete(index + 1))?;
            for (number, time) in in_decode_order.iter().enumerate() {
                let rank = sorted.partition_point(|presented| presented < time);
                timing.reorder_depth = timing.reorder_depth.max(number.saturating_sub(rank));
            }
            let shift = chunk.first.checked_sub(first).ok_or(JoinError::TooLong)?;
            if timing.presented.last().is_some_and(|last| *last >= chunk.first) {
                return Err(JoinError::Overlap(index));
            }
            timing.shifts.push(shift);
            timing.presented.extend(sorted.iter().map(|time| time.saturating_add(shift)));
        }
        Ok(timing)
    }

    /// The presentation time of a sample, with the shift of its chunk.
    pub(super) fn presentation_time(
        &self,
        track: &Track,
        sample: &Sample,
        shift: i64,
    ) -> Result<i64, JoinError> {
        let in_chunk = track.timeline.presented(sample.dts, sample.composition);
        in_chunk.checked_add(shift).ok_or(JoinError::TooLong)
    }

    /// The decode time of frame `number` in decode order: the presentation time of the frame that is
    /// presented `reorder_depth` frames before. So decode times rise, and no frame is presented before it
    /// is decoded.
    pub(super) fn decode_time(&self, number: usize) -> i64 {
        match number.checked_sub(self.reorder_depth) {
            Some(index) => self.presented.get(index).copied().unwrap_or(i64::MAX),
            None => {
                let before = i64::try_from(self.reorder_depth - number).unwrap_or(i64::MAX);
                let first = self.presented.first().copied().unwrap_or(0);
                first.saturating_sub(before.saturating_mul(self.usual_duration))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_times_precede_presentation_by_the_reorder_depth() {
        let timing = Timing {
            presented: vec![0, 10, 500, 510],
            shifts: vec![0],
            reorder_depth: 2,
            usual_duration: 10,
        };
        let decoded: Vec<i64> = (0..4).map(|number| timing.decode_time(number)).collect();
        assert_eq!(decoded, [-20, -10, 0, 10]);
    }
}
