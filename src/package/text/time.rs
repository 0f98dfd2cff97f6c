//! Parses and formats timestamps, and the timing line of a cue.

use std::fmt;

/// The maximum time: 1,000 hours. Later times are clamped to it, and negative times to zero.
pub const TIME_MS_MAX: u64 = 1000 * 60 * 60 * 1000;

/// The arrow between the times of a cue.
const ARROW: &str = "-->";

/// The same arrow as translators, editors and typographic correction leave it, the longest first.
const OTHER_ARROWS: [&str; 9] = ["-- >", "- ->", "==>", "->", "=>", "–>", "—>", "→", "⟶"];

/// The most fields of a time: hours, minutes, seconds, and a fraction.
const FIELDS_MAX: usize = 4;

/// Milliseconds, displayed as `HH:MM:SS.mmm` (a WebVTT timestamp with hours).
#[derive(Clone, Copy)]
pub(super) struct Timestamp(pub u64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.0 / 1000, self.0 % 1000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}")
    }
}

/// The type of a line of a subtitle file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// The timings of a cue.
    Timings(Timings<'a>),
    /// Invalid timings of a cue.
    Invalid,
    /// Any other line.
    Other,
}

/// The start and end of a cue in milliseconds, and the rest of the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Timings<'a> {
    pub start_ms: u64,
    pub end_ms: u64,
    pub rest: &'a str,
}

impl<'a> Line<'a> {
    pub fn parse(line: &'a str) -> Self {
        let Some((before, after)) = line.split_once(ARROW) else {
            return Self::parse_with_other_arrow(line);
        };
        // In a concatenated file a byte order mark may precede the start, and a longer arrow leaves
        // dashes.
        let before = before.trim_start_matches('\u{feff}').trim().trim_end_matches('-').trim_end();
        match Timings::parse(before, after) {
            Some(timings) => Self::Timings(timings),
            None if before.contains([':', ';']) && before.chars().all(is_timing_character) => {
                Self::Invalid
            }
            None => Self::Other,
        }
    }

    /// Parses a line with an arrow that a person or a translator has changed. Text may contain such an
    /// arrow, so there must be a complete time on both sides.
    fn parse_with_other_arrow(line: &'a str) -> Self {
        let line = line.trim_start_matches('\u{feff}').trim();
        // Few lines of text begin with a digit: the others cost no search.
        if !line.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            return Self::Other;
        }
        let split = OTHER_ARROWS.iter().find_map(|arrow| line.split_once(arrow));
        let timings = split.and_then(|(before, after)| Timings::parse(before.trim_end(), after));
        match timings {
            Some(timings) if timings.rest.is_empty() || timings.rest.starts_with(' ') => {
                Self::Timings(timings)
            }
            _ => Self::Other,
        }
    }
}

impl<'a> Timings<'a> {
    /// Parses the texts on both sides of an arrow. The start must be nothing but a time.
    fn parse(before: &str, after: &'a str) -> Option<Self> {
        let (start_ms, "") = parse_prefix(before)? else {
            return None;
        };
        let (end_ms, rest) = parse_prefix(after.trim())?;
        Some(Self { start_ms, end_ms, rest })
    }
}

fn is_timing_character(character: char) -> bool {
    character.is_ascii_digit()
        || character == '-'
        || is_space(character)
        || separator(character).is_some()
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\u{a0}' | '\u{3000}')
}

/// What a character between the fields of a time separates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Separator {
    Colon,
    /// As in the time codes of drop-frame video.
    Semicolon,
    /// A comma or a point.
    Decimal,
}

/// The separator that a character is. Translators also write the forms of full width.
fn separator(character: char) -> Option<Separator> {
    Some(match character {
        ':' | '：' => Separator::Colon,
        ';' | '；' => Separator::Semicolon,
        ',' | '.' | '，' | '．' => Separator::Decimal,
        _ => return None,
    })
}

/// The frames per second of drop-frame time codes, about.
const DROP_FRAME_RATE: u64 = 30;

/// Parses the time at the start of a text. Returns milliseconds and the rest.
///
/// Two to four fields: hours are optional and may have any number of digits; the fraction is optional,
/// follows a comma, a point, a colon or a semicolon, and may have any number of digits. A fraction of two
/// digits behind a semicolon is a number of frames. Separators may have spaces around them. With four
/// fields, any separators do.
pub(super) fn parse_prefix(text: &str) -> Option<(u64, &str)> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mut fields, mut separators) = ([""; FIELDS_MAX], [Separator::Colon; FIELDS_MAX]);
    let mut rest;
    (fields[0], rest) = split_digits(unsigned)?;
    let mut count = 1;
    while count < FIELDS_MAX
        && let Some((separator, after)) = split_separator(rest)
        && let Some((digits, after)) = split_digits(after)
    {
        (separators[count], fields[count], rest) = (separator, digits, after);
        count += 1;
    }
    let is_decimal = |field: usize| separators[field] == Separator::Decimal;
    let whole = match count {
        2 | 3 if is_decimal(1) => return None,
        3 if is_decimal(2) => 2,
        2 | 3 => count,
        FIELDS_MAX if is_decimal(1) == is_decimal(2) => 3,
        _ => return None,
    };
    let in_seconds = |sum: u64, field: &&str| sum.saturating_mul(60).saturating_add(number(field));
    let seconds = fields[..whole].iter().fold(0, in_seconds);
    let milliseconds = match &fields[whole..count] {
        [frames] if separators[whole] == Separator::Semicolon && frames.len() == 2 => {
            (number(frames) * 1000 / DROP_FRAME_RATE).min(999)
        }
        [fraction] => thousandths(fraction),
        _ => {
            // A fraction without digits.
            rest = rest.strip_prefix([',', '.']).unwrap_or(rest);
            0
        }
    };
    let total = seconds.saturating_mul(1000).saturating_add(milliseconds);
    Some((if is_negative { 0 } else { total.min(TIME_MS_MAX) }, rest))
}

