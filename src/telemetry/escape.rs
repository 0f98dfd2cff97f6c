//! Untrusted text in a line of a log: names of files, texts of clients, messages of other programs.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

/// Whether a character can break a line, control a terminal, or make a line look other than it is: control
/// characters, line separators, and Unicode's invisible and bidirectional format characters.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Writes text with its hidden characters escaped as in a Rust string: `\n`, `\u{202e}`.
#[derive(Debug)]
pub struct Escaped<W>(pub W);

impl<W: fmt::Write> fmt::Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, hidden) in text.char_indices().filter(|(_, character)| is_hidden(*character)) {
            self.0.write_str(&text[written..at])?;
            write!(self.0, "{}", hidden.escape_default())?;
            written = at + hidden.len_utf8();
        }
        self.0.write_str(&text[written..])
    }
}

/// Escapes the hidden characters of a line of JSON as JSON does. A serializer escapes only those below
/// U+0020, so that the rest stands inside strings.
pub fn escape_json(line: &str) -> Cow<'_, str> {
    let is_escaped = |character: char| is_hidden(character) && character != '\n';
    if line.is_ascii() && !line.contains('\x7f') || !line.contains(is_escaped) {
        return line.into();
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for character in line.chars() {
        if is_escaped(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut written = Escaped(String::new());
        written.write_str(text).expect("a string");
        written.0
    }

    #[test]
    fn characters_that_break_lines_or_control_terminals_are_escaped() {
        for (text, expected) in [
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[2J\x07\x7f", "\\u{1b}[2J\\u{7}\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("gpj\u{202e}4pm.\u{2066}", "gpj\\u{202e}4pm.\\u{2066}"),
            ("\u{2028}\u{2029}\u{85}", "\\u{2028}\\u{2029}\\u{85}"),
            ("a\u{200b}b\u{feff}\u{e0041}", "a\\u{200b}b\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn text_of_every_language_stays_as_it_is() {
        for text in
            ["Amélie", "Ame\u{301}lie", "千と千尋の神隠し", "сталкер", "فيلم", "C:\\films \"a\""]
        {
            assert_eq!(escaped(text), text);
            assert_eq!(escape_json(text), text);
        }
    }

    #[test]
    fn a_line_of_json_keeps_its_value() {
        let value = "a\u{202e}b\u{9b}c\x7f\u{e0041}\nd";
        let line = serde_json::to_string(value).expect("a string") + "\n";
        let escaped = escape_json(&line);
        assert!(escaped.is_ascii() && escaped.matches('\n').count() == 1, "{escaped}");
        assert_eq!(serde_json::from_str::<String>(&escaped).expect("JSON"), value);
    }
}
