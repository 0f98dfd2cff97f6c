//! The text tracks of Matroska as the subtitle files that they were made of.

use super::text::{self, SubtitleFormat, Subtitles};
use crate::movie::{BlockFormat, TextBlock};

/// The cues of blocks; without those that are not valid.
pub(super) fn subtitles(format: BlockFormat, header: &[u8], blocks: &[TextBlock]) -> Subtitles {
    let (file, format) = match format {
        BlockFormat::SubRip => (cues("", ',', blocks), SubtitleFormat::Srt),
        BlockFormat::WebVtt => (cues("WEBVTT\n\n", '.', blocks), SubtitleFormat::WebVtt),
        BlockFormat::Ass => (dialogue(header, blocks), SubtitleFormat::Ass),
    };
    let parsed = text::parse(file.as_bytes(), format, None);
    parsed.map_or_else(|_| Subtitles::new(Vec::new(), Vec::new()), |parsed| parsed.subtitles)
}

/// Cues of SubRip or WebVTT. A blank line would end the text of a cue.
fn cues(head: &str, point: char, blocks: &[TextBlock]) -> String {
    let mut file = head.to_owned();
    for block in blocks {
        let text = String::from_utf8_lossy(&block.text);
        let lines: Vec<&str> =
            text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let (start, end) = (time(block.start_ms, point), time(block.end_ms, point));
        file += &format!("{start} --> {end}\n{}\n\n", lines.join("\n"));
    }
    file
}

/// The script of SubStation Alpha. The fields of a block are `ReadOrder, Layer, Style, …, Text`, and a line of
/// the script is `Layer, Start, End, Style, …, Text`.
fn dialogue(header: &[u8], blocks: &[TextBlock]) -> String {
    let mut file = String::from_utf8_lossy(header).into_owned();
    // Some headers end before the list of events, or do not name the fields that blocks have.
    file += "\n[Events]\n\
             Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n";
    for block in blocks {
        let text = String::from_utf8_lossy(&block.text);
        let mut fields = text.splitn(3, ',').skip(1);
        let (Some(layer), Some(rest)) = (fields.next(), fields.next()) else { continue };
        let rest = rest.replace(['\r', '\n'], " ");
        let (start, end) = (time(block.start_ms, '.'), time(block.end_ms, '.'));
        file += &format!("Dialogue: {layer},{start},{end},{rest}\n");
    }
    file
}

/// `HH:MM:SS.mmm`, with this decimal point.
fn time(ms: u64, point: char) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(start_ms: u64, end_ms: u64, text: &str) -> TextBlock {
        TextBlock { start_ms, end_ms, text: text.as_bytes().to_vec() }
    }

    fn read(format: BlockFormat, header: &str, blocks: &[TextBlock]) -> Vec<(u64, u64, String)> {
        let subtitles = subtitles(format, header.as_bytes(), blocks);
        let cue = |cue: &text::Cue| (cue.start_ms, cue.end_ms, cue.text.clone());
        subtitles.cues().iter().map(cue).collect()
    }

    #[test]
    fn blocks_of_subrip_are_cues_with_their_markup() {
        let blocks = [
            block(1_500, 2_750, "<i>Hello</i>\r\n\r\nworld"),
            block(3_723_004, 3_724_000, "1 < 2 --> 3"),
        ];
        let expected = [
            (1_500, 2_750, "<i>Hello</i>\nworld".to_owned()),
            (3_723_004, 3_724_000, "1 &lt; 2 --&gt; 3".to_owned()),
        ];
        assert_eq!(read(BlockFormat::SubRip, "", &blocks), expected);
    }

    #[test]
    fn blocks_of_webvtt_are_cues() {
        let blocks = [block(0, 999, "<c.yellow>One</c>"), block(500, 1_500, "Two")];
        let found = read(BlockFormat::WebVtt, "STYLE\n::cue {}", &blocks);
        let times: Vec<_> = found.iter().map(|(start, end, _)| (*start, *end)).collect();
        assert_eq!(times, [(0, 999), (500, 1_500)]);
        assert!(found[0].2.contains("One") && found[1].2 == "Two", "{found:?}");
    }

    #[test]
    fn blocks_of_ass_are_dialogue_without_overrides() {
        let header =
            "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n";
        let with_events = format!(
            "{header}\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, \
             Effect, Text\n"
        );
        let blocks = [
            block(1_000, 2_000, r"0,0,Default,,0,0,0,,{\an8}Hello, world\Nagain"),
            block(1_500, 2_500, "7,1,Default,,0,0,0,,Over it"),
            block(3_000, 3_500, "no fields"),
        ];
        let expected = [
            (1_000, 2_000, "Hello, world\nagain".to_owned()),
            (1_500, 2_500, "Over it".to_owned()),
        ];
        for header in [header, &with_events, ""] {
            assert_eq!(read(BlockFormat::Ass, header, &blocks), expected, "{header}");
        }
    }
}
