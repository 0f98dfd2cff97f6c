//! Pieces that were encoded, as one rendition that joins its film: checked before it is written.

use std::{
    fs::File,
    io::{self, Write as _},
    num::NonZeroU32,
    path::Path,
};

use super::chunks::{Chunk as Planned, Chunks};
use crate::{
    extent::{ReadError, disk::PlainFile},
    movie::{Movie, MovieRefused, Track},
    package::joined::{self, Chunk, JoinRefused, Shown},
};

/// Of so many pictures, one may be lost: a damaged film is decoded as far as it goes.
const PICTURES_FOR_ONE_LOST: u32 = 50;

/// Why pieces do not make a rendition. Pieces are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum NoRendition {
    /// There are not as many pieces as the film was cut into.
    #[error("there are {found} pieces instead of {expected}")]
    Chunks {
        /// Those that were given.
        found: usize,
        /// Those that there should be.
        expected: usize,
    },
    /// A piece is no movie.
    #[error("piece {number}: {why}")]
    NoMovie {
        /// Which.
        number: usize,
        /// Why not.
        why: MovieRefused,
    },
    /// A piece has too many pictures, or too few.
    #[error("piece {number} has {found} pictures instead of {expected}")]
    VideoTrack {
        /// Which.
        number: usize,
        /// As many as it has.
        found: u32,
        /// As many as it should have.
        expected: u32,
    },
    /// The pieces cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinRefused),
    /// What comes of them is no movie.
    #[error("what was joined is no movie: {0}")]
    Joined(MovieRefused),
    /// What comes of them is not cut where the film is.
    #[error(
        "its segments are not those of the film: {found} instead of {expected}, and the first that \
         begins elsewhere is {number}"
    )]
    OtherSegments {
        /// As many as it has.
        found: usize,
        /// As many as the film has.
        expected: usize,
        /// Which begins at another time, from 1.
        number: usize,
    },
    /// It was not to go on.
    #[error("it was stopped")]
    Stopped,
    /// A piece cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A piece cannot be opened, or the rendition not written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What has come of the pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rendition {
    /// The length of its file, in bytes.
    pub bytes: u64,
    /// Its pictures.
    pub pictures: u64,
    /// How many of the film's could not be decoded.
    pub lost: u64,
}

/// Looks whether a file is the piece of a film that is the `number`th, counted from 1: so a worker knows
/// at once that it has to be done again, [from further before](super::encode::Start::Earlier) perhaps.
/// Returns how many of its pictures could not be decoded.
///
/// # Errors
/// If it is not.
pub fn check(
    film: &Chunks,
    number: usize,
    grid_ms: NonZeroU32,
    file: &Path,
) -> Result<u32, NoRendition> {
    let planned = number.checked_sub(1).and_then(|place| film.pieces.get(place));
    let expected = film.pieces.len();
    let planned = planned.ok_or(NoRendition::Chunks { found: number, expected })?;
    open(number, planned, grid_ms, file).map(|(_, missing)| missing)
}

/// Opens a piece. Returns how many pictures are missing, too.
fn open(
    number: usize,
    planned: &Planned,
    grid_ms: NonZeroU32,
    path: &Path,
) -> Result<(Chunk<PlainFile>, u32), NoRendition> {
    let file = PlainFile::open(path)?;
    let movie = Movie::read(&file, grid_ms)?;
    let movie = movie.map_err(|why| NoRendition::NoMovie { number, why })?;
    let found = movie.tracks.iter().find(|track| track.is_video()).map_or(0, pictures);
    let expected = planned.pictures;
    let missing = expected.checked_sub(found);
    let missing = missing.filter(|missing| *missing <= expected / PICTURES_FOR_ONE_LOST);
    let missing = missing.ok_or(NoRendition::VideoTrack { number, found, expected })?;
    Ok((Chunk { movie, file, first: planned.first }, missing))
}

/// Joins the files of all pieces of a film, in their order, into the file `output`, which is on the disk
/// when this returns. Segments of the film begin on a grid of so many milliseconds. `go_on` is told how
/// many bytes of the file are there, and says whether to go on.
///
/// Waits for the disk. Takes some tens of bytes in memory for each picture.
///
/// # Errors
/// If what would come of the pieces has not the pictures or not the segments of the film, before anything
/// is written; and if the disk says so.
pub fn join(
    film: &Chunks,
    grid_ms: NonZeroU32,
    files: &[impl AsRef<Path>],
    output: &Path,
    go_on: impl FnMut(u64) -> bool,
) -> Result<Rendition, NoRendition> {
    let (found, expected) = (files.len(), film.pieces.len());
    if found != expected {
        return Err(NoRendition::Chunks { found, expected });
    }
    let mut pieces = Vec::new();
    let mut lost = 0;
    for (number, (path, planned)) in (1..).zip(files.iter().zip(&film.pieces)) {
        let (piece, missing) = open(number, planned, grid_ms, path.as_ref())?;
        lost += u64::from(missing);
        pieces.push(piece);
    }
    let shown = Shown { timescale: film.timescale, from: film.from, until: film.until };
    let joined = joined::join(&pieces, shown)?;
    let movie = Movie::read(&joined, grid_ms)?.map_err(NoRendition::Joined)?;
    is_cut_alike(film, movie.tracks.first())?;
    let mut file = File::create(output)?;
    if !joined.copy(&mut file, go_on)? {
        return Err(NoRendition::Stopped);
    }
    file.flush()?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    Ok(Rendition { bytes, pictures: joined.pictures().into(), lost })
}

/// A player can change between a film and its rendition wherever a segment begins, if they begin at the
/// same times: to a tick, since ticks are the same.
fn is_cut_alike(film: &Chunks, track: Option<&Track>) -> Result<(), NoRendition> {
    let expected: Vec<i64> = film.segments().collect();
    let found = track.map_or(&[][..], |track| &track.index.segments);
    let pairs = || expected.iter().zip(found);
    let is_equal = found.len() == expected.len();
    match pairs().position(|(time, segment)| segment.start != *time) {
        None if is_equal => Ok(()),
        place => Err(NoRendition::OtherSegments {
            found: found.len(),
            expected: expected.len(),
            number: place.unwrap_or(pairs().len()) + 1,
        }),
    }
}

fn pictures(track: &Track) -> u32 {
    let first = track.index.segments.first().map_or(0, |segment| segment.first_sample);
    track.index.end_sample.saturating_sub(first)
}
