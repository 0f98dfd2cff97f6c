//! Subtitles of a title as whole files, for `<track>` and for players of one file: `en.vtt`,
//! `en.forced.vtt`.

use std::collections::HashSet;

use super::{
    Error, Titles,
    manifest_cache::Product,
    media_types::VTT,
    opened::Opened,
    readiness::Waiting,
    texts::{self, LeftOut, TextOrigin, TextSource},
};
use crate::{
    extent::{Caching, Text, disk::Version},
    library::MediaPath,
    package::{presentation, text, text_track::Description},
};

/// The base of a name without a language.
const NO_LANGUAGE: &str = "text";

/// The names of other files beside the subtitles.
const OTHER_FILES: [&str; 2] = ["chapters", "storyboard"];

/// The subtitles of a title without a playable file, which is not remuxed yet: those beside it.
pub async fn open_beside(
    titles: &Titles,
    title: &MediaPath,
    version: Version,
) -> Result<(Vec<TextSource>, LeftOut), Error> {
    let sidecars = texts::sidecars(titles, title).await?;
    Ok(texts::open_sidecars(titles, version, sidecars).await)
}

/// The subtitles of a title with this name.
pub async fn file(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    name: &str,
) -> Result<Text, Error> {
    let (sources, _) = texts::open(titles, title, opened).await?;
    file_among(titles, &sources, name).await
}

/// The subtitles with this name.
pub async fn file_among(
    titles: &Titles,
    sources: &[TextSource],
    name: &str,
) -> Result<Text, Error> {
    let place = names(sources).iter().position(|other| other == name).ok_or(Error::NotFound)?;
    let source = &sources[place];
    let (file, track) = source.key();
    let make = async {
        let subtitles = texts::subtitles(titles, source).await?;
        let write = move || text::format_file(&subtitles);
        let text = titles.background.spawn_blocking_limited(write).await?;
        // No date: an older file may replace this one under its name.
        Ok(Text::kept(text, VTT, Caching::File, None))
    };
    let product = Product::Text(track, source.version);
    titles.cache.text(file, product, Waiting::Allowed, make).await
}

/// The names of subtitles, each once: the language, then what they are for, then a number if the name is
/// taken. Files beside the title come first, so that a remux, which adds others, renames none of them.
pub fn names(sources: &[TextSource]) -> Vec<String> {
    let is_beside = |source: &TextSource| matches!(source.origin, TextOrigin::Sidecar { .. });
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|place| !is_beside(&sources[*place]));
    let mut taken = HashSet::new();
    let mut names = vec![String::new(); sources.len()];
    for place in order {
        names[place] = free_name(&base(&sources[place].describe()), &mut taken);
    }
    names
}

/// The name of subtitles that have it for themselves.
fn base(Description { language, text, .. }: &Description) -> String {
    let is_plain = |tag: &&str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !tag.is_empty() && tag.bytes().all(is_letter) && !OTHER_FILES.contains(tag)
    };
    let language = language.as_deref().filter(is_plain).unwrap_or(NO_LANGUAGE);
    let presentation::Text { forced, hearing_impaired } = *text;
    let sdh = if hearing_impaired { ".sdh" } else { "" };
    let forced = if forced { ".forced" } else { "" };
    format!("{language}{sdh}{forced}")
}

/// A name that is not taken, and takes it.
fn free_name(base: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{base}.{number}"));
    let mut candidates = std::iter::once(base.to_owned()).chain(numbered);
    let free = candidates.find(|name| !taken.contains(name)).expect("numbers have no end");
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(language: Option<&str>, forced: bool, hearing_impaired: bool) -> Description {
        Description {
            language: language.map(str::to_owned),
            label: String::new(),
            is_default: false,
            roles: Vec::new(),
            text: presentation::Text { forced, hearing_impaired },
        }
    }

    #[test]
    fn a_name_has_the_language_and_what_the_subtitles_are_for() {
        for (language, forced, hearing_impaired, name) in [
            (Some("en"), false, false, "en"),
            (Some("pt-BR"), true, false, "pt-BR.forced"),
            (Some("de"), false, true, "de.sdh"),
            (Some("de"), true, true, "de.sdh.forced"),
            (None, false, false, "text"),
            (None, true, false, "text.forced"),
            (Some("chapters"), false, false, "text"),
            (Some("a/b"), false, false, "text"),
            (Some(""), false, false, "text"),
        ] {
            assert_eq!(base(&described(language, forced, hearing_impaired)), name);
        }
    }

    #[test]
    fn equal_names_are_numbered() {
        let taken = &mut HashSet::new();
        let names: Vec<_> =
            ["en", "en", "de", "en", "en.2"].map(|base| free_name(base, taken)).into();
        assert_eq!(names, ["en", "en.2", "de", "en.3", "en.2.2"]);
    }
}
