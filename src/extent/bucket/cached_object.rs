//! An object of a bucket as the cache has it: partly present.

use std::{io, ops::Range, sync::Arc};

use super::{
    cache::Cache,
    chunks::CHUNK_BYTES,
    shelf::{SHELF_BYTES, Shelf, chunks_of},
    shelf_key::{ObjectHash, ObjectId, ShelfKey},
};
use crate::{extent::disk::Unavailable, shares::ClientKey};

/// The most attempts to store bytes in a shelf that the cache evicts at the same time.
const STORE_TRIES: usize = 4;

/// The part of an object that is in the cache. A copy of it is the same.
#[derive(Clone, Debug)]
pub struct CachedObject {
    cache: Arc<Cache>,
    hash: ObjectHash,
    size: u64,
}

/// Bytes of an object that are present.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The shelf that holds them, a file. Who has it keeps the bytes, also when the cache evicts it.
    pub shelf: Arc<Shelf>,
    /// Where they begin in the shelf.
    pub offset: u64,
    /// How many follow without a gap: at least one.
    pub bytes: u64,
}

/// A range of an object on one of its shelves.
struct Part {
    key: ShelfKey,
    /// The bytes of the object on the shelf.
    len: u64,
    /// Where the shelf begins in the object.
    start: u64,
    /// The range within the shelf.
    range: Range<u64>,
}

impl CachedObject {
    pub(super) fn new(cache: Arc<Cache>, id: &ObjectId) -> Self {
        Self { cache, hash: id.hash(), size: id.size }
    }

    /// The length of the object in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether I/O threads may let the kernel send pieces: they are on a local disk.
    pub(super) fn is_sendable(&self) -> bool {
        self.cache.folder().is_nonblocking()
    }

    /// Whether the cache has no room, so that fetching into it would be in vain; counted for the log.
    pub(super) fn refuses(&self) -> bool {
        let is_full = self.cache.is_full();
        if is_full {
            self.cache.refuse();
        }
        is_full
    }

    /// The bytes that are present from an offset on. `None` if the first one is missing, or if nothing has
    /// looked for it yet: [`missing`](Self::missing) tells. Only looks into memory, for I/O threads.
    pub fn piece(&self, offset: u64) -> Option<Piece> {
        let (key, offset) = self.place(offset)?;
        let shelf = self.cache.open_shelves().get(&key)?;
        let bytes = shelf.present_from(offset);
        if bytes == 0 {
            return None;
        }
        shelf.mark_used();
        Some(Piece { shelf, offset, bytes })
    }

