//! Parses the samples of text tracks into cues.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use encoding_rs::{Encoding, MACINTOSH, UTF_8};

use super::{
    Cue,
    collect::{parse_identifier, parse_settings},
    markup::{self, Span, Writer},
};

/// The format of a text track's samples, by the type of its sample entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SampleFormat {
    /// `tx3g`: 3GPP TS 26.245, also called MPEG-4 timed text or `mov_text`.
    Tx3g,
    /// `text`: QuickTime text, the same format without a specified encoding.
    QuickTimeText,
    /// `wvtt`: WebVTT in ISO/IEC 14496-30.
    Wvtt,
}

/// Parses the cues of one sample, which is presented from `start_ms` to `end_ms`.
///
/// A gap has no cue, and simultaneous cues are in one sample. Of a truncated sample the readable part is
/// used. A cue that continues in the next sample is one cue in each: see [`join`].
pub fn parse_sample(format: SampleFormat, sample: &[u8], start_ms: u64, end_ms: u64) -> Vec<Cue> {
    if start_ms >= end_ms {
        return Vec::new();
    }
    let cue = |id, settings, text| Cue { start_ms, end_ms, id, settings, text };
    match format {
        SampleFormat::Tx3g | SampleFormat::QuickTimeText => {
            let fallback = if format == SampleFormat::Tx3g { UTF_8 } else { MACINTOSH };
            let text = parse_styled_text(sample, fallback);
            text.map(|text| cue(None, String::new(), text)).into_iter().collect()
        }
        SampleFormat::Wvtt => {
            let cues = Boxes(sample).filter(|(kind, _)| *kind == b"vttc");
            cues.filter_map(|(_, body)| {
                let parsed = WvttCue::parse(body)?;
                Some(cue(parsed.id, parsed.settings, parsed.text))
            })
            .collect()
        }
    }
}

/// Joins consecutive cues with equal identifier, settings and text: a track splits a cue wherever another
/// starts or ends (ISO/IEC 14496-30 section 6.3).
///
/// The cues must be in the order of their samples; the result is in order of their start.
pub fn join(cues: Vec<Cue>) -> Vec<Cue> {
    let mut joined: Vec<Cue> = Vec::new();
    // The index of the last cue by the hash of its content, so that no text is stored twice.
    let mut indices: HashMap<u64, usize> = HashMap::new();
    for cue in cues {
        let mut hasher = DefaultHasher::new();
        (&cue.id, &cue.settings, &cue.text).hash(&mut hasher);
        let index = indices.entry(hasher.finish()).or_insert(joined.len());
        match joined.get_mut(*index) {
            Some(before) if is_continued(before, &cue) => before.end_ms = cue.end_ms,
            _ => {
                *index = joined.len();
                joined.push(cue);
            }
        }
    }
    joined
}

fn is_continued(before: &Cue, cue: &Cue) -> bool {
    before.end_ms == cue.start_ms
        && before.id == cue.id
        && before.settings == cue.settings
        && before.text == cue.text
}

/// Iterates over the boxes of a sample as type and body, up to the first invalid one. A box that exceeds
/// the sample is truncated.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (size, rest) = self.0.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let body_bytes = match usize::try_from(u32::from_be_bytes(*size)).ok()? {
            0 => rest.len(), // to the end (ISO/IEC 14496-12 section 4.2)
            size => size.checked_sub(8)?.min(rest.len()),
        };
        let (body, rest) = rest.split_at(body_bytes);
        self.0 = rest;
        Some((kind, body))
    }
}

/// The content of a `vttc` box (ISO/IEC 14496-30 section 6.5).
struct WvttCue {
    id: Option<String>,
    settings: String,
    text: String,
}

