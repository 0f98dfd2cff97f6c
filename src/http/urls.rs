//! URLs of titles, as typed values.
//!
//! Titles contain slashes, so a URL is parsed from the right: first as
//! `<title>/~<version>/<track>/<file>`, else as `<title>/<view>`. The lists of files and views are closed;
//! any other URL is 404.

use actix_web::HttpRequest;

use super::Error;
use crate::{
    library::{MediaPath, PathRefused},
    package::storyboard::ImageFormat,
    titles::segments::SegmentFile,
};

/// The path behind a prefix, decoded from the target and not from the router's match, which is decoded
/// already.
pub fn path_behind(prefix: &str, request: &HttpRequest) -> Result<MediaPath, Error> {
    let encoded = request.uri().path().strip_prefix(prefix).ok_or(Error::NotFound)?;
    Ok(MediaPath::decode(encoded)?)
}

/// A URL below `/v/`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TitleUrl<'a> {
    /// The title.
    pub title: MediaPath,
    /// The view of the title.
    pub view: View<'a>,
}

/// The part of a URL behind the title.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum View<'a> {
    /// `index.m3u8`: the multivariant playlist.
    Multivariant,
    /// `manifest.mpd`.
    Mpd,
    /// `play.mp4`: the virtual MP4.
    Progressive,
    /// `inspect`.
    Inspect,
    /// `chapters.vtt`.
    Chapters,
    /// `poster.jpg`.
    Poster,
    /// `thumbnail.jpg` or `thumbnail.webp`.
    Thumbnail(ImageFormat),
    /// `storyboard.vtt` and its other forms.
    Storyboard(Storyboard),
    /// `preview.webp`: the title in a few seconds.
    Preview,
    /// `<name>.vtt`: subtitles as one file, by its name without the extension.
    Text(&'a str),
    /// A file below `~<version>/<track>/`.
    Track {
        /// The version in the URL.
        version: &'a str,
        /// The track's folder.
        track: &'a str,
        /// The file of the track.
        file: TrackFile,
    },
}

/// A form of the storyboard.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Storyboard {
    /// `storyboard.jpg` or `.webp`: the whole title on one sheet.
    Sheet(ImageFormat),
    /// `storyboard.vtt`: WebVTT with a tile of a sheet for each time.
    WebVtt,
    /// `storyboard.json`: the same as JSON, for scripts.
    Json,
    /// `storyboard.bif`: all tiles in one file, for Roku.
    Bif,
}

/// A file in a track's folder. Segments are numbered from 0 here, from 1 in URLs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TrackFile {
    /// `media.m3u8`.
    Media,
    /// `iframes.m3u8`.
    IFrames,
    /// `init.mp4`, `<n>.m4s`, or `i-<n>.m4s`: the key frame of a segment.
    Segment(SegmentFile),
    /// `<n>.vtt`.
    Text(usize),
    /// `all.vtt`.
    AllText,
    /// `<n>.jpg` or `<n>.webp`: a sheet of the storyboard.
    Sheet(usize, ImageFormat),
    /// `all.jpg` or `all.webp`: the whole title on one sheet.
    Overview(ImageFormat),
    /// `images.m3u8`: the storyboard as a playlist of sheets.
    Images,
}

impl<'a> TitleUrl<'a> {
    /// Parses the percent-encoded path behind `/v/`. `None` if the view is unknown.
    pub fn parse(encoded: &'a str) -> Option<Result<Self, PathRefused>> {
        let (title, view) = Self::split(encoded)?;
        Some(MediaPath::decode(title).map(|title| Self { title, view }))
    }

    fn split(encoded: &'a str) -> Option<(&'a str, View<'a>)> {
        let (rest, last) = encoded.rsplit_once('/')?;
        if let Some((rest, track)) = rest.rsplit_once('/')
            && let Some((title, version)) = rest.rsplit_once('/')
            && let Some(version) = version.strip_prefix('~')
            && let Some(file) = TrackFile::parse(last)
        {
            return Some((title, View::Track { version, track, file }));
        }
        let view = match last {
            "index.m3u8" => View::Multivariant,
            "manifest.mpd" => View::Mpd,
            "play.mp4" => View::Progressive,
            "inspect" => View::Inspect,
            "chapters.vtt" => View::Chapters,
            "poster.jpg" => View::Poster,
            "thumbnail.jpg" => View::Thumbnail(ImageFormat::Jpg),
            "thumbnail.webp" => View::Thumbnail(ImageFormat::Webp),
            "storyboard.jpg" => View::Storyboard(Storyboard::Sheet(ImageFormat::Jpg)),
            "storyboard.webp" => View::Storyboard(Storyboard::Sheet(ImageFormat::Webp)),
            "storyboard.vtt" => View::Storyboard(Storyboard::WebVtt),
            "storyboard.json" => View::Storyboard(Storyboard::Json),
            "storyboard.bif" => View::Storyboard(Storyboard::Bif),
            "preview.webp" => View::Preview,
            _ => View::Text(text_name(last)?),
        };
        Some((rest, view))
    }
}

