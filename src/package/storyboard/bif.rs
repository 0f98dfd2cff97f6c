//! BIF, Roku's format of images for the seek bar: a header, an index, and all tiles in sequence.

use crate::extent::{Extent, Extents};

const MAGIC: [u8; 8] = [0x89, b'B', b'I', b'F', b'\r', b'\n', 0x1a, b'\n'];
/// The length of the header, reserved fields included.
const HEADER_BYTES: usize = 64;

/// Why a BIF cannot be built.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BifError {
    /// A tile has no bytes.
    #[error("a tile of the storyboard is empty")]
    Empty,
    /// A number exceeds 32 bits.
    #[error("the storyboard is too large for BIF")]
    TooLong,
}

/// Builds the file from tiles: JPEGs at an interval of `interval_ms`.
pub fn build(
    interval_ms: u64,
    tiles: impl IntoIterator<Item = Extent>,
) -> Result<Extents, BifError> {
    let tiles: Vec<Extent> = tiles.into_iter().collect();
    let fits = |number: u64| u32::try_from(number).map_err(|_| BifError::TooLong);
    let count = fits(tiles.len() as u64)?;
    let mut header = Vec::with_capacity(HEADER_BYTES + 8 * (tiles.len() + 1));
    header.extend(MAGIC);
    let version = 0;
    for field in [version, count, fits(interval_ms)?] {
        header.extend(u32::to_le_bytes(field));
    }
    header.resize(HEADER_BYTES, 0);
    let mut offset = HEADER_BYTES as u64 + 8 * (u64::from(count) + 1);
    // Times are multiples of the interval. The entry with the largest time gives the end of the last
    // tile.
    for (time, tile) in (0_u32..).zip(&tiles) {
        header.extend(time.to_le_bytes());
        header.extend(fits(offset)?.to_le_bytes());
        offset += tile.len();
    }
    header.extend(u32::MAX.to_le_bytes());
    header.extend(fits(offset)?.to_le_bytes());
    let mut extents = Extents::from(Extent::Memory(header.into()));
    tiles.into_iter().try_for_each(|tile| extents.push(tile)).map_err(|_| BifError::Empty)?;
    Ok(extents)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn bytes(extents: &Extents) -> Vec<u8> {
        let parts = extents.iter().map(|extent| match extent {
            Extent::Memory(bytes) => &bytes[..],
            Extent::Source { .. } => unreachable!("only memory here"),
        });
        parts.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_bif_has_the_layout_of_rokus_specification() {
        let tiles = [&b"first"[..], b"second"].map(|tile| Extent::Memory(Bytes::from(tile)));
        let file = bytes(&build(15_000, tiles).expect("two tiles"));
        let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("a word"));
        assert_eq!(file[..8], [0x89, 0x42, 0x49, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
        assert_eq!([u32_at(8), u32_at(12), u32_at(16)], [0, 2, 15_000]);
        assert_eq!(file[20..64], [0; 44]);
        let index: Vec<_> =
            (0..3).map(|entry| (u32_at(64 + 8 * entry), u32_at(68 + 8 * entry))).collect();
        assert_eq!(index, [(0, 88), (1, 93), (u32::MAX, 99)]);
        assert_eq!(&file[88..], b"firstsecond");
    }

    #[test]
    fn empty_tiles_and_large_numbers_are_refused() {
        let empty = [Extent::Memory(Bytes::new())];
        assert_eq!(build(1000, empty).expect_err("empty"), BifError::Empty);
        assert_eq!(build(u64::MAX, []).expect_err("too long"), BifError::TooLong);
        assert_eq!(build(1000, []).expect("no tile").len(), 72);
    }
}
