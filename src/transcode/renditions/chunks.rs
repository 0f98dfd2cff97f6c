//! Plans the chunks of a title's video: the start and the frames of each.
//!
//! Chunks start where segments start, so with a key frame. In a chunk, key frames are where segments
//! start and nowhere else: so the rendition has the segments of the title. All times are exact and are
//! those of the title, in ticks of its track.

use std::{
    num::{NonZeroU32, NonZeroU64},
    ops::Range,
};

use serde::{Deserialize, Serialize};

use crate::{
    extent::{ReadAt, ReadError},
    movie::Track,
};

/// The maximum number of forced key frames of a chunk: their times are one argument, which may have 128
/// KiB (`MAX_ARG_STRLEN` of Linux).
const KEY_FRAMES_MAX: usize = 4096;

/// The chunks of a title.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChunkPlan {
    /// The id of the video track in the file.
    pub track: u32,
    /// Ticks per second.
    pub timescale: NonZeroU32,
    /// The difference between the title's times and the timestamps of the file, from the edit list.
    pub shift: i64,
    /// When media is shown, if the edit list does more than shift all samples: then ffmpeg applies it, but
    /// plays media in its gaps as well.
    #[serde(default)]
    pub pieces: Vec<Range<i64>>,
    /// When the title starts.
    pub from: i64,
    /// When it ends.
    pub until: i64,
    /// The chunks in order; at least one.
    pub chunks: Vec<Chunk>,
}

/// One chunk: all frames that are presented from `first` on and before `end`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Chunk {
    /// When its first frame is presented. In the first chunk this may be before the title starts: the
    /// frame that is visible at the start began earlier.
    pub first: i64,
    /// When the next chunk starts, or the title ends.
    pub end: i64,
    /// The number of frames, if all can be decoded; 0 if they were not counted.
    pub frames: u32,
    /// When segments start within the chunk, but for its first frame.
    pub key_frames: Vec<i64>,
    /// The timestamp to seek to: from that of the chunk's key frame on, and before the next key frame.
    /// `None` for the beginning of the file.
    pub seek: Option<i64>,
    /// The same for the previous key frame, for decoders that drop frames where they start.
    pub seek_previous: Option<i64>,
}

impl ChunkPlan {
    /// Cuts a track into chunks of about `chunk_ms`. Reads all samples of the track once, unless the index has not
    /// measured them: then the frames are not counted, and each segment begins with a key frame.
    ///
    /// # Errors
    /// If the file cannot be read, or has changed since it was indexed.
    pub fn new<R: ReadAt + ?Sized>(
        track: &Track,
        reader: &R,
        chunk_ms: NonZeroU64,
    ) -> Result<Self, ReadError> {
        let mut chunks = cut(track, chunk_ms);
        let visible_at_start = match track.index.measured.is_empty() {
            true => {
                seek_to_cuts(&mut chunks);
                None
            }
            false => scan(track, reader, &mut chunks)?,
        };
        if let (Some(chunk), Some(first)) = (chunks.first_mut(), visible_at_start) {
            chunk.first = first;
        }
        Ok(Self {
            track: track.id,
            timescale: track.timescale,
            // ffmpeg applies an edit list of several pieces itself.
            shift: track.file_shift().unwrap_or(0),
            pieces: track.piece_times(),
            from: track.timeline.from,
            until: track.index.end,
            chunks: merge(chunks),
        })
    }

    /// Counts the frames of a chunk, by its place, if that was not done. Reads its samples.
    ///
    /// # Errors
    /// If the file cannot be read, or has changed since it was indexed.
    pub fn count_frames<R: ReadAt + ?Sized>(
        &mut self,
        track: &Track,
        reader: &R,
        place: usize,
    ) -> Result<(), ReadError> {
        let Some(chunk) = self.chunks.get_mut(place).filter(|chunk| chunk.frames == 0) else {
            return Ok(());
        };
        let segment = |time: i64| {
            let after = track.index.segments.partition_point(|segment| segment.start <= time);
            after.saturating_sub(1)
        };
        // Frames that are presented before the end may follow the next key frame.
        let segments = segment(chunk.first)..segment(chunk.end).saturating_add(1);
        let mut walk = track.walk_segments(reader, segments);
        while let Some(sample) = walk.next_sample()? {
            let presented = track.timeline.presented(sample.dts, sample.composition);
            chunk.frames += u32::from((chunk.first..chunk.end).contains(&presented));
        }
        Ok(())
    }

    /// When the segments of the title start.
    pub fn segments(&self) -> impl Iterator<Item = i64> {
        let of_chunk = |chunk: &Chunk| [chunk.first].into_iter().chain(chunk.key_frames.clone());
        // The frame that is visible at the start may have begun before.
        self.chunks.iter().flat_map(of_chunk).map(|time| time.max(self.from))
    }

    /// The number of frames of the title.
    pub fn frames(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.frames)).sum()
    }
}

