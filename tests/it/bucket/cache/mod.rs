//! The cache on local disk: never a wrong byte, whatever happens to its folder, its disk or its process.

mod evictions; // under viewers
mod full_disk;
mod hostile_folder; // damaged and foreign files
mod restarts; // and crashes

use std::{
    fs,
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headwater::extent::{
    bucket::{Cache, CacheSettings, CachedObject, ObjectId, Piece},
    disk::DiskPoolSettings,
};

use crate::support::wait::until;

const MIB: usize = 1 << 20;
const CHUNK: usize = 64 * 1024;

/// The bytes of an object that a shelf holds, and where its page begins.
const SHELF: usize = 16 * MIB;

/// An object of a bucket.
struct Object {
    id: ObjectId,
    bytes: Vec<u8>,
}

impl Object {
    /// An object whose bytes follow from its number.
    fn new(number: u64, length: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number + 1);
        let mut bytes = vec![0; length.next_multiple_of(8)];
        for word in bytes.chunks_exact_mut(8) {
            state = next_random(state);
            word.copy_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        let etag = format!("\"{number:032x}\"").into();
        let id = ObjectId {
            bucket: "https://s3.example/media".into(),
            key: format!("films/{number}.mp4").into(),
            etag,
            size: length as u64,
        };
        Self { id, bytes }
    }

    /// Stores a range of the object.
    fn store(&self, cached: &CachedObject, range: Range<usize>) {
        cached.store(range.start as u64, &self.bytes[range]).unwrap();
    }

    /// Stores all of the object, a MiB at a time.
    fn store_all(&self, cache: &Arc<Cache>) -> Arc<CachedObject> {
        let cached = cache.object(&self.id);
        let end = self.bytes.len();
        (0..end).step_by(MIB).for_each(|at| self.store(&cached, at..(at + MIB).min(end)));
        cached
    }

    /// Reads all that is present, and compares it. Returns the number of bytes.
    fn read_present(&self, cached: &CachedObject) -> usize {
        let (mut at, mut present) = (0, 0);
        while at < self.bytes.len() {
            let Some(piece) = cached.piece(at as u64) else {
                at = (at + 1).next_multiple_of(CHUNK);
                continue;
            };
            let length = piece.bytes as usize;
            assert!(read(&piece, length) == self.bytes[at..at + length], "other bytes at {at}");
            present += length;
            at += length;
        }
        present
    }

    /// Looks all of the object up, and compares what is present. Returns the number of missing bytes.
    fn look_up(&self, cache: &Arc<Cache>) -> usize {
        let cached = cache.object(&self.id);
        let missing = cached.missing(0..self.id.size);
        let missing = missing.iter().map(|range| (range.end - range.start) as usize).sum::<usize>();
        assert_eq!(self.read_present(&cached), self.bytes.len() - missing);
        missing
    }
}

/// A step of xorshift64.
fn next_random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

fn settings(folder: &Path, budget: usize) -> CacheSettings {
    let pool = DiskPoolSettings { threads: 4, queue: 64, deadline: Duration::from_secs(60) };
    let (folder, budget_bytes) = (folder.to_owned(), budget as u64);
    CacheSettings { folder, budget_bytes, min_free_bytes: 0, pool }
}

/// Opens a cache. The threads of an earlier one may still be in a call.
fn open(folder: &Path, budget: usize) -> Arc<Cache> {
    let mut opened = None;
    until("the folder is free", || match Cache::open(settings(folder, budget)) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => false,
        cache => {
            opened = Some(cache.unwrap());
            true
        }
    });
    opened.unwrap()
}

/// Reads from the front of a piece, from the disk or the page cache.
fn read(piece: &Piece, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let (mut read, offset) = (0, piece.offset as usize);
    while read < length {
        let at = (offset + read) as u64;
        let more = rustix::io::pread(&*piece.shelf, &mut bytes[read..], at).unwrap();
        assert!(more > 0, "the shelf ends at {at}");
        read += more;
    }
    bytes
}

/// The files of shelves, in order.
fn shelf_files(folder: &Path) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let directories = entries(folder.to_owned()).into_iter().flat_map(entries);
    let mut files: Vec<PathBuf> = directories.flat_map(entries).collect();
    files.sort();
    files
}
