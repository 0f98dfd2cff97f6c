//! ID3 version 2, in front of MP3 and in a chunk of WAV: its length, and whether it has a picture.

use super::bytes_at;
use crate::extent::{ReadAt, ReadError};

/// The most frames of a tag that are looked at.
const FRAMES_MAX: usize = 256;

/// Length of the header of a tag, and of its footer.
const HEADER_BYTES: usize = 10;

/// A tag.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tag {
    /// Its length in bytes; 0 if there is none.
    pub(super) bytes: u64,
    /// Whether it has a picture.
    pub(super) has_picture: bool,
}

/// Reads the tag at an offset.
pub(super) fn read<R: ReadAt + ?Sized>(source: &R, start: u64) -> Result<Tag, ReadError> {
    let header = bytes_at(source, start, HEADER_BYTES)?;
    let Ok([b'I', b'D', b'3', version, _, flags, size @ ..]) = <[u8; 10]>::try_from(&header[..])
    else {
        return Ok(Tag::default());
    };
    let header = HEADER_BYTES as u64;
    let content = header + u64::from(seven_bits(size));
    let footer = if flags & 0x10 == 0 { 0 } else { header };
    let mut tag = Tag { bytes: content + footer, has_picture: false };
    let end = start.saturating_add(content).min(source.len());
    let mut at = start + header + extended_bytes(source, start, version, flags)?;
    // Version 2.2 has names of three letters.
    let frame_bytes = if version == 2 { 6 } else { 10 };
    for _ in 0..FRAMES_MAX {
        if at + frame_bytes as u64 > end {
            break;
        }
        let frame = bytes_at(source, at, frame_bytes)?;
        let size = match frame[..] {
            [0, ..] => break,
            [b'P', b'I', b'C', _, _, _] | [b'A', b'P', b'I', b'C', ..] => {
                tag.has_picture = true;
                break;
            }
            [_, _, _, a, b, c] => u32::from_be_bytes([0, a, b, c]),
            [_, _, _, _, a, b, c, d, ..] if version >= 4 => seven_bits([a, b, c, d]),
            [_, _, _, _, a, b, c, d, ..] => u32::from_be_bytes([a, b, c, d]),
            _ => break,
        };
        at += frame_bytes as u64 + u64::from(size);
    }
    Ok(tag)
}

/// The length of the extended header.
fn extended_bytes<R: ReadAt + ?Sized>(
    source: &R,
    start: u64,
    version: u8,
    flags: u8,
) -> Result<u64, ReadError> {
    if version < 3 || flags & 0x40 == 0 {
        return Ok(0);
    }
    let size = <[u8; 4]>::try_from(&bytes_at(source, start + HEADER_BYTES as u64, 4)?[..]);
    Ok(match size {
        Ok(size) if version >= 4 => seven_bits(size).into(),
        // Of version 2.3 the size does not count itself.
        Ok(size) => u64::from(u32::from_be_bytes(size)) + 4,
        Err(_) => 0,
    })
}

/// A number of four bytes with seven bits each.
fn seven_bits(bytes: [u8; 4]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7F))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_found_behind_other_frames() {
        let text = b"TIT2\0\0\0\x03\0\0\0Hi";
        let picture = b"APIC\0\0\0\x04\0\0\0jpg";
        let content = [&text[..], picture, &[0; 100]].concat();
        let header = b"ID3\x03\0\0\0\0\x01\x05";
        let file = [&header[..], &content, &[0xFF; 50]].concat();
        let tag = read(&file[..], 0).expect("in memory");
        assert_eq!(tag, Tag { bytes: 10 + 133, has_picture: true });
        let bare = [&header[..], text, &[0; 200]].concat();
        assert!(!read(&bare[..], 0).expect("in memory").has_picture);
        // A cut one is read as far as it goes, and no tag is none.
        for length in 0..file.len() {
            read(&file[..length], 0).expect("in memory");
        }
        assert_eq!(read(&b"no tag at all"[..], 0).expect("in memory"), Tag::default());
    }
}
