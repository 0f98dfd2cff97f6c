//! Subtitles: whatever came beside a movie or inside it, as WebVTT.
//!
//! Pure functions over bytes. Input is taken as people have it: another encoding than UTF-8, a
//! counter or a blank line missing, markup of three formats mixed. Output is WebVTT (W3C) without
//! such faults, so that a player sees none of it: [`segment()`] for HLS, [`whole`] for DASH and for
//! download.
//!
//! Which files belong to a title is known to [`library::sidecars`](crate::library::sidecar_name), which
//! samples a track has, to whoever reads the movie.

mod collect;
mod encoding;
mod markup;
mod samples;
mod segment;
mod srt;
mod time;
mod vtt;

use std::ops::Range;

pub use samples::{SampleFormat, cues_of_sample, join};
pub use segment::{TimestampMap, segment, whole};
pub use time::TIME_MS_MAX;

/// The longest file that is read, in bytes. The subtitles of a 24 h film are a tenth of it.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The most that the cues of one file may hold in bytes. It is a bound of its own because escaping
/// makes text longer: a file of nothing but `&` five times.
pub const CUE_BYTES_MAX: usize = FILE_BYTES_MAX;

/// The most cues of one file: three for each second of a day. An entry costs about 100 bytes.
pub const CUES_MAX: usize = 250_000;

/// The most bytes of header blocks that are kept: every segment repeats them.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// A text, when it is shown, and where.
///
/// The strings are kept as they stand in a WebVTT file, and whatever makes a cue keeps to what may
/// stand there: no line of `text` is empty, and none of them, nor `id` or `settings`, holds `-->`
/// or a line break of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cue {
    /// When it appears, in milliseconds of the movie's presentation.
    pub start_ms: u64,
    /// When it is gone, later than `start_ms`.
    pub end_ms: u64,
    /// The identifier. Counters of SRT are none: they begin anew where files were joined.
    pub id: Option<String>,
    /// Cue settings (WebVTT section 4.4), one space between two; empty for a cue at its usual place.
    pub settings: String,
    /// Cue text (WebVTT section 4.2.2): lines with markup and character references.
    pub text: String,
}

/// The cues of a file or a track in the order in which they appear.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subtitles {
    header: Vec<String>,
    cues: Vec<Cue>,
    /// For each cue, the latest end of it and of all before it. It never falls, so that the first
    /// cue of a segment is found by halving, also where an early cue stays for long.
    latest_end_ms: Vec<u64>,
}

impl Subtitles {
    /// Sorts cues by their start; those that start together keep their order. A cue that ends when
    /// it starts, or before, is left out.
    ///
    /// The header blocks are whole `STYLE` or `REGION` blocks without an empty line, as
    /// [`header`](Self::header) of a parsed file has them (the `vttC` box of a track is such a file).
    ///
    /// For a track, give all of its cues: a cue without an identifier is known by its place.
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

    /// About how many bytes they take in memory.
    pub fn bytes_in_memory(&self) -> usize {
        let of_cue = |cue: &Cue| {
            let id = cue.id.as_ref().map_or(0, String::len);
            size_of::<Cue>() + id + cue.settings.len() + cue.text.len()
        };
        self.cues.iter().map(of_cue).sum()
    }

    /// When the last cue is gone, in milliseconds; zero without cues.
    pub fn end_ms(&self) -> u64 {
        self.latest_end_ms.last().copied().unwrap_or(0)
    }

    /// The cues that are shown at any time of a half-open range, each with its place among all.
    pub fn overlapping(&self, range_ms: Range<u64>) -> impl Iterator<Item = (usize, &Cue)> {
        let first = self.latest_end_ms.partition_point(|&latest| latest <= range_ms.start);
        let end = self.cues.partition_point(|cue| cue.start_ms < range_ms.end);
        // A range that is empty or upside down overlaps nothing.
        let end = if range_ms.is_empty() { first } else { end.max(first) };
        let places = first..end;
        let cues = places.clone().zip(&self.cues[places]);
        cues.filter(move |(_, cue)| cue.end_ms > range_ms.start)
    }
}

/// The format of a subtitle file by its name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TextKind {
    /// SubRip, `.srt`.
    Srt,
    /// WebVTT, `.vtt`.
    WebVtt,
}

impl TextKind {
    /// The kind that a name's extension says; SubRip if it says nothing.
    pub fn of(name: &[u8]) -> Self {
        let is_web_vtt = name.len() >= 4 && name[name.len() - 4..].eq_ignore_ascii_case(b".vtt");
        if is_web_vtt { Self::WebVtt } else { Self::Srt }
    }
}

/// Why a file is not taken for subtitles.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TextRefused {
    /// More than [`FILE_BYTES_MAX`], or more than [`CUE_BYTES_MAX`] of cues.
    #[error("more than {} MiB of subtitles", FILE_BYTES_MAX / 1024 / 1024)]
    TooLong,
    /// More than [`CUES_MAX`].
    #[error("more than {CUES_MAX} subtitles in one file")]
    TooManyCues,
    /// There is something in it, but nowhere the times of a cue.
    #[error("no subtitles in it")]
    NoSubtitles,
}

/// Reads a subtitle file.
///
/// `kind` is what the name says; what begins with `WEBVTT` is WebVTT all the same. The language (a
/// BCP 47 tag) helps to tell one old encoding from another. A cue whose times cannot be read, that
/// ends before it begins, or that has nothing to show is left out; an empty file has no cues.
pub fn parse(
    bytes: &[u8],
    kind: TextKind,
    language_hint: Option<&str>,
) -> Result<Subtitles, TextRefused> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(TextRefused::TooLong);
    }
    let text = encoding::decode(bytes, language_hint);
    let text = normalize(&text);
    let mut collector = collect::Collector::default();
    let has_signature = vtt::has_signature(&text);
    if has_signature || kind == TextKind::WebVtt {
        vtt::read(&text, &mut collector)?;
    } else {
        srt::read(&text, &mut collector)?;
    }
    if !collector.has_seen_times && !has_signature && !text.trim().is_empty() {
        return Err(TextRefused::NoSubtitles);
    }
    Ok(collector.into_subtitles())
}

/// The text without marks at its start and NULs, every line ended by a line feed. Some tools write
/// `\r\r\n`, which means one line's end, not two.
fn normalize(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut returns = 0_usize;
    for character in text.trim_start_matches('\u{feff}').chars() {
        match character {
            '\0' => continue,
            '\r' => {
                returns += 1;
                continue;
            }
            '\n' => returns = 1,
            _ => {}
        }
        plain.extend(std::iter::repeat_n('\n', returns));
        returns = 0;
        if character != '\n' {
            plain.push(character);
        }
    }
    plain.extend(std::iter::repeat_n('\n', returns));
    plain
}

#[cfg(test)]
mod tests;
