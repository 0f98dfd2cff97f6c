//! WAV and RF64: the length by the bytes of the samples, the kind of the samples, and the cover art in ID3.

use super::{
    Head, bytes_at, id3,
    riff::{Chunk, FIRST_CHUNK, chunks},
    ticks_ms, u16_le, u32_le, u64_le,
};
use crate::extent::{ReadAt, ReadError};

/// The part of a `fmt ` chunk that is read.
const FORMAT_BYTES: usize = 16;

/// The head of a file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Wave {
    /// What all heads tell.
    pub head: Head,
    /// The format of the samples, as registered by Microsoft; `None` if the file names none.
    pub format: Option<u16>,
}

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Wave, ReadError> {
    let chunks = chunks(source, FIRST_CHUNK..source.len())?;
    let find = |names: &[[u8; 4]]| chunks.iter().find(|chunk| names.contains(&chunk.name));
    let content = |name: [u8; 4], length: usize| match find(&[name]) {
        Some(chunk) => bytes_at(source, chunk.body, length),
        None => Ok(Vec::new()),
    };
    let format = content(*b"fmt ", FORMAT_BYTES)?;
    let bytes = match find(&[*b"data"]) {
        // The writer could not go back to write the length, or RF64 has it elsewhere.
        Some(Chunk { bytes: u32::MAX, .. }) => u64_le(&content(*b"ds64", 16)?, 8),
        data => data.map(|data| u64::from(data.bytes)),
    };
    let duration_ms = bytes.and_then(|bytes| ticks_ms(bytes, 1, u32_le(&format, 8)?.into()));
    let has_cover = match find(&[*b"id3 ", *b"ID3 "]) {
        Some(chunk) => id3::read(source, chunk.body)?.has_picture,
        None => false,
    };
    Ok(Wave { head: Head::audio(duration_ms, has_cover), format: u16_le(&format, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_samples_tell_the_length() {
        let head = [
            &b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0"[..],
            &44_100_u32.to_le_bytes(),
            &176_400_u32.to_le_bytes(),
            b"\x04\0\x10\0LIST\x03\0\0\0abc\0data",
        ];
        let file = |bytes: u32| [&head.concat(), &bytes.to_le_bytes()[..]].concat();
        let found = read(&file(352_800)[..]).expect("in memory");
        assert_eq!((found.head, found.format), (Head::audio(Some(2000), false), Some(1)));
        for unknown in [0, u32::MAX] {
            assert_eq!(read(&file(unknown)[..]).expect("in memory").head.duration_ms, None);
        }
        let long = [
            &b"RF64\xff\xff\xff\xffWAVEds64\x10\0\0\0\0\0\0\0\0\0\0\0"[..],
            &705_600_u64.to_le_bytes(),
        ];
        let long = [&long.concat(), &file(u32::MAX)[12..]].concat();
        assert_eq!(read(&long[..]).expect("in memory").head.duration_ms, Some(4000));
        for length in 0..long.len() {
            read(&long[..length]).expect("in memory");
        }
    }
}
