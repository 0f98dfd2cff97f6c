//! The end of a file: when the last frames of its tracks end.

use super::{
    blocks::{BlockWalk, Step},
    clusters::{Clusters, Gathered, WORK_MAX},
    frames,
};
use crate::extent::{ReadAt, ReadError};

/// The end of a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tail {
    /// The time of its last frame, in ticks of the track.
    pub(super) last: i64,
    /// When that ends, without the shift of the track.
    pub(super) end: i64,
    /// The usual distance between frames, as far as it is seen.
    pub(super) distance: Option<i64>,
}

impl Clusters {
    /// The ends of the tracks that have frames in the clusters from this one on.
    pub(super) fn tails<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        from: u64,
    ) -> Result<Vec<Option<Tail>>, ReadError> {
        let mut gathered: Vec<Gathered> = Vec::new();
        gathered.resize_with(self.tracks.len(), Gathered::default);
        let mut walk = BlockWalk::new(source, from, self.end, WORK_MAX);
        while let Some(step) = walk.next()? {
            let Step::Block(block) = step else { continue };
            if let Some(place) = self.place_of_track(block.track) {
                self.add(&mut walk, place, &block, &(i64::MIN..i64::MAX), &mut gathered[place])?;
            }
        }
        let tail = |(track, gathered)| frames::tail(track, gathered);
        Ok(self.tracks.iter().zip(&gathered).map(tail).collect())
    }
}
