//! The units of a fetch, and bytes in order cut into them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// What is present or missing in the cache: bytes are stored in whole chunks, or to the object's end.
pub const CHUNK_BYTES: u64 = CHUNK_LEN as u64;
pub(super) const CHUNK_LEN: usize = 64 * 1024;

/// What is fetched: a fetch ends at the end of a unit.
pub const UNIT_BYTES: u64 = 1024 * 1024;

/// The most that one request fetches.
pub(super) const FLIGHT_BYTES_MAX: u64 = 8 * UNIT_BYTES;

/// What is stored at once, behind the first chunk that a viewer waits for.
const STORE_BYTES: u64 = 256 * 1024;

/// A range of an object that contains this one, from a chunk's beginning to a unit's end.
pub(super) fn whole_units(range: &Range<u64>, size: u64) -> Range<u64> {
    let start = range.start.min(size);
    let end = range.end.min(size).div_ceil(UNIT_BYTES).saturating_mul(UNIT_BYTES).min(size);
    start - start % CHUNK_BYTES..end
}

/// The parts of a range that are missing, as whole chunks inside of it, in order.
pub(super) fn whole_chunks(missing: Vec<Range<u64>>, range: &Range<u64>) -> Vec<Range<u64>> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    for part in missing {
        let start = (part.start - part.start % CHUNK_BYTES).max(range.start);
        let end = part.end.div_ceil(CHUNK_BYTES).saturating_mul(CHUNK_BYTES).min(range.end);
        match parts.last_mut() {
            _ if start >= end => {}
            Some(last) if start <= last.end => last.end = last.end.max(end),
            _ => parts.push(start..end),
        }
    }
    parts
}

/// Collects the bytes of a range, which arrive in order.
#[derive(Debug)]
pub(super) struct Chunks {
    range: Range<u64>,
    /// The offset of the first byte in the buffer.
    stored: u64,
    buffer: BytesMut,
}

impl Chunks {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { stored: range.start, range, buffer: BytesMut::new() }
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.stored + self.buffer.len() as u64
    }

    /// Takes bytes at an offset up to [`at`](Self::at), of which the first may lie in front of it. Returns
    /// what can be stored.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) -> Option<(u64, Bytes)> {
        let skip = usize::try_from(self.at().saturating_sub(offset)).unwrap_or(usize::MAX);
        let left = usize::try_from(self.range.end - self.at()).unwrap_or(usize::MAX);
        let bytes = bytes.get(skip..).unwrap_or_default();
        self.buffer.extend_from_slice(&bytes[..bytes.len().min(left)]);
        let at = self.at();
        let wanted = if self.stored == self.range.start { CHUNK_BYTES } else { STORE_BYTES };
        let end = match at {
            _ if at == self.range.end => at,
            _ if at - self.stored < wanted => return None,
            _ => at - at % CHUNK_BYTES,
        };
        let length = usize::try_from(end - self.stored).ok().filter(|length| *length > 0)?;
        let whole = (self.stored, self.buffer.split_to(length).freeze());
        self.stored = end;
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_begins_at_a_chunk_and_ends_at_a_unit_or_with_the_object() {
        let size = 3 * UNIT_BYTES - 5;
        assert_eq!(whole_units(&(0..1), size), 0..UNIT_BYTES);
        let chunk = UNIT_BYTES + CHUNK_BYTES;
        assert_eq!(whole_units(&(chunk + 7..chunk + 8), size), chunk..2 * UNIT_BYTES);
        assert_eq!(whole_units(&(size - 1..u64::MAX), size), size - size % CHUNK_BYTES..size);
    }

    #[test]
    fn missing_parts_become_whole_chunks_inside_of_the_range() {
        let range = CHUNK_BYTES..10 * CHUNK_BYTES + 3;
        let missing = vec![0..CHUNK_BYTES + 1, 2 * CHUNK_BYTES..2 * CHUNK_BYTES + 1];
        let parts = whole_chunks(missing, &range);
        assert_eq!(
            parts.iter().map(|part| (part.start, part.end)).collect::<Vec<_>>(),
            [(CHUNK_BYTES, 3 * CHUNK_BYTES)]
        );
        let missing =
            vec![0..CHUNK_BYTES, 5 * CHUNK_BYTES..6 * CHUNK_BYTES, range.end - 1..u64::MAX];
        assert_eq!(
            whole_chunks(missing, &range),
            [5 * CHUNK_BYTES..6 * CHUNK_BYTES, 10 * CHUNK_BYTES..range.end]
        );
    }

    #[test]
    #[allow(clippy::cast_possible_truncation, reason = "a small object")]
    fn the_first_chunk_is_stored_as_soon_as_it_is_whole_and_every_byte_once() {
        let range = CHUNK_BYTES..20 * CHUNK_BYTES + 3;
        let object: Vec<u8> = (0..range.end).map(|at| (at % 251) as u8).collect();
        let mut chunks = Chunks::new(range.clone());
        let (mut stores, mut offset) = (Vec::new(), 100);
        for piece in object[100..].chunks(10_000) {
            stores.extend(chunks.push(offset, piece));
            offset += piece.len() as u64;
        }
        assert_eq!((stores[0].0, stores[0].1.len() as u64), (range.start, CHUNK_BYTES));
        let mut next = range.start;
        for (offset, bytes) in &stores {
            assert_eq!(*offset, next);
            next += bytes.len() as u64;
            assert!(next % CHUNK_BYTES == 0 || next == range.end);
            assert!(object[*offset as usize..next as usize] == bytes[..]);
        }
        assert_eq!((next, chunks.at()), (range.end, range.end));
    }
}
