//! The cache of products of titles: playlists, manifests, subtitles, and files with their index in front,
//! within a byte budget.

use std::sync::Arc;

use futures::FutureExt as _;
use quick_cache::{Weighter, sync::Cache};

use super::{Error, readiness::Waiting};
use crate::{
    extent::{
        Text,
        disk::{Identity, Version},
    },
    library::CacheLookups,
    package::{faststart::Faststart, text::Subtitles},
};

/// A cached text of a title.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Product {
    /// The multivariant playlist, with the digest of the title's assets.
    Multivariant(u64),
    /// The MPD, with the same digest.
    Mpd(u64),
    /// The media playlist of a track, by its folder.
    Media(String),
    /// The I-frame playlist of a track, by its folder.
    IFrames(String),
    /// The chapters.
    Chapters,
    /// Subtitles as one file, by their track in the file that holds them, and their version.
    Text(usize, Version),
    /// The inspection report, with the digest of the subtitle files beside the title.
    Inspect(u64),
}

/// The subtitles of a track, or the reason why it has no valid cue.
pub type Cues = Result<Arc<Subtitles>, Arc<str>>;

/// Products by the identity of their file. A file that is replaced or written to has another identity.
#[derive(Debug)]
pub struct ManifestCache {
    texts: Cache<(Identity, Product), Text, Weight>,
    faststarts: Cache<Identity, Arc<Option<Faststart>>, Weight>,
    subtitles: Cache<(Identity, usize), Cues, Weight>,
    /// The look-ups of texts, for metrics.
    pub lookups: CacheLookups,
}

#[derive(Clone, Debug)]
struct Weight;

/// The overhead of an entry, in bytes.
const ENTRY_BYTES: usize = 256;

impl Weighter<(Identity, Product), Text> for Weight {
    fn weight(&self, _: &(Identity, Product), text: &Text) -> u64 {
        // The two coded forms come later, and together are shorter than the text.
        (ENTRY_BYTES + 2 * text.bytes.len()) as u64
    }
}

impl Weighter<Identity, Arc<Option<Faststart>>> for Weight {
    fn weight(&self, _: &Identity, faststart: &Arc<Option<Faststart>>) -> u64 {
        (ENTRY_BYTES + faststart.as_ref().as_ref().map_or(0, Faststart::bytes)) as u64
    }
}

impl Weighter<(Identity, usize), Cues> for Weight {
    fn weight(&self, _: &(Identity, usize), cues: &Cues) -> u64 {
        let bytes = match cues {
            Ok(subtitles) => subtitles.bytes_in_memory(),
            Err(why) => why.len(),
        };
        (ENTRY_BYTES + bytes) as u64
    }
}

impl ManifestCache {
    /// Empty caches, each with a part of the budget, so that subtitles do not evict playlists, which have
    /// many more requests.
    pub fn new(budget_bytes: u64) -> Self {
        let items = usize::try_from(budget_bytes / 8192).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let eighth = budget_bytes / 8;
        Self {
            texts: Cache::with_weighter(items, 4 * eighth, Weight),
            faststarts: Cache::with_weighter(items, eighth, Weight),
            subtitles: Cache::with_weighter(items, 3 * eighth, Weight),
            lookups: CacheLookups::default(),
        }
    }

    /// A cached text, or the result of `make`. Concurrent requests for one text run `make` once; when the
    /// request that runs it is dropped, another that waits takes over.
    pub async fn text(
        &self,
        file: Identity,
        product: Product,
        waiting: Waiting,
        make: impl Future<Output = Result<Text, Error>>,
    ) -> Result<Text, Error> {
        let key = (file, product);
        if let Some(text) = self.texts.get(&key) {
            self.lookups.hit();
            return Ok(text);
        }
        waiting.begin().await;
        let make = async {
            self.lookups.miss();
            make.await
        };
        self.texts.get_or_insert_async(&key, make).boxed_local().await
    }

    /// The cached subtitles of a track.
    pub fn subtitles(&self, file: &Identity, track: usize) -> Option<Cues> {
        self.subtitles.get(&(*file, track))
    }

    /// Caches subtitles, and returns them.
    pub fn keep_subtitles(&self, file: Identity, track: usize, cues: Cues) -> Cues {
        self.subtitles.insert((file, track), cues.clone());
        cues
    }

    /// The cached form of a file with its index in front; `Some` of `None` for a file that is sent unchanged.
    pub fn faststart(&self, file: &Identity) -> Option<Arc<Option<Faststart>>> {
        self.faststarts.get(file)
    }

    /// Caches the form of a file with its index in front, and returns it.
    pub fn keep_faststart(
        &self,
        file: Identity,
        faststart: Option<Faststart>,
    ) -> Arc<Option<Faststart>> {
        let faststart = Arc::new(faststart);
        self.faststarts.insert(file, Arc::clone(&faststart));
        faststart
    }
}
