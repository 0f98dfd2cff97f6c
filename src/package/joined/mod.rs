//! Pieces of a film, each a movie by itself, as one movie without a seam.
//!
//! Whoever encodes a film in pieces knows when the first picture of each is shown; when all others are
//! is told by the pieces. So the times of all pictures are known to a tick, and the times of decoding
//! are made anew from them: those that the pieces have begin anew with each, and would overlap at a
//! seam where pictures last unequally long.
//!
//! The bytes of the pictures stay where they are until somebody copies them.

mod times;

use std::{
    io::{self, Write},
    num::NonZeroU32,
    ops::Range,
};

use bytes::Bytes;

use super::{
    boxes::Writer,
    clip::{self, Part, VirtualMovie},
    tables::Tables,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Movie, Sample, Track, children},
};
use times::Times;

/// Where the boxes of a visual sample entry begin (ISO/IEC 14496-12 section 12.1.3), and where in front
/// of them the name of the encoder stands.
const ENTRY_BOXES: usize = 86;
const ENCODER: Range<usize> = 50..82;

/// How much is copied at a time, in bytes.
const COPY_BYTES: usize = 256 * 1024;

/// One piece.
#[derive(Debug)]
pub struct Chunk<R> {
    /// Its index.
    pub movie: Movie,
    /// Its file.
    pub file: R,
    /// When its first picture is shown in the film, in ticks.
    pub first: i64,
}

/// When a film is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shown {
    /// Ticks per second, of the film and of all pieces.
    pub timescale: NonZeroU32,
    /// From when on, in ticks: a picture that begins before is seen from then on.
    pub from: i64,
    /// Until when, in ticks.
    pub until: i64,
}

/// Why pieces cannot be joined. Pieces are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum JoinRefused {
    /// There is nothing to join.
    #[error("there is no picture in it")]
    Empty,
    /// One has no pictures, or not all that it tells of.
    #[error("piece {0} is not whole")]
    NotWhole(usize),
    /// One counts time in other ticks.
    #[error("piece {0} counts time in other ticks")]
    OtherTicks(usize),
    /// One is coded in another way than the first.
    #[error("piece {0} is coded in another way than the first")]
    OtherCoding(usize),
    /// One is not over when the next begins.
    #[error("piece {0} is not over when the next begins")]
    Overlaps(usize),
    /// There are more pictures than can be joined, or times beyond what can be written.
    #[error("it is too long to be joined")]
    TooLong,
    /// A piece cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A joined movie. It can be read as one file, and copied into one.
#[derive(Debug)]
pub struct Joined<'a, R> {
    front: Bytes,
    /// Which piece's bytes follow, and where they end in the joined file.
    media: Vec<(&'a R, Range<u64>, u64)>,
    pictures: u32,
}

/// Joins pieces, which are told in the order in which they are shown.
pub fn join<R: ReadAt>(pieces: &[Chunk<R>], shown: Shown) -> Result<Joined<'_, R>, JoinRefused> {
    let tracks = tracks(pieces, shown.timescale)?;
    let first = tracks.first().ok_or(JoinRefused::Empty)?;
    let entry = without_bit_rate(&first.entry.entry);
    let times = Times::of(pieces, &tracks)?;
    let mut tables = Tables::with_raise(0, entry.len());
    let mut before = 0_u64;
    for (place, (piece, track)) in pieces.iter().zip(&tracks).enumerate() {
        let later = times.offsets[place];
        each_sample(track, &piece.file, place, |sample| {
            let number = usize::try_from(tables.samples()).map_err(|_| JoinRefused::TooLong)?;
            let dts = times.decoded(number);
            let presented = times.presented(track, &sample, later)?;
            let next = times.decoded(number + 1);
            let lasts = match number + 1 == times.shown.len() {
                true => shown.until.saturating_sub(presented).max(times.usual),
                false => next.saturating_sub(dts),
            };
            let offset = before.checked_add(sample.offset).ok_or(JoinRefused::TooLong)?;
            tables.add(&Sample {
                offset,
                dts,
                duration: u32::try_from(lasts).map_err(|_| JoinRefused::TooLong)?,
                composition: i32::try_from(presented.saturating_sub(dts))
                    .map_err(|_| JoinRefused::TooLong)?,
                ..sample
            });
            Ok(())
        })?;
        before = before.checked_add(piece.file.len()).ok_or(JoinRefused::TooLong)?;
    }
    let begins = *times.shown.first().ok_or(JoinRefused::Empty)?;
    let from = begins.max(shown.from).max(0);
    let lasts = shown.until.checked_sub(from).filter(|lasts| *lasts > 0);
    let mut track = Track::clone(first);
    track.entry.entry = entry;
    let pictures = tables.samples();
    let part = Part {
        track: &track,
        tables,
        media_time: from.saturating_sub(times.decoded(0)),
        duration: lasts.ok_or(JoinRefused::Empty)?.unsigned_abs(),
        delay: from.unsigned_abs(),
    };
    let VirtualMovie { header: front, media } = clip::write(vec![part]);
    Ok(Joined {
        front: front.concat().into(),
        pictures,
        media: placed(pieces, front_len(&front), media),
    })
}

