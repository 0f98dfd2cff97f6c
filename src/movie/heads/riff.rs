//! Chunks of RIFF: a name of four letters, a length, and a body, which is padded to even length.

use std::ops::Range;

use super::{bytes_at, u32_le};
use crate::extent::{ReadAt, ReadError};

/// The most chunks that are looked at.
const CHUNKS_MAX: usize = 256;

/// Length of the header of a chunk.
const HEADER_BYTES: usize = 8;

/// Where the chunks of a file begin: behind `RIFF`, a length, and the kind of the file.
pub(super) const FIRST_CHUNK: u64 = 12;

/// A chunk of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chunk {
    pub(super) name: [u8; 4],
    /// The offset of its body.
    pub(super) body: u64,
    /// The length that its header names; the greatest number if the writer did not know it.
    pub(super) bytes: u32,
}

/// The chunks of a file in a range, whose headers are read one after the other.
pub(super) fn chunks<R: ReadAt + ?Sized>(
    source: &R,
    within: Range<u64>,
) -> Result<Vec<Chunk>, ReadError> {
    let (mut found, mut at) = (Vec::new(), within.start);
    while at < within.end && found.len() < CHUNKS_MAX {
        let header = bytes_at(source, at, HEADER_BYTES)?;
        let (Some(name), Some(bytes)) = (header.first_chunk(), u32_le(&header, 4)) else { break };
        found.push(Chunk { name: *name, body: at + HEADER_BYTES as u64, bytes });
        at += HEADER_BYTES as u64 + u64::from(bytes) + u64::from(bytes % 2);
    }
    Ok(found)
}

/// The chunks in memory, up to the first that is cut: names and bodies.
pub(super) fn children(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (name, length) = (*rest.first_chunk()?, u32_le(rest, 4)?);
        let length = usize::try_from(length).ok()?;
        let body = rest.get(HEADER_BYTES..HEADER_BYTES.checked_add(length)?)?;
        rest = rest.get(HEADER_BYTES + length + length % 2..).unwrap_or_default();
        Some((name, body))
    })
}
