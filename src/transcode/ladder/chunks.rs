//! A film in pieces that are encoded each by itself: where they begin, and what has to be in each.
//!
//! Pieces begin where segments of the film begin, so with a key frame, and key frames are wherever
//! segments begin and nowhere else: then the rendition has the segments of the film. All times are the
//! film's, in the ticks of its track, and exact.

use std::num::{NonZeroU32, NonZeroU64};

use serde::{Deserialize, Serialize};

use crate::{
    extent::{ReadAt, ReadError},
    movie::Track,
};

/// The most key frames of a piece that are forced: their times stand in one argument, and one may have
/// 128 KiB (`MAX_ARG_STRLEN` of Linux).
const KEY_FRAMES_MAX: usize = 4096;

/// A film and its pieces.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Chunks {
    /// The identifier of its track in the file.
    pub track: u32,
    /// Ticks per second.
    pub timescale: NonZeroU32,
    /// What is added to the times in the file to have the film's: what its edit list says.
    pub shift: i64,
    /// From when on the film is shown.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// The pieces in their order; there is one at least.
    pub pieces: Vec<Chunk>,
}

/// One piece: all pictures that are shown from `first` on and before `end`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Chunk {
    /// When its first picture is shown. In the first piece that may be before the film begins: what is
    /// seen at its beginning began earlier.
    pub first: i64,
    /// When the next piece begins, or the film ends.
    pub end: i64,
    /// How many pictures there are, if each can be decoded.
    pub pictures: u32,
    /// When segments begin in it, but for the first picture.
    pub key_frames: Vec<i64>,
    /// Where in the file a reader has to look for where decoding begins: a time from that of its key
    /// frame on, and before the next one. `None` for the beginning of the file.
    pub seek: Option<i64>,
    /// The same of the key frame before, for decoders that lose pictures where they begin.
    pub seek_earlier: Option<i64>,
}

impl Chunks {
    /// Cuts the pictures of a film into pieces that last about so many milliseconds. Looks at all samples
    /// of the track once.
    ///
    /// # Errors
    /// If the file cannot be read, or is not what it was when its index was made.
    pub fn of<R: ReadAt + ?Sized>(
        track: &Track,
        reader: &R,
        piece_ms: NonZeroU64,
    ) -> Result<Self, ReadError> {
        let mut pieces = cut(track, piece_ms);
        let counted = count(track, reader, &mut pieces)?;
        // What is seen when the film begins.
        if let (Some(piece), Some(first)) = (pieces.first_mut(), counted) {
            piece.first = first;
        }
        let pieces = merge(pieces);
        Ok(Self {
            track: track.id,
            timescale: track.timescale,
            shift: track.timeline.shift,
            from: track.timeline.from,
            until: track.index.end,
            pieces,
        })
    }

    /// When the segments of the film begin.
    pub fn segments(&self) -> impl Iterator<Item = i64> {
        let of_piece = |piece: &Chunk| [piece.first].into_iter().chain(piece.key_frames.clone());
        // What is seen at the beginning may have begun before.
        self.pieces.iter().flat_map(of_piece).map(|time| time.max(self.from))
    }

    /// How many pictures the film has.
    pub fn pictures(&self) -> u64 {
        self.pieces.iter().map(|piece| u64::from(piece.pictures)).sum()
    }
}

/// Pieces of about equally many segments each, of which nothing is counted yet.
fn cut(track: &Track, piece_ms: NonZeroU64) -> Vec<Chunk> {
    let segments = &track.index.segments;
    let Some(first) = segments.first() else {
        return Vec::new();
    };
    let lasts = i128::from(track.index.end) - i128::from(first.start);
    let piece_ticks = i128::from(piece_ms.get()) * i128::from(track.timescale.get());
    // Rounded: a film of 80 s is better one piece of 80 s than two of 40 s.
    let count = ((lasts * 1000 + piece_ticks / 2) / piece_ticks).max(1);
    let mut pieces: Vec<Chunk> = Vec::new();
    let mut next = 0;
    for segment in segments {
        let since = i128::from(segment.start) - i128::from(first.start);
        let is_full = |piece: &Chunk| piece.key_frames.len() >= KEY_FRAMES_MAX;
        if since * count >= next * lasts || pieces.last().is_some_and(is_full) {
            next = since * count / lasts.max(1) + 1;
            if let Some(last) = pieces.last_mut() {
                last.end = segment.start;
            }
            pieces.push(Chunk {
                first: segment.start,
                end: track.index.end,
                pictures: 0,
                key_frames: Vec::new(),
                seek: None,
                seek_earlier: None,
            });
        } else if let Some(last) = pieces.last_mut() {
            last.key_frames.push(segment.start);
        }
    }
    pieces
}