fn front_len(front: &[Vec<u8>]) -> u64 {
    front.iter().map(|made| made.len() as u64).sum()
}

/// Ranges of all pieces in a row as ranges of each, and where they end behind `front` bytes.
fn placed<R: ReadAt>(
    pieces: &[Chunk<R>],
    front: u64,
    media: Vec<Range<u64>>,
) -> Vec<(&R, Range<u64>, u64)> {
    let mut starts = Vec::new();
    let mut end = 0;
    for piece in pieces {
        starts.push(end);
        end += piece.file.len();
    }
    let mut end = front;
    let placed = media.into_iter().map(|range| {
        let place = starts.partition_point(|start| *start <= range.start) - 1;
        end += range.end - range.start;
        let start = starts[place];
        (&pieces[place].file, range.start - start..range.end - start, end)
    });
    placed.collect()
}

/// The pictures of each piece.
fn tracks<R>(pieces: &[Chunk<R>], timescale: NonZeroU32) -> Result<Vec<&Track>, JoinRefused> {
    let mut tracks: Vec<&Track> = Vec::new();
    for (number, piece) in (1..).zip(pieces) {
        let track = piece.movie.tracks.iter().find(|track| track.is_video());
        let track = track.filter(|track| track.index.fault.is_none());
        let track = track.ok_or(JoinRefused::NotWhole(number))?;
        if track.timescale != timescale {
            return Err(JoinRefused::OtherTicks(number));
        }
        let coding = |track: &Track| without_bit_rate(&track.entry.entry);
        if tracks.first().is_some_and(|first| coding(first) != coding(track)) {
            return Err(JoinRefused::OtherCoding(number));
        }
        tracks.push(track);
    }
    Ok(tracks)
}

/// A sample entry without what is true of one piece only: its bit rate, and the version of the encoder.
fn without_bit_rate(entry: &Bytes) -> Bytes {
    let Some(boxes) = entry.get(ENTRY_BOXES..) else {
        return entry.clone();
    };
    let found = children(boxes, &(0..boxes.len() as u64)).unwrap_or_default();
    let mut made = Writer::with_capacity(entry.len());
    made.bytes(&entry[..ENCODER.start]);
    made.zeros(ENCODER.len());
    made.bytes(&entry[ENCODER.end..ENTRY_BOXES]);
    let mut end = 0;
    for child in &found {
        let (Ok(start), Ok(stop)) = (usize::try_from(end), usize::try_from(child.body.end)) else {
            return entry.clone();
        };
        if child.kind.0 != *b"btrt" {
            made.bytes(&boxes[start..stop]);
        }
        end = child.body.end;
    }
    let Ok(size) = u32::try_from(made.len()) else {
        return entry.clone();
    };
    made.patch(0, size);
    made.into_bytes().into()
}

/// Hands out the samples of a piece, which are all that it has.
fn each_sample<R: ReadAt>(
    track: &Track,
    file: &R,
    place: usize,
    mut take: impl FnMut(Sample) -> Result<(), JoinRefused>,
) -> Result<(), JoinRefused> {
    let segment = track.index.segments.first().ok_or(JoinRefused::NotWhole(place + 1))?;
    let mut walk = track.walk(file, segment);
    while let Some(sample) = walk.next_sample()? {
        take(sample.map_err(|_| JoinRefused::NotWhole(place + 1))?)?;
    }
    Ok(())
}

impl<R: ReadAt> Joined<'_, R> {
    /// How many pictures it has.
    pub fn pictures(&self) -> u32 {
        self.pictures
    }

    /// Copies it, some hundred KiB at a time. `go_on` is told how much has been copied, and says whether
    /// to go on. Returns whether all of it was copied.
    ///
    /// # Errors
    /// If a piece cannot be read or the copy cannot be written.
    pub fn copy(
        &self,
        into: &mut impl Write,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut at = 0;
        while at < self.len() {
            if !go_on(at) {
                return Ok(false);
            }
            let left = usize::try_from(self.len() - at).unwrap_or(usize::MAX);
            let part = &mut buffer[..left.min(COPY_BYTES)];
            self.read_exact_at(at, part).map_err(io::Error::other)?;
            into.write_all(part)?;
            at += part.len() as u64;
        }
        Ok(true)
    }
}

impl<R: ReadAt> ReadAt for Joined<'_, R> {
    fn len(&self) -> u64 {
        self.media.last().map_or(self.front.len() as u64, |(.., end)| *end)
    }

    fn read_exact_at(&self, mut offset: u64, mut into: &mut [u8]) -> Result<(), ReadError> {
        while !into.is_empty() {
            let front = self.front.len() as u64;
            let read = if offset < front {
                let front = &self.front[usize::try_from(offset).expect("it is in memory")..];
                let read = front.len().min(into.len());
                into[..read].copy_from_slice(&front[..read]);
                read
            } else {
                let place = self.media.partition_point(|(.., end)| *end <= offset);
                let (file, range, end) = self.media.get(place).ok_or(ReadError::Truncated)?;
                let left = end - offset;
                let read = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                file.read_exact_at(range.end - left, &mut into[..read])?;
                read
            };
            offset += read as u64;
            into = &mut into[read..];
        }
        Ok(())
    }
}
