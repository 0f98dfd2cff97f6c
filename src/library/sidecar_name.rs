//! The names of subtitle files beside a title.
//!
//! The name of a subtitle file continues that of a title in the same folder, with or without its
//! extension: `film.mp4` has `film.srt`, `film.mp4.srt`, `film.en.srt`, and `film.pt-BR.forced.vtt`. The
//! words between the dots name the language or the purpose; unknown words become part of the label.
//! Folders such as `Subs/` are not searched.
//!
//! If the names of two titles match, the longer one wins: `film.en.srt` belongs to `film.en.mp4` if that
//! exists, else to `film.mp4`. Titles that differ in the extension only share their subtitles.
//!
//! Names are compared as bytes, as the file system does, except that composed and decomposed characters
//! are equal: macOS decomposes them (NFD), and other systems do not (NFC). Case matters except in the
//! extension and the words.

use std::{borrow::Cow, collections::HashSet};

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

use super::media_type;
use crate::movie::languages;

/// Extensions of subtitle files.
const EXTENSIONS: [&[u8]; 4] = [b"srt", b"vtt", b"ass", b"ssa"];

/// The description of a subtitle file, from its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sidecar {
    /// The language as a BCP 47 tag.
    pub language: Option<String>,
    /// Whether players show it also when subtitles are off: signs, and speech in a language other than
    /// that of the audio.
    pub forced: bool,
    /// Whether the subtitles describe sounds too, for the deaf and hard of hearing.
    pub hearing_impaired: bool,
    /// Whether players show it from the start.
    pub is_default: bool,
    /// The label in menus: `English`, `Português (Brasil, forced)`. Two files may have the same.
    pub label: String,
}

/// Parses the name of a candidate; `None` if it does not continue the title's name.
///
/// A title with a longer name may match better: see [`find_sidecars`].
pub fn parse_sidecar(title: &[u8], candidate: &[u8]) -> Option<Sidecar> {
    words_between(&normalize(title), &normalize(candidate)).map(describe)
}

/// A name with composed characters (NFC). Bytes that are not UTF-8 stay.
pub(super) fn normalize(name: &[u8]) -> Cow<'_, [u8]> {
    let is_normal = |text: &str| is_nfc_quick(text.chars()) == IsNormalized::Yes;
    // Most names are ASCII: no table is read for them.
    if name.is_ascii() || name.utf8_chunks().all(|chunk| is_normal(chunk.valid())) {
        return name.into();
    }
    let mut normalized = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        normalized.extend(chunk.valid().nfc().collect::<String>().into_bytes());
        normalized.extend(chunk.invalid());
    }
    normalized.into()
}

/// The forms of a name that other systems write: as it is, composed and decomposed, without duplicates.
pub(super) fn forms(name: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut forms: Vec<Cow<'_, [u8]>> = vec![name.into()];
    if let Ok(text) = str::from_utf8(name)
        && !text.is_ascii()
    {
        for form in [text.nfc().collect::<String>(), text.nfd().collect()] {
            let form = Cow::from(form.into_bytes());
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// The words between the title's name and the extension of its subtitles.
fn words_between<'a>(title: &[u8], candidate: &'a [u8]) -> Option<&'a [u8]> {
    let (words, extension) = split_extension(candidate)?;
    if !EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return None;
    }
    strip_name(title, words).or_else(|| strip_name(strip_extension(title), words))
}

/// The subtitles of a title among the names in its folder, sorted by name, `max` at most.
///
/// `names` may be all names of the folder; `title` may be one of them. A folder may hold ten thousand
/// titles with one prefix, so the time grows with the names and their lengths, not with their product.
pub fn find_sidecars<'a>(
    title: &[u8],
    names: impl Iterator<Item = &'a [u8]>,
    max: usize,
) -> Vec<(&'a [u8], Sidecar)> {
    let title = normalize(title);
    let stem = strip_extension(&title);
    let names: Vec<(&[u8], Cow<'_, [u8]>)> = names.map(|name| (name, normalize(name))).collect();
    // Titles that may match better: only a longer name that continues this one can.
    let mut longer = HashSet::new();
    for (_, name) in &names {
        let continues =
            strip_name(stem, strip_extension(name)).is_some_and(|words| !words.is_empty());
        if continues && media_type::is_title(name) {
            longer.extend([&**name, strip_extension(name)]);
        }
    }
    let is_claimed = |name: &[u8]| {
        let (words, _) = split_extension(name).unwrap_or((name, b""));
        let mut ends = (stem.len()..words.len()).filter(|&end| words[end] == b'.');
        ends.any(|end| longer.contains(&words[..end])) || longer.contains(words)
    };
    let mut own: Vec<_> = names
        .iter()
        .filter(|(_, name)| words_between(&title, name).is_some() && !is_claimed(name))
        .collect();
    own.sort_unstable();
    own.truncate(max);
    own.into_iter()
        .filter_map(|(name, normalized)| Some((*name, parse_sidecar(&title, normalized)?)))
        .collect()
}

/// The name without its extension and the dot before it.
fn strip_extension(name: &[u8]) -> &[u8] {
    split_extension(name).map_or(name, |(stem, _)| stem)
}

fn split_extension(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    Some((&name[..dot], &name[dot + 1..]))
}

/// Strips the name of a title from the front of another: the rest is empty, or the words after a dot.
fn strip_name<'a>(begin: &[u8], name: &'a [u8]) -> Option<&'a [u8]> {
    match name.strip_prefix(begin)? {
        [] => Some(&[]),
        [b'.', words @ ..] => Some(words),
        _ => None,
    }
}

