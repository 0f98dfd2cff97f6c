//! A title as JSON: in lists, in events, and as the beginning of a title's own document.

use serde::Serialize;

use crate::library::{Title, media_type, sidecars::is_set};

/// A title as JSON.
#[derive(Debug, Serialize)]
pub struct Item {
    /// The decoded path.
    path: String,
    /// The target of the file; of a set, of its leading member as one MP4.
    href: String,
    /// The target that all views begin with.
    views: String,
    media_type: &'static str,
    size_bytes: u64,
    /// RFC 3339, in UTC.
    modified: String,
    version: String,
}

impl From<&Title> for Item {
    fn from(title: &Title) -> Self {
        let views = format!("/v/{}/", title.path.encoded());
        let (href, media_type) = match media_type::lookup(title.path.file_name()) {
            _ if is_set(&title.path) => (format!("{views}play.mp4"), "video/mp4"),
            Some((media_type, _)) => (format!("/media/{}", title.path.encoded()), media_type),
            None => (format!("/media/{}", title.path.encoded()), "application/octet-stream"),
        };
        Self {
            path: title.path.display(),
            href,
            views,
            media_type,
            size_bytes: title.size_bytes,
            modified: humantime::format_rfc3339_seconds(title.modified).to_string(),
            version: title.version.to_string(),
        }
    }
}
