//! When the pictures of a joined film are shown, and when they are decoded.

use super::{Chunk, JoinRefused, each_sample};
use crate::{
    extent::ReadAt,
    movie::{Sample, Track},
};

/// The most pictures of a film: a day at sixty a second is half of it. Each takes some thirty bytes
/// while the film is joined.
const PICTURES_MAX: usize = 10_000_000;

/// When pictures are shown and decoded, in ticks of the film.
pub(super) struct Times {
    /// When each picture is shown, in this order.
    pub(super) shown: Vec<i64>,
    /// What is added to the times of each piece.
    pub(super) offsets: Vec<i64>,
    /// How many pictures more are decoded than shown, at most.
    ahead: usize,
    /// How long most pictures are shown.
    pub(super) usual: i64,
}

impl Times {
    pub(super) fn of<R: ReadAt>(
        pieces: &[Chunk<R>],
        tracks: &[&Track],
    ) -> Result<Self, JoinRefused> {
        let usual = tracks.first().map_or(1, |track| track.index.usual_duration.max(1));
        let mut times =
            Self { shown: Vec::new(), offsets: Vec::new(), ahead: 0, usual: usual.into() };
        for (place, (piece, track)) in pieces.iter().zip(tracks).enumerate() {
            let mut decoded = Vec::new();
            let room = PICTURES_MAX - times.shown.len();
            each_sample(track, &piece.file, place, |sample| {
                if decoded.len() >= room {
                    return Err(JoinRefused::TooLong);
                }
                decoded.push(times.presented(track, &sample, 0)?);
                Ok(())
            })?;
            let mut sorted = decoded.clone();
            sorted.sort_unstable();
            let first = *sorted.first().ok_or(JoinRefused::NotWhole(place + 1))?;
            for (number, time) in decoded.iter().enumerate() {
                let rank = sorted.partition_point(|shown| shown < time);
                times.ahead = times.ahead.max(number.saturating_sub(rank));
            }
            let later = piece.first.checked_sub(first).ok_or(JoinRefused::TooLong)?;
            if times.shown.last().is_some_and(|last| *last >= piece.first) {
                return Err(JoinRefused::Overlaps(place));
            }
            times.offsets.push(later);
            times.shown.extend(sorted.iter().map(|time| time.saturating_add(later)));
        }
        Ok(times)
    }

    /// When a sample is shown, so many ticks later than its piece says.
    pub(super) fn presented(
        &self,
        track: &Track,
        sample: &Sample,
        later: i64,
    ) -> Result<i64, JoinRefused> {
        let presented = track.timeline.presented(sample.dts, sample.composition);
        presented.checked_add(later).ok_or(JoinRefused::TooLong)
    }

    /// When the picture that is decoded as the `number`th is decoded: when the one is shown that comes
    /// as many before it as are decoded ahead. So the times rise, and none is shown before it is decoded.
    pub(super) fn decoded(&self, number: usize) -> i64 {
        match number.checked_sub(self.ahead) {
            Some(place) => self.shown.get(place).copied().unwrap_or(i64::MAX),
            None => {
                let early = i64::try_from(self.ahead - number).unwrap_or(i64::MAX);
                let first = self.shown.first().copied().unwrap_or(0);
                first.saturating_sub(early.saturating_mul(self.usual))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_as_many_pictures_early_as_it_takes_whatever_they_last() {
        let times = Times { shown: vec![0, 10, 500, 510], offsets: vec![0], ahead: 2, usual: 10 };
        let decoded: Vec<i64> = (0..4).map(|number| times.decoded(number)).collect();
        assert_eq!(decoded, [-20, -10, 0, 10]);
    }
}
