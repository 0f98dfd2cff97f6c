//! Concatenates encoded chunks, each a movie, into one movie without a seam.
//!
//! The encoder of a title knows when the first frame of each chunk is presented, and the chunk gives the
//! times of the others. So all presentation times are known to the tick. Decode times are computed again
//! from them: in each chunk they start at zero, and they would overlap between chunks with frames of
//! unequal duration.
//!
//! The bytes of the samples are not copied before the movie is written.

mod timing;

use std::{
    io::{self, Write},
    num::NonZeroU32,
    ops::Range,
};

use bytes::Bytes;

use super::{
    boxes::Writer,
    clip::{self, Cut, Part},
    tables::Tables,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{Movie, Sample, Track, children},
};
use timing::Timing;

/// The offset of the boxes within a visual sample entry (ISO/IEC 14496-12 section 12.1.3).
const ENTRY_BOXES: usize = 86;

/// The encoder's name (`compressorname`) within it.
const COMPRESSOR_NAME: Range<usize> = 50..82;

/// The size of the copy buffer.
const COPY_BYTES: usize = 256 * 1024;

/// An encoded chunk.
#[derive(Debug)]
pub struct EncodedChunk<R> {
    /// Its index.
    pub movie: Movie,
    /// Its file.
    pub file: R,
    /// When its first frame is presented in the title, in ticks.
    pub first: i64,
}

/// The presentation time of a title.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeRange {
    /// Ticks per second, of the title and of all chunks.
    pub timescale: NonZeroU32,
    /// The start, in ticks: a frame that is presented before is visible from then on.
    pub from: i64,
    /// The end, in ticks.
    pub until: i64,
}

/// Why chunks cannot be joined. Chunks are numbered from 1.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The chunks have no frames.
    #[error("the rendition has no frames")]
    Empty,
    /// A chunk has no video, or its index is damaged.
    #[error("chunk {0} is incomplete")]
    Incomplete(usize),
    /// A chunk has another timescale.
    #[error("chunk {0} has another timescale")]
    OtherTimescale(usize),
    /// A chunk has another sample description than the first.
    #[error("chunk {0} has another codec configuration than the first")]
    OtherConfiguration(usize),
    /// A chunk ends after the start of the next one.
    #[error("chunk {0} overlaps the next one")]
    Overlap(usize),
    /// Too many frames to join, or times out of range.
    #[error("the rendition is too long to be joined")]
    TooLong,
    /// A chunk cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A joined movie, which can be read as one file.
#[derive(Debug)]
pub struct JoinedMovie<'a, R> {
    header: Bytes,
    /// The chunk and range of each run of samples, and where it ends in the joined file.
    media: Vec<(&'a R, Range<u64>, u64)>,
    frames: u32,
}

/// Joins chunks in order of presentation.
pub fn join<R: ReadAt>(
    chunks: &[EncodedChunk<R>],
    range: TimeRange,
) -> Result<JoinedMovie<'_, R>, JoinError> {
    let tracks = video_tracks(chunks, range.timescale)?;
    let first = tracks.first().ok_or(JoinError::Empty)?;
    let timing = Timing::new(chunks, &tracks)?;
    let entry = normalize_entry(&first.entry.entry);
    let mut tables = Tables::with_raise(0, entry.len());
    let mut chunk_offset = 0_u64;
    for (index, (chunk, track)) in chunks.iter().zip(&tracks).enumerate() {
        let shift = timing.shifts[index];
        for_each_sample(track, &chunk.file, index, |sample| {
            let number = usize::try_from(tables.samples()).map_err(|_| JoinError::TooLong)?;
            let dts = timing.decode_time(number);
            let presented = timing.presentation_time(track, &sample, shift)?;
            let duration = match number + 1 == timing.presented.len() {
                true => range.until.saturating_sub(presented).max(timing.usual_duration),
                false => timing.decode_time(number + 1).saturating_sub(dts),
            };
            tables.add(&Sample {
                offset: chunk_offset.checked_add(sample.offset).ok_or(JoinError::TooLong)?,
                dts,
                duration: u32::try_from(duration).map_err(|_| JoinError::TooLong)?,
                composition: i32::try_from(presented.saturating_sub(dts))
                    .map_err(|_| JoinError::TooLong)?,
                ..sample
            });
            Ok(())
        })?;
        chunk_offset = chunk_offset.checked_add(chunk.file.len()).ok_or(JoinError::TooLong)?;
    }
    let first_presented = *timing.presented.first().ok_or(JoinError::Empty)?;
    let from = first_presented.max(range.from).max(0);
    let duration = range.until.checked_sub(from).filter(|duration| *duration > 0);
    let mut track = Track::clone(first);
    track.entry.entry = entry;
    let frames = tables.samples();
    let cut = Cut {
        tables,
        media_time: from.saturating_sub(timing.decode_time(0)),
        duration: duration.ok_or(JoinError::Empty)?.unsigned_abs(),
        delay: from.unsigned_abs(),
    };
    let layout = clip::write(vec![Part { track: &track, cut }]);
    let header = layout.header().clone();
    let media = layout.media().iter().map(|placed| placed.range);
    let media = map_to_chunks(chunks, header.len() as u64, media);
    Ok(JoinedMovie { header, media, frames })
}

