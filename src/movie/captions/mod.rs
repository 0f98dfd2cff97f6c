//! Closed captions in the video: CEA-608 and CEA-708 in supplemental enhancement information (ATSC A/53
//! part 4 section 6.2.3), which stays in the segments.
//!
//! Only the beginning of a movie is read, and of each frame only what precedes its picture. A movie whose
//! first frames carry no caption data counts as one without, and costs a dozen short reads.

mod cc_data;
mod sei;

use std::ops::Range;

use super::{
    Sample, Track,
    codec::nal::{NalFormat, NalKind},
    window::Window,
};
use crate::extent::{ReadAt, ReadError};

/// Frames at the start of the first two segments that show whether the video carries caption data: encoders
/// send it with every frame, used or not.
const PROBED_SAMPLES: [u32; SEGMENTS] = [8, 4];

/// The segments that are searched.
const SEGMENTS: usize = 2;

/// The most frames that are searched for the channels in use: ten seconds at 60 frames per second, twice.
const SEARCHED_SAMPLES_MAX: u32 = 1200;

/// Read size in a frame, in bytes, which also limits the length of one unit of information.
const FRAME_BYTES: usize = 1024;

/// The most units before the picture of a frame; real frames have fewer than ten.
const UNITS_MAX: usize = 32;

/// The captions in a video track, as far as it was read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Captions {
    /// Whether the video carries caption data, used or not.
    pub is_carried: bool,
    /// CEA-608 channels in use: bit 0 is CC1.
    channels: u8,
    /// CEA-708 services in use: bit `n` is service `n`.
    services: u64,
}

impl Captions {
    /// What either of two videos carries.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            is_carried: self.is_carried || other.is_carried,
            channels: self.channels | other.channels,
            services: self.services | other.services,
        }
    }

    /// The CEA-608 channels in use, of 1 to 4.
    pub fn channels(self) -> impl Iterator<Item = u8> {
        (1..=4).filter(move |channel| self.channels & 1 << (channel - 1) != 0)
    }

    /// The CEA-708 services in use, of 1 to 63.
    pub fn services(self) -> impl Iterator<Item = u8> {
        (1..=63).filter(move |service| self.services & 1 << service != 0)
    }

    /// The channels and services as playlists name them: `CC1`, `SERVICE1` (RFC 8216bis section 4.4.6.1,
    /// INSTREAM-ID).
    pub fn names(self) -> Vec<String> {
        let channels = self.channels().map(|channel| format!("CC{channel}"));
        channels.chain(self.services().map(|service| format!("SERVICE{service}"))).collect()
    }
}

/// Caption data of one frame: triplets of a type and two bytes.
struct Data {
    presented: i64,
    triplets: Vec<[u8; 3]>,
}

/// Reads the captions of a video track.
pub(super) fn read<R: ReadAt + ?Sized>(source: &R, track: &Track) -> Result<Captions, ReadError> {
    let Some(format) = NalFormat::from_entry(&track.entry) else {
        return Ok(Captions::default());
    };
    let mut frames = Window::new(source, FRAME_BYTES);
    let mut is_carried = false;
    for (segment, samples) in PROBED_SAMPLES.into_iter().enumerate() {
        if !is_carried {
            let from_here = segment..usize::MAX;
            is_carried = !data(&mut frames, track, format, from_here, samples)?.is_empty();
        }
    }
    if !is_carried {
        return Ok(Captions::default());
    }
    let mut found = data(&mut frames, track, format, 0..SEGMENTS, SEARCHED_SAMPLES_MAX)?;
    // Captions are in the order of presentation.
    found.sort_by_key(|data| data.presented);
    let (channels, services) =
        cc_data::in_use(found.iter().flat_map(|data| &data.triplets).copied());
    Ok(Captions { is_carried, channels, services })
}

/// The caption data of the first samples of segments.
fn data<R: ReadAt + ?Sized>(
    frames: &mut Window<'_, R>,
    track: &Track,
    format: NalFormat,
    segments: Range<usize>,
    samples: u32,
) -> Result<Vec<Data>, ReadError> {
    let mut found = Vec::new();
    let mut walk = track.walk_segments(frames.source(), segments);
    for _ in 0..samples {
        let Some(sample) = walk.next_sample()? else {
            break;
        };
        let triplets = triplets(frames, format, &sample)?;
        if !triplets.is_empty() {
            let presented = walk.presented(&sample, &track.timeline);
            found.push(Data { presented, triplets });
        }
    }
    Ok(found)
}

/// The caption data of a frame, from the units before its picture.
fn triplets<R: ReadAt + ?Sized>(
    frames: &mut Window<'_, R>,
    format: NalFormat,
    sample: &Sample,
) -> Result<Vec<[u8; 3]>, ReadError> {
    let mut triplets = Vec::new();
    let mut at = sample.offset;
    let end = sample.offset.saturating_add(u64::from(sample.size));
    let length_bytes = usize::from(format.length_bytes);
    for _ in 0..UNITS_MAX {
        let head_bytes = length_bytes + format.header_bytes();
        if end.saturating_sub(at) < head_bytes as u64 {
            break;
        }
        let head = frames.get(at, head_bytes)?;
        let (length, header) = head.split_at(length_bytes);
        let length = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let kind = format.kind(header[0]);
        let body = at + head_bytes as u64;
        at = at.saturating_add(length_bytes as u64).saturating_add(length);
        if kind == NalKind::Slice || at > end || at < body {
            break;
        }
        if kind == NalKind::Sei {
            let bytes = usize::try_from(at - body).unwrap_or(usize::MAX).min(FRAME_BYTES);
            sei::read(frames.get(body, bytes)?, &mut triplets);
        }
    }
    Ok(triplets)
}