impl WvttCue {
    /// Parses a box; `None` if it has no visible text.
    fn parse(body: &[u8]) -> Option<Self> {
        let (mut id, mut settings, mut text) = (None, String::new(), None);
        for (kind, body) in Boxes(body) {
            let value = normalize_lines(&String::from_utf8_lossy(body));
            match kind {
                b"iden" => id = parse_identifier(value.trim()),
                b"sttg" => settings = parse_settings(&value),
                b"payl" => text = markup::convert(&value),
                _ => {}
            }
        }
        let markup::CueText { text, position } = text?;
        if settings.is_empty() {
            settings.push_str(position.unwrap_or_default());
        }
        Some(Self { id, settings, text })
    }
}

/// Removes control characters, and ends every line with a line feed.
fn normalize_lines(text: &str) -> String {
    super::normalize(&text.replace(['\u{2028}', '\u{2029}'], "\n"))
}

/// Parses a `tx3g` or `text` sample (3GPP TS 26.245 section 5.17): a 16-bit length, the text, and boxes,
/// of which `styl` has the ranges of italics, bold and underline.
fn parse_styled_text(sample: &[u8], fallback: &'static Encoding) -> Option<String> {
    let (bytes, rest) = sample.split_first_chunk::<2>()?;
    let bytes = usize::from(u16::from_be_bytes(*bytes)).min(rest.len());
    let (text, boxes) = rest.split_at(bytes);
    let text = match Encoding::for_bom(text) {
        Some((encoding, mark_bytes)) => encoding.decode_without_bom_handling(&text[mark_bytes..]).0,
        None if str::from_utf8(text).is_ok() => String::from_utf8_lossy(text),
        None => fallback.decode_without_bom_handling(text).0,
    };
    let styles = Boxes(boxes).find(|(kind, _)| *kind == b"styl").map_or(&[][..], |(_, body)| body);
    let mut runs = StyleRuns::parse(styles);
    let mut writer = Writer::default();
    let mut face = 0;
    let mut is_after_return = false;
    for (index, character) in text.chars().enumerate() {
        let next = runs.face_at(index);
        if next != face {
            change_face(&mut writer, next);
            face = next;
        }
        match character {
            '\n' if is_after_return => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => writer.character('\n'),
            plain => super::visible(plain).into_iter().for_each(|plain| writer.character(plain)),
        }
        is_after_return = character == '\r';
    }
    writer.finish()
}

/// The bits of the face style flags.
const FACES: [(u8, Span); 3] = [(1, Span::Bold), (2, Span::Italic), (4, Span::Underline)];

fn change_face(writer: &mut Writer, face: u8) {
    for (_, span) in FACES {
        writer.close(span);
    }
    for (bit, span) in FACES {
        if face & bit != 0 {
            writer.open(span, "", "");
        }
    }
}

/// The records of a `styl` box, in the order of the text and without overlap: read once, along with the
/// text.
struct StyleRuns<'a>(&'a [[u8; 12]]);

impl<'a> StyleRuns<'a> {
    fn parse(body: &'a [u8]) -> Self {
        let Some((count, records)) = body.split_first_chunk::<2>() else {
            return Self(&[]);
        };
        let (records, _) = records.as_chunks::<12>();
        let count = usize::from(u16::from_be_bytes(*count)).min(records.len());
        Self(&records[..count])
    }

    /// The face bits of the character at an index. Indices must increase.
    fn face_at(&mut self, index: usize) -> u8 {
        while let [[start_high, start_low, end_high, end_low, _, _, face, ..], rest @ ..] = self.0 {
            let start = usize::from(u16::from_be_bytes([*start_high, *start_low]));
            let end = usize::from(u16::from_be_bytes([*end_high, *end_low]));
            if index >= end {
                self.0 = rest;
                continue;
            }
            return if index >= start { *face } else { 0 };
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).expect("a small box");
        [&size.to_be_bytes(), kind, body].concat()
    }

    fn tx3g(text: &[u8], boxes: &[u8]) -> Vec<u8> {
        let bytes = u16::try_from(text.len()).expect("a short text");
        [&bytes.to_be_bytes(), text, boxes].concat()
    }

