//! Parses and formats timestamps, and the timing line of a cue.

use std::fmt;

/// The maximum time: 1,000 hours. Later times are clamped to it, and negative times to zero.
pub const TIME_MS_MAX: u64 = 1000 * 60 * 60 * 1000;

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
        let Some((before, after)) = line.split_once("-->") else {
            return Self::Other;
        };
        // In a concatenated file a byte order mark may precede the start, and a longer arrow leaves
        // dashes.
        let before = before.trim_start_matches('\u{feff}').trim().trim_end_matches('-').trim_end();
        let after = after.trim();
        match (parse_prefix(before), parse_prefix(after)) {
            (Some((start_ms, "")), Some((end_ms, rest))) => {
                Self::Timings(Timings { start_ms, end_ms, rest })
            }
            _ if before.contains(':') && before.chars().all(is_timing_character) => Self::Invalid,
            _ => Self::Other,
        }
    }
}

fn is_timing_character(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, ':' | '.' | ',' | ';' | '-' | ' ')
}

/// Parses the time at the start of a text. Returns milliseconds and the rest.
///
/// Hours are optional and may have any number of digits. The fraction is optional, follows a comma, a
/// point or a colon, and may have any number of digits.
pub(super) fn parse_prefix(text: &str) -> Option<(u64, &str)> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut fields = 1;
    let mut seconds;
    (seconds, rest) = parse_number(rest)?;
    while fields < 3
        && let Some((field, after)) = rest.strip_prefix(':').and_then(parse_number)
    {
        seconds = seconds.saturating_mul(60).saturating_add(field);
        rest = after;
        fields += 1;
    }
    if fields == 1 {
        return None;
    }
    let mut milliseconds = 0;
    if let Some(fraction) = rest.strip_prefix([',', '.', ':']) {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit);
        let weights = [100, 10, 1].into_iter().zip(digits);
        milliseconds = weights.map(|(weight, digit)| weight * u64::from(digit - b'0')).sum();
        rest = fraction.trim_start_matches(|character: char| character.is_ascii_digit());
    }
    let total = seconds.saturating_mul(1000).saturating_add(milliseconds);
    Some((if is_negative { 0 } else { total.min(TIME_MS_MAX) }, rest))
}

/// Parses the digits at the start of a text; saturates.
fn parse_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let (digits, rest) = text.split_at(digits);
    let append =
        |number: u64, digit: u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some((digits.bytes().fold(0, append), rest))
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
            ("1", None),
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