    /// The parts of a range that are missing, as whole chunks of 64 KiB: they may begin before the range and
    /// end behind it, but not behind the object. Reads the pages of shelves and checks the chunks that no one
    /// has checked in this process. Blocks: for the cache's disk pool.
    pub fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing: Vec<Range<u64>> = Vec::new();
        let add = |part: Range<u64>| match missing.last_mut() {
            Some(last) if last.end == part.start => last.end = part.end,
            _ => missing.push(part),
        };
        self.parts(range).flat_map(|part| self.missing_in(&part)).for_each(add);
        missing
    }

    fn missing_in(&self, part: &Part) -> Vec<Range<u64>> {
        let chunks = chunk(part.range.start)..chunks_of(part.range.end);
        let bytes = |chunks: Range<usize>| {
            let end = (chunks.end as u64 * CHUNK_BYTES).min(part.len);
            part.start + chunks.start as u64 * CHUNK_BYTES..part.start + end
        };
        let shelf = self.cache.shelf(part.key, part.len).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read the cache");
            None
        });
        let Some(shelf) = shelf else { return vec![bytes(chunks)] };
        shelf.mark_used();
        let checked = shelf.check(chunks);
        if checked.corrupt > 0 {
            self.cache.count_corrupt(&part.key, checked.corrupt);
            self.cache.update(&shelf);
        }
        checked.missing.into_iter().map(bytes).collect()
    }

    /// Stores bytes of the object. Only whole chunks of 64 KiB count, and the end of the object; the rest of
    /// the bytes is dropped. Blocks: for the cache's disk pool.
    ///
    /// # Errors
    /// [`StorageFull`](io::ErrorKind::StorageFull) if the cache has no room even after it has evicted shelves,
    /// and other errors of the disk. These bytes can then be read through memory only.
    pub fn store(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(range) = whole_chunks(offset, bytes.len() as u64, self.size) else {
            return Ok(());
        };
        for part in self.parts(range) {
            let start =
                usize::try_from(part.start + part.range.start - offset).unwrap_or(usize::MAX);
            let len = usize::try_from(part.range.end - part.range.start).unwrap_or(0);
            let bytes = bytes.get(start..).and_then(|bytes| bytes.get(..len));
            self.store_part(&part, bytes.unwrap_or_default())?;
        }
        Ok(())
    }

    fn store_part(&self, part: &Part, bytes: &[u8]) -> io::Result<()> {
        if self.cache.is_full() {
            return Err(self.cache.refuse());
        }
        let mut has_made_room = false;
        for _ in 0..STORE_TRIES {
            match self.try_store(part, bytes) {
                Ok(true) => return Ok(()),
                Err(error) if !is_full(&error) => return Err(error),
                Err(_full) if has_made_room => return Err(self.cache.refuse()),
                Err(_full) => {
                    self.cache.make_room(bytes.len() as u64);
                    has_made_room = true;
                }
                // Another file takes the place of the evicted one.
                Ok(false) => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::StorageFull, "the cache evicted the bytes as they came"))
    }

    /// Stores bytes. False if the cache has evicted the shelf by then, so that nothing finds them.
    fn try_store(&self, part: &Part, bytes: &[u8]) -> io::Result<bool> {
        let shelf = self.cache.shelf_or_new(part.key, part.len)?;
        shelf.mark_used();
        let stored = shelf.store(chunk(part.range.start), bytes)?;
        if stored > 0 {
            self.cache.count_miss(stored);
            self.cache.update(&shelf);
        }
        Ok(!shelf.is_evicted())
    }

    /// Counts bytes that were sent from the cache.
    pub fn record_hit(&self, bytes: u64) {
        self.cache.count_hit(bytes);
    }

    /// Runs a call that may block in the cache's disk pool, and waits for it as long as the disk makes
    /// progress.
    ///
    /// # Errors
    /// If the disk hangs.
    pub async fn in_pool<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let object = self.clone();
        self.cache.pool().run_progressing(ClientKey::current(), move || call(&object)).await
    }

    /// The shelf of an offset, and the offset in it.
    fn place(&self, offset: u64) -> Option<(ShelfKey, u64)> {
        let number = u32::try_from(offset / SHELF_BYTES).ok()?;
        Some((ShelfKey { object: self.hash, number }, offset % SHELF_BYTES))
    }

    /// A range by shelves, as far as it is in the object.
    fn parts(&self, range: Range<u64>) -> impl Iterator<Item = Part> {
        let (mut at, end) = (range.start, range.end.min(self.size));
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (key, offset) = self.place(at)?;
            let start = at - offset;
            let len = (self.size - start).min(SHELF_BYTES);
            let range = offset..(end - start).min(len);
            at = start + range.end;
            Some(Part { key, len, start, range })
        })
    }
}

/// The number of a chunk in its shelf.
fn chunk(offset: u64) -> usize {
    usize::try_from(offset / CHUNK_BYTES).unwrap_or(usize::MAX)
}

/// The whole chunks in a range of an object of some size.
fn whole_chunks(offset: u64, bytes: u64, size: u64) -> Option<Range<u64>> {
    let start = offset.checked_next_multiple_of(CHUNK_BYTES)?;
    let end = offset.checked_add(bytes)?;
    let end = if end >= size { size } else { end / CHUNK_BYTES * CHUNK_BYTES };
    (start < end).then_some(start..end)
}