    fn style(runs: &[(u16, u16, u8)]) -> Vec<u8> {
        let count = u16::try_from(runs.len()).expect("a few runs").to_be_bytes();
        let records = runs.iter().flat_map(|(start, end, face)| {
            let place = [start.to_be_bytes(), end.to_be_bytes(), [0, 1]].concat();
            [place, vec![*face, 18, 255, 255, 255, 255]].concat()
        });
        in_box(b"styl", &count.into_iter().chain(records).collect::<Vec<_>>())
    }

    fn texts(format: SampleFormat, sample: &[u8]) -> Vec<String> {
        parse_sample(format, sample, 1000, 2000).into_iter().map(|cue| cue.text).collect()
    }

    #[test]
    fn timed_text_is_plain_text_in_utf_8_or_utf_16() {
        let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| {
            "\u{feff}é 東".encode_utf16().flat_map(to_bytes).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("a\nb".as_bytes(), "a\nb"),
            (b"a\r\n\r\nb\rc", "a\nb\nc"),
            ("é".as_bytes(), "é"),
            (b"<i>a</i> & --> {\\an8}", "&lt;i>a&lt;/i> &amp; --&gt; {an8}"),
            (&utf_16(u16::to_be_bytes), "é 東"),
            (&utf_16(u16::to_le_bytes), "é 東"),
            (b"a\xffb", "a\u{fffd}b"),
        ] {
            assert_eq!(texts(SampleFormat::Tx3g, &tx3g(text, &[])), [expected], "{text:?}");
        }
        // QuickTime's legacy encoding.
        assert_eq!(texts(SampleFormat::QuickTimeText, &tx3g(b"caf\x8e", &[])), ["café"]);
        assert_eq!(texts(SampleFormat::QuickTimeText, &tx3g("café".as_bytes(), &[])), ["café"]);
    }

    #[test]
    fn a_sample_without_visible_text_is_a_gap() {
        for sample in [&[][..], &[0], &[0, 0], &[0, 3, b' ', b'\n', b' '], &[0, 9]] {
            assert_eq!(texts(SampleFormat::Tx3g, sample), [""; 0], "{sample:?}");
        }
        let empty = in_box(b"vtte", &[]);
        let without_text = in_box(b"vttc", &in_box(b"iden", b"1"));
        for sample in [&[][..], &empty, &without_text, &[0, 0, 0], b"\0\0\0\x01vttc\0\0"] {
            assert_eq!(texts(SampleFormat::Wvtt, sample), [""; 0], "{sample:?}");
        }
        let text = tx3g(b"a", &[]);
        assert_eq!(parse_sample(SampleFormat::Tx3g, &text, 2000, 2000), []);
    }

    #[test]
    fn a_text_beyond_its_sample_is_truncated() {
        assert_eq!(texts(SampleFormat::Tx3g, &[0, 9, b'a', b'b']), ["ab"]);
        let mut cue = in_box(b"vttc", &in_box(b"payl", b"abc"));
        cue.truncate(cue.len() - 1);
        assert_eq!(texts(SampleFormat::Wvtt, &cue), ["ab"]);
    }

    #[test]
    fn style_records_become_spans() {
        for (runs, expected) in [
            (&[(0, 2, 2)][..], "<i>éb</i> cd"),
            (&[(0, 1, 1), (1, 2, 3), (3, 5, 4)], "<b>é</b><b><i>b</i></b> <u>cd</u>"),
            (&[(2, 2, 1), (3, 400, 1)], "éb <b>cd</b>"),
            (&[(0, 2, 0)], "éb cd"),
            (&[(4, 1, 1)], "éb cd"),
        ] {
            let sample = tx3g("éb cd".as_bytes(), &style(runs));
            assert_eq!(texts(SampleFormat::Tx3g, &sample), [expected], "{runs:?}");
        }
        let mut cut = tx3g(b"ab", &style(&[(0, 1, 2), (1, 2, 1)]));
        cut.truncate(cut.len() - 1);
        assert_eq!(texts(SampleFormat::Tx3g, &cut), ["<i>a</i>b"]);
    }

