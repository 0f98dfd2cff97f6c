//! Segments that were walked: the samples of containers whose index has none, within a byte budget.
//!
//! The tracks of such a container are interleaved, and one walk finds the samples of all of them. So the requests
//! of a player for the video and the audio of a segment cause one walk, and so do those of many viewers. An I/O
//! thread uses a segment that is here; any other is walked in the disk pool.

use std::sync::Arc;

use futures::FutureExt as _;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{Error, opened::Opened, readiness::Waiting};
use crate::{
    extent::disk::Identity,
    library::CacheLookups,
    movie::{Track, WalkedSegment},
};

/// Walked segments by the identity of their file and their number in it.
#[derive(Debug)]
pub struct WalkedSegments {
    segments: Cache<(Identity, usize), Arc<WalkedSegment>, Weight>,
    /// The look-ups, for metrics.
    pub lookups: CacheLookups,
}

#[derive(Clone, Debug)]
struct Weight;

/// The overhead of an entry, in bytes.
const ENTRY_BYTES: usize = 256;

/// The parts of the cache, which are locked apart.
const SHARDS: usize = 4;

/// The size of a usual entry: six seconds of video and audio have some 430 samples.
const USUAL_BYTES: u64 = 8192;

impl Weighter<(Identity, usize), Arc<WalkedSegment>> for Weight {
    fn weight(&self, _: &(Identity, usize), segment: &Arc<WalkedSegment>) -> u64 {
        (ENTRY_BYTES + segment.bytes()) as u64
    }
}

impl WalkedSegments {
    /// An empty cache.
    pub fn new(budget_bytes: u64) -> Self {
        let items = usize::try_from(budget_bytes / USUAL_BYTES).unwrap_or(usize::MAX);
        // Few shards, because a shard keeps no entry that is longer than its part of the budget: the longest
        // segments have a MiB for each track.
        let options = OptionsBuilder::new()
            .shards(SHARDS)
            .estimated_items_capacity(items.clamp(16, 1 << 20))
            .weight_capacity(budget_bytes)
            .build()
            .expect("both capacities are set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            segments: Cache::with_options(options, Weight, hasher, lifecycle),
            lookups: CacheLookups::default(),
        }
    }

    /// The samples of a segment of a track, from the cache or the file; `None` for a track whose index has
    /// measured them. Concurrent calls for one segment cause one walk.
    pub async fn segment(
        &self,
        opened: &Opened,
        track: &Track,
        number: usize,
        waiting: Waiting,
    ) -> Result<Option<Arc<WalkedSegment>>, Error> {
        let Some(in_file) = track.segment_in_file(number) else { return Ok(None) };
        let key = (*opened.file.identity(), in_file);
        if let Some(segment) = self.segments.get(&key) {
            self.lookups.hit();
            return Ok(Some(segment));
        }
        waiting.begin().await;
        let walk = async {
            self.lookups.miss();
            let (movie, place) = (Arc::clone(&opened.movie), opened.place(track));
            let walking = opened.file.run_in_pool(move |open| {
                let reader = open.blocking_reader();
                let segment = movie.tracks[place].read_segment(&reader, number)?;
                // The samples are of this state of the file, or of none.
                open.check().map(|()| segment)
            });
            Ok::<_, Error>(Arc::new(walking.await??.unwrap_or_default()))
        };
        self.segments.get_or_insert_async(&key, walk).boxed_local().await.map(Some)
    }
}
