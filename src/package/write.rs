//! Text output for playlists and MPDs: numbers, names and URIs.
//!
//! A playlist of a long movie has thousands of numbers, and `format!` is several times slower than writing
//! the digits.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::presentation::Track;

/// Characters that a URI must not contain (RFC 3986 appendix A), except `%`: prefixes are already
/// percent-encoded, and this set only keeps the rest from breaking a line or an attribute.
const NOT_IN_A_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Appends numbers to a text.
pub(super) trait Write {
    /// Appends decimal digits.
    fn push_number(&mut self, number: u64);

    /// Appends microseconds as seconds with six decimals.
    fn push_seconds(&mut self, microseconds: u64);
}

impl Write for String {
    fn push_number(&mut self, number: u64) {
        self.push_str(itoa::Buffer::new().format(number));
    }

    fn push_seconds(&mut self, microseconds: u64) {
        const SECOND_US: u64 = 1_000_000;
        self.push_number(microseconds / SECOND_US);
        self.push('.');
        // Adding a second keeps the leading zeros of the decimals.
        self.push_str(&itoa::Buffer::new().format(SECOND_US + microseconds % SECOND_US)[1..]);
    }
}

/// The characters of a name that are valid in a playlist (RFC 8216bis section 4.1: no control characters,
/// no byte order mark) and in XML 1.0 (section 2.2: no U+FFFE, U+FFFF). Line breaks and tabs become
/// spaces.
pub(super) fn clean(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter_map(|character| match character {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{feff}' | '\u{fffe}' | '\u{ffff}' => None,
        other => (!other.is_control()).then_some(other),
    })
}

/// The name of a track in menus: its label, else its language, else its folder.
pub(super) fn name(track: &Track) -> String {
    [Some(&track.label), track.language.as_ref()]
        .into_iter()
        .flatten()
        .map(|name| clean(name).collect::<String>().trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| track.folder.clone())
}

/// The language tag of a track, if it is valid (RFC 5646 section 2.1, and `xs:language`).
pub(super) fn language(track: &Track) -> Option<&str> {
    track.language.as_deref().filter(|tag| {
        tag.split('-').enumerate().all(|(place, subtag)| {
            let fits = |byte: u8| byte.is_ascii_alphabetic() || place > 0 && byte.is_ascii_digit();
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(fits)
        })
    })
}

/// The URL of a file of a track, relative to the manifests.
pub(super) fn uri(track: &Track, file: &str) -> String {
    escape_uri(&format!("{}~{}/{}/{file}", track.prefix, track.version, track.folder))
}

/// Percent-encodes characters of a relative URL that would break a line or an attribute.
pub(super) fn escape_uri(url: &str) -> String {
    utf8_percent_encode(url, NOT_IN_A_URI).to_string()
}

/// A set of names that makes duplicates unique.
#[derive(Default)]
pub(super) struct UniqueNames(Vec<String>);

impl UniqueNames {
    /// Adds a name, with a number if the name is taken. Returns the unique name.
    pub(super) fn add(&mut self, name: &str, numbered: impl Fn(&str, usize) -> String) -> String {
        let is_free = |name: &String| !self.0.contains(name);
        let mut candidates =
            std::iter::once(name.to_owned()).chain((2..).map(|number| numbered(name, number)));
        let free = candidates.find(is_free).expect("more numbers than names");
        self.0.push(free.clone());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_the_leading_zeros_of_their_decimals() {
        for (microseconds, expected) in [
            (0, "0.000000"),
            (1, "0.000001"),
            (6_006_000, "6.006000"),
            (999_999, "0.999999"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            let mut text = String::new();
            text.push_seconds(microseconds);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_taken_name_gets_the_first_free_number() {
        let mut names = UniqueNames::default();
        let mut add = |name| names.add(name, |name, number| format!("{name} ({number})"));
        assert_eq!(add("a"), "a");
        assert_eq!(add("a (2)"), "a (2)");
        assert_eq!(add("a"), "a (3)");
        assert_eq!(add("a"), "a (4)");
        assert_eq!(add("b"), "b");
    }
}