/// Maps ranges of the concatenated chunk files to ranges of each file, with their end in the joined
/// movie.
fn map_to_chunks<R: ReadAt>(
    chunks: &[EncodedChunk<R>],
    header_bytes: u64,
    media: impl Iterator<Item = Range<u64>>,
) -> Vec<(&R, Range<u64>, u64)> {
    let mut starts = Vec::new();
    let mut chunks_end = 0;
    for chunk in chunks {
        starts.push(chunks_end);
        chunks_end += chunk.file.len();
    }
    let mut end = header_bytes;
    let mapped = media.map(|range| {
        let index = starts.partition_point(|start| *start <= range.start) - 1;
        end += range.end - range.start;
        let start = starts[index];
        (&chunks[index].file, range.start - start..range.end - start, end)
    });
    mapped.collect()
}

/// The video track of each chunk.
fn video_tracks<R>(
    chunks: &[EncodedChunk<R>],
    timescale: NonZeroU32,
) -> Result<Vec<&Track>, JoinError> {
    let mut tracks: Vec<&Track> = Vec::new();
    for (number, chunk) in (1..).zip(chunks) {
        let track = chunk
            .movie
            .tracks
            .iter()
            .find(|track| track.is_video())
            .filter(|track| track.index.fault.is_none())
            .ok_or(JoinError::Incomplete(number))?;
        if track.timescale != timescale {
            return Err(JoinError::OtherTimescale(number));
        }
        let entry = |track: &Track| normalize_entry(&track.entry.entry);
        if tracks.first().is_some_and(|first| entry(first) != entry(track)) {
            return Err(JoinError::OtherConfiguration(number));
        }
        tracks.push(track);
    }
    Ok(tracks)
}

/// A sample entry without its bit rate (`btrt`) and the encoder's name, which may differ between chunks.
fn normalize_entry(entry: &Bytes) -> Bytes {
    let Some(boxes) = entry.get(ENTRY_BOXES..) else {
        return entry.clone();
    };
    let found = children(boxes, &(0..boxes.len() as u64)).unwrap_or_default();
    let mut normalized = Writer::with_capacity(entry.len());
    normalized.bytes(&entry[..COMPRESSOR_NAME.start]);
    normalized.zeros(COMPRESSOR_NAME.len());
    normalized.bytes(&entry[COMPRESSOR_NAME.end..ENTRY_BOXES]);
    let mut end = 0;
    for child in &found {
        let (Ok(start), Ok(stop)) = (usize::try_from(end), usize::try_from(child.body.end)) else {
            return entry.clone();
        };
        if child.kind.0 != *b"btrt" {
            normalized.bytes(&boxes[start..stop]);
        }
        end = child.body.end;
    }
    let Ok(size) = u32::try_from(normalized.len()) else {
        return entry.clone();
    };
    normalized.patch(0, size);
    normalized.into_bytes().into()
}

/// Calls a function for each sample of chunk `index`.
fn for_each_sample<R: ReadAt>(
    track: &Track,
    file: &R,
    index: usize,
    mut on_sample: impl FnMut(Sample) -> Result<(), JoinError>,
) -> Result<(), JoinError> {
    if track.index.segments.is_empty() {
        return Err(JoinError::Incomplete(index + 1));
    }
    let mut walk = track.walk_from(file, 0);
    while let Some(sample) = walk.next_sample()? {
        on_sample(sample)?;
    }
    Ok(())
}

impl<R: ReadAt> JoinedMovie<'_, R> {
    /// The number of frames.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// Copies the movie, some hundred KiB at a time. `on_progress` gets the number of copied bytes and
    /// returns whether to continue. Returns whether the copy is complete.
    ///
    /// # Errors
    /// If a chunk cannot be read or the copy cannot be written.
    pub fn copy_to(
        &self,
        output: &mut impl Write,
        mut on_progress: impl FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut offset = 0;
        while offset < self.len() {
            if !on_progress(offset) {
                return Ok(false);
            }
            let left = usize::try_from(self.len() - offset).unwrap_or(usize::MAX);
            let part = &mut buffer[..left.min(COPY_BYTES)];
            self.read_exact_at(offset, part).map_err(io::Error::other)?;
            output.write_all(part)?;
            offset += part.len() as u64;
        }
        Ok(true)
    }
}

impl<R: ReadAt> ReadAt for JoinedMovie<'_, R> {
    fn len(&self) -> u64 {
        self.media.last().map_or(self.header.len() as u64, |(.., end)| *end)
    }

    fn read_exact_at(&self, mut offset: u64, mut into: &mut [u8]) -> Result<(), ReadError> {
        while !into.is_empty() {
            let read = if offset < self.header.len() as u64 {
                let header = &self.header[usize::try_from(offset).expect("it is in memory")..];
                let read = header.len().min(into.len());
                into[..read].copy_from_slice(&header[..read]);
                read
            } else {
                let index = self.media.partition_point(|(.., end)| *end <= offset);
                let (file, range, end) = self.media.get(index).ok_or(ReadError::Truncated)?;
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