/// Whether an error means that the disk, or the user's share of it, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, os::unix::fs::FileExt as _, time::Duration};

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::{super::CacheSettings, *};
    use crate::extent::disk::DiskPoolSettings;

    /// Two shelves, of which the last one ends within a chunk.
    const SIZE: u64 = SHELF_BYTES + 5 * CHUNK_BYTES + 1234;

    fn object() -> (TempDir, Arc<CachedObject>) {
        let folder = tempfile::tempdir().expect("a folder");
        let deadline = Duration::from_secs(60);
        let cache = Cache::open(CacheSettings {
            folder: folder.path().to_owned(),
            budget_bytes: 0,
            min_free_bytes: 0,
            pool: DiskPoolSettings { threads: 1, queue: 16, deadline },
        });
        let id = ObjectId { bucket: "b".into(), key: "k".into(), etag: "e".into(), size: SIZE };
        (folder, cache.expect("a cache").object(&id))
    }

    /// Bytes of the object: each chunk has its own.
    fn bytes(range: Range<u64>) -> Vec<u8> {
        range.map(|at| (at ^ (at / CHUNK_BYTES)).to_le_bytes()[0]).collect()
    }

    fn read(piece: &Piece, bytes: u64) -> Vec<u8> {
        let mut read = vec![0; usize::try_from(bytes).expect("few")];
        piece.shelf.file().read_exact_at(&mut read, piece.offset).expect("bytes");
        read
    }

    /// The ranges of whole chunks out of a range that are not among the present ones.
    fn expected_missing(present: &BTreeSet<u64>, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing: Vec<Range<u64>> = Vec::new();
        let end = range.end.min(SIZE).div_ceil(CHUNK_BYTES);
        for chunk in (range.start / CHUNK_BYTES..end).filter(|chunk| !present.contains(chunk)) {
            let bytes = chunk * CHUNK_BYTES..((chunk + 1) * CHUNK_BYTES).min(SIZE);
            match missing.last_mut() {
                Some(last) if last.end == bytes.start => last.end = bytes.end,
                _ => missing.push(bytes),
            }
        }
        missing
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn what_was_stored_is_present_and_the_rest_is_missing(
            stores in prop::collection::vec((0..SIZE + 1000, 0..400_000_u64), 1..12),
            looked_at in (0..SIZE, 1..SIZE),
        ) {
            let (_folder, object) = object();
            let mut present = BTreeSet::new();
            for (start, length) in stores {
                let end = (start + length).min(SIZE.max(start));
                object.store(start, &bytes(start..end)).expect("stored");
                let is_whole = |chunk: &u64| {
                    chunk * CHUNK_BYTES >= start && ((chunk + 1) * CHUNK_BYTES).min(SIZE) <= end
                };
                present.extend((0..SIZE.div_ceil(CHUNK_BYTES)).filter(is_whole));
            }
            let range = looked_at.0..looked_at.0 + looked_at.1;
            if range.start < range.end.min(SIZE) {
                prop_assert_eq!(object.missing(range.clone()), expected_missing(&present, range));
            }
            prop_assert_eq!(object.missing(0..u64::MAX), expected_missing(&present, 0..SIZE));
            for offset in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, looked_at.0, SHELF_BYTES, SIZE - 1] {
                let piece = object.piece(offset);
                prop_assert_eq!(piece.is_some(), present.contains(&(offset / CHUNK_BYTES)));
                if let Some(piece) = piece {
                    let end = offset + piece.bytes;
                    prop_assert!(end <= SIZE && (end % SHELF_BYTES == 0 || end == SIZE
                        || !present.contains(&(end / CHUNK_BYTES))));
                    let looked = piece.bytes.min(2 * CHUNK_BYTES);
                    prop_assert!(read(&piece, looked) == bytes(offset..offset + looked));
                }
            }
            prop_assert!(object.piece(SIZE).is_none() && object.piece(u64::MAX).is_none());
        }

        #[test]
        fn parts_are_the_range_cut_at_shelves(start: u64, length: u64, size: u64) {
            let (_folder, object) = object();
            let object = CachedObject { size, ..(*object).clone() };
            let range = start..start.saturating_add(length);
            let mut at = range.start;
            for part in object.parts(range.clone()).take(3) {
                prop_assert_eq!(part.start + part.range.start, at);
                prop_assert!(part.range.start < part.range.end && part.range.end <= part.len);
                at = part.start + part.range.end;
                prop_assert!(at <= size.min(range.end));
                prop_assert!(at % SHELF_BYTES == 0 || at == size.min(range.end));
            }
        }

        #[test]
        fn whole_chunks_are_in_the_range(offset: u64, bytes: u64, size: u64) {
            if let Some(range) = whole_chunks(offset, bytes, size) {
                prop_assert!(offset <= range.start && range.start % CHUNK_BYTES == 0);
                prop_assert!(range.end <= offset + bytes);
                prop_assert!(range.end % CHUNK_BYTES == 0 || range.end == size);
                prop_assert!(range.end <= size);
            }
        }
    }

    #[test]
    fn present_chunks_are_not_written_again() {
        let (_folder, object) = object();
        object.store(0, &bytes(0..CHUNK_BYTES)).expect("stored");
        let others = vec![255; 3 * 65536];
        object.store(0, &others).expect("stored");
        let piece = object.piece(0).expect("a piece");
        assert_eq!(piece.bytes, 3 * CHUNK_BYTES);
        assert!(read(&piece, CHUNK_BYTES) == bytes(0..CHUNK_BYTES));
        assert!(
            read(&object.piece(CHUNK_BYTES).expect("a piece"), 2 * CHUNK_BYTES) == others[65536..]
        );
    }
}
