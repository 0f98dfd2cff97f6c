//! Joins encoded chunks into one rendition, and checks it before it is written.

use std::{
    fs::File,
    io::{self, Write as _},
    num::NonZeroU32,
    path::Path,
};

use super::chunks::{Chunk, ChunkPlan};
use crate::{
    extent::{ReadAt, ReadError, disk::PlainFile},
    movie::{Movie, MovieRefused, Track},
    package::concat::{self, EncodedChunk, JoinError, TimeRange},
};

/// One frame of so many may be lost: a damaged title is decoded as far as possible.
const FRAMES_PER_LOST_FRAME: u32 = 50;

/// Why chunks cannot become a rendition. Chunks are numbered from 1.
#[derive(Debug, thiserror::Error)]
pub enum RenditionError {
    /// The number of chunks is wrong.
    #[error("there are {found} chunks instead of {expected}")]
    Chunks {
        /// The number of files.
        found: usize,
        /// The planned number.
        expected: usize,
    },
    /// A chunk is no valid movie.
    #[error("chunk {number}: {reason}")]
    InvalidChunk {
        /// The chunk.
        number: usize,
        /// The reason.
        reason: MovieRefused,
    },
    /// A chunk has too many or too few frames.
    #[error("chunk {number} has {found} frames instead of {expected}")]
    Frames {
        /// The chunk.
        number: usize,
        /// Its frames.
        found: u32,
        /// The planned number.
        expected: u32,
    },
    /// The chunks cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The joined chunks are no valid movie.
    #[error("the joined chunks are not a valid movie: {0}")]
    InvalidRendition(MovieRefused),
    /// The rendition has other segments than the title.
    #[error(
        "the rendition has {found} segments and the title {expected}; segment {number} starts at \
         another time"
    )]
    Segments {
        /// The segments of the rendition.
        found: usize,
        /// The segments of the title.
        expected: usize,
        /// The first that differs, from 1.
        number: usize,
    },
    /// The job was stopped.
    #[error("stopped")]
    Stopped,
    /// A chunk cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A chunk cannot be opened, or the rendition cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A joined rendition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Joined {
    /// The length of its file, in bytes.
    pub bytes: u64,
    /// Its frames.
    pub frames: u64,
    /// Frames of the title that could not be decoded.
    pub lost: u64,
}

/// Checks that a file is chunk `number` of the plan, counted from 1: so that a worker can repeat it at
/// once, perhaps [from the previous key frame](super::encode::DecodeStart::PreviousKeyFrame). Returns the
/// number of frames that could not be decoded.
///
/// # Errors
/// If it is not that chunk.
pub fn check(
    plan: &ChunkPlan,
    number: usize,
    grid_ms: NonZeroU32,
    file: &Path,
) -> Result<u32, RenditionError> {
    let expected = plan.chunks.len();
    let planned = number
        .checked_sub(1)
        .and_then(|index| plan.chunks.get(index))
        .ok_or(RenditionError::Chunks { found: number, expected })?;
    open(number, planned, grid_ms, PlainFile::open(file)?).map(|(_, lost)| lost)
}

/// Opens a chunk. Also returns the number of lost frames.
fn open<R: ReadAt>(
    number: usize,
    planned: &Chunk,
    grid_ms: NonZeroU32,
    file: R,
) -> Result<(EncodedChunk<R>, u32), RenditionError> {
    let movie = Movie::read(&file, grid_ms)?
        .map_err(|reason| RenditionError::InvalidChunk { number, reason })?;
    let found = movie.tracks.iter().find(|track| track.is_video()).map_or(0, count_frames);
    let expected = match planned.frames {
        // Not counted: the chunk was checked when it was made.
        0 => found,
        planned => planned,
    };
    let lost = expected
        .checked_sub(found)
        .filter(|lost| *lost <= expected / FRAMES_PER_LOST_FRAME)
        .ok_or(RenditionError::Frames { number, found, expected })?;
    Ok((EncodedChunk { movie, file, first: planned.first }, lost))
}

/// Joins the files of all chunks of a title, in order, into the file `output`, and syncs it to the disk.
/// Segments of the title start on a grid of `grid_ms`. `on_progress` gets the number of written bytes,
/// and returns whether to continue.
///
/// Blocks on the disk. Takes some tens of bytes of memory for each frame.
///
/// # Errors
/// If the rendition would not have the frames or the segments of the title, before anything is written;
/// or on a disk error.
pub fn join<R: ReadAt>(
    plan: &ChunkPlan,
    grid_ms: NonZeroU32,
    files: impl ExactSizeIterator<Item = R>,
    output: &Path,
    on_progress: impl FnMut(u64) -> bool,
) -> Result<Joined, RenditionError> {
    let (found, expected) = (files.len(), plan.chunks.len());
    if found != expected {
        return Err(RenditionError::Chunks { found, expected });
    }
    let mut chunks = Vec::new();
    let mut lost = 0;
    for (number, (file, planned)) in (1..).zip(files.zip(&plan.chunks)) {
        let (chunk, lost_frames) = open(number, planned, grid_ms, file)?;
        lost += u64::from(lost_frames);
        chunks.push(chunk);
    }
    let range = TimeRange { timescale: plan.timescale, from: plan.from, until: plan.until };
    let joined = concat::join(&chunks, range)?;
    let movie = Movie::read(&joined, grid_ms)?.map_err(RenditionError::InvalidRendition)?;
    check_segments(plan, movie.tracks.first())?;
    let mut file = File::create(output)?;
    if !joined.copy_to(&mut file, on_progress)? {
        return Err(RenditionError::Stopped);
    }
    file.flush()?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    Ok(Joined { bytes, frames: joined.frames().into(), lost })
}

/// Checks that segments start at the same times, to the tick, since both have the same timescale: then a
/// player can switch between the title and its rendition at every segment.
fn check_segments(plan: &ChunkPlan, track: Option<&Track>) -> Result<(), RenditionError> {
    let expected: Vec<i64> = plan.segments().collect();
    let found = track.map_or(&[][..], |track| &track.index.segments);
    let pairs = || expected.iter().zip(found);
    let has_same_count = found.len() == expected.len();
    match pairs().position(|(time, segment)| segment.start != *time) {
        None if has_same_count => Ok(()),
        index => Err(RenditionError::Segments {
            found: found.len(),
            expected: expected.len(),
            number: index.unwrap_or(pairs().len()) + 1,
        }),
    }
}

fn count_frames(track: &Track) -> u32 {
    track.sample_count().unwrap_or(0)
}