/// Groups the segments into chunks of about the same duration. Frames and seek times are still unknown.
fn cut(track: &Track, chunk_ms: NonZeroU64) -> Vec<Chunk> {
    let segments = &track.index.segments;
    let Some(first) = segments.first() else {
        return Vec::new();
    };
    let duration = i128::from(track.index.end) - i128::from(first.start);
    let chunk_ticks = i128::from(chunk_ms.get()) * i128::from(track.timescale.get());
    // Rounded: one chunk of 80 s is better than two of 40 s.
    let count = ((duration * 1000 + chunk_ticks / 2) / chunk_ticks).max(1);
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut next = 0;
    for segment in segments {
        let elapsed = i128::from(segment.start) - i128::from(first.start);
        let is_full = |chunk: &Chunk| chunk.key_frames.len() >= KEY_FRAMES_MAX;
        if elapsed * count >= next * duration || chunks.last().is_some_and(is_full) {
            next = elapsed * count / duration.max(1) + 1;
            if let Some(last) = chunks.last_mut() {
                last.end = segment.start;
            }
            chunks.push(Chunk {
                first: segment.start,
                end: track.index.end,
                frames: 0,
                key_frames: Vec::new(),
                seek: None,
                seek_previous: None,
            });
        } else if let Some(last) = chunks.last_mut() {
            last.key_frames.push(segment.start);
        }
    }
    chunks
}

/// Lets each chunk be decoded from where it begins.
fn seek_to_cuts(chunks: &mut [Chunk]) {
    let mut previous = None;
    for chunk in chunks.iter_mut() {
        chunk.seek = Some(chunk.first);
        chunk.seek_previous = previous;
        previous = Some(chunk.key_frames.last().copied().unwrap_or(chunk.first));
    }
}

/// Appends chunks that decoding cannot start with to the chunk before: a segment may start without a key
/// frame when the next key frame is very far away.
fn merge(chunks: Vec<Chunk>) -> Vec<Chunk> {
    let mut merged: Vec<Chunk> = Vec::new();
    for chunk in chunks {
        match merged.last_mut() {
            Some(last) if chunk.seek.is_none() => {
                last.end = chunk.end;
                last.frames = last.frames.saturating_add(chunk.frames);
                last.key_frames.push(chunk.first);
                last.key_frames.extend(chunk.key_frames);
            }
            _ => merged.push(chunk),
        }
    }
    merged
}

/// Counts the frames of each chunk and finds where its decoding starts. Returns when the frame is
/// presented that is visible at the start of the title.
fn scan<R: ReadAt + ?Sized>(
    track: &Track,
    reader: &R,
    chunks: &mut [Chunk],
) -> Result<Option<i64>, ReadError> {
    let (from, until) = (track.timeline.from, track.index.end);
    let raise = i64::from(track.index.raise);
    // Without one shift there is no place in the file to seek to, so that all is one chunk.
    let file_shift = track.file_shift();
    let mut walk = track.walk_from(reader, 0);
    // Frames that are presented before the first key frame refer to missing frames.
    let mut first_decodable = None;
    let mut visible_at_start: Option<i64> = None;
    // The last key frame: the chunk that it starts, and its timestamp.
    let mut key_frame = None;
    while let Some(sample) = walk.next_sample()? {
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let in_file = |time: i64| time.saturating_sub(file_shift.unwrap_or(0));
        let timestamp = in_file(presented);
        let first_decodable = *first_decodable.get_or_insert(presented);
        if sample.is_sync && file_shift.is_some() {
            let previous = key_frame.take().map(|(index, shown): (Option<usize>, i64)| {
                // ffmpeg seeks to the last key frame by decode time, and newer versions also by
                // presentation time. ffmpeg subtracts the raise of composition offsets from decode times.
                let decoded = sample.dts.saturating_add(track.timeline.shift);
                let next = in_file(decoded).saturating_sub(raise);
                let seek = shown.min(next.saturating_sub(1));
                if let Some(index) = index {
                    chunks[index].seek = Some(seek);
                }
                seek
            });
            let found = chunks.binary_search_by_key(&presented, |chunk| chunk.first);
            let index = found.ok().filter(|index| *index > 0);
            if let Some(index) = index {
                (chunks[index].seek, chunks[index].seek_previous) = (Some(timestamp), previous);
            }
            key_frame = Some((index, timestamp));
        }
        if sample.is_hidden || presented < first_decodable || presented >= until {
            continue;
        }
        if presented <= from {
            visible_at_start = visible_at_start.max(Some(presented));
            continue;
        }
        let after = chunks.partition_point(|chunk| chunk.first <= presented);
        // A frame before the start of the first chunk belongs to that chunk.
        if let Some(chunk) = chunks.get_mut(after.saturating_sub(1)) {
            chunk.frames = chunk.frames.saturating_add(1);
        }
    }
    if let (Some(_), Some(chunk)) = (visible_at_start, chunks.first_mut()) {
        chunk.frames = chunk.frames.saturating_add(1);
    }
    Ok(visible_at_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(first: i64, end: i64, seek: Option<i64>) -> Chunk {
        Chunk { first, end, frames: 5, key_frames: vec![first + 1], seek, seek_previous: None }
    }

    #[test]
    fn a_chunk_without_a_key_frame_is_merged_into_the_one_before() {
        let chunks = [chunk(0, 5, None), chunk(5, 10, None), chunk(10, 15, Some(10))];
        let merged = merge(chunks.to_vec());
        let ends: Vec<_> = merged.iter().map(|chunk| (chunk.first, chunk.end)).collect();
        assert_eq!(ends, [(0, 10), (10, 15)]);
        assert_eq!((merged[0].frames, &merged[0].key_frames[..]), (10, &[1, 5, 6][..]));
    }
}
