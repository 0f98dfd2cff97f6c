//! What the readers of files have in common: cues come in raw, and are counted and cleaned.

use super::{
    CUE_BYTES_MAX, CUES_MAX, Cue, HEADER_BYTES_MAX, Subtitles, TextRefused, markup, time::Times,
};

/// The names of cue settings (WebVTT section 4.4).
const SETTINGS: [&str; 6] = ["vertical", "line", "position", "size", "align", "region"];

/// Subtitles as they are being read.
#[derive(Default)]
pub(super) struct Collector {
    header: Vec<String>,
    header_bytes: usize,
    cues: Vec<Cue>,
    cue_bytes: usize,
    /// Whether a line was there that begins a cue, whatever became of that.
    pub has_seen_times: bool,
}

impl Collector {
    /// Keeps a `STYLE` or `REGION` block if there is room for it.
    pub fn push_header(&mut self, block: String) {
        let bytes = self.header_bytes + block.len();
        if bytes <= HEADER_BYTES_MAX {
            self.header_bytes = bytes;
            self.header.push(block);
        }
    }

    /// Cleans a cue and keeps it if there is anything to show.
    pub fn push(&mut self, times: &Times, id: Option<&str>, raw: &str) -> Result<(), TextRefused> {
        if times.start_ms >= times.end_ms {
            return Ok(());
        }
        let Some(markup::CueText { text, place }) = markup::convert(raw) else {
            return Ok(());
        };
        let mut settings = settings_of(times.rest);
        if settings.is_empty() {
            settings.push_str(place.unwrap_or_default());
        }
        let id = id.and_then(identifier);
        let bytes = text.len() + settings.len() + id.as_ref().map_or(0, String::len);
        self.cue_bytes = self.cue_bytes.saturating_add(bytes);
        if self.cue_bytes > CUE_BYTES_MAX {
            return Err(TextRefused::TooLong);
        }
        if self.cues.len() == CUES_MAX {
            return Err(TextRefused::TooManyCues);
        }
        let Times { start_ms, end_ms, .. } = *times;
        self.cues.push(Cue { start_ms, end_ms, id, settings, text });
        Ok(())
    }

    pub fn into_subtitles(self) -> Subtitles {
        Subtitles::new(self.header, self.cues)
    }
}

/// The cue settings among what stands behind the times. SRT has coordinates there (`X1:40`), and
/// whatever is no setting would be ignored by a player: it is left out.
pub(super) fn settings_of(rest: &str) -> String {
    let is_setting = |word: &&str| {
        word.split_once(':').is_some_and(|(name, value)| {
            SETTINGS.contains(&name) && !value.is_empty() && !value.contains("-->")
        })
    };
    rest.split_ascii_whitespace().filter(is_setting).collect::<Vec<_>>().join(" ")
}

/// A line as a cue's identifier, unless it would be read as something else.
pub(super) fn identifier(line: &str) -> Option<String> {
    let means_more = line == "NOTE"
        || line.starts_with("NOTE ")
        || line.starts_with("NOTE\t")
        || matches!(line.trim_end(), "STYLE" | "REGION")
        || line.contains("-->")
        || line.contains('\n');
    (!means_more && !line.trim().is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_of_webvtt_are_kept() {
        for (rest, expected) in [
            ("", ""),
            ("  line:0 \t align:start", "line:0 align:start"),
            ("X1:63 X2:223 Y1:43 Y2:58", ""),
            ("position:50%,center region:top size:80%", "position:50%,center region:top size:80%"),
            ("line: align", ""),
            ("Line:0", ""),
        ] {
            assert_eq!(settings_of(rest), expected, "{rest}");
        }
    }

    #[test]
    fn a_line_that_would_be_read_as_more_is_no_identifier() {
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
            assert_eq!(identifier(line).as_deref(), taken.then_some(line), "{line}");
        }
    }
}
