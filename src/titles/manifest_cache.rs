//! What was made of titles: playlists, manifests, subtitles, and the indices of clips and of files in
//! another order, within a byte budget.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

use crate::http::{Error, text_response::Text};
use crate::{
    extent::{Extents, disk::Identity},
    package::{clip::Clip, faststart::Faststart, text::Subtitles},
};

/// Something that is made of a file and worth keeping.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Product {
    /// The multivariant playlist, with what tells one company of the title from another.
    Multivariant(u64),
    /// The MPD, likewise.
    Mpd(u64),
    /// The media playlist of a track, by its folder.
    Media(String),
    /// The I-frame playlist of a track, by its folder.
    IFrames(String),
    /// Its chapters.
    Chapters,
    /// The report of what is in it.
    Inspect,
}

/// What was made, by the state of the file that it was made of. A file that is replaced or written to
/// has another identity.
#[derive(Debug)]
pub struct ManifestCache {
    texts: Cache<(Identity, Product), Text, Weight>,
    clips: Cache<(Identity, Clip), Extents, Weight>,
    fronts: Cache<Identity, Arc<Option<Faststart>>, Weight>,
    subtitles: Cache<(Identity, usize), Arc<Subtitles>, Weight>,
}

#[derive(Clone, Debug)]
struct Weight;

/// What an entry weighs besides what it holds, in bytes.
const ENTRY_BYTES: usize = 256;

impl Weighter<(Identity, Product), Text> for Weight {
    fn weight(&self, _: &(Identity, Product), text: &Text) -> u64 {
        // Its coded forms, of which there are two, come later: together they are shorter than it.
        (ENTRY_BYTES + 2 * text.bytes.len()) as u64
    }
}

impl Weighter<(Identity, Clip), Extents> for Weight {
    fn weight(&self, _: &(Identity, Clip), clip: &Extents) -> u64 {
        (ENTRY_BYTES + clip.bytes_in_memory()) as u64
    }
}

impl Weighter<Identity, Arc<Option<Faststart>>> for Weight {
    fn weight(&self, _: &Identity, front: &Arc<Option<Faststart>>) -> u64 {
        (ENTRY_BYTES + front.as_ref().as_ref().map_or(0, Faststart::bytes)) as u64
    }
}

impl Weighter<(Identity, usize), Arc<Subtitles>> for Weight {
    fn weight(&self, _: &(Identity, usize), subtitles: &Arc<Subtitles>) -> u64 {
        (ENTRY_BYTES + subtitles.bytes_in_memory()) as u64
    }
}

impl ManifestCache {
    /// Empty caches, each with a part of the budget: so that clips, which are long, do not drive out
    /// playlists, which are asked for often.
    pub fn new(budget_bytes: u64) -> Self {
        let items = usize::try_from(budget_bytes / 8192).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let (quarter, eighth) = (budget_bytes / 4, budget_bytes / 8);
        Self {
            texts: Cache::with_weighter(items, quarter, Weight),
            clips: Cache::with_weighter(items, quarter + eighth, Weight),
            fronts: Cache::with_weighter(items, eighth, Weight),
            subtitles: Cache::with_weighter(items, quarter, Weight),
        }
    }

    /// A text that was made before, or is made now. However many ask at once, it is made once; whoever
    /// goes away while it is made hands that over to another who waits.
    pub async fn text(
        &self,
        file: Identity,
        product: Product,
        make: impl Future<Output = Result<Text, Error>>,
    ) -> Result<Text, Error> {
        self.texts.get_or_insert_async(&(file, product), make).await
    }

    /// A text that was made before.
    pub fn text_now(&self, file: Identity, product: Product) -> Option<Text> {
        self.texts.get(&(file, product))
    }

    /// Subtitles of a track that were read before.
    pub fn subtitles(&self, file: &Identity, track: usize) -> Option<Arc<Subtitles>> {
        self.subtitles.get(&(*file, track))
    }

    /// Keeps subtitles, and returns them.
    pub fn keep_subtitles(
        &self,
        file: Identity,
        track: usize,
        subtitles: Arc<Subtitles>,
    ) -> Arc<Subtitles> {
        self.subtitles.insert((file, track), Arc::clone(&subtitles));
        subtitles
    }

    /// How a file is sent with its index in front, if that was found out before; `None` in it if it is
    /// sent as it is.
    pub fn front(&self, file: &Identity) -> Option<Arc<Option<Faststart>>> {
        self.fronts.get(file)
    }

    /// Keeps how a file is sent with its index in front, and returns it.
    pub fn keep_front(&self, file: Identity, front: Option<Faststart>) -> Arc<Option<Faststart>> {
        let front = Arc::new(front);
        self.fronts.insert(file, Arc::clone(&front));
        front
    }

    /// A clip that was made before.
    pub fn clip(&self, file: &Identity, clip: &Clip) -> Option<Extents> {
        self.clips.get(&(*file, clip.clone()))
    }

    /// Keeps a clip.
    pub fn keep_clip(&self, file: Identity, clip: Clip, extents: Extents) {
        self.clips.insert((file, clip), extents);
    }
}
