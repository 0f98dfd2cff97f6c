//! A shelf: a sparse file that caches 16 MiB of one object.

use std::{
    fs::File,
    io,
    ops::Range,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::FileExt as _,
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use super::{
    chunk_set::{self, ChunkSet, SHELF_CHUNKS},
    chunks::{CHUNK_BYTES, CHUNK_LEN},
    shelf_key::ShelfKey,
    shelf_page::{PAGE_BYTES, ShelfPage, checksum},
};
use crate::{extent::disk::DiskPool, shares::ClientKey};

/// The bytes of an object that one shelf holds.
pub(super) const SHELF_BYTES: u64 = SHELF_CHUNKS as u64 * CHUNK_BYTES;

/// The length of a shelf's file: the data, and the page behind it.
pub(super) const SHELF_FILE_BYTES: u64 = SHELF_BYTES + PAGE_BYTES as u64;

/// An open shelf. Its present bytes do not change, also not when the cache evicts it: then its file has no
/// name any more, and its blocks are free once nothing refers to the shelf, the kernel's sockets included.
#[derive(Debug)]
pub struct Shelf {
    /// `None` only at the end.
    file: Option<File>,
    pool: Arc<DiskPool>,
    key: ShelfKey,
    /// The bytes of the object on this shelf: fewer than [`SHELF_BYTES`] on the last one.
    len: u64,
    /// The chunks that are present: stored or checked in this process.
    ready: ChunkSet,
    /// The chunks that the page lists and nothing has checked in this process.
    unchecked: ChunkSet,
    checksums: [AtomicU32; SHELF_CHUNKS],
    /// Held while chunks are written, so that present ones are never written again.
    writing: Mutex<()>,
    /// Held while the page is written.
    page: Mutex<()>,
    /// Whether the page does not list what is present.
    is_dirty: AtomicBool,
    is_evicted: AtomicBool,
    /// Whether bytes were asked for since the last look.
    is_used: AtomicBool,
    page_cache_key: u64,
}

/// The result of a check of chunks.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Checked {
    /// The chunks that are not present, in order and apart from each other.
    pub missing: Vec<Range<usize>>,
    /// The chunks whose bytes were wrong or could not be read, and which are missing now.
    pub corrupt: u64,
}

impl Shelf {
    /// The length of a shelf's file, in bytes.
    pub const FILE_BYTES: u64 = SHELF_FILE_BYTES;

    /// The shelf of a new file, and its first page. Blocks.
    pub(super) fn create(
        file: File,
        key: ShelfKey,
        len: u64,
        pool: &Arc<DiskPool>,
    ) -> io::Result<Self> {
        file.write_all_at(&ShelfPage::EMPTY.encode(&key), SHELF_BYTES)?;
        Ok(Self::new(file, key, len, pool, &ShelfPage::EMPTY))
    }

    /// The shelf of a file. `None` if its page is not whole, or not of this shelf. Blocks.
    pub(super) fn load(
        file: File,
        key: ShelfKey,
        len: u64,
        pool: &Arc<DiskPool>,
    ) -> io::Result<Option<Self>> {
        Ok(read_page(&file, &key)?.map(|page| Self::new(file, key, len, pool, &page)))
    }

