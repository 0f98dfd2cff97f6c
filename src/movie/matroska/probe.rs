//! The first block of each track.

use super::{
    blocks::{BlockWalk, Step},
    tracks::{Encoding, Kind, TrackEntry},
};
use crate::extent::{ReadAt, ReadError};

/// The most work in search of the first blocks: audio may begin minutes later than video.
const WORK_MAX: u64 = 1 << 15;

/// The most bytes of a first frame that are kept: headers of its codec are in front.
const FRAME_BYTES_MAX: usize = 4096;

/// The most frames that are presented before a key frame and follow it in the file.
const LEADING_MAX: usize = 64;

/// The first block of a track: of video the first key frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct First {
    /// In ticks of the file.
    pub(super) time: i64,
    /// The earliest time of the frames presented before it that follow it in the file.
    pub(super) least: i64,
    /// Offset of its cluster.
    pub(super) cluster: u64,
    /// Whether the block configures the decoder again.
    pub(super) has_codec_state: bool,
    /// The beginning of the first frame, with its stripped header.
    pub(super) frame: Vec<u8>,
}

/// Finds the first block of each of these tracks, from the first cluster on.
pub(super) fn first_blocks<R: ReadAt + ?Sized>(
    source: &R,
    tracks: &[TrackEntry],
    first_cluster: u64,
    end: u64,
) -> Result<Vec<Option<First>>, ReadError> {
    let mut firsts: Vec<Option<First>> = vec![None; tracks.len()];
    let is_wanted = |track: &TrackEntry| matches!(track.kind, Kind::Video | Kind::Audio);
    // Video is done with the first frame that is presented behind the key frame.
    let mut left: Vec<usize> = vec![0; tracks.len()];
    for (left, track) in left.iter_mut().zip(tracks).filter(|(_, track)| is_wanted(track)) {
        *left = if track.kind == Kind::Video { LEADING_MAX } else { 1 };
    }
    let mut walk = BlockWalk::new(source, first_cluster, end, WORK_MAX);
    while left.iter().any(|left| *left > 0)
        && let Some(step) = walk.next()?
    {
        let Step::Block(block) = step else { continue };
        let Some(place) = tracks.iter().position(|track| track.number == block.track) else {
            continue;
        };
        let (track, left) = (&tracks[place], &mut left[place]);
        match &mut firsts[place] {
            None if *left > 0 && (block.is_key || track.kind == Kind::Audio) => {
                let Some(frames) = walk.frames(&block)? else { continue };
                let Some(range) = frames.first() else { continue };
                let bytes = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                let mut frame = match &track.encoding {
                    Encoding::Stripped(prefix) => prefix.to_vec(),
                    _ => Vec::new(),
                };
                let prefix = frame.len();
                frame.resize(prefix + bytes.min(FRAME_BYTES_MAX), 0);
                source.read_exact_at(range.start, &mut frame[prefix..])?;
                let (time, cluster, has_codec_state) =
                    (block.time, block.cluster, block.has_codec_state);
                let first = First { time, least: time, cluster, has_codec_state, frame };
                firsts[place] = Some(first);
                *left -= 1;
            }
            Some(first) if block.time < first.time => {
                first.least = first.least.min(block.time);
                *left = left.saturating_sub(1);
            }
            Some(_) => *left = 0,
            None => {}
        }
    }
    Ok(firsts)
}