    #[test]
    fn samples_of_ffmpeg_are_parsed() {
        // ffmpeg 5.1, -c:s mov_text: "<i>Hello</i> & bye", then "<b>top</b>", a second line.
        for (sample, expected) in [
            (
                b"\0\x0bHello & bye\0\0\0\x16styl\0\x01\0\0\0\x05\0\x01\x02\x10\xff\xff\xff\xff"
                    .as_slice(),
                "<i>Hello</i> &amp; bye",
            ),
            (
                b"\0\x0ctop\nline two\0\0\0\x16styl\0\x01\0\0\0\x03\0\x01\x01\x10\xff\xff\xff\xff",
                "<b>top</b>\nline two",
            ),
        ] {
            assert_eq!(texts(SampleFormat::Tx3g, sample), [expected]);
        }
    }

    #[test]
    fn a_webvtt_sample_keeps_all_of_its_cues() {
        let first = [
            in_box(b"vsid", &[0, 0, 0, 1]),
            in_box(b"iden", b"one"),
            in_box(b"sttg", b"line:0 align:left what:ever"),
            in_box(b"payl", "<v Mary>a & b\r\n\r\nc".as_bytes()),
        ];
        let second = [in_box(b"payl", br"{\an8}d"), in_box(b"iden", b"NOTE")];
        let sample = [
            in_box(b"vttc", &first.concat()),
            in_box(b"vtta", b"a comment"),
            in_box(b"vttc", &second.concat()),
        ];
        let cue = |id: Option<&str>, settings: &str, text: &str| Cue {
            start_ms: 1000,
            end_ms: 2000,
            id: id.map(str::to_owned),
            settings: settings.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            parse_sample(SampleFormat::Wvtt, &sample.concat(), 1000, 2000),
            [
                cue(Some("one"), "line:0 align:left", "<v Mary>a &amp; b\nc</v>"),
                cue(None, "line:0", "d")
            ]
        );
    }

    #[test]
    fn a_cue_that_continues_in_the_next_sample_is_joined() {
        let cue = |start_ms, end_ms, id: &str, text: &str| Cue {
            start_ms,
            end_ms,
            id: Some(id.to_owned()),
            settings: String::new(),
            text: text.to_owned(),
        };
        let samples = vec![
            cue(0, 1000, "1", "a"),
            cue(1000, 2000, "1", "a"),
            cue(1000, 2000, "2", "b"),
            cue(2000, 3000, "1", "a"),
            cue(2000, 3000, "3", "b"),
            cue(4000, 5000, "1", "a"),
            cue(5000, 6000, "1", "a"),
        ];
        assert_eq!(
            join(samples),
            [
                cue(0, 3000, "1", "a"),
                cue(1000, 2000, "2", "b"),
                cue(2000, 3000, "3", "b"),
                cue(4000, 6000, "1", "a")
            ]
        );
        assert_eq!(join(Vec::new()), []);
    }

    #[test]
    fn no_truncated_or_corrupted_sample_causes_a_panic() {
        let text = tx3g("éb cd".as_bytes(), &style(&[(0, 2, 2), (3, 5, 1)]));
        let cue = [in_box(b"iden", b"1"), in_box(b"payl", b"<i>a</i>")].concat();
        let cues = [in_box(b"vttc", &cue), in_box(b"vttc", &cue)].concat();
        for (format, sample) in [
            (SampleFormat::Tx3g, &text),
            (SampleFormat::QuickTimeText, &text),
            (SampleFormat::Wvtt, &cues),
        ] {
            for end in 0..sample.len() {
                parse_sample(format, &sample[..end], 0, 1);
            }
            for place in 0..sample.len() {
                for byte in 0..=u8::MAX {
                    let mut sample = sample.clone();
                    sample[place] = byte;
                    parse_sample(format, &sample, 0, 1);
                }
            }
        }
    }
}