    fn new(file: File, key: ShelfKey, len: u64, pool: &Arc<DiskPool>, page: &ShelfPage) -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(1);
        let len = len.min(SHELF_BYTES);
        Self {
            file: Some(file),
            pool: Arc::clone(pool),
            key,
            len,
            ready: ChunkSet::default(),
            unchecked: chunk_set::below(page.chunks, chunks_of(len)).into(),
            checksums: page.checksums.map(AtomicU32::new),
            writing: Mutex::default(),
            page: Mutex::default(),
            is_dirty: AtomicBool::new(false),
            is_evicted: AtomicBool::new(false),
            is_used: AtomicBool::new(true),
            // An odd factor: no two are equal, and neighbours are far apart.
            page_cache_key: OPENED
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// A number that no other shelf has in this process, far from those of others: keys what is known of the
    /// file's pages.
    pub fn page_cache_key(&self) -> u64 {
        self.page_cache_key
    }

    /// The name of the shelf.
    pub(super) fn key(&self) -> ShelfKey {
        self.key
    }

    /// The present bytes from an offset on, without a gap.
    pub(super) fn present_from(&self, offset: u64) -> u64 {
        let Ok(chunk) = usize::try_from(offset / CHUNK_BYTES) else { return 0 };
        match self.ready.run_from(chunk) {
            0 => 0,
            run => chunk_range(chunk..chunk + run, self.len).end.saturating_sub(offset),
        }
    }

    /// Notes that bytes were asked for.
    pub(super) fn mark_used(&self) {
        // Most of the time it is, and a store would take the cache line from the other threads.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether bytes were asked for since the last call.
    pub(super) fn take_used(&self) -> bool {
        self.is_used.swap(false, Ordering::Relaxed)
    }

    /// Closes the file. Blocks.
    pub(super) fn close(mut self) {
        self.file = None;
    }

    /// The number of chunks in the file.
    pub(super) fn chunks(&self) -> u32 {
        chunk_set::count(&self.listed())
    }

    /// Whether all chunks are in the file.
    pub(super) fn is_whole(&self) -> bool {
        self.chunks() as usize == chunks_of(self.len)
    }

    /// Whether the page does not list what is present.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty.load(Ordering::Acquire)
    }

    /// Whether the cache has evicted the shelf, so that nothing finds it again.
    pub(super) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Acquire)
    }

    /// Notes that the cache has evicted the shelf.
    pub(super) fn mark_evicted(&self) {
        self.is_evicted.store(true, Ordering::Release);
    }

    /// Checks those of some chunks that no one has checked in this process. Blocks.
    pub(super) fn check(&self, chunks: Range<usize>) -> Checked {
        let mut checked = Checked::default();
        let mut buffer = Vec::new();
        for chunk in chunks.start..chunks.end.min(chunks_of(self.len)) {
            if self.unchecked.contains(chunk) {
                if self.is_intact(chunk, &mut buffer) {
                    self.ready.insert(chunk);
                    self.unchecked.remove(chunk);
                } else if self.unchecked.remove(chunk) {
                    self.is_dirty.store(true, Ordering::Release);
                    checked.corrupt += 1;
                }
            }
            if self.ready.contains(chunk) {
                continue;
            }
            match checked.missing.last_mut() {
                Some(last) if last.end == chunk => last.end = chunk + 1,
                _ => checked.missing.push(chunk..chunk + 1),
            }
        }
        checked
    }

    /// Whether the bytes of a chunk are those of its checksum.
    fn is_intact(&self, chunk: usize, buffer: &mut Vec<u8>) -> bool {
        let bytes = chunk_range(chunk..chunk + 1, self.len);
        buffer.resize(usize::try_from(bytes.end - bytes.start).unwrap_or(0), 0);
        self.file().read_exact_at(buffer, bytes.start).is_ok()
            && checksum(buffer) == self.checksums[chunk].load(Ordering::Acquire)
    }

    /// Stores chunks from a chunk on: all whole, except the last one of the object. Present ones stay as
    /// they are. Returns the number of bytes that are new. Blocks.
    pub(super) fn store(&self, first: usize, bytes: &[u8]) -> io::Result<u64> {
        let _writing = lock(&self.writing);
        let pieces: Vec<&[u8]> = bytes.chunks(CHUNK_LEN).collect();
        let is_new = |number: &usize| !self.ready.contains(first + number);
        let (mut at, mut stored) = (0, 0);
        while at < pieces.len() {
            let run = (at..pieces.len()).take_while(is_new).count();
            if run > 0 {
                stored += self.write(first + at, &pieces[at..at + run], bytes, at)?;
            }
            // Behind the run is a chunk that is present, or nothing.
            at += run + 1;
        }
        Ok(stored)
    }

    /// Writes chunks, in one call, and lists them as present.
    fn write(
        &self,
        first: usize,
        pieces: &[&[u8]],
        bytes: &[u8],
        skipped: usize,
    ) -> io::Result<u64> {
        let start = skipped * CHUNK_LEN;
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.file().write_all_at(&bytes[start..start + len], first as u64 * CHUNK_BYTES)?;
        for (chunk, piece) in (first..).zip(pieces) {
            self.checksums[chunk].store(checksum(piece), Ordering::Release);
            self.ready.insert(chunk);
            self.unchecked.remove(chunk);
        }
        self.is_dirty.store(true, Ordering::Release);
        Ok(len as u64)
    }

    /// Writes the page if it does not list what is present, after the data that it lists is on the disk.
    /// Blocks.
    pub(super) fn write_page(&self) -> io::Result<()> {
        let _page = lock(&self.page);
        if self.is_evicted() || !self.is_dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let chunks = self.listed();
        let checksums = self.checksums.each_ref().map(|crc| crc.load(Ordering::Acquire));
        let written = self.file().sync_data().and_then(|()| {
            let page = ShelfPage { chunks, checksums }.encode(&self.key);
            self.file().write_all_at(&page, SHELF_BYTES)
        });
        if written.is_err() {
            self.is_dirty.store(true, Ordering::Release);
        }
        written
    }

    pub(super) fn file(&self) -> &File {
        self.file.as_ref().expect("a shelf is open until it is dropped")
    }

    /// The chunks in the file.
    fn listed(&self) -> chunk_set::Words {
        // A check moves chunks from the one set to the other and inserts first.
        let unchecked = self.unchecked.words();
        chunk_set::union(unchecked, self.ready.words())
    }
}

impl AsFd for Shelf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file().as_fd()
    }
}

impl Drop for Shelf {
    /// Closing can block while the kernel frees the blocks of an evicted shelf.
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            self.pool.run_detached(ClientKey::Server, move || drop(file));
        }
    }
}

/// Reads the page of a shelf. `None` if it is not whole, or not of this shelf.
fn read_page(file: &File, key: &ShelfKey) -> io::Result<Option<ShelfPage>> {
    let mut page = [0; PAGE_BYTES];
    match file.read_exact_at(&mut page, SHELF_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        read => read.map(|()| ShelfPage::decode(&page, key)),
    }
}

/// The number of chunks that some bytes of an object are.
pub(super) fn chunks_of(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(CHUNK_BYTES)).unwrap_or(usize::MAX)
}

/// The bytes of chunks, of which only those before `len` exist.
fn chunk_range(chunks: Range<usize>, len: u64) -> Range<u64> {
    chunks.start as u64 * CHUNK_BYTES..(chunks.end as u64 * CHUNK_BYTES).min(len)
}

/// The state under these locks is in atomics, which a panic leaves valid.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
