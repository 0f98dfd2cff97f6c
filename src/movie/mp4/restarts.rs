//! Where decoding times of fragments begin again, in all tracks: parts that a recorder or `cat` appended.
//!
//! Each part is played after the one before. It begins where the longest track of the part before ends, so
//! that no track overlaps, and all tracks stay in step.

use std::num::NonZeroU32;

use super::{samples::Walk, track::Head};
use crate::{
    extent::{ReadAt, ReadError},
    movie::budget::Budget,
};

/// Read size per table in the pass over a track, in bytes.
const PASS_BYTES: usize = 64 * 1024;

/// What each restart adds to decoding times.
pub(super) struct Restarts {
    /// In ticks.
    offsets: Vec<i64>,
    /// Ticks per second.
    timescale: NonZeroU32,
}

impl Restarts {
    /// The restarts of the first track, by which each of its parts follows the one before.
    pub(super) fn new(offsets: Vec<i64>, timescale: NonZeroU32) -> Self {
        Self { offsets, timescale }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// What each of them adds, in ticks of another timescale.
    pub(super) fn in_ticks(&self, timescale: NonZeroU32) -> impl Iterator<Item = i64> {
        self.offsets.iter().map(move |offset| converted(*offset, self.timescale, timescale))
    }

    /// Moves the parts so that those of other tracks do not overlap either. Reads all samples of these,
    /// within the budget.
    pub(super) fn spread<'h, R: ReadAt + ?Sized>(
        &mut self,
        source: &R,
        others: impl Iterator<Item = &'h Head>,
        budget: &mut Budget,
    ) -> Result<(), ReadError> {
        let mut lasts = parts(&self.offsets);
        for head in others.filter(|head| matches!(&head.handler.0, b"vide" | b"soun")) {
            let start = head.samples.start();
            let mut walk = Walk::new(&head.samples, source, start, PASS_BYTES, budget.work);
            while let Some(Ok(_)) = walk.next_sample()? {}
            budget.work = walk.work_left();
            for (longest, ticks) in lasts.iter_mut().zip(parts(walk.restarts())) {
                *longest = (*longest).max(converted(ticks, head.timescale, self.timescale));
            }
        }
        let mut end = 0_i64;
        for (offset, lasts) in self.offsets.iter_mut().zip(lasts) {
            end = end.saturating_add(lasts);
            *offset = end;
        }
        Ok(())
    }
}

/// How long each part lasts, from what is added to the times after it.
fn parts(offsets: &[i64]) -> Vec<i64> {
    let before = [0].into_iter().chain(offsets.iter().copied());
    offsets.iter().zip(before).map(|(offset, before)| offset.saturating_sub(before)).collect()
}

/// Ticks of one timescale in another, rounded up.
fn converted(ticks: i64, from: NonZeroU32, to: NonZeroU32) -> i64 {
    let from = i128::from(from.get());
    let scaled = i128::from(ticks) * i128::from(to.get());
    i64::try_from((scaled + from - 1).div_euclid(from)).unwrap_or(i64::MAX)
}