/// Pieces that decoding cannot begin with belong to those before: a segment may begin without a key
/// frame when there is none for very long.
fn merge(pieces: Vec<Chunk>) -> Vec<Chunk> {
    let mut merged: Vec<Chunk> = Vec::new();
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if piece.seek.is_none() => {
                last.end = piece.end;
                last.pictures = last.pictures.saturating_add(piece.pictures);
                last.key_frames.push(piece.first);
                last.key_frames.extend(piece.key_frames);
            }
            _ => merged.push(piece),
        }
    }
    merged
}

/// Counts the pictures of each piece, and finds where decoding begins for each. Returns when the picture
/// is shown that is seen first of all.
fn count<R: ReadAt + ?Sized>(
    track: &Track,
    reader: &R,
    pieces: &mut [Chunk],
) -> Result<Option<i64>, ReadError> {
    let Some(segment) = track.index.segments.first() else {
        return Ok(None);
    };
    let (from, until) = (track.timeline.from, track.index.end);
    let raise = i64::from(track.index.raise);
    let mut walk = track.walk(reader, segment);
    // Pictures that are shown before the first key frame refer to what is not there.
    let mut decodable = None;
    let mut seen: Option<i64> = None;
    // The last key frame: the piece that it begins, and when it is shown.
    let mut key_frame = None;
    for _ in segment.first_sample..track.index.end_sample {
        let Some(Ok(sample)) = walk.next_sample()? else {
            return Err(ReadError::Changed);
        };
        let presented = track.timeline.presented(sample.dts, sample.composition);
        let raw = presented.saturating_sub(track.timeline.shift);
        let decodable = *decodable.get_or_insert(presented);
        if sample.is_sync {
            let earlier = key_frame.take().map(|(place, shown): (Option<usize>, i64)| {
                // ffmpeg looks for the last key frame that is decoded then or before, and newer versions
                // for the last that is shown, too. It takes what raises offsets off decoding times.
                let next = sample.dts.saturating_sub(raise);
                let seek = shown.min(next.saturating_sub(1));
                if let Some(place) = place {
                    pieces[place].seek = Some(seek);
                }
                seek
            });
            let found = pieces.binary_search_by_key(&presented, |piece| piece.first);
            let place = found.ok().filter(|place| *place > 0);
            if let Some(place) = place {
                (pieces[place].seek, pieces[place].seek_earlier) = (Some(raw), earlier);
            }
            key_frame = Some((place, raw));
        }
        if presented < decodable || presented >= until {
            continue;
        }
        if presented <= from {
            seen = seen.max(Some(presented));
            continue;
        }
        let place = pieces.partition_point(|piece| piece.first <= presented);
        // One that is not behind the first piece's beginning is in it all the same.
        if let Some(piece) = pieces.get_mut(place.saturating_sub(1)) {
            piece.pictures = piece.pictures.saturating_add(1);
        }
    }
    if let (Some(_), Some(piece)) = (seen, pieces.first_mut()) {
        piece.pictures = piece.pictures.saturating_add(1);
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(first: i64, end: i64, seek: Option<i64>) -> Chunk {
        Chunk { first, end, pictures: 5, key_frames: vec![first + 1], seek, seek_earlier: None }
    }

    #[test]
    fn a_piece_without_a_key_frame_belongs_to_the_one_before() {
        let pieces = [piece(0, 5, None), piece(5, 10, None), piece(10, 15, Some(10))];
        let merged = merge(pieces.to_vec());
        let ends: Vec<_> = merged.iter().map(|piece| (piece.first, piece.end)).collect();
        assert_eq!(ends, [(0, 10), (10, 15)]);
        assert_eq!((merged[0].pictures, &merged[0].key_frames[..]), (10, &[1, 5, 6][..]));
    }
}
