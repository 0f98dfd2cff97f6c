//! Subtitles: sidecar files and text tracks as WebVTT.
//!
//! Pure functions over bytes. Input may be malformed: another encoding than UTF-8, a missing counter or
//! blank line, markup of three formats mixed. Output is valid WebVTT (W3C): [`format_segment`] for HLS,
//! [`format_file`] for DASH and for download.
//!
//! [`library::sidecars`](crate::library::sidecar_name) finds the sidecar files of a title, and
//! [`cues`](super::cues) reads the samples of a track.

mod ass;
mod collect;
mod double_encoding;
mod encoding;
mod entities;
mod format;
mod legacy_encoding;
mod markup;
mod samples;
mod srt;
mod time;
mod vtt;

use std::{fmt, ops::Range};

use encoding_rs::WINDOWS_1252;
pub use format::{TimestampMap, format_file, format_segment};
pub use samples::{SampleFormat, join, parse_sample};
pub use time::TIME_MS_MAX;

/// Version of the WebVTT that this module writes. Any change to it must change the version, because caches
/// keep subtitles for ever.
pub const FORMAT_VERSION: u64 = 2;

/// Maximum size of a subtitle file in bytes. The subtitles of a 24 h title are a tenth of it.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Maximum bytes of the cues of one file. It is a separate bound, since escaping makes text longer: a
/// file of nothing but `&` by a factor of five.
pub const CUE_BYTES_MAX: usize = FILE_BYTES_MAX;

/// Maximum number of cues of one file: three for each second of a day. A cue costs about 100 bytes.
pub const CUES_MAX: usize = 250_000;

/// Maximum bytes of header blocks, since every segment repeats them.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A cue: a text with its time and position.
///
/// The strings are in WebVTT syntax, and every constructor of a cue keeps them valid: no line of `text`
/// is empty, and no line of it, nor `id` or `settings`, contains `-->` or a line break.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cue {
    /// When it appears, in milliseconds of presentation time.
    pub start_ms: u64,
    /// When it disappears; after `start_ms`.
    pub end_ms: u64,
    /// The identifier. Counters of SRT are not kept: they repeat in concatenated files.
    pub id: Option<String>,
    /// Cue settings (WebVTT section 4.4), separated by spaces; empty for the default position.
    pub settings: String,
    /// Cue text (WebVTT section 4.2.2): lines with markup and character references.
    pub text: String,
}

/// The cues of a file or a track, in order of their start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subtitles {
    header: Vec<String>,
    cues: Vec<Cue>,
    /// For each cue, the latest end of it and of all cues before. It never decreases, so that binary
    /// search finds the first cue of a segment even if an early cue lasts long.
    latest_end_ms: Vec<u64>,
}

impl Subtitles {
    /// Sorts cues by their start (stable). Drops a cue that ends when it starts, or before.
    ///
    /// The header blocks are complete `STYLE` or `REGION` blocks without an empty line, like the
    /// [`header`](Self::header) of a parsed file (the `vttC` box of a track is such a file).
    ///
    /// For a track, pass all of its cues: a cue without an identifier is identified by its index.
    pub fn new(header: Vec<String>, mut cues: Vec<Cue>) -> Self {
        cues.retain(|cue| cue.start_ms < cue.end_ms);
        cues.sort_by_key(|cue| cue.start_ms);
        let running_max = |latest: &mut u64, cue: &Cue| {
            *latest = cue.end_ms.max(*latest);
            Some(*latest)
        };
        let latest_end_ms = cues.iter().scan(0, running_max).collect();
        Self { header, cues, latest_end_ms }
    }

    /// The `STYLE` and `REGION` blocks, without the empty line that ends each.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The cues, sorted by their start.
    pub fn cues(&self) -> &[Cue] {
        &self.cues
    }

    /// The approximate memory that the cues take, in bytes.
    pub fn bytes_in_memory(&self) -> usize {
        let of_cue = |cue: &Cue| {
            let id = cue.id.as_ref().map_or(0, String::len);
            size_of::<Cue>() + id + cue.settings.len() + cue.text.len()
        };
        self.cues.iter().map(of_cue).sum()
    }

    /// When the last cue disappears, in milliseconds; zero without cues.
    pub fn end_ms(&self) -> u64 {
        self.latest_end_ms.last().copied().unwrap_or(0)
    }

    /// The cues that are visible at any time of a half-open range, each with its index.
    pub fn overlapping(&self, range_ms: Range<u64>) -> impl Iterator<Item = (usize, &Cue)> {
        let first = self.latest_end_ms.partition_point(|&latest| latest <= range_ms.start);
        let end = self.cues.partition_point(|cue| cue.start_ms < range_ms.end);
        // An empty or reversed range overlaps nothing.
        let end = if range_ms.is_empty() { first } else { end.max(first) };
        let indices = first..end;
        let cues = indices.clone().zip(&self.cues[indices]);
        cues.filter(move |(_, cue)| cue.end_ms > range_ms.start)
    }
}

