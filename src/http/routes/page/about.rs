//! What the page says about a title before any script runs.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    http::{Error, Site},
    library::{
        Facts, MediaPath, Title, TitleKind,
        sidecars::{is_packageable, is_set},
    },
    titles::facts,
};

/// The longest wait for a file to be read. The page does without what it does not know by then.
const READ_TIMEOUT: Duration = Duration::from_millis(500);

/// A title that exists.
#[derive(Debug)]
pub struct About {
    /// Its path.
    pub path: MediaPath,
    /// The name of the file without its extension.
    pub name: String,
    /// The time of the last change.
    pub modified: SystemTime,
    /// Whether the title has no video, as far as is known.
    pub is_audio: bool,
    /// The duration, if known.
    pub duration_ms: Option<u64>,
    /// Width and height of the video as displayed, if known.
    pub size: Option<(u32, u32)>,
    /// Whether the server renders a poster.
    pub has_poster: bool,
}

impl About {
    /// Describes a title; fails if there is none.
    pub async fn find(site: &Site, path: MediaPath) -> Result<Self, Error> {
        // From the disk, because a file may play before the catalog lists it.
        let title = site.titles.library.find_title(&path).await?.ok_or(Error::NotFound)?;
        let mut about = Self::from(&title);
        if let Some(facts) = read_facts(site, &title).await {
            about.is_audio = facts.kind == TitleKind::Audio;
            about.duration_ms = facts.duration_ms;
            about.size = facts.size;
            about.has_poster = site.titles.has_poster(Some(facts));
        }
        Ok(about)
    }

    /// Whether the title is one MP4 without a remux.
    fn is_packaged(&self) -> bool {
        is_set(&self.path) || is_packageable(self.path.file_name())
    }

    /// The target of a view of the title.
    pub fn view(&self, name: &str) -> String {
        format!("/v/{}/{name}", self.path.encoded())
    }

    /// The target of a page of the title: below `/watch/` or `/embed/`.
    pub fn page(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.path.encoded())
    }

    /// The target of a file that browsers may play: the virtual MP4, or the file as it is.
    pub fn playable(&self) -> String {
        match self.is_packaged() {
            true => self.view("play.mp4"),
            false => self.page("/media/"),
        }
    }
}

impl From<&Title> for About {
    fn from(title: &Title) -> Self {
        Self {
            path: title.path.clone(),
            name: title.path.display_stem(),
            modified: title.modified,
            is_audio: TitleKind::from_name(&title.path) == TitleKind::Audio,
            duration_ms: None,
            size: None,
            has_poster: false,
        }
    }
}

/// What is known of the media of a title, or can be read in a short time.
async fn read_facts(site: &Site, title: &Title) -> Option<Facts> {
    let (library, path) = (Arc::clone(&site.titles.library), title.path.clone());
    let listed = site.spawn_blocking_limited(move || library.catalog.get(&path)).await.ok()?;
    let known = listed.filter(|listed| listed.version == title.version);
    if let Some(facts) = known.and_then(|listed| listed.facts) {
        return Some(facts);
    }
    let reading = Box::pin(facts::read(&site.titles, title));
    tokio::time::timeout(READ_TIMEOUT, reading).await.ok()?.ok()
}
