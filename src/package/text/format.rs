//! Formats WebVTT: one file for the whole title, or one for each HLS segment.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use super::{Cue, Subtitles, time::Timestamp};

/// The relation of cue times to the timeline of the media segments (RFC 8216bis section 3.1.4).
///
/// The default maps zero to zero.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TimestampMap {
    /// A media time in units of 1/90,000 s, which wraps at 2^33.
    pub mpegts_90k: u64,
    /// The cue time at that media time, in milliseconds.
    pub local_ms: u64,
}

impl fmt::Display for TimestampMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mpegts = self.mpegts_90k % (1 << 33);
        write!(f, "X-TIMESTAMP-MAP=MPEGTS:{mpegts},LOCAL:{}", Timestamp(self.local_ms))
    }
}

/// Formats one HLS segment: the map, the header blocks, and every cue that is visible at any time of the
/// half-open range.
///
/// A cue of several segments is in each of them with the same identifier, times and text, so that a
/// player can merge them. A cue without an identifier gets its number among all cues. A segment without
/// cues is a valid file.
pub fn format_segment(subtitles: &Subtitles, range_ms: Range<u64>, map: TimestampMap) -> String {
    let mut file = format!("WEBVTT\n{map}\n");
    write_header(&mut file, subtitles);
    for (index, cue) in subtitles.overlapping(range_ms) {
        match &cue.id {
            Some(id) => write_cue(&mut file, Some(id), cue),
            None => write_cue(&mut file, Some(&(index + 1).to_string()), cue),
        }
    }
    file
}

/// Formats the complete file, for DASH and for download. Parsing it gives the same subtitles.
pub fn format_file(subtitles: &Subtitles) -> String {
    let mut file = "WEBVTT\n".to_owned();
    write_header(&mut file, subtitles);
    for cue in subtitles.cues() {
        write_cue(&mut file, cue.id.as_deref(), cue);
    }
    file
}

fn write_header(file: &mut String, subtitles: &Subtitles) {
    for block in subtitles.header() {
        file.extend(["\n", block, "\n"]);
    }
}

fn write_cue(file: &mut String, id: Option<&str>, cue: &Cue) {
    file.push('\n');
    if let Some(id) = id {
        file.extend([id, "\n"]);
    }
    let (start, end) = (Timestamp(cue.start_ms), Timestamp(cue.end_ms));
    write!(file, "{start} --> {end}").expect("writing to a string cannot fail");
    if !cue.settings.is_empty() {
        file.extend([" ", &cue.settings]);
    }
    file.extend(["\n", &cue.text, "\n"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(range_ms: Range<u64>, text: &str) -> Cue {
        let Range { start: start_ms, end: end_ms } = range_ms;
        Cue { start_ms, end_ms, id: None, settings: String::new(), text: text.to_owned() }
    }

    #[test]
    fn a_segment_without_cues_is_a_valid_file() {
        let nothing = Subtitles::default();
        let expected = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n";
        assert_eq!(format_segment(&nothing, 0..6000, TimestampMap::default()), expected);
        assert_eq!(format_file(&nothing), "WEBVTT\n");
    }

    #[test]
    fn a_segment_has_its_map_its_header_and_its_cues() {
        let style = "STYLE\n::cue { color: red }".to_owned();
        let named = Cue {
            id: Some("end".to_owned()),
            settings: "line:0 align:left".to_owned(),
            ..cue(5000..7000, "<i>b</i>\nc")
        };
        let subtitles = Subtitles::new(vec![style], vec![named, cue(1000..2500, "a")]);
        let map = TimestampMap { mpegts_90k: (1 << 33) + 900_000, local_ms: 1500 };
        assert_eq!(
            format_segment(&subtitles, 0..6000, map),
            "WEBVTT\n\
             X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:01.500\n\
             \n\
             STYLE\n\
             ::cue { color: red }\n\
             \n\
             1\n\
             00:00:01.000 --> 00:00:02.500\n\
             a\n\
             \n\
             end\n\
             00:00:05.000 --> 00:00:07.000 line:0 align:left\n\
             <i>b</i>\n\
             c\n"
        );
        assert_eq!(
            format_file(&subtitles),
            "WEBVTT\n\
             \n\
             STYLE\n\
             ::cue { color: red }\n\
             \n\
             00:00:01.000 --> 00:00:02.500\n\
             a\n\
             \n\
             end\n\
             00:00:05.000 --> 00:00:07.000 line:0 align:left\n\
             <i>b</i>\n\
             c\n"
        );
    }

    #[test]
    fn a_cue_is_in_every_segment_that_it_overlaps() {
        let long = cue(1000..13_000, "long");
        let subtitles = Subtitles::new(
            Vec::new(),
            vec![
                long,
                cue(2000..3000, "early"),
                cue(6000..12_000, "exact"),
                cue(17_999..18_000, "late"),
            ],
        );
        for (range_ms, expected) in [
            (0..6000, &["long", "early"][..]),
            (6000..12_000, &["long", "exact"]),
            (12_000..18_000, &["long", "late"]),
            (18_000..24_000, &[]),
            (0..1000, &[]),
            (0..1001, &["long"]),
            (2500..2500, &[]),
            (0..u64::MAX, &["long", "early", "exact", "late"]),
        ] {
            let shown = subtitles.overlapping(range_ms.clone()).map(|(_, cue)| cue.text.as_str());
            assert_eq!(shown.collect::<Vec<_>>(), expected, "{range_ms:?}");
        }
        let segment = |range_ms| format_segment(&subtitles, range_ms, TimestampMap::default());
        for range_ms in [0..6000, 6000..12_000, 12_000..18_000] {
            let block = "\n\n1\n00:00:01.000 --> 00:00:13.000\nlong\n";
            assert!(segment(range_ms.clone()).contains(block), "{range_ms:?}");
        }
        assert!(segment(12_000..18_000).ends_with("\n\n4\n00:00:17.999 --> 00:00:18.000\nlate\n"));
    }
}
