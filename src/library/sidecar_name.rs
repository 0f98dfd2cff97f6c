//! Which files beside a title are its subtitles.
//!
//! A subtitle file belongs to a title in the same folder whose name, with or without its extension,
//! it continues: `film.mp4` has `film.srt`, `film.mp4.srt`, `film.en.srt`, and
//! `film.pt-BR.forced.vtt`. What stands between two points is a word, which says the language or
//! the purpose; words that mean nothing here become part of the label. Folders such as `Subs/` are
//! not looked into.
//!
//! Where the names of two titles fit, the longer one has it: `film.en.srt` is that of `film.en.mp4`
//! if that exists, else of `film.mp4`. Titles that differ in the extension alone share their
//! subtitles.
//!
//! Names are compared as bytes, as the file system does; only the extension and the words between
//! may be in any case.

use super::media_type;
use crate::movie::languages;

/// Extensions of subtitle files.
const EXTENSIONS: [&[u8]; 2] = [b"srt", b"vtt"];

/// What the name of a subtitle file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sidecar {
    /// The language as a BCP 47 tag.
    pub language: Option<String>,
    /// Whether it is shown also to who asked for none: signs, and speech in another language than
    /// the film's.
    pub forced: bool,
    /// Whether it tells of sounds too.
    pub hearing_impaired: bool,
    /// What to call it: `English`, `Português (Brasil, forced)`. Two files may have the same.
    pub label: String,
}

/// What a candidate is to a title by both names; `None` if it is not its subtitles.
///
/// That a title with a longer name may have a better claim is not known here: see [`sidecars_of`].
pub fn sidecar_of(title: &[u8], candidate: &[u8]) -> Option<Sidecar> {
    let (words, extension) = split_extension(candidate)?;
    if !EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return None;
    }
    let words = beyond(title, words).or_else(|| beyond(stem_of(title), words))?;
    Some(describe(words))
}

/// The subtitles of a title among the names in its folder, sorted by name.
///
/// The names may be all that are there; `title` may be one of them.
pub fn sidecars_of<'a>(
    title: &[u8],
    names: impl Iterator<Item = &'a [u8]> + Clone,
) -> Vec<(&'a [u8], Sidecar)> {
    let stem = stem_of(title);
    let longer = names.clone().filter(|name| {
        // Only a name that continues this one can be in question, and those are few.
        beyond(stem, stem_of(name)).is_some_and(|words| !words.is_empty())
            && media_type::is_title(name)
    });
    let longer = longer.collect::<Vec<_>>();
    let mine = names.filter_map(|name| {
        let sidecar = sidecar_of(title, name)?;
        let is_taken = longer.iter().any(|other| sidecar_of(other, name).is_some());
        (!is_taken).then_some((name, sidecar))
    });
    let mut mine = mine.collect::<Vec<_>>();
    mine.sort_unstable_by_key(|(name, _)| *name);
    mine
}

/// The name without its last point and what follows; all of it if there is no point.
fn stem_of(name: &[u8]) -> &[u8] {
    split_extension(name).map_or(name, |(stem, _)| stem)
}

fn split_extension(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    Some((&name[..dot], &name[dot + 1..]))
}

/// What follows in a name that begins with another: nothing, or words behind a point.
fn beyond<'a>(begin: &[u8], name: &'a [u8]) -> Option<&'a [u8]> {
    match name.strip_prefix(begin)? {
        [] => Some(&[]),
        [b'.', words @ ..] => Some(words),
        _ => None,
    }
}

/// What a word between a title's name and the extension says.
enum Word {
    Language(String),
    Forced,
    HearingImpaired,
    /// `hi`: Hindi, or hearing impaired.
    Hi,
    /// Known, and of no use here.
    Silent,
}

impl Word {
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "forced" | "foreign" => Self::Forced,
            "sdh" | "cc" => Self::HearingImpaired,
            "hi" => Self::Hi,
            "default" | "full" | "sub" | "subs" | "subtitles" | "und" => Self::Silent,
            _ => Self::Language(languages::parse_tag(word)?),
        })
    }

    /// The words of which something like `en-forced` or `English (SDH)` is made; `None` if one of
    /// them is not known.
    fn all_of(words: &str) -> Option<Vec<Self>> {
        if let Some(word) = Self::of(words) {
            return Some(vec![word]);
        }
        let is_between = |character: char| " -_()[]".contains(character);
        words.split(is_between).filter(|word| !word.is_empty()).map(Self::of).collect()
    }
}

