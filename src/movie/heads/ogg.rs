//! Ogg (RFC 3533): the codec of the first stream, the length by the position of its last page, and whether its
//! comments have a picture.

use super::{Head, bytes_at, flac, size, ticks_ms, u16_le, u32_be, u32_le, u64_le};
use crate::extent::{ReadAt, ReadError};

/// Bytes at the beginning in which comments are searched, and at the end in which the last page is: a page has
/// at most 65,307 bytes.
const FIRST_BYTES: usize = 64 << 10;
const LAST_BYTES: usize = 128 << 10;

const CAPTURE: &[u8] = b"OggS";
const PICTURE_COMMENT: &[u8] = b"METADATA_BLOCK_PICTURE=";

/// Positions of Opus count at this rate (RFC 7845 section 4).
const OPUS_RATE: u64 = 48_000;

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    let first = bytes_at(source, 0, FIRST_BYTES)?;
    let packet = first_packet(&first);
    let stream = u32_le(&first, 14).unwrap_or_default();
    let tail = source.len().saturating_sub(LAST_BYTES as u64);
    let last = last_position(&bytes_at(source, tail, LAST_BYTES)?, stream);
    let has_video = match packet {
        _ if packet.starts_with(b"\x80theora") => Some(true),
        _ if is_audio(packet) => Some(false),
        _ => None,
    };
    Ok(Head {
        has_video,
        duration_ms: last.and_then(|last| duration_ms(packet, last)),
        size: theora_size(packet),
        has_cover: first
            .windows(PICTURE_COMMENT.len())
            .any(|it| it.eq_ignore_ascii_case(PICTURE_COMMENT)),
    })
}

/// The packet of the first page, which names the codec of the first stream (section 6).
pub fn first_packet(first: &[u8]) -> &[u8] {
    let segments = first.get(26).map_or(0, |count| usize::from(*count));
    first.get(27 + segments..).unwrap_or_default()
}

/// Whether the first packet of a stream is that of audio which browsers decode.
pub fn is_audio(packet: &[u8]) -> bool {
    [&b"OpusHead"[..], b"\x01vorbis", b"\x7fFLAC"].iter().any(|magic| packet.starts_with(magic))
}

/// The position of the last page of a stream that has one.
fn last_position(tail: &[u8], stream: u32) -> Option<u64> {
    memchr::memmem::rfind_iter(tail, CAPTURE).find_map(|at| {
        let page = &tail[at..];
        // -1: no packet ends on the page.
        u64_le(page, 6).filter(|position| *position != u64::MAX && u32_le(page, 14) == Some(stream))
    })
}

fn duration_ms(packet: &[u8], last: u64) -> Option<u64> {
    if packet.starts_with(b"OpusHead") {
        let pre_skip = u64::from(u16_le(packet, 10)?);
        return ticks_ms(last.saturating_sub(pre_skip), 1, OPUS_RATE);
    }
    if packet.starts_with(b"\x01vorbis") {
        return ticks_ms(last, 1, u32_le(packet, 12)?.into());
    }
    if packet.starts_with(b"\x7fFLAC") {
        let fields = u64::from_be_bytes(*packet.get(27..)?.first_chunk()?);
        return flac::stream_ms(packet.get(17..)?).or_else(|| ticks_ms(last, 1, fields >> 44));
    }
    if packet.starts_with(b"\x80theora") {
        let (rate, scale) = (u32_be(packet, 22)?, u32_be(packet, 26)?);
        // The number of the last key frame, and of the frames behind it.
        let shift = u32::from(u16::from_be_bytes(*packet.get(40..)?.first_chunk()?) >> 5 & 0x1F);
        let frames = (last >> shift) + (last & ((1 << shift) - 1));
        return ticks_ms(frames, scale.into(), rate.into());
    }
    None
}

fn theora_size(packet: &[u8]) -> Option<(u32, u32)> {
    let of_three = |at: usize| Some(u32_be(packet, at)? >> 8);
    let is_theora = packet.starts_with(b"\x80theora");
    is_theora.then(|| size(of_three(14)?, of_three(17)?))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(position: u64, packet: &[u8]) -> Vec<u8> {
        let length = u8::try_from(packet.len()).expect("short");
        [CAPTURE, &[0; 2], &position.to_le_bytes(), &[7, 0, 0, 0], &[0; 8], &[1, length], packet]
            .concat()
    }

    #[test]
    fn the_last_page_tells_the_length() {
        let opus = page(0, b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0");
        let comments = page(0, b"OpusTags....metadata_block_picture=AAAA");
        let unfinished = page(u64::MAX, b"cut");
        let file = [&opus[..], &comments, &page(48_312, b"audio"), &unfinished].concat();
        let head = read(&file[..]).expect("in memory");
        assert_eq!(head, Head::audio(Some(1000), true));
        let vorbis = page(0, b"\x01vorbis\0\0\0\0\x02\x44\xac\0\0");
        let file = [&vorbis[..], &page(88_200, b"audio")].concat();
        assert_eq!(read(&file[..]).expect("in memory"), Head::audio(Some(2000), false));
        for length in 0..file.len() {
            read(&file[..length]).expect("in memory");
        }
    }
}