impl View<'_> {
    /// Whether the response may be ready without waiting, as for most requests of players.
    pub fn is_hot(&self) -> bool {
        matches!(self, Self::Track { .. } | Self::Progressive)
    }

    /// Whether the view is an image, or refers to images.
    pub fn is_image(&self) -> bool {
        matches!(
            self,
            Self::Poster
                | Self::Thumbnail(_)
                | Self::Storyboard(_)
                | Self::Preview
                | Self::Track { track: "storyboard", .. }
        )
    }
}

impl TrackFile {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "media.m3u8" => return Some(Self::Media),
            "iframes.m3u8" => return Some(Self::IFrames),
            "init.mp4" => return Some(Self::Segment(SegmentFile::Init)),
            "all.vtt" => return Some(Self::AllText),
            "all.jpg" => return Some(Self::Overview(ImageFormat::Jpg)),
            "all.webp" => return Some(Self::Overview(ImageFormat::Webp)),
            "images.m3u8" => return Some(Self::Images),
            _ => {}
        }
        let (stem, extension) = name.rsplit_once('.')?;
        match (stem.strip_prefix("i-"), extension) {
            (Some(number), "m4s") => index(number).map(SegmentFile::IFrame).map(Self::Segment),
            (None, "m4s") => index(stem).map(SegmentFile::Media).map(Self::Segment),
            (None, "vtt") => index(stem).map(Self::Text),
            (None, "jpg") => index(stem).map(|number| Self::Sheet(number, ImageFormat::Jpg)),
            (None, "webp") => index(stem).map(|number| Self::Sheet(number, ImageFormat::Webp)),
            _ => None,
        }
    }
}

/// Parses the name of a text file: letters, digits, hyphens and dots before the extension.
fn text_name(file: &str) -> Option<&str> {
    let name = file.strip_suffix(".vtt")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    (!name.is_empty() && name.bytes().all(is_plain)).then_some(name)
}

/// Parses a number from 1 as an index from 0. A number has one form: no sign, no leading zero.
fn index(number: &str) -> Option<usize> {
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    number.parse::<usize>().ok().filter(|_| is_plain)?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_from_the_right() {
        let track = |version, track, file| View::Track { version, track, file };
        for (encoded, title, view) in [
            ("a.mp4/index.m3u8", "a.mp4", View::Multivariant),
            ("a/b%20c.mp4/manifest.mpd", "a/b c.mp4", View::Mpd),
            ("index.m3u8/index.m3u8", "index.m3u8", View::Multivariant),
            (
                "a.mp4/~00ff/video-1/12.m4s",
                "a.mp4",
                track("00ff", "video-1", TrackFile::Segment(SegmentFile::Media(11))),
            ),
            (
                "a/~b/c/~d/video-1/init.mp4",
                "a/~b/c",
                track("d", "video-1", TrackFile::Segment(SegmentFile::Init)),
            ),
            (
                "a.mp4/~0/audio-1/i-1.m4s",
                "a.mp4",
                track("0", "audio-1", TrackFile::Segment(SegmentFile::IFrame(0))),
            ),
            ("a.mp4/~0/text-1/3.vtt", "a.mp4", track("0", "text-1", TrackFile::Text(2))),
            ("x/~1/y/play.mp4", "x/~1/y", View::Progressive),
            ("a.mp4/thumbnail.webp", "a.mp4", View::Thumbnail(ImageFormat::Webp)),
            ("a.mp4/chapters.vtt", "a.mp4", View::Chapters),
            ("a.mp4/pt-BR.forced.vtt", "a.mp4", View::Text("pt-BR.forced")),
            ("a.mp4/storyboard.bif", "a.mp4", View::Storyboard(Storyboard::Bif)),
            (
                "a.mp4/~0/storyboard/2.jpg",
                "a.mp4",
                track("0", "storyboard", TrackFile::Sheet(1, ImageFormat::Jpg)),
            ),
        ] {
            let url = TitleUrl::parse(encoded).expect(encoded).expect(encoded);
            assert_eq!((url.title.display().as_str(), &url.view), (title, &view), "{encoded}");
        }
    }

    #[test]
    fn unknown_urls_are_not_parsed() {
        for encoded in [
            "",
            "a.mp4",
            "a.mp4/",
            "a.mp4/x",
            "index.m3u8",
            "a/~0/v/0.m4s",
            "a/~0/v/01.m4s",
            "a/~0/v/+1.m4s",
            "a/~0/v/-1.m4s",
            "a/~0/v/99999999999999999999.m4s",
            "a/~0/v/x.m4s",
            "~0/v/1.m4s",
            "a/~0/v/i-1.jpg",
            "a.mp4/.vtt",
            "a.mp4/a%2Fb.vtt",
            "a.mp4/en.srt",
            "a/0/v/1.m4s",
        ] {
            assert!(TitleUrl::parse(encoded).is_none(), "{encoded}");
        }
        assert!(TitleUrl::parse("../a/index.m3u8").expect("a view").is_err());
    }
}
