//! ASF, of WMV and WMA: size, length and cover art in the objects of the header.

use super::{Head, bytes_at, size, ticks_ms, u32_le, u64_le};
use crate::extent::{ReadAt, ReadError};

/// Bytes of the header that are read. Cover art is in front of what is not read, or behind it.
const HEADER_BYTES: usize = 64 << 10;

/// Where the objects of the header begin: behind its own identifier, length, and two counts.
const FIRST_OBJECT: usize = 30;

/// Length of the beginning of an object: its identifier and its length.
const OBJECT_BYTES: usize = 24;

const FILE_PROPERTIES: [u8; 16] = guid(0x8CAB_DCA1, 0xA947, 0x11CF, 0x8EE4_00C0_0C20_5365);
const STREAM_PROPERTIES: [u8; 16] = guid(0xB7DC_0791, 0xA9B7, 0x11CF, 0x8EE6_00C0_0C20_5365);
const VIDEO: [u8; 16] = guid(0xBC19_EFC0, 0x5B4D, 0x11CF, 0xA8FD_0080_5F5C_442B);
const AUDIO: [u8; 16] = guid(0xF869_9E40, 0x5B4D, 0x11CF, 0xA8FD_0080_5F5C_442B);

/// The name of a picture, in UTF-16.
const PICTURE: &[u8] = b"W\0M\0/\0P\0i\0c\0t\0u\0r\0e\0";

/// Durations count in units of 100 ns.
const TICKS_S: u64 = 10_000_000;

/// An identifier as it is in a file: its first three numbers are little-endian.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) =
        (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    let [d0, d1, d2, d3, d4, d5, d6, d7] = d.to_be_bytes();
    [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7]
}

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    let first = bytes_at(source, 0, HEADER_BYTES)?;
    let length = u64_le(&first, 16).and_then(|length| usize::try_from(length).ok());
    let header = &first[..length.unwrap_or(usize::MAX).min(first.len())];
    let has_cover = memchr::memmem::find(header, PICTURE).is_some();
    let mut head = Head { has_cover, ..Head::default() };
    for (id, object) in objects(header.get(FIRST_OBJECT..).unwrap_or_default()) {
        match id {
            FILE_PROPERTIES => head.duration_ms = duration_ms(object),
            STREAM_PROPERTIES if object.starts_with(&VIDEO) => {
                head.has_video = Some(true);
                head.size = head.size.or_else(|| size(u32_le(object, 54)?, u32_le(object, 58)?));
            }
            STREAM_PROPERTIES if object.starts_with(&AUDIO) => {
                head.has_video = Some(head.has_video.unwrap_or(false));
            }
            _ => {}
        }
    }
    Ok(head)
}

/// The objects in these bytes, up to the first that is cut: identifiers and bodies.
fn objects(bytes: &[u8]) -> impl Iterator<Item = ([u8; 16], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let id = *rest.first_chunk()?;
        let length = usize::try_from(u64_le(rest, 16)?).ok().filter(|it| *it >= OBJECT_BYTES)?;
        let body = rest.get(OBJECT_BYTES..length)?;
        rest = &rest[length..];
        Some((id, body))
    })
}

/// The duration without the time that a player buffers. A live broadcast has none.
fn duration_ms(properties: &[u8]) -> Option<u64> {
    let (play, buffered_ms) = (u64_le(properties, 40)?, u64_le(properties, 56)?);
    let is_broadcast = u32_le(properties, 64)? & 1 != 0;
    let ms = ticks_ms(play, 1, TICKS_S)?.checked_sub(buffered_ms)?;
    (ms > 0 && !is_broadcast).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: [u8; 16], body: &[u8]) -> Vec<u8> {
        let length = u64::try_from(OBJECT_BYTES + body.len()).expect("short");
        [&id[..], &length.to_le_bytes(), body].concat()
    }

    #[test]
    fn objects_tell_size_length_and_cover() {
        let times = [91_000_000_u64, 0, 3100].map(u64::to_le_bytes).concat();
        let properties = [&[0; 40][..], &times, &[0; 4]].concat();
        let video = [&VIDEO[..], &[0; 38], &640_u32.to_le_bytes(), &360_u32.to_le_bytes()].concat();
        let objects = [
            object(FILE_PROPERTIES, &properties),
            object(STREAM_PROPERTIES, &AUDIO),
            object(STREAM_PROPERTIES, &video),
            object([7; 16], PICTURE),
        ];
        let file = object([1; 16], &[&[0; 6][..], &objects.concat()].concat());
        let expected = Head {
            has_video: Some(true),
            duration_ms: Some(6000),
            size: Some((640, 360)),
            has_cover: true,
        };
        assert_eq!(read(&file[..]).expect("in memory"), expected);
        for length in 0..file.len() {
            read(&file[..length]).expect("in memory");
        }
    }
}
