//! The heads of files in other containers than MP4: whether they have video, its length and size, and whether
//! they carry cover art; of MP4 the cover art alone. A few kilobytes at the beginning and at the end tell that, without an index.
//!
//! The numbers of a file are hints for lists: what is missing or impossible is unknown.

pub mod asf;
pub mod avi;
pub mod flac;
mod id3;
pub mod mp3;
pub mod mp4_cover;
pub mod ogg;
mod riff;
pub mod transport_stream;
pub mod wave;

use crate::extent::{ReadAt, ReadError};

/// What the head of a file tells.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// Whether the file has video; `None` if that is unknown.
    pub has_video: Option<bool>,
    /// The duration in milliseconds.
    pub duration_ms: Option<u64>,
    /// Width and height of the video as displayed.
    pub size: Option<(u32, u32)>,
    /// Whether the file carries cover art.
    pub has_cover: bool,
}

impl Head {
    /// A file of audio.
    fn audio(duration_ms: Option<u64>, has_cover: bool) -> Self {
        Self { has_video: Some(false), duration_ms, size: None, has_cover }
    }
}

/// The bytes from an offset on, up to a length, as far as the file has them.
fn bytes_at<R: ReadAt + ?Sized>(
    source: &R,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, ReadError> {
    let available = usize::try_from(source.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; available.min(length)];
    if !bytes.is_empty() {
        source.read_exact_at(offset, &mut bytes)?;
    }
    Ok(bytes)
}

/// A duration of ticks, of which `rate` take `scale` seconds; `None` if it is none, or longer than any file.
fn ticks_ms(ticks: u64, scale: u64, rate: u64) -> Option<u64> {
    let ms = u128::from(ticks) * u128::from(scale) * 1000;
    let ms = u64::try_from(ms.checked_div(u128::from(rate))?).ok()?;
    (1..=DURATION_MAX_MS).contains(&ms).then_some(ms)
}

/// The longest duration that a list shows: a month. A greater one is a wrong number in the file.
const DURATION_MAX_MS: u64 = 31 * 86_400_000;

fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_le(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Width and height, if there is a pixel.
fn size(width: u32, height: u32) -> Option<(u32, u32)> {
    (width > 0 && height > 0).then_some((width, height))
}
