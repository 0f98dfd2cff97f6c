//! What the page tells of a title before any script runs.

use std::time::{Duration, SystemTime};

use crate::{
    extent::disk::split_stem,
    http::{Error, Site},
    library::{MediaPath, Title, media_type, sidecars::is_set},
    package::{stills, storyboard::display_size, title::duration_ms},
    titles::readiness::Waiting,
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
    /// Whether its own file has been read as a movie.
    pub is_read: bool,
    /// The duration, if known.
    pub duration_ms: Option<u64>,
    /// Width and height of the video as displayed, if known.
    pub size: Option<(u32, u32)>,
}

impl About {
    /// Describes a title; fails if there is none.
    pub async fn find(site: &Site, path: MediaPath) -> Result<Self, Error> {
        let title = find(site, path).await?;
        let mut about = Self::from(&title);
        let reading = site.titles.index(&title.path, Waiting::Allowed);
        if let Ok(Ok((_, Ok(movie)))) = tokio::time::timeout(READ_TIMEOUT, reading).await {
            about.is_read = true;
            about.duration_ms = Some(duration_ms(&movie)).filter(|duration_ms| *duration_ms > 0);
            about.size = stills::track(&movie).ok().and_then(display_size);
            about.is_audio = about.size.is_none();
        }
        Ok(about)
    }

    /// Whether the server makes a poster of it: not known of every file that is no movie.
    pub fn has_poster(&self, site: &Site) -> bool {
        let artifacts = site.titles.artifacts.load();
        let can_render =
            artifacts.as_ref().is_some_and(|artifacts| artifacts.unavailable.is_none());
        can_render && self.size.is_some()
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
        match self.is_read || is_set(&self.path) {
            true => self.view("play.mp4"),
            false => self.page("/media/"),
        }
    }
}

impl From<&Title> for About {
    fn from(title: &Title) -> Self {
        let (name, _) = split_stem(title.path.file_name());
        let media_type = media_type::lookup(title.path.file_name());
        Self {
            path: title.path.clone(),
            name: String::from_utf8_lossy(name).into_owned(),
            modified: title.modified,
            is_audio: media_type.is_some_and(|(media_type, _)| media_type.starts_with("audio/")),
            is_read: false,
            duration_ms: None,
            size: None,
        }
    }
}

/// A title from the disk, because a file may play before the catalog lists it.
async fn find(site: &Site, path: MediaPath) -> Result<Title, Error> {
    let library = &site.titles.library;
    let title = match library.identity(&path).await? {
        Some(identity) => Title::from_file(path, &identity),
        None => library.set_title(&path).await?,
    };
    title.ok_or(Error::NotFound)
}
