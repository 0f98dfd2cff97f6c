//! Clips of titles: virtual MP4s, whose layouts are in a cache that all viewers share.
//!
//! A layout takes some megabytes for two hours, and a client can ask for any number of different ones. So a
//! response holds none: it holds a `VirtualClip`, which finds the layout in the cache or computes it again,
//! for each window. Threads for computing do that, where clients take turns. A layout that no response uses any
//! more is dropped after some seconds: what a crowd of strangers asked for does not stay.

mod source;
mod walks;

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};
use tokio::runtime::Handle;

use self::source::VirtualClip;
use super::{Error, movie_index::MovieIndex, opened::Opened, readiness::Waiting};
use crate::{
    extent::{Extent, Extents, File, ReadError, ResponseMemory, disk::Identity},
    library::Library,
    movie::{Movie, WalkedSegment},
    package::clip::{
        self, Clip, ClipRefused, Layout, SplitMovie, WINDOW_BYTES_MAX, WalkedSelection,
    },
};

/// The time after which a layout that no response used is dropped, at least; at most twice as long.
const UNUSED_TTL: Duration = Duration::from_secs(10);

/// What a response holds beside its window, in bytes: the key, the source, and the response itself.
const SOURCE_BYTES: usize = 1024;

/// The overhead of an entry of the cache, in bytes.
const ENTRY_BYTES: usize = 256;

/// A clip of one version of a file.
type Key = (Identity, Clip);

/// A layout, or the reason why there is none. The cache keeps both, so that an impossible clip is not tried
/// again for each request.
type Built = Result<Arc<Layout>, Arc<ClipRefused>>;

/// What a clip is made of.
#[derive(Clone, Debug)]
struct ClipFiles {
    /// The file of the movie.
    file: Arc<File>,
    /// Its index, if the file has none and the clip is long.
    index: Option<MovieIndex>,
}

/// The clips of all titles.
pub struct Clips {
    layouts: Cache<Key, Arc<Kept>, Weight>,
    /// Counts the sweeps of the cache.
    sweeps: AtomicU64,
    library: Arc<Library>,
    memory: ResponseMemory,
    computed: AtomicU64,
}

/// An entry of the cache.
struct Kept {
    built: Built,
    /// The number of sweeps before its last use.
    used: AtomicU64,
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Key, Arc<Kept>> for Weight {
    fn weight(&self, _: &Key, kept: &Arc<Kept>) -> u64 {
        (ENTRY_BYTES + kept.built.as_ref().map_or(0, |layout| layout.bytes())) as u64
    }
}

impl Clips {
    /// The clips of a library, whose layouts take at most `cache_bytes` when no response waits for them.
    pub fn new(
        library: Arc<Library>,
        cache_bytes: u64,
        runtime: &Handle,
        memory: ResponseMemory,
    ) -> Arc<Self> {
        let items = usize::try_from(cache_bytes / (256 * 1024)).unwrap_or(usize::MAX);
        // One shard, because a shard keeps no entry that is longer than its part of the budget. Half of it is
        // for clips that were asked for once: their viewers need them for a while.
        let options = OptionsBuilder::new()
            .shards(1)
            .hot_allocation(0.5)
            .estimated_items_capacity(items.clamp(16, 1 << 16))
            .weight_capacity(cache_bytes)
            .build()
            .expect("both capacities are set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let clips = Arc::new(Self {
            layouts: Cache::with_options(options, Weight, hasher, lifecycle),
            sweeps: AtomicU64::new(0),
            library,
            memory,
            computed: AtomicU64::new(0),
        });
        runtime.spawn(keep_sweeping(Arc::downgrade(&clips)));
        clips
    }

    /// Drops the layouts that no response used since the sweep before the last one.
    pub fn sweep(&self) {
        let sweeps = self.sweeps.fetch_add(1, Ordering::Relaxed);
        self.layouts.retain(|_, kept| kept.used.load(Ordering::Relaxed) >= sweeps);
    }

    /// A layout in the cache.
    fn cached(&self, key: &Key) -> Option<Built> {
        let kept = self.layouts.get(key)?;
        kept.used.store(self.sweeps.load(Ordering::Relaxed), Ordering::Relaxed);
        Some(kept.built.clone())
    }

    /// The number of layouts that were computed, again or for the first time.
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    /// The memory use of the layouts in the cache, in bytes.
    pub fn cached_bytes(&self) -> u64 {
        self.layouts.weight()
    }

