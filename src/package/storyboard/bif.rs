//! BIF, Roku's file of pictures for its seek bar: a header, an index, and all tiles one after the other.

use crate::extent::{Extent, Extents};

const MAGIC: [u8; 8] = [0x89, b'B', b'I', b'F', b'\r', b'\n', 0x1a, b'\n'];
/// The header has fields for what may come, up to here.
const HEADER_BYTES: usize = 64;

/// Why there can be no BIF.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BifRefused {
    /// A picture has no bytes.
    #[error("a picture is empty")]
    Empty,
    /// Its numbers have 32 bits.
    #[error("the pictures are too many, or too long, for a BIF")]
    TooLong,
}

/// The file of these tiles, of which each is a JPEG and stands for so many milliseconds.
pub fn bif(
    interval_ms: u64,
    tiles: impl IntoIterator<Item = Extent>,
) -> Result<Extents, BifRefused> {
    let tiles: Vec<Extent> = tiles.into_iter().collect();
    let fits = |number: u64| u32::try_from(number).map_err(|_| BifRefused::TooLong);
    let count = fits(tiles.len() as u64)?;
    let mut header = Vec::with_capacity(HEADER_BYTES + 8 * (tiles.len() + 1));
    header.extend(MAGIC);
    let version = 0;
    for field in [version, count, fits(interval_ms)?] {
        header.extend(u32::to_le_bytes(field));
    }
    header.resize(HEADER_BYTES, 0);
    let mut offset = HEADER_BYTES as u64 + 8 * (u64::from(count) + 1);
    // Times are in intervals. An entry of the largest time says where the last picture ends.
    for (time, tile) in (0_u32..).zip(&tiles) {
        header.extend(time.to_le_bytes());
        header.extend(fits(offset)?.to_le_bytes());
        offset += tile.len();
    }
    header.extend(u32::MAX.to_le_bytes());
    header.extend(fits(offset)?.to_le_bytes());
    let mut extents = Extents::from(Extent::Memory(header.into()));
    tiles.into_iter().try_for_each(|tile| extents.push(tile)).map_err(|_| BifRefused::Empty)?;
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
    fn a_bif_is_what_roku_describes() {
        let tiles = [&b"first"[..], b"second"].map(|tile| Extent::Memory(Bytes::from(tile)));
        let file = bytes(&bif(15_000, tiles).expect("two pictures"));
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("a word"));
        assert_eq!(file[..8], [0x89, 0x42, 0x49, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
        assert_eq!([word(8), word(12), word(16)], [0, 2, 15_000]);
        assert_eq!(file[20..64], [0; 44]);
        let index: Vec<_> =
            (0..3).map(|entry| (word(64 + 8 * entry), word(68 + 8 * entry))).collect();
        assert_eq!(index, [(0, 88), (1, 93), (u32::MAX, 99)]);
        assert_eq!(&file[88..], b"firstsecond");
    }

    #[test]
    fn what_a_bif_cannot_say_is_refused() {
        let empty = [Extent::Memory(Bytes::new())];
        assert_eq!(bif(1000, empty).expect_err("empty"), BifRefused::Empty);
        assert_eq!(bif(u64::MAX, []).expect_err("too long"), BifRefused::TooLong);
        assert_eq!(bif(1000, []).expect("no picture").len(), 72);
    }
}
