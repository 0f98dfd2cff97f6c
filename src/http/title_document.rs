//! A title's own document: the item of a list, its details, and the absolute URLs of what it has.

use serde::Serialize;

use super::title_item::Item;
use crate::{
    library::{MediaPath, Title},
    titles::details::{Details, TextFile},
};

/// A title's own document.
#[derive(Debug, Serialize)]
pub struct TitleDocument {
    #[serde(flatten)]
    item: Item,
    #[serde(flatten)]
    details: Details,
    texts: Vec<Text>,
    #[serde(flatten)]
    urls: Urls,
}

/// Subtitles as one file of WebVTT.
#[derive(Debug, Serialize)]
struct Text {
    url: String,
    /// BCP 47.
    language: Option<String>,
    label: String,
    is_default: bool,
    is_forced: bool,
    /// As the `kind` of `<track>`.
    kind: &'static str,
}

/// Absolute URLs; `None` for what the title has not.
#[derive(Debug, Serialize)]
struct Urls {
    /// The file; of a set, that of its leading member.
    file: String,
    mp4: Option<String>,
    hls: Option<String>,
    dash: Option<String>,
    poster: Option<String>,
    storyboard: Option<String>,
    watch: String,
    embed: String,
}

impl TitleDocument {
    /// The document of a title, with a poster or without one, for clients that reach the server under an origin.
    pub fn new(title: Title, mut details: Details, has_poster: bool, origin: &str) -> Self {
        let path = &title.path;
        let view = |name: &str| format!("{origin}/v/{}/{name}", path.encoded());
        let files = std::mem::take(&mut details.texts);
        let texts = files.into_iter().map(|file| Text::new(file, &view)).collect();
        let urls = Urls::new(path, &details, has_poster, origin, &view);
        let item = Item::from(&Title { facts: details.facts, ..title });
        Self { item, details, texts, urls }
    }
}

impl Text {
    fn new(file: TextFile, view: &impl Fn(&str) -> String) -> Self {
        let TextFile { name, description } = file;
        let is_for_deaf = description.text.hearing_impaired;
        Self {
            url: view(&format!("{name}.vtt")),
            language: description.language,
            label: description.label,
            is_default: description.is_default,
            is_forced: description.text.forced,
            kind: if is_for_deaf { "captions" } else { "subtitles" },
        }
    }
}

impl Urls {
    fn new(
        path: &MediaPath,
        details: &Details,
        has_poster: bool,
        origin: &str,
        view: &impl Fn(&str) -> String,
    ) -> Self {
        let encoded = path.encoded();
        let file = details.file.as_ref().unwrap_or(path).encoded();
        let segments = details.playable.segments;
        let in_segments = |name: &str| segments.then(|| view(name));
        // Tracks that fit into no segment, such as ProRes, fit into one MP4.
        let has_mp4 = segments || !details.tracks.is_empty();
        Self {
            file: format!("{origin}/media/{file}"),
            mp4: has_mp4.then(|| view("play.mp4")),
            hls: in_segments("index.m3u8"),
            dash: in_segments("manifest.mpd"),
            poster: has_poster.then(|| view("poster.jpg")),
            storyboard: details.has_storyboard.then(|| view("storyboard.vtt")),
            watch: format!("{origin}/watch/{encoded}"),
            embed: format!("{origin}/embed/{encoded}"),
        }
    }
}
