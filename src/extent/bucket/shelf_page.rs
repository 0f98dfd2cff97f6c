//! The page behind the data of a shelf: which chunks are in the file, and their checksums.
//!
//! ```text
//! 0     8   magic and format version
//! 8    32   the object: a hash of bucket, key, ETag and size
//! 40    4   the number of the shelf in its object
//! 48   32   the bitmap of the chunks
//! 80  1024  the CRC-32C of each chunk
//! 4092  4   the CRC-32C of all of this
//! ```
//!
//! Numbers are little-endian; what is between them is 0.

use super::{
    chunk_set::{SHELF_CHUNKS, Words},
    shelf_key::ShelfKey,
};

/// The length of a page.
pub(super) const PAGE_BYTES: usize = 4096;

/// The first bytes of a page.
const MAGIC: [u8; 8] = *b"HWSHELF1";

const OBJECT: usize = 8;
const NUMBER: usize = 40;
const CHUNKS: usize = 48;
const CHECKSUMS: usize = 80;
const CHECKSUM: usize = PAGE_BYTES - 4;

/// What a page holds besides the name of its shelf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ShelfPage {
    /// The chunks whose bytes are in the file.
    pub chunks: Words,
    /// The CRC-32C of each chunk; without a meaning for other chunks.
    pub checksums: [u32; SHELF_CHUNKS],
}

impl ShelfPage {
    /// The page of a shelf without chunks.
    pub const EMPTY: Self = Self { chunks: [0; SHELF_CHUNKS / 64], checksums: [0; SHELF_CHUNKS] };

    /// The bytes of the page.
    pub fn encode(&self, key: &ShelfKey) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        page[..OBJECT].copy_from_slice(&MAGIC);
        page[OBJECT..NUMBER].copy_from_slice(&key.object.0);
        page[NUMBER..NUMBER + 4].copy_from_slice(&key.number.to_le_bytes());
        for (place, word) in page[CHUNKS..CHECKSUMS].chunks_exact_mut(8).zip(self.chunks) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        for (place, crc) in page[CHECKSUMS..].chunks_exact_mut(4).zip(self.checksums) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        let crc = checksum(&page[..CHECKSUM]);
        page[CHECKSUM..].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a page. `None` unless it is a whole page of this very shelf.
    pub fn decode(page: &[u8; PAGE_BYTES], key: &ShelfKey) -> Option<Self> {
        let is_intact = page[CHECKSUM..] == checksum(&page[..CHECKSUM]).to_le_bytes();
        let is_of_shelf = page[..OBJECT] == MAGIC
            && page[OBJECT..NUMBER] == key.object.0
            && page[NUMBER..NUMBER + 4] == key.number.to_le_bytes();
        if !(is_intact && is_of_shelf) {
            return None;
        }
        let mut read = Self::EMPTY;
        for (word, place) in read.chunks.iter_mut().zip(page[CHUNKS..].chunks_exact(8)) {
            *word = u64::from_le_bytes(place.try_into().ok()?);
        }
        for (crc, place) in read.checksums.iter_mut().zip(page[CHECKSUMS..].chunks_exact(4)) {
            *crc = u32::from_le_bytes(place.try_into().ok()?);
        }
        Some(read)
    }
}

/// The CRC-32C of some bytes.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes);
    u32::try_from(crc).expect("a CRC of 32 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::shelf_key::ObjectHash, *};

    fn key() -> ShelfKey {
        ShelfKey { object: ObjectHash([7; 32]), number: 0x0102_0304 }
    }

    fn page(chunks: Words) -> ShelfPage {
        let mut page = ShelfPage { chunks, ..ShelfPage::EMPTY };
        (0_u32..).zip(&mut page.checksums).for_each(|(number, crc)| *crc = number * 0x0101_0101);
        page
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        // The check value of the algorithm's catalogue.
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let bytes = page([1, 2, 3, 0x8000_0000_0000_0000]).encode(&key());
        // Caches outlive programs: another format needs another magic.
        assert_eq!(bytes[4092..], GOLDEN.to_le_bytes());
        assert_eq!(&bytes[..12], b"HWSHELF1\x07\x07\x07\x07");
        assert_eq!(&bytes[40..56], b"\x04\x03\x02\x01\0\0\0\0\x01\0\0\0\0\0\0\0");
        assert_eq!(&bytes[84..92], b"\x01\x01\x01\x01\x02\x02\x02\x02");
    }

    /// The CRC-32C of the page above, by another implementation.
    const GOLDEN: u32 = 0xf46f_a5c9;

    proptest! {
        #[test]
        fn a_page_comes_back_and_only_for_its_own_shelf(chunks: Words) {
            let (key, page) = (key(), page(chunks));
            let bytes = page.encode(&key);
            prop_assert_eq!(ShelfPage::decode(&bytes, &key), Some(page));
            let other = ShelfKey { number: key.number + 1, ..key };
            prop_assert_eq!(ShelfPage::decode(&bytes, &other), None);
            let other = ShelfKey { object: ObjectHash([8; 32]), ..key };
            prop_assert_eq!(ShelfPage::decode(&bytes, &other), None);
        }

        #[test]
        fn a_page_with_a_changed_byte_is_none(
            chunks: Words, at in 0..PAGE_BYTES, change in 1_u8..,
        ) {
            let mut bytes = page(chunks).encode(&key());
            bytes[at] ^= change;
            prop_assert_eq!(ShelfPage::decode(&bytes, &key()), None);
        }

        #[test]
        fn half_a_page_is_none(chunks: Words, end in 0..PAGE_BYTES - 4) {
            let mut bytes = page(chunks).encode(&key());
            bytes[end..].fill(0);
            prop_assert_eq!(ShelfPage::decode(&bytes, &key()), None);
        }
    }
}
