//! The segments of a clip whose samples are in no table: each is walked in a call of its own in the disk pool, so
//! that other clients take their turns.

use std::sync::Arc;

use super::Error;
use crate::{
    extent::{Charge, File, ReadError, ResponseMemory},
    movie::{Movie, WalkedSegment},
    package::clip::{self, Clip, ClipRefused, MEMORY_MAX_BYTES, NeededSegment},
};

/// What is charged at first, in bytes: the samples of some minutes.
const FIRST_CHARGE_BYTES: usize = 256 << 10;

/// Walked segments, in the order of the file, charged to the memory of responses.
pub(super) struct Walks {
    segments: Vec<WalkedSegment>,
    bytes: usize,
    charged_bytes: usize,
    charge: Charge,
}

impl Walks {
    fn new(memory: &ResponseMemory) -> Result<Self, Error> {
        let charge = memory.charge(FIRST_CHARGE_BYTES as u64)?;
        Ok(Self { segments: Vec::new(), bytes: 0, charged_bytes: FIRST_CHARGE_BYTES, charge })
    }

    /// Adds a segment, and charges twice as much when the charge is used up.
    fn push(&mut self, segment: WalkedSegment, memory: &ResponseMemory) -> Result<(), Error> {
        self.bytes += segment.bytes();
        if self.bytes > self.charged_bytes {
            self.charged_bytes = 2 * self.bytes;
            self.charge = memory.charge(self.charged_bytes as u64)?;
        }
        self.segments.push(segment);
        Ok(())
    }

    pub(super) fn segments(&self) -> &[WalkedSegment] {
        &self.segments
    }
}

/// Walks the segments of a clip.
pub(super) async fn read(
    file: &Arc<File>,
    movie: &Arc<Movie>,
    clip: &Clip,
    memory: &ResponseMemory,
) -> Result<Result<Walks, ClipRefused>, Error> {
    let listed = (Arc::clone(movie), clip.clone());
    let needed = file.compute(move |_| clip::needed_segments(&listed.0, &listed.1)).await?;
    let mut walks = Walks::new(memory)?;
    for NeededSegment { place, segment } in needed {
        let movie = Arc::clone(movie);
        let walking = file.run_in_pool(move |open| {
            let walked = movie.tracks[place].read_segment(&open.blocking_reader(), segment)?;
            // The samples are of this state of the file, or of none.
            open.check()?;
            Ok::<_, ReadError>(walked.unwrap_or_default())
        });
        walks.push(walking.await??, memory)?;
        if walks.bytes > MEMORY_MAX_BYTES {
            return Ok(Err(ClipRefused::TooLong));
        }
    }
    Ok(Ok(walks))
}
