//! A title, opened: its file, its index, and everything that belongs to it.
//!
//! [`Titles`] is the entry: it opens titles and builds the requested products, as contents and texts that
//! any protocol can send. This folder depends on one property of HTTP only: some responses must be ready
//! without waiting (see [`readiness`]).

pub mod artifacts;
pub mod assets;
pub mod clips;
pub mod details;
pub mod error;
pub mod fact_store;
pub mod facts;
pub mod gathered_cache;
pub mod growth;
pub mod images;
pub mod inspection;
pub mod job_ends;
pub mod job_request;
pub mod job_tracks;
pub mod manifest_cache;
pub mod manifests;
pub mod media_types;
pub mod movie_index;
pub mod opened;
pub mod presentation;
pub mod progressive;
pub mod readiness;
pub mod remux;
pub mod rendition_places;
pub mod required_tracks;
pub mod segments;
pub mod sets;
pub mod short_file;
pub mod text_files;
pub mod texts;
pub mod walked_segments;

use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub use error::Error;

use self::{
    artifacts::Artifacts, clips::Clips, gathered_cache::GatheredCache, growth::IdleLimit,
    manifest_cache::ManifestCache, walked_segments::WalkedSegments,
};
use crate::{background::Background, extent::ResponseMemory, library::Library};

/// The titles of a library, with their artifacts and caches.
pub struct Titles {
    /// The titles and their files.
    pub library: Arc<Library>,
    /// The artifacts of titles, once the queue is open: no playback depends on it.
    pub artifacts: ArcSwapOption<Artifacts>,
    /// The cached products of titles.
    pub cache: ManifestCache,
    /// The segments in memory.
    pub gathered: GatheredCache,
    /// The segments whose samples were walked.
    pub walked: WalkedSegments,
    /// The clips of titles.
    pub clips: Arc<Clips>,
    /// The time without a change after which a file without an end counts as complete.
    pub idle_limit: IdleLimit,
    /// Runs work that is too long for an I/O thread.
    pub background: Background,
}

/// The byte budgets of the caches.
#[derive(Clone, Copy, Debug)]
pub struct CacheBytes {
    /// Of playlists, manifests and subtitles.
    pub manifests: u64,
    /// Of segments that were gathered into memory.
    pub gathered: u64,
    /// Of the layouts of clips.
    pub clips: u64,
    /// Of walked segments.
    pub walks: u64,
}

impl Titles {
    /// The titles of `library`, with these caches and without a queue. The responses with clips take from
    /// `memory`.
    pub fn new(
        library: Arc<Library>,
        cache_bytes: CacheBytes,
        idle_limit: IdleLimit,
        background: Background,
        memory: ResponseMemory,
    ) -> Self {
        let cache = ManifestCache::new(cache_bytes.manifests);
        let gathered = GatheredCache::new(cache_bytes.gathered);
        let clips =
            Clips::new(Arc::clone(&library), cache_bytes.clips, background.runtime(), memory);
        let walked = WalkedSegments::new(cache_bytes.walks);
        let artifacts = ArcSwapOption::empty();
        Self { library, artifacts, cache, gathered, walked, clips, idle_limit, background }
    }
}