fn describe(words: &[u8]) -> Sidecar {
    let (mut forced, mut hearing_impaired, mut is_hi) = (false, false, false);
    let mut language = None;
    let mut unknown = Vec::new();
    for word in words.split(|&byte| byte == b'.').filter(|word| !word.is_empty()) {
        let Some(meanings) = str::from_utf8(word).ok().and_then(Word::all_of) else {
            unknown.push(printable(word));
            continue;
        };
        for meaning in meanings {
            match meaning {
                Word::Language(tag) if language.is_none() => language = Some(tag),
                Word::Language(_) => unknown.push(printable(word)),
                Word::Forced => forced = true,
                Word::HearingImpaired => hearing_impaired = true,
                Word::Hi => is_hi = true,
                Word::Silent => {}
            }
        }
    }
    // Beside a language, "hi" can only mean the other thing.
    match &language {
        Some(_) => hearing_impaired |= is_hi,
        None if is_hi => language = Some("hi".to_owned()),
        None => {}
    }
    let label = label(language.as_deref(), &unknown, hearing_impaired, forced);
    Sidecar { language, forced, hearing_impaired, label }
}

/// The language's own name, or the words that mean nothing here, or neither; what else there is to
/// say follows in parentheses.
fn label(
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
    let flags = [(hearing_impaired, "SDH"), (forced, "forced")];
    let flags = flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag));
    let more = unknown.iter().map(String::as_str).chain(flags).collect::<Vec<_>>().join(", ");
    // A name that has its own parentheses takes it in.
    match name.strip_suffix(')') {
        _ if more.is_empty() => name,
        Some(open) => format!("{open}, {more})"),
        None => format!("{name} ({more})"),
    }
}

/// A word of a name for people to read.
fn printable(word: &[u8]) -> String {
    let visible = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    String::from_utf8_lossy(word).chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::*,
        test_runner::{Config, TestRunner},
    };

    use super::*;

    #[test]
    fn a_name_says_language_purpose_and_format() {
        for (candidate, language, flags, label) in [
            ("film.srt", None, "", "Subtitles"),
            ("film.vtt", None, "", "Subtitles"),
            ("film.SRT", None, "", "Subtitles"),
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
            ("film.default.en.srt", Some("en"), "", "English"),
            ("film.mp4.srt", None, "", "Subtitles"),
            ("film.mp4.fr.srt", Some("fr"), "", "Français"),
            ("film..en..srt", Some("en"), "", "English"),
            ("film.signs.srt", None, "", "signs"),
            ("film.directors.cut.forced.srt", None, "f", "directors cut (forced)"),
            ("film.en.2.srt", Some("en"), "", "English (2)"),
            ("film.en.fr.srt", Some("en"), "", "English (fr)"),
            ("film.a\nb.srt", None, "", "a\u{fffd}b"),
        ] {
            let expected = Sidecar {
                language: language.map(str::to_owned),
                forced: flags.contains('f'),
                hearing_impaired: flags.contains('h'),
                label: label.to_owned(),
            };
            assert_eq!(
                sidecar_of(b"film.mp4", candidate.as_bytes()),
                Some(expected),
                "{candidate}"
            );
        }
    }

    #[test]
    fn what_does_not_continue_the_title_is_not_its_subtitles() {
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
            let found = sidecar_of(title.as_bytes(), candidate.as_bytes());
            assert_eq!(found, None, "{candidate} of {title}");
        }
    }

    #[test]
    fn names_are_bytes() {
        let sidecar = sidecar_of(b"caf\xe9.mp4", b"caf\xe9.fr.\xff.srt").expect("its subtitles");
        assert_eq!(sidecar.language.as_deref(), Some("fr"));
        assert_eq!(sidecar.label, "Français (\u{fffd})");
        assert_eq!(sidecar_of(b"caf\xe9.mp4", b"caf\xe8.fr.srt"), None);
    }

    #[test]
    fn the_title_with_the_longest_name_has_it() {
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
            let found = sidecars_of(title.as_bytes(), names.into_iter());
            let found = found.into_iter().map(|(name, _)| String::from_utf8_lossy(name));
            assert_eq!(found.collect::<Vec<_>>(), expected, "{title}");
        }
    }

    #[test]
    fn the_files_own_language_is_not_said_by_the_titles_name() {
        let names: [&[u8]; 2] = [b"film.en.mp4", b"film.en.srt"];
        let found = sidecars_of(b"film.en.mp4", names.into_iter());
        assert_eq!(found[0].1.language, None);
    }

    #[test]
    fn no_name_causes_a_panic() {
        let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
        let bytes = || vec(any::<u8>(), 0..12);
        let result = TestRunner::new(config).run(&(bytes(), bytes()), |(title, words)| {
            sidecar_of(&title, &words);
            let candidate = [&title, b".".as_slice(), &words, b".srt"].concat();
            let sidecar = sidecar_of(&title, &candidate);
            prop_assert!(sidecar.is_some_and(|sidecar| !sidecar.label.is_empty()));
            let names = [title.as_slice(), &candidate];
            prop_assert_eq!(sidecars_of(&title, names.into_iter()).len(), 1);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
    }
}
