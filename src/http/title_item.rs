//! A title as JSON: in lists, in events, and as the beginning of a title's own document.

use serde::Serialize;

use crate::library::{MediaPath, Title, media_type, sidecars::is_set};

/// A title as JSON.
#[derive(Debug, Serialize)]
pub struct Item {
    /// The decoded path.
    path: String,
    /// The name of the file without its extension.
    name: String,
    /// The decoded path of the folder; empty for the top of the library.
    folder: String,
    /// The target of the file; of a set, of its leading member as one MP4.
    href: String,
    /// The target that all views begin with.
    views: String,
    media_type: &'static str,
    size_bytes: u64,
    /// RFC 3339, in UTC.
    modified: String,
    version: String,
    /// What is known once the file has been read; `null` otherwise.
    kind: Option<&'static str>,
    duration_s: Option<f64>,
    /// As displayed, in square pixels.
    width: Option<u32>,
    height: Option<u32>,
    is_hdr: Option<bool>,
    /// Whether the file has what a poster shows: video, or cover art.
    has_poster: Option<bool>,
}

impl From<&Title> for Item {
    fn from(title: &Title) -> Self {
        let path = &title.path;
        let views = format!("/v/{}/", path.encoded());
        let (href, media_type) = match media_type::lookup(path.file_name()) {
            _ if is_set(path) => (format!("{views}play.mp4"), "video/mp4"),
            Some((media_type, _)) => (format!("/media/{}", path.encoded()), media_type),
            None => (format!("/media/{}", path.encoded()), "application/octet-stream"),
        };
        let facts = title.facts;
        let size = facts.and_then(|facts| facts.size);
        Self {
            path: path.display(),
            name: path.display_stem(),
            folder: path.parent().map(|folder| folder.display()).unwrap_or_default(),
            href,
            views,
            media_type,
            size_bytes: title.size_bytes,
            modified: humantime::format_rfc3339_seconds(title.modified).to_string(),
            version: title.version.to_string(),
            kind: facts.map(|facts| facts.kind.as_str()),
            duration_s: facts.and_then(|facts| facts.duration_ms).map(seconds),
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            is_hdr: facts.and_then(|facts| facts.is_hdr),
            has_poster: facts.map(|facts| facts.has_poster),
        }
    }
}

/// A folder as JSON.
#[derive(Debug, Serialize)]
pub struct FolderItem {
    /// The decoded path.
    path: String,
    name: String,
    /// The target of its page.
    href: String,
    /// The number of titles below it, at any depth.
    titles: usize,
}

impl FolderItem {
    /// A folder with this number of titles below it.
    pub fn new(path: &MediaPath, titles: usize) -> Self {
        let (name, href) = (path.display_name(), folder_target(path));
        Self { path: path.display(), name, href, titles }
    }
}

/// The target of a folder's page.
pub fn folder_target(folder: &MediaPath) -> String {
    format!("/library/{}/", folder.encoded())
}

fn seconds(duration_ms: u64) -> f64 {
    std::time::Duration::from_millis(duration_ms).as_secs_f64()
}
