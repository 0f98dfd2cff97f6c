//! The report of ffprobe about a file: its streams, programs and container.
//!
//! Files are untrusted, and ffprobe repeats their content. So the text is bounded, an unknown value is
//! absent, and callers check numbers before they use them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::movie::MatroskaKind;

/// Maximum length of a report in bytes: a hundred streams with their tags.
pub const BYTES_MAX: usize = 1 << 20;

/// Maximum number of streams that are used.
pub const STREAMS_MAX: usize = 64;

/// The arguments of ffprobe; the file follows.
pub const ARGUMENTS: [&str; 7] = [
    "-show_streams",
    "-show_format",
    "-show_entries",
    // Without this a program repeats all of its streams.
    "program=program_num:program_tags=service_name:program_stream=index",
    "-of",
    "json",
    "-i",
];

/// Why a report is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The report exceeds [`BYTES_MAX`].
    #[error("the report of ffprobe about the file is too long")]
    TooLong,
    /// The report is not the expected JSON.
    #[error("the report of ffprobe about the file is invalid: {0}")]
    Invalid(#[from] serde_json::Error),
}

/// The report about a file.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ProbeReport {
    /// Its streams.
    #[serde(default)]
    pub streams: Vec<Stream>,
    /// Its container.
    #[serde(default)]
    pub format: Format,
    /// Its programs, if it is a transport stream.
    #[serde(default)]
    pub programs: Vec<Program>,
}

/// A program (service) of a transport stream: what a television shows as a channel.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Program {
    /// Its number.
    #[serde(default, rename = "program_num")]
    pub number: i64,
    /// Its streams.
    #[serde(default)]
    pub streams: Vec<ProgramStream>,
    /// Its metadata: `service_name`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A stream of a program.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct ProgramStream {
    /// Its number in the file.
    pub index: u32,
}

/// A container.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Format {
    /// Its names, separated by commas: `matroska,webm`.
    #[serde(default, rename = "format_name")]
    pub names: String,
    /// Its duration in seconds.
    pub duration: Option<String>,
}

/// A stream.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Stream {
    /// Its number.
    pub index: u32,
    /// `video`, `audio`, `subtitle`, `data` or `attachment`.
    #[serde(default, rename = "codec_type")]
    pub kind: String,
    /// The codec, by ffmpeg's name.
    #[serde(default, rename = "codec_name")]
    pub codec: String,
    /// The pixel format.
    pub pix_fmt: Option<String>,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// The number of frames that are reordered.
    #[serde(default)]
    pub has_b_frames: i64,
    /// `progressive`, or the order of the fields of interlaced video.
    pub field_order: Option<String>,
    /// The shape of a pixel, width to height: `64:45`, or `0:1` if unknown.
    pub sample_aspect_ratio: Option<String>,
    /// The matrix between YCbCr and RGB: `bt709`, `smpte170m`.
    pub color_space: Option<String>,
    /// The transfer function: `smpte2084` and `arib-std-b67` are HDR.
    pub color_transfer: Option<String>,
    /// The unit of its timestamps: `1/1000`.
    #[serde(default)]
    pub time_base: String,
    /// The number of audio channels.
    pub channels: Option<u32>,
    /// ffmpeg's name of their positions: `stereo`, `5.1(side)`.
    pub channel_layout: Option<String>,
    /// Its purpose: `attached_pic`, `default`.
    #[serde(default)]
    pub disposition: BTreeMap<String, i64>,
    /// Its metadata: `language`, `title`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl ProbeReport {
    /// Parses the output of ffprobe.
    ///
    /// # Errors
    /// If it is too long or no JSON of this form.
    pub fn parse(json: &[u8]) -> Result<Self, ReportError> {
        if json.len() > BYTES_MAX {
            return Err(ReportError::TooLong);
        }
        let mut report: Self = serde_json::from_slice(json)?;
        report.streams.truncate(STREAMS_MAX);
        Ok(report)
    }

    /// Replaces languages by the tags that the file has beside them, in the order of its tracks, which is
    /// that of ffprobe's streams.
    pub fn replace_languages(&mut self, tags: &[(MatroskaKind, Option<String>)]) {
        for (stream, (kind, tag)) in self.streams.iter_mut().zip(tags) {
            let is_same = match kind {
                MatroskaKind::Audio => stream.kind == "audio",
                MatroskaKind::Subtitle => stream.kind == "subtitle",
                MatroskaKind::Other => false,
            };
            if let Some(tag) = tag.as_ref().filter(|_| is_same) {
                stream.tags.insert("language".to_owned(), tag.clone());
            }
        }
    }

    /// The program that a title is: the first with video, else the first with audio. `None` if the file
    /// has no programs.
    pub fn main_program(&self) -> Option<&Program> {
        let has = |program: &&Program, kind: &str| {
            let is_in = |stream: &Stream| {
                stream.kind == kind && !stream.is_cover() && program.contains(stream.index)
            };
            self.streams.iter().any(is_in)
        };
        let with = |kind| self.programs.iter().find(|program| has(program, kind));
        with("video").or_else(|| with("audio"))
    }

    /// Whether the container has one of these names.
    pub fn is_format(&self, names: &[&str]) -> bool {
        self.format.names.split(',').any(|name| names.contains(&name))
    }

    /// The duration in milliseconds, if known.
    pub fn duration_ms(&self) -> Option<u64> {
        let (seconds, decimals) = self.format.duration.as_deref()?.split_once('.')?;
        let ms: u64 = format!("{decimals:0<3}").get(..3)?.parse().ok()?;
        seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(ms)
    }
}

