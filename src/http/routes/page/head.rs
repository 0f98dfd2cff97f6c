//! The metadata of a title in `<head>`: for link previews (OpenGraph, Twitter card), for search engines
//! (JSON-LD VideoObject), and for pages that embed it (oEmbed discovery).

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{
    about::About,
    html::{Escaped, json_in_script},
};

/// The size of a player without a size of its own.
pub const DEFAULT_SIZE: (u32, u32) = (1280, 720);

/// The width of the image of a link preview.
const IMAGE_WIDTH: u32 = 1280;

/// The metadata of a title, whose URLs begin with this origin.
pub fn of_title(about: &About, origin: &str) -> String {
    let mut head = Head(String::new());
    let url = |target: &str| format!("{origin}{target}");
    let (watch, embed) = (url(&about.page("/watch/")), url(&about.page("/embed/")));
    let (width, height) = about.size.unwrap_or(DEFAULT_SIZE);
    let (width_text, height_text) = (width.to_string(), height.to_string());
    let description = description(about);
    let poster = || url(&about.view(&format!("poster.jpg?width={IMAGE_WIDTH}")));
    let image = about.has_poster.then(poster);

    head.title(&format!("{} · Headwater", about.name));
    head.link("canonical", &watch, "");
    head.oembed(&oembed(origin, &watch), &about.name);
    head.named("description", &description);
    head.property("og:site_name", "Headwater");
    head.property("og:type", if about.is_audio { "music.song" } else { "video.other" });
    head.property("og:title", &about.name);
    head.property("og:description", &description);
    head.property("og:url", &watch);
    if let Some(image) = &image {
        head.property("og:image", image);
    }
    if about.is_audio {
        head.property("og:audio", &url(&about.playable()));
    } else {
        head.property("og:video", &embed);
        head.property("og:video:type", "text/html");
        head.property("og:video:width", &width_text);
        head.property("og:video:height", &height_text);
        if let Some(duration_ms) = about.duration_ms {
            head.property("video:duration", &duration_ms.div_ceil(1000).to_string());
        }
    }
    head.named("twitter:card", "player");
    head.named("twitter:title", &about.name);
    head.named("twitter:description", &description);
    head.named("twitter:player", &embed);
    head.named("twitter:player:width", &width_text);
    head.named("twitter:player:height", &height_text);
    if let Some(image) = &image {
        head.named("twitter:image", image);
    }
    let mut object = json!({
        "@context": "https://schema.org",
        "@type": if about.is_audio { "AudioObject" } else { "VideoObject" },
        "name": about.name,
        "description": description,
        "uploadDate": humantime::format_rfc3339_seconds(about.modified).to_string(),
        "url": watch,
        "embedUrl": embed,
        "contentUrl": url(&about.playable()),
    });
    if let Some(image) = image {
        object["thumbnailUrl"] = image.into();
    }
    if let Some(duration_ms) = about.duration_ms {
        object["duration"] = format!("PT{}S", duration_ms.div_ceil(1000)).into();
    }
    if let Some((width, height)) = about.size {
        (object["width"], object["height"]) = (width.into(), height.into());
    }
    head.script(&object);
    head.0
}

/// The metadata of the player of a title on other pages: search engines keep the watch page.
pub fn of_embed(about: &About, origin: &str) -> String {
    let mut head = Head(String::new());
    head.title(&format!("{} · Headwater", about.name));
    head.link("canonical", &format!("{origin}{}", about.page("/watch/")), "");
    head.0
}

/// The head of a page with this title.
pub fn of_page(title: &str) -> String {
    let mut head = Head(String::new());
    head.title(title);
    head.0
}

/// The URL of the oEmbed description of a page.
fn oembed(origin: &str, page: &str) -> String {
    format!("{origin}/oembed?format=json&url={}", utf8_percent_encode(page, NON_ALPHANUMERIC))
}

/// One sentence without a full stop: kind, and length if known.
fn description(about: &About) -> String {
    let kind = if about.is_audio { "Audio" } else { "Video" };
    match about.duration_ms {
        Some(duration_ms) => format!("{kind}, {}", clock(duration_ms)),
        None => kind.to_owned(),
    }
}

/// `1:15` for 75 seconds, `1:01:15` for 3675.
pub fn clock(duration_ms: u64) -> String {
    let seconds = duration_ms / 1000;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{rest:02}"),
        hours => format!("{hours}:{minutes:02}:{rest:02}"),
    }
}

/// Elements of a head, one after the other.
struct Head(String);

impl Head {
    fn title(&mut self, title: &str) {
        self.write(format_args!("<title>{}</title>", Escaped(title)));
    }

    fn named(&mut self, name: &str, content: &str) {
        self.write(format_args!("<meta name=\"{name}\" content=\"{}\">", Escaped(content)));
    }

    fn property(&mut self, property: &str, content: &str) {
        self.write(format_args!("<meta property=\"{property}\" content=\"{}\">", Escaped(content)));
    }

    fn link(&mut self, relation: &str, target: &str, attributes: &str) {
        let target = Escaped(target);
        self.write(format_args!("<link rel=\"{relation}\" href=\"{target}\"{attributes}>"));
    }

    fn oembed(&mut self, target: &str, name: &str) {
        let title = format!(" type=\"application/json+oembed\" title=\"{}\"", Escaped(name));
        self.link("alternate", target, &title);
    }

    fn script(&mut self, object: &serde_json::Value) {
        let json = json_in_script(object);
        self.write(format_args!("<script type=\"application/ld+json\">{json}</script>"));
    }

    fn write(&mut self, element: std::fmt::Arguments<'_>) {
        write!(self.0, "\n  {element}").expect("writing to memory does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_clocks() {
        for (duration_ms, text) in
            [(0, "0:00"), (75_900, "1:15"), (3_675_000, "1:01:15"), (36_000_000, "10:00:00")]
        {
            assert_eq!(clock(duration_ms), text);
        }
    }
}
