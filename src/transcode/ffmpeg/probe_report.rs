//! The report of ffprobe about a file: `ffprobe -show_streams -show_format -of json`.
//!
//! Files are untrusted, and ffprobe repeats their content. So the text is bounded, an unknown value is
//! absent, and callers check numbers before they use them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Maximum length of a report in bytes: a hundred streams with their tags.
pub const BYTES_MAX: usize = 1 << 20;

/// Maximum number of streams that are used.
pub const STREAMS_MAX: usize = 64;

/// The arguments of ffprobe; the file follows.
pub const ARGUMENTS: [&str; 5] = ["-show_streams", "-show_format", "-of", "json", "-i"];

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
    /// The transfer function: `smpte2084` and `arib-std-b67` are HDR.
    pub color_transfer: Option<String>,
    /// The unit of its timestamps: `1/1000`.
    #[serde(default)]
    pub time_base: String,
    /// The number of audio channels.
    pub channels: Option<u32>,
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

impl Stream {
    /// Whether the stream is cover art, and no video.
    pub fn is_cover(&self) -> bool {
        self.disposition.get("attached_pic") == Some(&1)
    }

    /// Whether the stream is interlaced video.
    pub fn is_interlaced(&self) -> bool {
        matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt"))
    }

    /// Whether the stream is HDR video.
    pub fn is_hdr(&self) -> bool {
        matches!(self.color_transfer.as_deref(), Some("smpte2084" | "arib-std-b67"))
    }

    /// A name for people: its title, else its language, else its number.
    pub fn name(&self) -> String {
        let tag = |name| self.tags.get(name).filter(|value| !value.is_empty()).cloned();
        tag("title").or_else(|| tag("language")).unwrap_or_else(|| format!("stream {}", self.index))
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
