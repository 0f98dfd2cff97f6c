//! MP3 and other MPEG audio of layers II and III (ISO/IEC 11172-3): the length by the frame count of an encoder
//! (Xing, VBRI), else by a constant bit rate; the cover art in ID3.

use super::{Head, bytes_at, id3, ticks_ms, u32_be};
use crate::extent::{ReadAt, ReadError};

/// Bytes behind the tag in which frames are searched.
const FRAMES_BYTES: usize = 16 << 10;

/// Kilobits a second by the index in a header, from 1 on: of version 1 layer II, of layer III, and of later
/// versions.
const VERSION_1_LAYER_2: [u32; 14] =
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const VERSION_1_LAYER_3: [u32; 14] =
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const VERSION_2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// A frame, by its header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Frame {
    bytes: usize,
    samples: u32,
    sample_rate: u32,
    bit_rate: u32,
    /// Where an encoder writes its own header.
    encoder_at: usize,
}

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    let tag = id3::read(source, 0)?;
    let first = bytes_at(source, tag.bytes, FRAMES_BYTES)?;
    let audio_bytes = source.len().saturating_sub(tag.bytes);
    Ok(Head::audio(duration_ms(&first, audio_bytes), tag.has_picture))
}

fn duration_ms(bytes: &[u8], audio_bytes: u64) -> Option<u64> {
    let (start, first) = first_frame(bytes)?;
    let head = &bytes[start..];
    if let Some(frames) = counted_frames(head, first) {
        let samples = u64::from(frames) * u64::from(first.samples);
        return ticks_ms(samples, 1, first.sample_rate.into());
    }
    let mut at = start;
    while let Some(frame) = bytes.get(at..).and_then(Frame::parse) {
        // A variable bit rate, and no encoder has counted.
        if frame.bit_rate != first.bit_rate {
            return None;
        }
        at += frame.bytes;
    }
    ticks_ms(audio_bytes.saturating_sub(start as u64) * 8, 1, first.bit_rate.into())
}

/// The first frame that another one follows: two bytes of any data may look like a header.
fn first_frame(bytes: &[u8]) -> Option<(usize, Frame)> {
    memchr::memchr_iter(0xFF, bytes).find_map(|at| {
        let frame = Frame::parse(&bytes[at..])?;
        let next = bytes.get(at + frame.bytes..)?;
        Frame::parse(next)
            .is_some_and(|other| other.sample_rate == frame.sample_rate)
            .then_some((at, frame))
    })
}

/// The number of frames, if the encoder wrote it into the first one.
fn counted_frames(frame: &[u8], Frame { encoder_at, .. }: Frame) -> Option<u32> {
    const HAS_FRAMES: u32 = 1;
    const VBRI_AT: usize = 36;
    let is_xing = |name: &[u8]| matches!(name, b"Xing" | b"Info");
    let frames = if frame.get(encoder_at..encoder_at + 4).is_some_and(is_xing) {
        let flags = u32_be(frame, encoder_at + 4)?;
        (flags & HAS_FRAMES != 0).then(|| u32_be(frame, encoder_at + 8))?
    } else if frame.get(VBRI_AT..).is_some_and(|rest| rest.starts_with(b"VBRI")) {
        u32_be(frame, VBRI_AT + 14)
    } else {
        None
    };
    frames.filter(|frames| *frames > 0)
}

impl Frame {
    /// Parses a header of layer II or III.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [0xFF, kind, rates, mode] = *bytes.first_chunk()? else { return None };
        let is_version_1 = kind & 0x18 == 0x18;
        let is_layer_3 = kind & 0x06 == 0x02;
        let is_valid =
            kind & 0xE0 == 0xE0 && kind & 0x18 != 0x08 && (is_layer_3 || kind & 0x06 == 0x04);
        if !is_valid {
            return None;
        }
        let kilobits = match (is_version_1, is_layer_3) {
            (true, true) => VERSION_1_LAYER_3,
            (true, false) => VERSION_1_LAYER_2,
            (false, _) => VERSION_2,
        };
        let bit_rate = 1000 * kilobits.get(usize::from(rates >> 4).checked_sub(1)?)?;
        let divisor = match kind & 0x18 {
            0x18 => 1,
            0x10 => 2,
            _ => 4,
        };
        let sample_rate = [44_100, 48_000, 32_000].get(usize::from(rates >> 2 & 3))? / divisor;
        let samples = if is_layer_3 && !is_version_1 { 576 } else { 1152 };
        let padding = u32::from(rates >> 1 & 1);
        let bytes = usize::try_from(samples / 8 * bit_rate / sample_rate + padding).ok()?;
        let is_mono = mode & 0xC0 == 0xC0;
        let encoder_at = match (is_version_1, is_mono) {
            (true, false) => 36,
            (true, true) | (false, false) => 21,
            (false, true) => 13,
        };
        Some(Self { bytes, samples, sample_rate, bit_rate, encoder_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of layer III at 44.1 kHz and 128 or 160 kbit/s, stereo.
    fn frame(rates: u8) -> Vec<u8> {
        let mut frame = vec![0xFF, 0xFB, rates, 0x00];
        let bytes = Frame::parse(&frame).expect("a header").bytes;
        frame.resize(bytes, 0);
        frame
    }

    #[test]
    fn a_constant_bit_rate_or_an_encoder_tells_the_length() {
        let constant = frame(0x90).repeat(100);
        let head = read(&constant[..]).expect("in memory");
        assert_eq!((head.has_video, head.has_cover), (Some(false), false));
        let duration_ms = head.duration_ms.expect("a length");
        assert!((2600..2620).contains(&duration_ms), "{duration_ms}");
        let variable = [frame(0x90), frame(0xA0)].concat().repeat(50);
        assert_eq!(read(&variable[..]).expect("in memory").duration_ms, None);
        let mut counted = variable;
        counted[36..48].copy_from_slice(b"Xing\0\0\0\x01\0\0\x03\xE8");
        assert_eq!(read(&counted[..]).expect("in memory").duration_ms, Some(26_122));
        for length in 0..600 {
            read(&counted[..length]).expect("in memory");
        }
    }
}