/// Words of people who translate, with their tags. They are no codes of languages, or codes of languages
/// that hardly any subtitles are in: `sc` is Sardinian elsewhere. Lower case.
const FAN_WORDS: [(&str, &str); 13] = [
    ("big5", "zh-Hant"),
    ("chi_sim", "zh-Hans"),
    ("chi_tra", "zh-Hant"),
    ("cn", "zh-Hans"),
    ("cz", "cs"),
    ("dk", "da"),
    ("gb", "zh-Hans"),
    ("gr", "el"),
    ("jap", "ja"),
    ("jp", "ja"),
    ("kr", "ko"),
    ("sc", "zh-Hans"),
    ("tc", "zh-Hant"),
];

/// The meaning of a word between a title's name and the extension.
enum Word {
    Language(String),
    Forced,
    HearingImpaired,
    Default,
    /// `hi`: Hindi, or hearing impaired.
    Hi,
    /// Known, and without effect.
    Ignored,
}

impl Word {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "forced" | "foreign" => Self::Forced,
            "sdh" | "cc" => Self::HearingImpaired,
            "hi" => Self::Hi,
            "default" => Self::Default,
            "full" | "sub" | "subs" | "subtitles" | "und" => Self::Ignored,
            lower => match FAN_WORDS.iter().find(|(known, _)| *known == lower) {
                Some((_, tag)) => Self::Language((*tag).to_owned()),
                None => Self::Language(languages::parse_tag(word)?),
            },
        })
    }

    /// The words in `en-forced`, `chs&eng` or `English (SDH)`; `None` if one of them is unknown.
    fn parse_all(words: &str) -> Option<Vec<Self>> {
        if let Some(word) = Self::parse(words) {
            return Some(vec![word]);
        }
        let is_between = |character: char| " -_()[]&+,".contains(character);
        words.split(is_between).filter(|word| !word.is_empty()).map(Self::parse).collect()
    }
}

fn describe(words: &[u8]) -> Sidecar {
    let (mut forced, mut hearing_impaired, mut is_default, mut is_hi) =
        (false, false, false, false);
    let mut language = None;
    let mut unknown = Vec::new();
    for word in words.split(|&byte| byte == b'.').filter(|word| !word.is_empty()) {
        let Some(meanings) = str::from_utf8(word).ok().and_then(Word::parse_all) else {
            unknown.push(printable(word));
            continue;
        };
        for meaning in meanings {
            match meaning {
                Word::Language(tag) if language.is_none() => language = Some(tag),
                // Subtitles in two languages; the first one comes first on the screen.
                Word::Language(tag) => unknown.push(languages::native_name(&tag)),
                Word::Default => is_default = true,
                Word::Forced => forced = true,
                Word::HearingImpaired => hearing_impaired = true,
                Word::Hi => is_hi = true,
                Word::Ignored => {}
            }
        }
    }
    // Next to a language, "hi" means hearing impaired.
    match &language {
        Some(_) => hearing_impaired |= is_hi,
        None if is_hi => language = Some("hi".to_owned()),
        None => {}
    }
    let label = format_label(language.as_deref(), &unknown, hearing_impaired, forced);
    Sidecar { language, forced, hearing_impaired, is_default, label }
}

/// Formats a label: the language's own name, or else the unknown words, or else `Subtitles`; then the rest
/// in parentheses.
fn format_label(
    language: Option<&str>,
    unknown: &[String],
    hearing_impaired: bool,
    forced: bool,
) -> String {
    let (name, unknown) = match (language.map(languages::native_name), unknown) {
        (Some(name), unknown) => (name, unknown),
        (None, []) => ("Subtitles".to_owned(), unknown),
        (None, unknown) => (unknown.join(" "), &[][..]),
    };
    let flags = [(hearing_impaired, "SDH"), (forced, "forced")]
        .into_iter()
        .filter_map(|(is_set, flag)| is_set.then_some(flag));
    let more = unknown.iter().map(String::as_str).chain(flags).collect::<Vec<_>>().join(", ");
    // If the name has parentheses of its own, the rest goes into them.
    match name.strip_suffix(')') {
        _ if more.is_empty() => name,
        Some(open) => format!("{open}, {more})"),
        None => format!("{name} ({more})"),
    }
}

