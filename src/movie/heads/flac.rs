//! FLAC (RFC 9639): the length in `STREAMINFO`, and whether there is a picture.

use super::{Head, bytes_at, ticks_ms};
use crate::extent::{ReadAt, ReadError};

/// The most metadata blocks that are looked at.
const BLOCKS_MAX: usize = 128;

const STREAMINFO: u8 = 0;
const STREAMINFO_BYTES: usize = 34;
const PICTURE: u8 = 6;

/// Reads the head of a file.
///
/// # Errors
/// If the file cannot be read.
pub fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Head, ReadError> {
    let (mut duration_ms, mut has_cover) = (None, false);
    // Behind "fLaC".
    let mut at = 4;
    for _ in 0..BLOCKS_MAX {
        let header = bytes_at(source, at, 4)?;
        let Ok([kind, length @ ..]) = <[u8; 4]>::try_from(&header[..]) else { break };
        match kind & 0x7F {
            STREAMINFO => {
                duration_ms = stream_ms(&bytes_at(source, at + 4, STREAMINFO_BYTES)?);
            }
            PICTURE => has_cover = true,
            _ => {}
        }
        let is_last = kind & 0x80 != 0;
        if is_last {
            break;
        }
        let [a, b, c] = length;
        at += 4 + u64::from(u32::from_be_bytes([0, a, b, c]));
    }
    Ok(Head::audio(duration_ms, has_cover))
}

/// The length in `STREAMINFO` (section 8.2): 20 bits of sample rate, and 36 of the number of samples.
pub(super) fn stream_ms(info: &[u8]) -> Option<u64> {
    let fields = u64::from_be_bytes(*info.get(10..)?.first_chunk()?);
    ticks_ms(fields & ((1 << 36) - 1), 1, fields >> 44)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_and_the_picture_are_in_blocks() {
        let fields = 48_000_u64 << 44 | 96_000;
        let info = [&b"fLaC\0\0\0\x22"[..], &[0; 10], &fields.to_be_bytes(), &[0; 16]].concat();
        let picture = [&info[..], b"\x04\0\0\x02ab", b"\x86\0\0\x03jpg"].concat();
        for (file, has_cover) in [(&info, false), (&picture, true)] {
            let head = read(&file[..]).expect("in memory");
            assert_eq!((head.duration_ms, head.has_cover), (Some(2000), has_cover));
        }
        for length in 0..picture.len() {
            read(&picture[..length]).expect("in memory");
        }
    }
}
