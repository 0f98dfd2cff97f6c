//! Collects the cues of a parser: bounds their number and size, and converts their markup.

use super::{
    CUE_BYTES_MAX, CUES_MAX, Cue, CueFault, Faults, HEADER_BYTES_MAX, Parsed, SubtitleError,
    Subtitles, markup, time::Timings,
};

/// The names of cue settings (WebVTT section 4.4).
const SETTING_NAMES: [&str; 6] = ["vertical", "line", "position", "size", "align", "region"];

/// The subtitles collected so far.
#[derive(Default)]
pub(super) struct Collector {
    header: Vec<String>,
    header_bytes: usize,
    cues: Vec<Cue>,
    cue_bytes: usize,
    faults: Faults,
    /// Whether the file has a line with timings, valid or not.
    pub has_timings: bool,
}

impl Collector {
    /// Adds a `STYLE` or `REGION` block, within [`HEADER_BYTES_MAX`].
    pub fn push_header(&mut self, block: String) {
        let bytes = self.header_bytes + block.len();
        if bytes <= HEADER_BYTES_MAX {
            self.header_bytes = bytes;
            self.header.push(block);
        }
    }

    /// Counts a lost cue, by the line of its timings.
    pub fn lose(&mut self, line: usize, fault: CueFault) {
        self.faults.count += 1;
        self.faults.first.get_or_insert((line, fault));
    }

    /// Converts a cue whose timings are in `line`, and adds it if it has visible text.
    pub fn push(
        &mut self,
        (line, timings): (usize, &Timings),
        id: Option<&str>,
        raw: &str,
    ) -> Result<(), SubtitleError> {
        if timings.start_ms >= timings.end_ms {
            self.lose(line, CueFault::NoDuration);
            return Ok(());
        }
        let Some(markup::CueText { text, position }) = markup::convert(raw) else {
            self.lose(line, CueFault::NoText);
            return Ok(());
        };
        let mut settings = parse_settings(timings.rest);
        if settings.is_empty() {
            settings.push_str(position.unwrap_or_default());
        }
        let id = id.and_then(parse_identifier);
        let bytes = text.len() + settings.len() + id.as_ref().map_or(0, String::len);
        self.cue_bytes = self.cue_bytes.saturating_add(bytes);
        if self.cue_bytes > CUE_BYTES_MAX {
            return Err(SubtitleError::TooLong);
        }
        if self.cues.len() == CUES_MAX {
            return Err(SubtitleError::TooManyCues);
        }
        let Timings { start_ms, end_ms, .. } = *timings;
        self.cues.push(Cue { start_ms, end_ms, id, settings, text });
        Ok(())
    }

    pub fn into_parsed(self) -> Parsed {
        Parsed { subtitles: Subtitles::new(self.header, self.cues), faults: self.faults }
    }
}

/// Parses the cue settings after the timings. SRT may have coordinates there (`X1:40`); these and other
/// unknown words, which players ignore, are dropped.
pub(super) fn parse_settings(rest: &str) -> String {
    let is_setting = |word: &&str| {
        word.split_once(':').is_some_and(|(name, value)| {
            SETTING_NAMES.contains(&name) && !value.is_empty() && !value.contains("-->")
        })
    };
    rest.split_ascii_whitespace().filter(is_setting).collect::<Vec<_>>().join(" ")
}

/// Parses a cue identifier; `None` if the line would have another meaning in WebVTT.
pub(super) fn parse_identifier(line: &str) -> Option<String> {
    let has_other_meaning = line == "NOTE"
        || line.starts_with("NOTE ")
        || line.starts_with("NOTE\t")
        || matches!(line.trim_end(), "STYLE" | "REGION")
        || line.contains("-->")
        || line.contains('\n');
    (!has_other_meaning && !line.trim().is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_webvtt_settings_are_kept() {
        for (rest, expected) in [
            ("", ""),
            ("  line:0 \t align:start", "line:0 align:start"),
            ("X1:63 X2:223 Y1:43 Y2:58", ""),
            ("position:50%,center region:top size:80%", "position:50%,center region:top size:80%"),
            ("line: align", ""),
            ("Line:0", ""),
        ] {
            assert_eq!(parse_settings(rest), expected, "{rest}");
        }
    }

    #[test]
    fn a_line_with_another_meaning_is_no_identifier() {
        for (line, taken) in [
            ("1", true),
            ("the first", true),
            ("NOTED", true),
            ("NOTE", false),
            ("NOTE x", false),
            ("STYLE ", false),
            ("REGION", false),
            ("a --> b", false),
            ("a\nb", false),
            (" ", false),
            ("", false),
        ] {
            assert_eq!(parse_identifier(line).as_deref(), taken.then_some(line), "{line}");
        }
    }
}
