//! Detects the demuxer of a file from its first bytes.
//!
//! ffmpeg's own probing also accepts formats that are lists of *other* files and URLs: playlists,
//! manifests, session descriptions, concat scripts. An untrusted file could refer to `/etc/passwd` or to
//! a host of the internal network, and its thumbnail would show the content (CVE-2016-1897). So the
//! demuxer is always forced, and only to one of this list, none of which follows references.

use crate::package::container::Container;
pub use crate::package::container::FIRST_BYTES;

/// Returns the name of the demuxer for `-f`.
///
/// # Errors
/// If the format is not supported.
pub fn detect(first: &[u8]) -> Result<&'static str, UnsupportedFormat> {
    let container = Container::detect(first);
    container.map(demuxer).ok_or_else(|| UnsupportedFormat::classify(first))
}

/// The demuxer of a container.
fn demuxer(container: Container) -> &'static str {
    match container {
        Container::IsoMedia => "mov",
        Container::WebM | Container::Matroska => "matroska",
        Container::TransportStream => "mpegts",
        Container::ProgramStream => "mpeg",
        Container::Avi => "avi",
        Container::Wave => "wav",
        Container::WebP => "webp_pipe",
        Container::FlashVideo => "flv",
        Container::Asf => "asf",
        Container::Ogg => "ogg",
        Container::Flac => "flac",
        Container::Mxf => "mxf",
        Container::Ivf => "ivf",
        Container::Caf => "caf",
        Container::Aiff => "aiff",
        Container::Png => "png_pipe",
        Container::Jpeg => "jpeg_pipe",
        Container::Gif => "gif",
        Container::Mp3 => "mp3",
        Container::Adts => "aac",
        Container::Ac3 => "ac3",
    }
}

/// Why a file is not passed to ffmpeg.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnsupportedFormat {
    /// A list of other files or URLs.
    #[error("it is {0}, which refers to other files; references are never followed")]
    References(&'static str),
    /// No known format.
    #[error("its format is not supported")]
    Unrecognized,
    /// No bytes.
    #[error("it is empty")]
    Empty,
}

impl UnsupportedFormat {
    fn classify(first: &[u8]) -> Self {
        if first.is_empty() {
            return Self::Empty;
        }
        let text = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).trim_ascii_start();
        let contains = |needle: &[u8]| memchr::memmem::find(text, needle).is_some();
        let starts_with = |prefix: &[u8]| text.starts_with(prefix);
        match () {
            () if starts_with(b"#EXTM3U") => Self::References("a playlist"),
            () if starts_with(b"ffconcat") => Self::References("a concat script"),
            () if starts_with(b"[playlist]") => Self::References("a playlist"),
            () if starts_with(b"v=0") => Self::References("a session description"),
            () if starts_with(b"<") && contains(b"<MPD") => Self::References("a DASH manifest"),
            () if starts_with(b"<") && contains(b"<SmoothStreamingMedia") => {
                Self::References("a manifest")
            }
            () => Self::Unrecognized,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_refer_to_other_files_are_refused() {
        for (text, format) in [
            ("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist"),
            ("\u{feff}\n#EXTM3U\n", "a playlist"),
            ("ffconcat version 1.0\nfile /etc/passwd\n", "a concat script"),
            ("[playlist]\nFile1=http://127.0.0.1/\n", "a playlist"),
            ("v=0\no=- 0 0 IN IP4 127.0.0.1\n", "a session description"),
            ("<?xml version=\"1.0\"?><MPD></MPD>", "a DASH manifest"),
        ] {
            assert_eq!(
                detect(text.as_bytes()),
                Err(UnsupportedFormat::References(format)),
                "{text}"
            );
        }
        assert_eq!(detect(b"#!/bin/sh\n"), Err(UnsupportedFormat::Unrecognized));
        assert_eq!(detect(b""), Err(UnsupportedFormat::Empty));
    }
}
