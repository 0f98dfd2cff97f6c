//! The frames of a block (RFC 9559 section 10.3): one, or several in a lace.

use std::ops::Range;

use super::ebml;
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// How a block holds its frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lacing {
    /// One frame.
    None,
    /// Sizes in bytes of 255 at most, and one below that ends each.
    Xiph,
    /// A size, and differences.
    Ebml,
    /// Equal sizes.
    Fixed,
}

impl Lacing {
    /// From the flags of a block.
    pub(super) fn from_flags(flags: u8) -> Self {
        match flags >> 1 & 3 {
            0 => Self::None,
            1 => Self::Xiph,
            2 => Self::Fixed,
            _ => Self::Ebml,
        }
    }
}

/// Reads where the frames of a block are, in order: `payload` is what follows the header of the block. `None`
/// if the sizes contradict the block.
pub(super) fn frames<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    payload: Range<u64>,
    lacing: Lacing,
) -> Result<Option<Vec<Range<u64>>>, ReadError> {
    if lacing == Lacing::None {
        return Ok(Some(vec![payload]));
    }
    if payload.is_empty() {
        return Ok(None);
    }
    let mut sizes = Sizes { window, at: payload.start, end: payload.end };
    let Some(last) = sizes.byte()?.map(u64::from) else { return Ok(None) };
    let mut lengths = Vec::with_capacity(256);
    match lacing {
        Lacing::Xiph => {
            let mut left = payload.end - sizes.at;
            for _ in 0..last {
                let Some(length) = sizes.xiph(left)? else { return Ok(None) };
                left -= length;
                lengths.push(length);
            }
        }
        Lacing::Ebml => {
            let mut length = 0_i64;
            for place in 0..last {
                let Some(difference) = sizes.ebml(place == 0)? else { return Ok(None) };
                let Some(next) = length.checked_add(difference).filter(|next| *next >= 0) else {
                    return Ok(None);
                };
                length = next;
                lengths.push(length.unsigned_abs());
            }
        }
        Lacing::Fixed | Lacing::None => {
            let bytes = payload.end - sizes.at;
            if !bytes.is_multiple_of(last + 1) {
                return Ok(None);
            }
            lengths.extend((0..last).map(|_| bytes / (last + 1)));
        }
    }
    Ok(ranges(sizes.at..payload.end, &lengths))
}

/// Frames of these lengths, and one of the rest. `None` if they do not fit.
fn ranges(bytes: Range<u64>, lengths: &[u64]) -> Option<Vec<Range<u64>>> {
    let mut frames = Vec::with_capacity(lengths.len() + 1);
    let mut at = bytes.start;
    for length in lengths {
        let end = at.checked_add(*length).filter(|end| *end <= bytes.end)?;
        frames.push(at..end);
        at = end;
    }
    frames.push(at..bytes.end);
    Some(frames)
}

/// Reads sizes in front of the frames.
struct Sizes<'w, 'r, R: ?Sized> {
    window: &'w mut Window<'r, R>,
    at: u64,
    end: u64,
}

impl<R: ReadAt + ?Sized> Sizes<'_, '_, R> {
    fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        if self.at >= self.end {
            return Ok(None);
        }
        let [byte] = self.window.array(self.at)?;
        self.at += 1;
        Ok(Some(byte))
    }

    /// A size of at most `most`.
    fn xiph(&mut self, most: u64) -> Result<Option<u64>, ReadError> {
        let mut length = 0_u64;
        while length <= most {
            let Some(byte) = self.byte()? else { return Ok(None) };
            length += u64::from(byte);
            if byte < 255 {
                return Ok(Some(length).filter(|length| *length <= most));
            }
        }
        Ok(None)
    }

    /// The first size, or the difference to the one before.
    fn ebml(&mut self, is_first: bool) -> Result<Option<i64>, ReadError> {
        let left = usize::try_from((self.end - self.at).min(8)).expect("eight bytes");
        let bytes = self.window.get(self.at, left)?;
        let Some((value, length, _)) = ebml::vint(bytes) else { return Ok(None) };
        self.at += length as u64;
        // At most 2^56.
        let bias = if is_first { 0 } else { (1_i64 << (7 * length - 1)) - 1 };
        Ok(Some(value.cast_signed() - bias))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(bytes: &[u8], lacing: Lacing) -> Option<Vec<u64>> {
        let window = &mut Window::new(bytes, 64);
        let frames = frames(window, 0..bytes.len() as u64, lacing).expect("in memory")?;
        assert!(frames.windows(2).all(|two| two[0].end == two[1].start), "{frames:?}");
        assert_eq!(frames.last()?.end, bytes.len() as u64);
        Some(frames.iter().map(|frame| frame.end - frame.start).collect())
    }

    #[test]
    fn sizes_of_all_lacings_are_read() {
        let zeros = |count: usize| vec![0; count];
        let block = |head: &[u8], payload: usize| [head, &zeros(payload)].concat();
        assert_eq!(sizes(&block(&[], 9), Lacing::None), Some(vec![9]));
        assert_eq!(sizes(&block(&[2, 255, 45, 7], 320), Lacing::Xiph), Some(vec![300, 7, 13]));
        assert_eq!(sizes(&block(&[2], 30), Lacing::Fixed), Some(vec![10; 3]));
        // The example of RFC 9559 section 10.3.3: 800, 500 and 1000 bytes.
        let head = [2, 0x43, 0x20, 0x5E, 0xD3];
        assert_eq!(sizes(&block(&head, 2300), Lacing::Ebml), Some(vec![800, 500, 1000]));
    }

    #[test]
    fn sizes_that_contradict_the_block_are_refused() {
        for (bytes, lacing) in [
            (&[][..], Lacing::Xiph),
            (&[1, 255], Lacing::Xiph),
            (&[1, 9, 0], Lacing::Xiph),
            (&[2, 0, 0], Lacing::Fixed),
            (&[1], Lacing::Ebml),
            (&[1, 0x88, 0], Lacing::Ebml),
            (&[2, 0x81, 0x80, 0], Lacing::Ebml),
            (&[1, 0], Lacing::Ebml),
        ] {
            assert_eq!(sizes(bytes, lacing), None, "{bytes:?}");
        }
        // 255 empty frames and the rest.
        assert_eq!(sizes(&[255, 7, 7], Lacing::Fixed), None);
        assert_eq!(sizes(&[255], Lacing::Fixed).map(|frames| frames.len()), Some(256));
    }
}