impl Program {
    /// Whether a stream belongs to the program.
    pub fn contains(&self, index: u32) -> bool {
        self.streams.iter().any(|stream| stream.index == index)
    }

    /// A name for people.
    pub fn name(&self) -> String {
        let named = self.tags.get("service_name").filter(|name| !name.is_empty());
        named.cloned().unwrap_or_else(|| self.number.to_string())
    }
}

impl Stream {
    /// Whether the stream is cover art, and no video.
    pub fn is_cover(&self) -> bool {
        self.has_flag("attached_pic")
    }

    /// Whether the stream is interlaced video.
    pub fn is_interlaced(&self) -> bool {
        matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt"))
    }

    /// Width and height in square pixels, if the stream is video.
    pub fn display_size(&self) -> Option<(u32, u32)> {
        let (width, height) =
            self.width.zip(self.height).filter(|size| size.0 > 0 && size.1 > 0)?;
        let shape = self.sample_aspect_ratio.as_deref().and_then(|ratio| ratio.split_once(':'));
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        let shape = shape.and_then(|(wide, high)| number(wide).zip(number(high)));
        let (wide, high) = shape.unwrap_or((1, 1));
        let stretched = u64::from(width).checked_mul(wide)? / high;
        Some((u32::try_from(stretched.max(1)).ok()?, height))
    }

    /// Whether the stream is HDR video.
    pub fn is_hdr(&self) -> bool {
        matches!(self.color_transfer.as_deref(), Some("smpte2084" | "arib-std-b67"))
    }

    /// Whether a flag of the container is set: `default`, `forced`, `hearing_impaired`.
    pub fn has_flag(&self, name: &str) -> bool {
        self.disposition.get(name) == Some(&1)
    }

    /// A tag that is not empty.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Its language, if it has one that is determined.
    pub fn language(&self) -> Option<&str> {
        self.tag("language").filter(|language| *language != "und")
    }

    /// A name for people: its title, else its language, else its number.
    pub fn name(&self) -> String {
        let named = self.tag("title").or_else(|| self.tag("language"));
        named.map_or_else(|| format!("stream {}", self.index), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_absent_and_an_invalid_report_is_an_error() {
        let report =
            ProbeReport::parse(br#"{"streams":[{"index":3}],"format":{"duration":"61.5"}}"#);
        let report = report.expect("a report");
        assert_eq!(report.streams[0].name(), "stream 3");
        assert_eq!(report.duration_ms(), Some(61_500));
        assert!(ProbeReport::parse(b"{}").expect("a report").streams.is_empty());
        assert!(matches!(ProbeReport::parse(b"{"), Err(ReportError::Invalid(_))));
        assert!(matches!(
            ProbeReport::parse(&vec![b' '; BYTES_MAX + 1]),
            Err(ReportError::TooLong)
        ));
    }

    #[test]
    fn only_the_first_streams_are_used() {
        let streams = vec![r#"{"index":1}"#; 1000].join(",");
        let report = ProbeReport::parse(format!(r#"{{"streams":[{streams}]}}"#).as_bytes());
        assert_eq!(report.expect("a report").streams.len(), STREAMS_MAX);
    }
}
