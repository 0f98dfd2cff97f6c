//! The cache of objects on a local disk: shelves within a budget of bytes.

use std::{
    convert::Infallible,
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
};

use super::{
    cache_folder::CacheFolder,
    cache_upkeep,
    cached_object::CachedObject,
    chunk_set::SHELF_CHUNKS,
    chunks::CHUNK_BYTES,
    open_shelves::OpenShelves,
    shelf::Shelf,
    shelf_key::{ObjectHash, ObjectId, ShelfKey},
    shelf_policy::{CAPACITY_MIN, ShelfPolicy},
};
use crate::extent::disk::{DiskPool, DiskPoolSettings};

/// The most open shelves, besides those of responses: each has a descriptor and about 1.5 KiB.
const OPEN_SHELVES_MAX: usize = 1024;

/// The number of locks for the names of shelves.
const GATES: usize = 64;

/// The settings of a cache.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// The folder, which belongs to this process alone.
    pub folder: PathBuf,
    /// The most bytes of objects to keep; at least 64 MiB are used.
    pub budget_bytes: u64,
    /// The bytes to leave free on the disk.
    pub min_free_bytes: u64,
    /// The threads of the cache's disk.
    pub pool: DiskPoolSettings,
}

/// The use of a cache; all but the first and the last member since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CacheUsage {
    /// The bytes on the disk, in whole chunks. Grows after a start, while the cache counts what it finds.
    pub bytes: u64,
    /// The bytes that were sent from the cache.
    pub hit_bytes: u64,
    /// The bytes that were fetched and stored.
    pub miss_bytes: u64,
    /// The bytes that were evicted.
    pub evicted_bytes: u64,
    /// The chunks, and the pages of shelves, that were not as they had been written.
    pub corrupt: u64,
    /// Whether the disk has no room for the cache, so that objects are read through memory.
    pub is_full: bool,
}

/// A cache of objects on a local disk.
///
/// Every function here but [`object`](Self::object) and [`usage`](Self::usage) may wait for that disk.
pub struct Cache {
    folder: Arc<CacheFolder>,
    min_free_bytes: u64,
    pool: Arc<DiskPool>,
    open: OpenShelves,
    policy: ShelfPolicy,
    /// Held while the file of an object's shelf is opened, created or removed.
    gates: [Mutex<()>; GATES],
    hit_bytes: AtomicU64,
    miss_bytes: AtomicU64,
    evicted_bytes: AtomicU64,
    corrupt: AtomicU64,
    is_full: AtomicBool,
    /// Whether the shelves that were in the folder are counted.
    is_counted: AtomicBool,
    /// The writes for which the disk had no room since the last log line.
    pub(super) refused: AtomicU64,
    /// The upkeep ends when it is dropped.
    _upkeep: mpsc::Sender<Infallible>,
}

impl Cache {
    /// Opens the cache in a folder, and creates the folder if it does not exist. Reads nothing in it: a shelf
    /// is read at its first use, and a thread counts what is there.
    ///
    /// # Errors
    /// If the folder cannot be used, in particular if another process uses it. The error names the folder.
    pub fn open(settings: CacheSettings) -> io::Result<Arc<Self>> {
        let (upkeep, ended) = mpsc::channel();
        let cache = Arc::new(Self {
            folder: Arc::new(CacheFolder::open(&settings.folder)?),
            min_free_bytes: settings.min_free_bytes,
            pool: Arc::new(DiskPool::new("cache disk", settings.pool)),
            open: OpenShelves::default(),
            policy: ShelfPolicy::new(settings.budget_bytes / CHUNK_BYTES),
            gates: std::array::from_fn(|_| Mutex::default()),
            hit_bytes: AtomicU64::new(0),
            miss_bytes: AtomicU64::new(0),
            evicted_bytes: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
            is_counted: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            _upkeep: upkeep,
        });
        cache_upkeep::start(&cache, ended)?;
        Ok(cache)
    }

    /// The part of an object that the cache has. Touches no disk.
    pub fn object(self: &Arc<Self>, id: &ObjectId) -> Arc<CachedObject> {
        Arc::new(CachedObject::new(Arc::clone(self), id))
    }

    /// The use of the cache.
    pub fn usage(&self) -> CacheUsage {
        CacheUsage {
            bytes: self.policy.chunks() * CHUNK_BYTES,
            hit_bytes: self.hit_bytes.load(Ordering::Relaxed),
            miss_bytes: self.miss_bytes.load(Ordering::Relaxed),
            evicted_bytes: self.evicted_bytes.load(Ordering::Relaxed),
            corrupt: self.corrupt.load(Ordering::Relaxed),
            is_full: self.is_full(),
        }
    }