/// The separator at the start of a text, with the spaces around it, and the rest.
fn split_separator(text: &str) -> Option<(Separator, &str)> {
    let text = text.trim_start_matches(is_space);
    let first = text.chars().next()?;
    let rest = &text[first.len_utf8()..];
    Some((separator(first)?, rest.trim_start_matches(is_space)))
}

/// The digits at the start of a text, at least one, and the rest.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| text.split_at(digits))
}

/// The number that digits write; saturates.
fn number(digits: &str) -> u64 {
    let append =
        |number: u64, digit: u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    digits.bytes().fold(0, append)
}

/// The first three digits of a fraction.
fn thousandths(fraction: &str) -> u64 {
    let weights = [100, 10, 1].into_iter().zip(fraction.bytes());
    weights.map(|(weight, digit)| weight * u64::from(digit - b'0')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_parsed_in_every_common_form() {
        for (text, expected) in [
            ("00:00:01,500", Some((1500, ""))),
            ("00:00:01.500", Some((1500, ""))),
            ("0:0:1.5", Some((1500, ""))),
            ("00:00:01:500", Some((1500, ""))),
            ("00:01", Some((1000, ""))),
            ("01:02.003", Some((62_003, ""))),
            ("1:02:03.004 line:0", Some((3_723_004, " line:0"))),
            ("100:00:00.000", Some((360_000_000, ""))),
            ("00:00:01,5009", Some((1500, ""))),
            ("00:00:01,", Some((1000, ""))),
            ("00:90:00.000", Some((5_400_000, ""))),
            ("-00:00:01,500", Some((0, ""))),
            ("99999999999999999999999:00:00.000", Some((TIME_MS_MAX, ""))),
            ("00:00:01, 500", Some((1500, ""))),
            ("00: 00: 01,500", Some((1500, ""))),
            ("00 : 00 : 01 . 500 X1:40", Some((1500, " X1:40"))),
            ("00;00;01;500", Some((1500, ""))),
            ("00;00;01;15", Some((1500, ""))),
            ("00;00;01", Some((1000, ""))),
            ("00.00.01.500", Some((1500, ""))),
            ("00,00,01,500", Some((1500, ""))),
            ("00：00：01，500", Some((1500, ""))),
            ("00:00:02.000 12", Some((2000, " 12"))),
            ("00:00:02.000 position:50%,line-left", Some((2000, " position:50%,line-left"))),
            ("1", None),
            ("1.2.3", None),
            ("1.500", None),
            ("", None),
            (":01", None),
            ("--00:01", None),
            ("a", None),
        ] {
            assert_eq!(parse_prefix(text), expected, "{text}");
        }
    }

    #[test]
    fn a_timestamp_has_hours_and_milliseconds() {
        for (time_ms, expected) in [
            (0, "00:00:00.000"),
            (62_003, "00:01:02.003"),
            (359_999_999, "99:59:59.999"),
            (TIME_MS_MAX, "1000:00:00.000"),
        ] {
            let written = Timestamp(time_ms).to_string();
            assert_eq!(written, expected);
            assert_eq!(parse_prefix(&written), Some((time_ms, "")), "there and back");
        }
    }

    #[test]
    fn only_a_line_with_two_times_starts_a_cue() {
        let times = |start_ms, end_ms, rest| Line::Timings(Timings { start_ms, end_ms, rest });
        for (line, expected) in [
            ("00:01.000 --> 00:02.000", times(1000, 2000, "")),
            ("00:01.000-->00:02.000", times(1000, 2000, "")),
            ("  00:01.000 ---> 00:02.000  ", times(1000, 2000, "")),
            ("00:01.000 --> 00:02.000 align:left line:0", times(1000, 2000, " align:left line:0")),
            ("\u{feff}00:03.000 --> 00:02.000", times(3000, 2000, "")),
            ("00:0x --> 00:02.000", Line::Other),
            ("00:: --> 00:02.000", Line::Invalid),
            ("00:00:01,000 -->", Line::Invalid),
            ("00:00:01, 000 --> 00:00:02, 000", times(1000, 2000, "")),
            ("0:1->0:2", times(1000, 2000, "")),
            ("00:00:01,000 -> 00:00:02,000", times(1000, 2000, "")),
            ("00:00:01,000 → 00:00:02,000", times(1000, 2000, "")),
            ("00:00:01,000 -- > 00:00:02,000 line:0", times(1000, 2000, " line:0")),
            ("00:00:01,000 –> 00:00:02,000", times(1000, 2000, "")),
            ("00:00:01,000 => 00:00:02,000", times(1000, 2000, "")),
            ("12:00 -> noon", Line::Other),
            ("at 12:00 -> 13:00", Line::Other),
            ("5 -> 6", Line::Other),
            ("12:00 -> 13:00pm", Line::Other),
            ("00;0x --> 00:02.000", Line::Other),
            ("00;;00 --> 00:02.000", Line::Invalid),
            ("go --> there", Line::Other),
            ("at 00:01 --> 00:02", Line::Other),
            ("5 --> 6", Line::Other),
            ("-->", Line::Other),
            ("00:01.000", Line::Other),
            ("", Line::Other),
        ] {
            assert_eq!(Line::parse(line), expected, "{line}");
        }
    }
}
