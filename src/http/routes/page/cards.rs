//! The cards of a list: the markup that `web/cards.js` builds, too. A browser test compares them.

use super::{head::clock, html::Escaped};
use crate::{
    http::title_item::folder_target,
    library::{Facts, Title, TitleKind, catalog::Folder},
};

/// The sides of a video from which on it is marked as 4K.
const LONG_SIDE_4K: u32 = 3840;
const SHORT_SIDE_4K: u32 = 2160;

/// The card of a title; with its folder where titles of several folders are listed.
pub fn title(title: &Title, with_folder: bool, is_current: bool) -> String {
    let current = if is_current { " aria-current=\"page\"" } else { "" };
    let folder = title.path.parent().filter(|_| with_folder);
    let facts = folder.map(|folder| fact(&folder.display())).unwrap_or_default();
    let target = format!("/watch/{}", title.path.encoded());
    let audio = if is_audio(title) { " audio" } else { "" };
    let poster = format!("<span class=\"poster{audio}\">{}</span>", marks(title.facts));
    card("title", &target, current, &title.path.display_stem(), &poster, &facts)
}

/// The card of a folder.
pub fn folder(folder: &Folder) -> String {
    let facts = fact(&count(folder.titles, "title"));
    card(
        "folder",
        &folder_target(&folder.path),
        "",
        &folder.path.display_name(),
        "<span class=\"poster\"></span>",
        &facts,
    )
}

/// "1 title", "12 titles".
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn is_audio(title: &Title) -> bool {
    let known = title.facts.map(|facts| facts.kind);
    known.unwrap_or_else(|| TitleKind::from_name(&title.path)) == TitleKind::Audio
}

fn card(
    class: &str,
    target: &str,
    attributes: &str,
    name: &str,
    poster: &str,
    facts: &str,
) -> String {
    let (target, name) = (Escaped(target), Escaped(name));
    format!(
        "<li><a class=\"{class}\" href=\"{target}\" title=\"{name}\"{attributes}>{poster}<span class=\"words\">\
         <bdi class=\"name\">{name}</bdi><span class=\"facts\">{facts}</span></span></a></li>\n"
    )
}

fn fact(text: &str) -> String {
    format!("<bdi class=\"fact\">{}</bdi>", Escaped(text))
}

/// The marks and the length on a poster.
fn marks(facts: Option<Facts>) -> String {
    let is_4k = facts.and_then(|facts| facts.size).is_some_and(|(width, height)| {
        width.max(height) >= LONG_SIDE_4K || width.min(height) >= SHORT_SIDE_4K
    });
    let is_hdr = facts.and_then(|facts| facts.is_hdr).unwrap_or(false);
    let mark = |is_shown: bool, text: &str| match is_shown {
        true => format!("<span class=\"mark\">{text}</span>"),
        false => String::new(),
    };
    let marks = mark(is_4k, "4K") + &mark(is_hdr, "HDR");
    let marks = match marks.is_empty() {
        true => marks,
        false => format!("<span class=\"marks\">{marks}</span>"),
    };
    let length = facts
        .and_then(|facts| facts.duration_ms)
        .map(|duration_ms| format!("<span class=\"length\">{}</span>", clock(duration_ms)));
    marks + &length.unwrap_or_default()
}
