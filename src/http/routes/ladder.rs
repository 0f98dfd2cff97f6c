//! Renditions that jobs have made of a title: part of its manifests as soon as they are there.
//!
//! Their segments are under the title's own URL, in a folder that is named by the rendition and by the
//! lease under which it was made (`h264-720p-123`). So all that it takes to find the file stands in the
//! URL, and a segment needs no database.

use std::{path::PathBuf, sync::Arc};

use super::opened::Opened;
use crate::{
    derive::RENDITION,
    extent::disk::File,
    http::{Error, Site, gallery::Gallery},
    movie::Movie,
    store::artifacts::Key,
};

/// The folder of a title's rendition in URLs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rung<'a> {
    /// What it is: `h264-720p`.
    name: &'a str,
    token: i64,
}

impl<'a> Rung<'a> {
    /// From a track's folder; `None` if it is one of the file's own.
    pub(super) fn parse(folder: &'a str) -> Option<Self> {
        let (name, token) = folder.rsplit_once('-')?;
        let (coding, lines) = name.split_once('-')?;
        let is_coding = matches!(coding, "h264" | "hevc" | "av1");
        let is_number = |digits: &str| {
            !digits.is_empty()
                && !digits.starts_with('0')
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_rung = is_coding && is_number(lines.strip_suffix('p')?) && is_number(token);
        is_rung.then_some(Self { name, token: token.parse().ok()? })
    }

    /// Where its file is, among all that was made.
    fn path(self, title: &Opened) -> Option<PathBuf> {
        let key = Key::new(format!("{}-{}", title.source, self.name))?;
        Some([key.as_str(), &self.token.to_string(), RENDITION].iter().collect())
    }

    /// Opens it, with its index.
    pub(super) async fn open(self, site: &Site, title: &Opened) -> Result<Opened, Error> {
        let gallery = site.gallery.load_full().ok_or(Error::NotFound)?;
        let path = self.path(title).ok_or(Error::NotFound)?;
        let file = gallery.file(&path).await?;
        let index = site.library.indices.index(&file).await?;
        let movie =
            index.map_err(|refused| Error::Internal(Box::new(Broken(refused.to_string()))))?;
        Ok(title.rendition(file, movie, site))
    }

    /// As [`open`](Self::open), if that needs no waiting.
    pub(super) fn open_now(self, site: &Site, title: &Opened) -> Option<Opened> {
        let gallery = site.gallery.load_full()?;
        let file: Arc<File> = gallery.file_now(&self.path(title)?)?;
        let movie: Arc<Movie> = site.library.indices.get(&file)?.ok()?;
        Some(title.rendition(file, movie, site))
    }
}

/// All renditions of a title that were made so far, with their folders in URLs. What cannot be known, or
/// not be opened, is not there: the title plays without.
pub(super) async fn made(site: &Site, title: &Opened) -> Vec<(String, Opened)> {
    let Some(gallery) = site.gallery.load_full() else {
        return Vec::new();
    };
    let mut opened = Vec::new();
    for folder in folders(&gallery, title).await {
        let Some(rung) = Rung::parse(&folder) else {
            continue;
        };
        match rung.open(site, title).await {
            Ok(rendition) => opened.push((folder, rendition)),
            Err(error) => tracing::warn!(folder, %error, "a rendition is left out of its title"),
        }
    }
    opened
}

async fn folders(gallery: &Arc<Gallery>, title: &Opened) -> Vec<String> {
    let version = format!("{}-", title.source);
    let folder = |(key, token): &(String, i64)| {
        let name = key.strip_prefix(&version)?;
        Some(format!("{name}-{token}"))
    };
    gallery.renditions(&title.source.to_string()).await.iter().filter_map(folder).collect()
}

/// What a job has made is no movie, although it looked at it itself.
#[derive(Debug, thiserror::Error)]
#[error("a rendition is broken: {0}")]
struct Broken(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_rendition_s_or_a_track_s() {
        let rung = Rung { name: "h264-720p", token: 12 };
        assert_eq!(Rung::parse("h264-720p-12"), Some(rung));
        for other in [
            "video-1",
            "audio-12",
            "h264-720p",
            "h264-720-1",
            "h264-0720p-1",
            "h264-720p-01",
            "h264-720p--1",
            "h264-720p-",
            "vp8-720p-1",
            "h264-p-1",
            "h264-720p-99999999999999999999",
        ] {
            assert_eq!(Rung::parse(other), None, "{other}");
        }
    }
}