/// The format of a subtitle file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SubtitleFormat {
    /// SubRip, `.srt`.
    Srt,
    /// WebVTT, `.vtt`.
    WebVtt,
    /// SubStation Alpha, `.ass` and `.ssa`.
    Ass,
}

impl SubtitleFormat {
    /// The format by the extension of a file name; SubRip if it is unknown.
    pub fn from_name(name: &[u8]) -> Self {
        let extension = name.last_chunk::<4>().copied().unwrap_or_default();
        match &extension.map(|byte| byte.to_ascii_lowercase()) {
            b".vtt" => Self::WebVtt,
            b".ass" | b".ssa" => Self::Ass,
            _ => Self::Srt,
        }
    }
}

/// Why a subtitle file is rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SubtitleError {
    /// The file exceeds [`FILE_BYTES_MAX`], or its cues exceed [`CUE_BYTES_MAX`].
    #[error("the subtitle file exceeds {} MiB", FILE_BYTES_MAX / 1024 / 1024)]
    TooLong,
    /// The file has more than [`CUES_MAX`] cues.
    #[error("the subtitle file has more than {CUES_MAX} cues")]
    TooManyCues,
    /// The file has no cue timings, although it is not empty.
    #[error("the file has no subtitles")]
    NoSubtitles,
}

/// A parsed subtitle file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parsed {
    /// The cues.
    pub subtitles: Subtitles,
    /// The cues that are lost.
    pub faults: Faults,
}

/// The cues of a file that are lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Their number.
    pub count: usize,
    /// The line of the first one's timings, from 1, and what is wrong there.
    pub first: Option<(usize, CueFault)>,
}

/// Why a cue is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CueFault {
    /// A time of it cannot be read.
    InvalidTime,
    /// It does not end after its start.
    NoDuration,
    /// It has no visible text.
    NoText,
}

impl fmt::Display for CueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidTime => "a time is invalid",
            Self::NoDuration => "the cue does not end after its start",
            Self::NoText => "the cue has no visible text",
        })
    }
}

/// Parses a subtitle file.
///
/// `format` is the format by name; a file that starts with `WEBVTT` is WebVTT in any case. The language
/// (a BCP 47 tag) helps to detect a legacy encoding. A cue with invalid timings, a cue that ends before
/// it starts, and a cue without visible text are dropped and counted; an empty file has no cues.
pub fn parse(
    bytes: &[u8],
    format: SubtitleFormat,
    language_hint: Option<&str>,
) -> Result<Parsed, SubtitleError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(SubtitleError::TooLong);
    }
    let decoded = encoding::decode(bytes, language_hint);
    let text = normalize(&decoded);
    let mut collector = collect::Collector::default();
    let has_signature = vtt::has_signature(&text);
    if has_signature || format == SubtitleFormat::WebVtt {
        vtt::parse(&text, &mut collector)?;
    } else if format == SubtitleFormat::Ass {
        ass::parse(&text, &mut collector)?;
    } else {
        srt::parse(&text, &mut collector)?;
    }
    let is_blank = |letter: char| letter.is_whitespace() || matches!(letter, '\0' | '\u{feff}');
    if !collector.has_timings && !has_signature && !decoded.chars().all(is_blank) {
        return Err(SubtitleError::NoSubtitles);
    }
    Ok(collector.into_parsed())
}

/// Removes byte order marks at the start and control characters, and ends every line with a line feed. Some
/// tools write `\r\r\n`, which is one line ending and not two.
fn normalize(text: &str) -> String {
    let mut normalized = String::with_capacity(text.len());
    let mut returns = 0_usize;
    for character in text.trim_start_matches('\u{feff}').chars() {
        match character {
            '\r' => {
                returns += 1;
                continue;
            }
            '\n' => {
                normalized.push('\n');
                returns = 0;
                continue;
            }
            _ => {}
        }
        let Some(character) = visible(character) else { continue };
        normalized.extend(std::iter::repeat_n('\n', returns));
        returns = 0;
        normalized.push(character);
    }
    normalized.extend(std::iter::repeat_n('\n', returns));
    normalized
}

/// A character of the output for one of the input: none for a control character, except that white space
/// becomes a space, and that those from U+0080 on are meant as windows-1252, as in HTML.
fn visible(character: char) -> Option<char> {
    match character {
        '\t' | '\u{b}' | '\u{c}' => Some(' '),
        '\u{80}'..='\u{9f}' => {
            let byte = u8::try_from(u32::from(character)).expect("below 256");
            let decoded = WINDOWS_1252.decode_without_bom_handling(&[byte]).0.chars().next();
            decoded.filter(|character| !character.is_control())
        }
        other => (!other.is_control()).then_some(other),
    }
}

#[cfg(test)]
mod tests;
