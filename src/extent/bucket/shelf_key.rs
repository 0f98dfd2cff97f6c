//! Names: of an object, and of its shelves.

use std::{fmt, sync::Arc};

use sha2::{Digest as _, Sha256};

/// An object of a bucket in one state: its bytes do not change under this name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ObjectId {
    /// The endpoint and the name of the bucket.
    pub bucket: Arc<str>,
    /// The key of the object.
    pub key: Arc<str>,
    /// Its ETag.
    pub etag: Arc<str>,
    /// Its length in bytes.
    pub size: u64,
}

impl ObjectId {
    /// The name of the object in the cache.
    pub(super) fn hash(&self) -> ObjectHash {
        let mut hash = Sha256::new();
        for text in [&self.bucket, &self.key, &self.etag] {
            // With its length, so that no two lists of texts are the same bytes.
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(self.size.to_le_bytes());
        ObjectHash(hash.finalize().into())
    }
}

/// SHA-256 of an [`ObjectId`]. Who may write to a bucket can find collisions of a short hash, and would
/// then choose the bytes of another object.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct ObjectHash(pub [u8; 32]);

impl ObjectHash {
    /// Reads the hexadecimal digits that [`Display`](fmt::Display) writes.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits = text.iter().map(digit).collect::<Option<Vec<u8>>>()?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        (text.len() == 64).then_some(())?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a shelf: its object, and its place in it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct ShelfKey {
    pub object: ObjectHash,
    pub number: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(bucket: &str, key: &str, etag: &str, size: u64) -> ObjectId {
        ObjectId { bucket: bucket.into(), key: key.into(), etag: etag.into(), size }
    }

    #[test]
    fn every_part_of_an_object_is_in_its_hash() {
        let ids = [
            id("b", "k", "e", 1),
            id("c", "k", "e", 1),
            id("b", "l", "e", 1),
            id("b", "k", "f", 1),
            id("b", "k", "e", 2),
            // The same bytes one after the other, divided in another way.
            id("bk", "", "e", 1),
            id("b", "", "ke", 1),
        ];
        for (place, one) in ids.iter().enumerate() {
            for (other_place, other) in ids.iter().enumerate() {
                assert_eq!(one.hash() == other.hash(), place == other_place, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written_and_in_no_other_way() {
        let hash = id("bucket", "key", "etag", 5).hash();
        let text = hash.to_string();
        assert_eq!(ObjectHash::parse(text.as_bytes()), Some(hash));
        for other in [&text[1..], &text.replace(&text[..1], "g"), &text.to_uppercase(), "", "lock"]
        {
            assert_eq!(ObjectHash::parse(other.as_bytes()), None, "{other}");
        }
    }
}
