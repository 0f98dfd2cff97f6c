//! Times as they stand in subtitle files, and the line that says when a cue is shown.

use std::fmt;

/// The latest time that is kept: 1,000 hours. What lies behind it was no time, and what lies before
/// zero is zero.
pub const TIME_MS_MAX: u64 = 1000 * 60 * 60 * 1000;

/// Milliseconds as `HH:MM:SS.mmm` (a WebVTT timestamp with hours).
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

/// A line of a subtitle file by what it says of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// A cue begins.
    Times(Times<'a>),
    /// A cue begins, but when is beyond reading.
    Broken,
    /// Anything else.
    Other,
}

/// When a cue is shown, in milliseconds, and what follows on its line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Times<'a> {
    pub start_ms: u64,
    pub end_ms: u64,
    pub rest: &'a str,
}

impl<'a> Line<'a> {
    pub fn of(line: &'a str) -> Self {
        let Some((before, after)) = line.split_once("-->") else {
            return Self::Other;
        };
        // A file that was appended to another brings its byte order mark along, and a longer arrow
        // has its first dashes here.
        let before = before.trim_start_matches('\u{feff}').trim().trim_end_matches('-').trim_end();
        let after = after.trim();
        match (take(before), take(after)) {
            (Some((start_ms, "")), Some((end_ms, rest))) => {
                Self::Times(Times { start_ms, end_ms, rest })
            }
            _ if before.contains(':') && before.chars().all(stands_in_times) => Self::Broken,
            _ => Self::Other,
        }
    }
}

fn stands_in_times(character: char) -> bool {
    character.is_ascii_digit() || matches!(character, ':' | '.' | ',' | ';' | '-' | ' ')
}

/// The time at the start of a text in milliseconds, and what follows it.
///
/// Hours may be missing and may have any number of digits; the fraction may be missing, may stand
/// behind a comma, a point or a colon, and counts as a fraction however many digits it has.
pub(super) fn take(text: &str) -> Option<(u64, &str)> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut fields = 1;
    let mut seconds;
    (seconds, rest) = number(rest)?;
    while fields < 3
        && let Some((field, after)) = rest.strip_prefix(':').and_then(number)
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

/// The digits at the start of a text as a number, the greatest there is if they say more.
fn number(text: &str) -> Option<(u64, &str)> {
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
    fn a_time_is_read_in_every_form_that_files_have() {
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
            assert_eq!(take(text), expected, "{text}");
        }
    }

    #[test]
    fn a_time_is_written_with_hours_and_three_digits_of_a_second() {
        for (time_ms, expected) in [
            (0, "00:00:00.000"),
            (62_003, "00:01:02.003"),
            (359_999_999, "99:59:59.999"),
            (TIME_MS_MAX, "1000:00:00.000"),
        ] {
            let written = Timestamp(time_ms).to_string();
            assert_eq!(written, expected);
            assert_eq!(take(&written), Some((time_ms, "")), "there and back");
        }
    }

    #[test]
    fn only_a_line_of_two_times_begins_a_cue() {
        let times = |start_ms, end_ms, rest| Line::Times(Times { start_ms, end_ms, rest });
        for (line, expected) in [
            ("00:01.000 --> 00:02.000", times(1000, 2000, "")),
            ("00:01.000-->00:02.000", times(1000, 2000, "")),
            ("  00:01.000 ---> 00:02.000  ", times(1000, 2000, "")),
            ("00:01.000 --> 00:02.000 align:left line:0", times(1000, 2000, " align:left line:0")),
            ("\u{feff}00:03.000 --> 00:02.000", times(3000, 2000, "")),
            ("00:0x --> 00:02.000", Line::Other),
            ("00:: --> 00:02.000", Line::Broken),
            ("00:00:01,000 -->", Line::Broken),
            ("go --> there", Line::Other),
            ("at 00:01 --> 00:02", Line::Other),
            ("5 --> 6", Line::Other),
            ("-->", Line::Other),
            ("00:01.000", Line::Other),
            ("", Line::Other),
        ] {
            assert_eq!(Line::of(line), expected, "{line}");
        }
    }
}