/// A word of a name, with control characters replaced.
fn printable(word: &[u8]) -> String {
    let visible = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    String::from_utf8_lossy(word).chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    };

    use super::*;

    #[test]
    fn a_name_encodes_language_purpose_and_format() {
        for (candidate, language, flags, label) in [
            ("film.srt", None, "", "Subtitles"),
            ("film.vtt", None, "", "Subtitles"),
            ("film.SRT", None, "", "Subtitles"),
            ("film.en.ass", Some("en"), "", "English"),
            ("film.en.SSA", Some("en"), "", "English"),
            ("film.en.srt", Some("en"), "", "English"),
            ("film.EN.srt", Some("en"), "", "English"),
            ("film.en.forced.vtt", Some("en"), "f", "English (forced)"),
            ("film.forced.en.vtt", Some("en"), "f", "English (forced)"),
            ("film.forced.srt", None, "f", "Subtitles (forced)"),
            ("film.pt-BR.sdh.srt", Some("pt-BR"), "h", "Português (Brasil, SDH)"),
            ("film.pt_br.srt", Some("pt-BR"), "", "Português (Brasil)"),
            ("film.eng.cc.vtt", Some("en"), "h", "English (SDH)"),
            ("film.ger.srt", Some("de"), "", "Deutsch"),
            ("film.English.srt", Some("en"), "", "English"),
            ("film.English (SDH).srt", Some("en"), "h", "English (SDH)"),
            ("film.en-forced.srt", Some("en"), "f", "English (forced)"),
            ("film.Français.srt", Some("fr"), "", "Français"),
            ("film.hi.srt", Some("hi"), "", "हिन्दी"),
            ("film.en.hi.srt", Some("en"), "h", "English (SDH)"),
            ("film.hi.en.forced.srt", Some("en"), "hf", "English (SDH, forced)"),
            ("film.default.en.srt", Some("en"), "d", "English"),
            ("film.en.forced.default.srt", Some("en"), "fd", "English (forced)"),
            ("film.mp4.srt", None, "", "Subtitles"),
            ("film.mp4.fr.srt", Some("fr"), "", "Français"),
            ("film..en..srt", Some("en"), "", "English"),
            ("film.signs.srt", None, "", "signs"),
            ("film.directors.cut.forced.srt", None, "f", "directors cut (forced)"),
            ("film.en.2.srt", Some("en"), "", "English (2)"),
            ("film.en.fr.srt", Some("en"), "", "English (Français)"),
            ("film.chs&eng.srt", Some("zh-Hans"), "", "中文 (简体, English)"),
            ("film.cht+jpn.srt", Some("zh-Hant"), "", "中文 (繁體, 日本語)"),
            ("film.cmn-Hans.srt", Some("zh-Hans"), "", "中文 (简体)"),
            ("film.sc.srt", Some("zh-Hans"), "", "中文 (简体)"),
            ("film.TC.srt", Some("zh-Hant"), "", "中文 (繁體)"),
            ("film.zh-TW.srt", Some("zh-TW"), "", "中文 (台灣)"),
            ("film.jp.srt", Some("ja"), "", "日本語"),
            ("film.zh-Hant-TW.hi.srt", Some("zh-Hant-TW"), "h", "中文 (Hant-TW, SDH)"),
            ("film.foreign.srt", None, "f", "Subtitles (forced)"),
            ("film.a\nb.srt", None, "", "a\u{fffd}b"),
        ] {
            let expected = Sidecar {
                language: language.map(str::to_owned),
                forced: flags.contains('f'),
                hearing_impaired: flags.contains('h'),
                is_default: flags.contains('d'),
                label: label.to_owned(),
            };
            assert_eq!(
                parse_sidecar(b"film.mp4", candidate.as_bytes()),
                Some(expected),
                "{candidate}"
            );
        }
    }

    #[test]
    fn names_that_do_not_continue_the_title_are_not_its_subtitles() {
        for (title, candidate) in [
            ("film.mp4", "film.mp4"),
            ("film.mp4", "film.en.txt"),
            ("film.mp4", "film"),
            ("film.mp4", "film2.srt"),
            ("film.mp4", "film-en.srt"),
            ("film.mp4", "Film.srt"),
            ("film.mp4", "a film.srt"),
            ("film.mp4", "srt"),
            ("film.mp4", ".srt"),
            ("film.mp4", ""),
            ("film.en.mp4", "film.srt"),
            ("film.en.mp4", "film.fr.srt"),
        ] {
            let found = parse_sidecar(title.as_bytes(), candidate.as_bytes());
            assert_eq!(found, None, "{candidate} of {title}");
        }
    }

    #[test]
    fn names_are_bytes() {
        let sidecar = parse_sidecar(b"caf\xe9.mp4", b"caf\xe9.fr.\xff.srt").expect("its subtitles");
        assert_eq!(sidecar.language.as_deref(), Some("fr"));
        assert_eq!(sidecar.label, "Français (\u{fffd})");
        assert_eq!(parse_sidecar(b"caf\xe9.mp4", b"caf\xe8.fr.srt"), None);
    }

    #[test]
    fn composed_and_decomposed_names_are_equal() {
        let (composed, decomposed) = ("Am\u{e9}lie", "Ame\u{301}lie");
        for (title, sidecar) in [(composed, decomposed), (decomposed, composed)] {
            let (title, sidecar) =
                (format!("{title}.mp4"), format!("{sidecar}.Franc\u{327}ais.srt"));
            let names = [title.as_bytes(), sidecar.as_bytes()];
            let found = find_sidecars(title.as_bytes(), names.into_iter(), 32);
            assert_eq!(found.len(), 1, "{sidecar}");
            assert_eq!(found[0].0, sidecar.as_bytes(), "the name in the folder");
            assert_eq!(found[0].1.language.as_deref(), Some("fr"));
            // The longer title has them, in any form.
            let other = format!("{composed}.Fran\u{e7}ais.mp4");
            let names = [title.as_bytes(), sidecar.as_bytes(), other.as_bytes()];
            assert!(find_sidecars(title.as_bytes(), names.into_iter(), 32).is_empty());
            let prefixes = forms(title.as_bytes());
            assert!(prefixes.iter().any(|form| form.starts_with(decomposed.as_bytes())));
            assert!(prefixes.iter().any(|form| form.starts_with(composed.as_bytes())));
        }
    }

    #[test]
    fn the_title_with_the_longest_name_has_the_subtitles() {
        let names: [&[u8]; 10] = [
            b"film.srt",
            b"film.mp4",
            b"film.mkv",
            b"film.en.srt",
            b"film.en.mp4",
            b"film.fr.srt",
            b"film.en.forced.srt",
            b"film.part.two.srt",
            b"film.en.jpg",
            b"other.srt",
        ];
        for (title, expected) in [
            ("film.mp4", &["film.fr.srt", "film.part.two.srt", "film.srt"][..]),
            ("film.mkv", &["film.fr.srt", "film.part.two.srt", "film.srt"]),
            ("film.en.mp4", &["film.en.forced.srt", "film.en.srt"]),
            ("film.part.mp4", &["film.part.two.srt"]),
            ("none.mp4", &[]),
        ] {
            let found = find_sidecars(title.as_bytes(), names.into_iter(), 32);
            let found_names = found.into_iter().map(|(name, _)| String::from_utf8_lossy(name));
            assert_eq!(found_names.collect::<Vec<_>>(), expected, "{title}");
        }
    }

    #[test]
    fn the_language_comes_from_the_words_after_the_titles_name() {
        let names: [&[u8]; 2] = [b"film.en.mp4", b"film.en.srt"];
        let found = find_sidecars(b"film.en.mp4", names.into_iter(), 32);
        assert_eq!(found[0].1.language, None);
    }

    #[test]
    fn matching_takes_no_time_quadratic_in_the_names() {
        let numbered = |extension: &str| {
            (0..20_000).map(|number| format!("film.{number}.{extension}")).collect::<Vec<_>>()
        };
        let own = vec!["film.mp4".to_owned(), "film.en.srt".into()];
        let names = [own, numbered("mp4"), numbered("srt")].concat();
        let begun = Instant::now();
        let found = find_sidecars(b"film.mp4", names.iter().map(String::as_bytes), 32);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, b"film.en.srt");
        // A guard between milliseconds and minutes.
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn no_name_causes_a_panic() {
        let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
        let bytes = || vec(any::<u8>(), 0..12);
        let result = TestRunner::new(config).run(&(bytes(), bytes()), |(title, words)| {
            parse_sidecar(&title, &words);
            let candidate = [&title, b".".as_slice(), &words, b".srt"].concat();
            let sidecar = parse_sidecar(&title, &candidate);
            prop_assert!(sidecar.is_some_and(|sidecar| !sidecar.label.is_empty()));
            let names = [title.as_slice(), &candidate];
            prop_assert_eq!(find_sidecars(&title, names.into_iter(), 32).len(), 1);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}