    /// A clip of a title, from its index if the file has none and the clip is long. What can be refused without a
    /// read is refused at once; the memory that the response will hold is charged before any work.
    pub async fn extents(
        self: &Arc<Self>,
        opened: &Opened,
        clip: Clip,
        index: Option<MovieIndex>,
        waiting: Waiting,
    ) -> Result<Extents, Error> {
        let Opened { file, movie, .. } = opened;
        clip::check(movie, &clip).map_err(refused)?;
        let charge = self.memory.charge((WINDOW_BYTES_MAX + SOURCE_BYTES) as u64)?;
        let key = Arc::new((*file.identity(), clip));
        let files = ClipFiles { file: Arc::clone(file), index };
        let built = match self.cached(&key) {
            Some(built) => built,
            None => {
                waiting.begin().await;
                Box::pin(self.build(&files, movie, &key)).await?
            }
        };
        let layout = built.map_err(refused)?;
        let source = VirtualClip::new(Arc::clone(self), files, key, &layout, charge);
        Ok(Extents::from(Extent::whole(Arc::new(source))))
    }

    /// The layout of a clip, computed again if it is no longer in the cache.
    async fn layout(&self, files: &ClipFiles, key: &Key) -> Result<Built, Error> {
        if let Some(built) = self.cached(key) {
            return Ok(built);
        }
        match self.library.indices.index(&files.file).await? {
            Ok(movie) => self.build(files, &movie, key).await,
            // The file had an index when the response began.
            Err(_) => Err(ReadError::Changed.into()),
        }
    }

    /// The layout of a clip; the first of concurrent calls computes it.
    async fn build(
        &self,
        files: &ClipFiles,
        movie: &Arc<Movie>,
        key: &Key,
    ) -> Result<Built, Error> {
        let building = async {
            let built = match self.compute(files, movie, &key.1).await? {
                Ok(layout) if !self.can_keep(&layout) => Err(ClipRefused::TooLong),
                Err(ClipRefused::Read(error)) => return Err(error.into()),
                built => built,
            };
            let built = built.map(Arc::new).map_err(Arc::new);
            let used = AtomicU64::new(self.sweeps.load(Ordering::Relaxed));
            Ok(Arc::new(Kept { built, used }))
        };
        let kept: Result<_, Error> = self.layouts.get_or_insert_async(key, building).await;
        Ok(kept?.built.clone())
    }

    /// Whether the cache has space for a layout. Without it each window would compute the layout again.
    fn can_keep(&self, layout: &Layout) -> bool {
        ((ENTRY_BYTES + layout.bytes()) as u64) < self.layouts.capacity() / 2
    }

    /// Computes a layout on a thread for computing, at a turn of the present client.
    async fn compute(
        &self,
        files: &ClipFiles,
        movie: &Arc<Movie>,
        clip: &Clip,
    ) -> Result<Result<Layout, ClipRefused>, Error> {
        self.computed.fetch_add(1, Ordering::Relaxed);
        let ClipFiles { file, index } = files;
        let grid_ms = self.library.indices.grid_ms();
        let walked = match (movie.mp4(), index) {
            (None, None) => match walks::read(file, movie, clip, &self.memory).await? {
                Ok(walked) => Some(walked),
                Err(refused) => return Ok(Err(refused)),
            },
            _ => None,
        };
        let (movie, clip, index) = (Arc::clone(movie), clip.clone(), index.clone());
        let computing = file.compute(move |file| {
            let reader = file.blocking_reader();
            let layout = match (walked, index) {
                (Some(walked), _) => layout_of_walked(&movie, &clip, walked.segments()),
                (None, Some(MovieIndex { file: index, media })) => {
                    let index = index.blocking_reader();
                    SplitMovie { index: &index, file: &reader, media }.clip(&movie, &clip, grid_ms)
                }
                (None, None) => {
                    clip::select(&movie, &clip, &reader).map(|selection| selection.layout(&movie))
                }
            };
            // The layout is of this state of the file, or of none.
            file.check()?;
            Ok::<_, ReadError>(layout)
        });
        Ok(computing.await??)
    }
}

/// The clip of segments that were walked. The whole movie is around the unchanged file.
fn layout_of_walked(
    movie: &Movie,
    clip: &Clip,
    segments: &[WalkedSegment],
) -> Result<Layout, ClipRefused> {
    let mut selection = WalkedSelection::new(movie, clip);
    for segment in segments {
        selection.add(segment)?;
    }
    match clip::whole(movie).is_some_and(|whole| whole == *clip) {
        true => selection.layout_around(clip::media_range(movie, clip)),
        false => selection.layout(),
    }
}

impl fmt::Debug for Clips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clips").field("layouts", &self.layouts.len()).finish_non_exhaustive()
    }
}

/// Sweeps the cache until the server ends.
async fn keep_sweeping(clips: Weak<Clips>) {
    loop {
        tokio::time::sleep(UNUSED_TTL).await;
        match clips.upgrade() {
            Some(clips) => clips.sweep(),
            None => return,
        }
    }
}

fn refused(refused: impl ToString) -> Error {
    Error::Unprocessable(refused.to_string())
}
