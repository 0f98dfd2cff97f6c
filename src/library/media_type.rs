//! Media types by a name's extension.
//!
//! A table of our own comes first, because players rely on the type (WebKit does not sniff) and
//! `mime_guess` is wrong about some of these or does not know them: `.ts`, `.m3u8`, `.m4s`.

/// The role of a file in the library.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A title with video.
    Video,
    /// A title with audio only.
    Audio,
    /// A file that belongs to a title: subtitles, images, packaged manifests and segments.
    Sidecar,
}

/// Extension, media type and kind, sorted by extension.
const TABLE: &[(&str, &str, Kind)] = &[
    ("3g2", "video/3gpp2", Kind::Video),
    ("3gp", "video/3gpp", Kind::Video),
    ("aac", "audio/aac", Kind::Audio),
    ("ac3", "audio/ac3", Kind::Audio),
    ("aif", "audio/aiff", Kind::Audio),
    ("aiff", "audio/aiff", Kind::Audio),
    ("asf", "video/x-ms-asf", Kind::Video),
    ("ass", "text/x-ssa", Kind::Sidecar),
    ("avi", "video/x-msvideo", Kind::Video),
    ("avif", "image/avif", Kind::Sidecar),
    ("divx", "video/x-msvideo", Kind::Video),
    ("f4v", "video/mp4", Kind::Video),
    ("flac", "audio/flac", Kind::Audio),
    ("flv", "video/x-flv", Kind::Video),
    ("gif", "image/gif", Kind::Sidecar),
    ("isma", "audio/mp4", Kind::Audio),
    ("ismv", "video/mp4", Kind::Video),
    ("jpeg", "image/jpeg", Kind::Sidecar),
    ("jpg", "image/jpeg", Kind::Sidecar),
    ("m2t", "video/mp2t", Kind::Video),
    ("m2ts", "video/mp2t", Kind::Video),
    ("m3u8", "application/vnd.apple.mpegurl", Kind::Sidecar),
    ("m4a", "audio/mp4", Kind::Audio),
    ("m4b", "audio/mp4", Kind::Audio),
    ("m4s", "video/iso.segment", Kind::Sidecar),
    ("m4v", "video/mp4", Kind::Video),
    ("mka", "audio/x-matroska", Kind::Audio),
    ("mkv", "video/x-matroska", Kind::Video),
    ("mov", "video/quicktime", Kind::Video),
    ("mp3", "audio/mpeg", Kind::Audio),
    ("mp4", "video/mp4", Kind::Video),
    ("mpd", "application/dash+xml", Kind::Sidecar),
    ("mpeg", "video/mpeg", Kind::Video),
    ("mpg", "video/mpeg", Kind::Video),
    ("mts", "video/mp2t", Kind::Video),
    ("mxf", "application/mxf", Kind::Video),
    ("oga", "audio/ogg", Kind::Audio),
    ("ogg", "audio/ogg", Kind::Audio),
    ("ogv", "video/ogg", Kind::Video),
    ("opus", "audio/ogg; codecs=opus", Kind::Audio),
    ("png", "image/png", Kind::Sidecar),
    ("srt", "application/x-subrip", Kind::Sidecar),
    ("ssa", "text/x-ssa", Kind::Sidecar),
    ("ts", "video/mp2t", Kind::Video),
    ("vob", "video/mpeg", Kind::Video),
    ("vtt", "text/vtt; charset=utf-8", Kind::Sidecar),
    ("wav", "audio/wav", Kind::Audio),
    ("webm", "video/webm", Kind::Video),
    ("webp", "image/webp", Kind::Sidecar),
    ("wma", "audio/x-ms-wma", Kind::Audio),
    ("wmv", "video/x-ms-wmv", Kind::Video),
];

/// The longest extension in the table, in bytes.
const EXTENSION_BYTES_MAX: usize = 4;

/// Looks up the media type and kind of a name; `None` if the library does not serve such files.
pub fn lookup(name: &[u8]) -> Option<(&'static str, Kind)> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let extension = &name[dot + 1..];
    let mut buffer = [0; EXTENSION_BYTES_MAX];
    let lower = buffer.get_mut(..extension.len())?;
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    let found = TABLE.binary_search_by(|(known, ..)| known.as_bytes().cmp(lower)).ok()?;
    let (_, media_type, kind) = TABLE[found];
    Some((media_type, kind))
}

/// Guesses the media type of another file, for `serve_other_files`.
pub fn guess(name: &[u8]) -> &'static str {
    let name = String::from_utf8_lossy(name);
    mime_guess::from_path(name.as_ref()).first_raw().unwrap_or("application/octet-stream")
}

/// Whether a file of this name is a title.
pub fn is_title(name: &[u8]) -> bool {
    matches!(lookup(name), Some((_, Kind::Video | Kind::Audio)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_extension_exceeds_the_maximum() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TABLE.iter().all(|(extension, ..)| extension.len() <= EXTENSION_BYTES_MAX));
    }

    #[test]
    fn types_are_those_that_players_rely_on() {
        for (name, expected) in [
            ("a.mp4", Some("video/mp4")),
            ("a.MP4", Some("video/mp4")),
            ("a.b.m4a", Some("audio/mp4")),
            ("a.webm", Some("video/webm")),
            ("a.mkv", Some("video/x-matroska")),
            ("a.mov", Some("video/quicktime")),
            ("a.m3u8", Some("application/vnd.apple.mpegurl")),
            ("a.mpd", Some("application/dash+xml")),
            ("a.vtt", Some("text/vtt; charset=utf-8")),
            ("a.ts", Some("video/mp2t")),
            ("a", None),
            ("mp4", None),
            ("a.txt", None),
            ("a.mp4extra", None),
            ("a.", None),
        ] {
            assert_eq!(lookup(name.as_bytes()).map(|found| found.0), expected, "{name}");
        }
        assert_eq!(guess(b"a.pdf"), "application/pdf");
        assert_eq!(guess(b"a.\xff"), "application/octet-stream");
    }
}