    /// Writes the pages of all shelves, so that the next process finds what is in them. Also a cache that is
    /// dropped does so.
    pub fn close(&self) {
        self.write_pages(|_| true);
    }

    /// The threads of the cache's disk.
    pub fn pool(&self) -> &Arc<DiskPool> {
        &self.pool
    }

    pub(super) fn folder(&self) -> &Arc<CacheFolder> {
        &self.folder
    }

    pub(super) fn open_shelves(&self) -> &OpenShelves {
        &self.open
    }

    pub(super) fn policy(&self) -> &ShelfPolicy {
        &self.policy
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(super) fn count_hit(&self, bytes: u64) {
        self.hit_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn count_miss(&self, bytes: u64) {
        self.miss_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts chunks or pages that were not as they had been written.
    pub(super) fn count_corrupt(&self, key: &ShelfKey, corrupt: u64) {
        if corrupt > 0 {
            self.corrupt.fetch_add(corrupt, Ordering::Relaxed);
            let ShelfKey { object, number } = key;
            tracing::warn!(%object, number, corrupt, "the cache has damaged bytes, which are fetched again");
        }
    }

    /// A shelf that is open or in the folder.
    pub(super) fn shelf(&self, key: ShelfKey, len: u64) -> io::Result<Option<Arc<Shelf>>> {
        if let Some(shelf) = self.open.get(&key) {
            return Ok(Some(shelf));
        }
        let gate = self.gate(&key.object);
        let shelf = match self.open.get(&key) {
            None => self.load(key, len)?.map(|shelf| self.admit(shelf)),
            shelf => shelf,
        };
        drop(gate);
        self.finish_change();
        Ok(shelf)
    }

    /// A shelf, which is created if it does not exist.
    pub(super) fn shelf_or_new(&self, key: ShelfKey, len: u64) -> io::Result<Arc<Shelf>> {
        if let Some(shelf) = self.open.get(&key) {
            return Ok(shelf);
        }
        let gate = self.gate(&key.object);
        let shelf = match self.open.get(&key) {
            Some(shelf) => shelf,
            None => match self.load(key, len)? {
                Some(shelf) => self.admit(shelf),
                None => self.admit(self.create(key, len)?),
            },
        };
        drop(gate);
        self.finish_change();
        Ok(shelf)
    }

    /// Reads a shelf that is in the folder. The caller holds the gate.
    fn load(&self, key: ShelfKey, len: u64) -> io::Result<Option<Shelf>> {
        let Some(file) = self.folder.open_shelf(&key)? else { return Ok(None) };
        let shelf = Shelf::load(file.into(), key, len, &self.pool)?;
        if shelf.is_none() {
            self.count_corrupt(&key, 1);
            self.folder.remove_shelf(&key)?;
        }
        Ok(shelf)
    }

    fn create(&self, key: ShelfKey, len: u64) -> io::Result<Shelf> {
        let created = Shelf::create(self.folder.create_shelf(&key)?.into(), key, len, &self.pool);
        if created.is_err() {
            // Nothing counts a file without a page.
            let _ = self.folder.remove_shelf(&key);
        }
        created
    }

    /// Adds a shelf to the open ones. The caller holds the gate, so that the shelf is in the policy before
    /// anything can evict it.
    fn admit(&self, shelf: Shelf) -> Arc<Shelf> {
        let shelf = Arc::new(shelf);
        self.policy.admit(shelf.key(), shelf.chunks());
        self.open.insert(Arc::clone(&shelf));
        shelf
    }

    /// Counts the chunks of a shelf that has changed.
    pub(super) fn update(&self, shelf: &Shelf) {
        let (key, chunks) = (shelf.key(), shelf.chunks());
        if !shelf.is_evicted() && !self.policy.update(key, chunks) {
            // When all others had more uses, it evicted itself; but its bytes are those that viewers wait for.
            let _gate = self.gate(&key.object);
            if !shelf.is_evicted() {
                self.policy.admit(key, chunks);
            }
        }
        self.finish_change();
    }

    /// What a change of the policy or of the open shelves leaves to be done. The caller holds no gate.
    pub(super) fn finish_change(&self) {
        self.remove_evicted();
        if self.open.len() > OPEN_SHELVES_MAX {
            self.close_idle();
        }
    }

    /// Makes room for some bytes on a disk that is full.
    pub(super) fn make_room(&self, bytes: u64) {
        // More than what is needed now: the next bytes arrive at once.
        self.policy.shrink((bytes / CHUNK_BYTES + 2).max(self.policy.chunks() / 16));
        self.remove_evicted();
    }

    /// Counts a shelf that is in the folder, unless it is known. One without a chunk is removed: the page of a
    /// crashed process did not list any.
    pub(super) fn count_found(&self, key: ShelfKey) -> io::Result<()> {
        let gate = self.gate(&key.object);
        if self.open.get(&key).is_none() && !self.policy.contains(&key) {
            let shelf = self.load(key, u64::MAX)?;
            match shelf.map_or(0, |shelf| shelf.chunks()) {
                0 => {
                    self.folder.remove_shelf(&key)?;
                }
                chunks => self.policy.admit_found(key, chunks),
            }
        }
        drop(gate);
        self.remove_evicted();
        Ok(())
    }

    /// Removes the files of evicted shelves.
    fn remove_evicted(&self) {
        for (key, chunks) in self.policy.take_evicted() {
            let _gate = self.gate(&key.object);
            // It may have come back in the meantime.
            if self.policy.contains(&key) {
                continue;
            }
            if let Some(shelf) = self.open.remove(&key) {
                shelf.mark_evicted();
                // Closed here, if it is not in use, so that its blocks are free at once.
                Arc::into_inner(shelf).into_iter().for_each(Shelf::close);
            }
            match self.folder.remove_shelf(&key) {
                Ok(false) => {}
                Ok(true) => {
                    let bytes = u64::from(chunks) * CHUNK_BYTES;
                    self.evicted_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Err(error) => tracing::warn!(%error, "cannot remove a file of the cache"),
            }
        }
    }

    /// Writes the pages of some of the shelves, as far as they are out of date.
    pub(super) fn write_pages(&self, which: impl Fn(&Shelf) -> bool) {
        // One after the other, so that evicted ones are not held in the meantime. Also a page that another
        // thread is writing, for which this waits: at the end it must be on the disk.
        for key in self.open.keys() {
            if let Some(shelf) = self.open.get(&key)
                && which(&shelf)
            {
                write_page(&shelf);
            }
        }
    }

    /// Closes shelves that nothing has used since the last look, or else any that nothing refers to.
    fn close_idle(&self) {
        for is_any in [false, true] {
            for key in self.open.keys() {
                if self.open.len() <= OPEN_SHELVES_MAX / 8 * 7 {
                    return;
                }
                let Some(shelf) = self.open.get(&key) else { continue };
                if is_any || !shelf.take_used() {
                    write_page(&shelf);
                    drop(shelf);
                    self.open.remove_idle(&key);
                } else {
                    self.policy.touch(&key);
                }
            }
        }
    }

    /// Notes that all shelves in the folder are counted.
    pub(super) fn finish_count(&self) {
        self.is_counted.store(true, Ordering::Relaxed);
    }

    /// Fits the capacity to what is free on the disk.
    pub(super) fn fit_to_disk(&self) {
        // Before, the cache has more than it knows, and would have to evict it.
        if !self.is_counted.load(Ordering::Relaxed) {
            return;
        }
        let Ok(free) = self.folder.free_bytes() else { return };
        let used = self.policy.chunks();
        let (free, min_free) = (free / CHUNK_BYTES, self.min_free_bytes.div_ceil(CHUNK_BYTES));
        let capacity = used.saturating_add(free).saturating_sub(min_free);
        self.is_full.store(min_free > 0 && capacity < CAPACITY_MIN, Ordering::Relaxed);
        self.policy.set_capacity(capacity);
        self.remove_evicted();
    }

    fn gate(&self, object: &ObjectHash) -> MutexGuard<'_, ()> {
        let gate = &self.gates[usize::from(object.0[2]) % GATES];
        // It guards names in the folder, which a panic leaves as they are.
        gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the page of a shelf. A failure costs only what the next process has to fetch.
fn write_page(shelf: &Shelf) {
    if let Err(error) = shelf.write_page() {
        tracing::warn!(%error, "cannot write the page of a shelf of the cache");
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}

const _: () = assert!(CAPACITY_MIN * CHUNK_BYTES == 64 << 20 && SHELF_CHUNKS == 256);
