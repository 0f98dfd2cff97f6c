//! Movies' indices, within a byte budget.

use std::{num::NonZeroU32, sync::Arc};

use quick_cache::{Weighter, sync::Cache};

use crate::{
    extent::{
        ReadError,
        disk::{File, Identity},
    },
    movie::{Movie, MovieRefused},
};

/// An index, or why there is none. Both are kept: a file that is no movie is not read again for each
/// request either.
pub type Index = Result<Arc<Movie>, Arc<MovieRefused>>;

/// Indices by the state of the file that they are of. A file that is replaced or written to has another
/// identity, so that what is found here is never of another file's bytes.
#[derive(Debug)]
pub struct IndexCache {
    indices: Cache<Identity, Index, Bytes>,
    grid_ms: NonZeroU32,
}

/// How much an index weighs, in bytes.
#[derive(Clone, Debug)]
struct Bytes;

/// What an entry weighs besides what it holds.
const ENTRY_BYTES: usize = 256;

impl Weighter<Identity, Index> for Bytes {
    fn weight(&self, _: &Identity, index: &Index) -> u64 {
        let held = index.as_ref().map_or_else(|refused| refused.bytes(), |movie| movie.bytes());
        (ENTRY_BYTES + held) as u64
    }
}

impl IndexCache {
    /// An empty cache. Indices have segments that begin on a grid of so many milliseconds.
    pub fn new(budget_bytes: u64, grid_ms: NonZeroU32) -> Self {
        // An index of a short film is a few KiB.
        let items = usize::try_from(budget_bytes / 16_384).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self { indices: Cache::with_weighter(items, budget_bytes, Bytes), grid_ms }
    }

    /// The grid on which segments begin, in milliseconds.
    pub fn grid_ms(&self) -> NonZeroU32 {
        self.grid_ms
    }

    /// The index of a file, if it is here.
    pub fn get(&self, file: &File) -> Option<Index> {
        self.indices.get(file.identity())
    }

    /// The index of a file. However many ask at once, it is read once, on a thread of the file's disk.
    /// Whoever goes away while it is read hands that over to another who waits.
    pub async fn index(&self, file: &Arc<File>) -> Result<Index, ReadError> {
        let read = async {
            let grid_ms = self.grid_ms;
            let index = file.run_in_pool(move |file| {
                let index = Movie::read(&file.blocking_reader(), grid_ms);
                // What was read is of this state of the file, or of none.
                file.check()?;
                index
            });
            Ok(index.await??.map(Arc::new).map_err(Arc::new))
        };
        self.indices.get_or_insert_async(file.identity(), read).await
    }
}
