//! The cache of movie indices, within a byte budget.

use std::{num::NonZeroU32, sync::Arc};

use quick_cache::{Weighter, sync::Cache};

use super::CacheLookups;
use crate::{
    extent::{File, ReadError, disk::Identity},
    movie::{Movie, MovieRefused},
};

/// An index, or the error of the parser. The cache keeps both, so that a file that is no movie is not
/// parsed again for each request.
pub type Index = Result<Arc<Movie>, Arc<MovieRefused>>;

/// Indices by the identity of their file. A file that is replaced or written to has another identity, so
/// an index never describes other bytes.
#[derive(Debug)]
pub struct IndexCache {
    indices: Cache<Identity, Index, Bytes>,
    grid_ms: NonZeroU32,
    /// The look-ups, for metrics.
    pub lookups: CacheLookups,
}

/// Weighs entries in bytes.
#[derive(Clone, Debug)]
struct Bytes;

/// The overhead of an entry.
const ENTRY_BYTES: usize = 256;

impl Weighter<Identity, Index> for Bytes {
    fn weight(&self, _: &Identity, index: &Index) -> u64 {
        let held = index.as_ref().map_or_else(|refused| refused.bytes(), |movie| movie.bytes());
        (ENTRY_BYTES + held) as u64
    }
}

impl IndexCache {
    /// An empty cache of indices whose segments begin on a grid of `grid_ms`.
    pub fn new(budget_bytes: u64, grid_ms: NonZeroU32) -> Self {
        // The index of a short movie takes a few KiB.
        let items = usize::try_from(budget_bytes / 16_384).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            indices: Cache::with_weighter(items, budget_bytes, Bytes),
            grid_ms,
            lookups: CacheLookups::default(),
        }
    }

    /// The grid on which segments begin, in milliseconds.
    pub fn grid_ms(&self) -> NonZeroU32 {
        self.grid_ms
    }

    /// The index of a file, if the cache has it.
    pub fn get(&self, file: &File) -> Option<Index> {
        self.indices.get(file.identity()).inspect(|_| self.lookups.hit())
    }

    /// The index of a file. Concurrent calls cause one read, on a thread for computing. If the reading
    /// caller is cancelled, another waiting caller takes over.
    pub async fn index(&self, file: &Arc<File>) -> Result<Index, ReadError> {
        let read = async {
            self.lookups.miss();
            let grid_ms = self.grid_ms;
            let reading = file.compute_joinable(move |file| {
                let index = Movie::read(&file.blocking_reader(), grid_ms);
                // The index describes this state of the file, or none.
                file.check()?;
                index
            });
            Ok(reading.await??.map(Arc::new).map_err(Arc::new))
        };
        file.join_computation();
        self.indices.get_or_insert_async(file.identity(), read).await
    }
}
