//! Parses SubStation Alpha (ASS and SSA), as Matroska and its `.ass` files have it: dialogue with styles,
//! positions and drawings on a canvas of its own. WebVTT has the words, and their times.

use std::collections::HashSet;

use super::{
    CueFault, SubtitleError,
    collect::Collector,
    time::{self, Timings},
};

/// The columns of `Dialogue` lines without a `Format` line.
const DEFAULT_COLUMNS: Columns = Columns { start: 1, end: 2, text: 9 };

/// The places of the used columns; the text is the last one, and has commas.
#[derive(Clone, Copy)]
struct Columns {
    start: usize,
    end: usize,
    text: usize,
}

/// Parses text with a line feed at the end of each line. Cues may overlap, and none is cut short.
pub(super) fn parse(text: &str, collector: &mut Collector) -> Result<(), SubtitleError> {
    let mut columns = DEFAULT_COLUMNS;
    let mut is_in_events = false;
    // Typesetters put the same words on several layers: shadow, outline, face.
    let mut seen = HashSet::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        if line.starts_with('[') {
            is_in_events = line.trim().eq_ignore_ascii_case("[events]");
            continue;
        }
        let Some((kind, fields)) = line.split_once(':').filter(|_| is_in_events) else {
            continue;
        };
        match kind.trim() {
            "Format" => columns = Columns::parse(fields).unwrap_or(DEFAULT_COLUMNS),
            "Dialogue" => {
                collector.has_timings = true;
                let Some((start_ms, end_ms, raw)) = dialogue(fields, columns) else {
                    collector.lose(number, CueFault::InvalidTime);
                    continue;
                };
                let Words { visible, with_overrides } = words(raw);
                if seen.insert((start_ms, end_ms, visible)) {
                    let timings = Timings { start_ms, end_ms, rest: "" };
                    collector.push((number, &timings), None, &with_overrides)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Columns {
    /// Parses the names of columns; `None` if one is missing, or the text is not the last.
    fn parse(names: &str) -> Option<Self> {
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        let place = |name: &str| names.iter().position(|other| other.eq_ignore_ascii_case(name));
        let columns = Self { start: place("Start")?, end: place("End")?, text: place("Text")? };
        (columns.text + 1 == names.len()).then_some(columns)
    }
}

/// The times and the raw text of a `Dialogue` line.
fn dialogue(fields: &str, columns: Columns) -> Option<(u64, u64, &str)> {
    let fields: Vec<_> = fields.splitn(columns.text + 1, ',').collect();
    let time_ms = |place: usize| match time::parse_prefix(fields.get(place)?.trim()) {
        Some((time_ms, "")) => Some(time_ms),
        _ => None,
    };
    Some((time_ms(columns.start)?, time_ms(columns.end)?, fields.get(columns.text)?))
}

/// The words of a dialogue.
struct Words {
    /// Without overrides.
    visible: String,
    /// With overrides, for the conversion of markup.
    with_overrides: String,
}

/// Removes drawings (`{\p1}m 0 0 l 100 0{\p0}`) and comments (`{so}`), and resolves the escapes of line
/// breaks and spaces.
fn words(raw: &str) -> Words {
    let mut words = Words { visible: String::new(), with_overrides: String::new() };
    let mut is_drawing = false;
    let mut rest = raw;
    while let Some(character) = rest.chars().next() {
        if let Some(inside) = rest.strip_prefix('{')
            && let Some(end) = inside.find('}')
        {
            let block = &inside[..end];
            rest = &inside[end + 1..];
            // A block without a code is a comment, as is what precedes the first code.
            let Some(first) = block.find('\\') else { continue };
            let codes = &block[first..];
            is_drawing =
                codes.split('\\').filter_map(drawing_scale).next_back().unwrap_or(is_drawing);
            words.with_overrides.extend(["{", codes, "}"]);
            continue;
        }
        let (bytes, written) = match rest.as_bytes() {
            [b'\\', b'N', ..] => (2, '\n'),
            [b'\\', b'n', ..] => (2, ' '),
            [b'\\', b'h', ..] => (2, '\u{a0}'),
            _ => (character.len_utf8(), character),
        };
        rest = &rest[bytes..];
        if !is_drawing {
            words.visible.push(written);
            words.with_overrides.push(written);
        }
    }
    words
}

/// Whether a code begins (`p1`, `p2`) or ends (`p0`) a drawing; `None` for other codes (`pos`, `pbo`).
fn drawing_scale(code: &str) -> Option<bool> {
    let scale = code.trim().strip_prefix('p')?;
    let is_number = !scale.is_empty() && scale.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| scale.bytes().any(|byte| byte != b'0'))
}

#[cfg(test)]
mod tests {
    use crate::package::text::{SubtitleFormat, parse};

    /// The cues of dialogues: start, end, text.
    fn cues(lines: &str) -> Vec<(u64, u64, String)> {
        let file = format!("[Script Info]\nTitle: Start, End\n\n[Events]\n{lines}");
        let parsed = parse(file.as_bytes(), SubtitleFormat::Ass, None).expect("subtitles");
        let cue = |cue: &crate::package::text::Cue| (cue.start_ms, cue.end_ms, cue.text.clone());
        parsed.subtitles.cues().iter().map(cue).collect()
    }

    fn text(raw: &str) -> Option<String> {
        let cues = cues(&format!("Dialogue: 0,0:00:01.00,0:00:03.50,Default,,0,0,0,,{raw}\n"));
        cues.into_iter().next().map(|(_, _, text)| text)
    }

    #[test]
    fn words_are_kept_and_drawings_and_comments_are_not() {
        for (raw, expected) in [
            (r"{\i1}Guten{\i0} Tag\Nzweite, Zeile", Some("<i>Guten</i> Tag\nzweite, Zeile")),
            (r"{\p1}m 0 0 l 100 0 100 100{\p0}", None),
            (r"{\an7\pos(0,0)\p4}m 0 0 l 9 9{\p0\i1}sign", Some("<i>sign</i>")),
            (r"{\p1}m 0 0 l 9 9", None),
            (r"{\pos(1,2)\pbo3}sign{a comment}", Some("sign")),
            (r"a\hb\nc", Some("a\u{a0}b c")),
            (r"{\k20}ka{\k30}ra", Some("kara")),
            (r"{oops \b1}a{\b0}", Some("<b>a</b>")),
            ("{unclosed", Some("{unclosed")),
        ] {
            assert_eq!(text(raw).as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn overlapping_cues_stay_whole_and_layers_are_shown_once() {
        let lines = "Format: Layer, Start, End, Style, Text\n\
            Dialogue: 0,0:00:02.00,0:00:04.00,A,second\n\
            Dialogue: 0,0:00:01.00,0:00:03.00,A,first\n\
            Dialogue: 1,0:00:02.00,0:00:04.00,B,{\\bord3}second\n\
            Comment: 0,0:00:02.00,0:00:04.00,A,not shown\n\
            Dialogue: 0,nonsense,0:00:04.00,A,without a time\n";
        let expected = [(1000, 3000, "first".to_owned()), (2000, 4000, "second".to_owned())];
        assert_eq!(cues(lines), expected);
    }

    #[test]
    fn lines_outside_of_the_events_are_no_cues() {
        let file = b"[Fonts]\nDialogue: 0,0:00:01.00,0:00:02.00,A,,0,0,0,,font data\n";
        assert!(parse(file, SubtitleFormat::Ass, None).is_err());
    }
}
