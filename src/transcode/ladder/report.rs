//! What ffprobe says of a file: `ffprobe -show_streams -show_format -of json`.
//!
//! Files are hostile, and ffprobe repeats what they say. So the text is bounded, whatever is not
//! understood is absent, and no number is trusted further than it is used.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The longest report that is read, in bytes: a hundred streams with what they are called.
pub const BYTES_MAX: usize = 1 << 20;

/// Streams that are looked at.
pub const STREAMS_MAX: usize = 64;

/// What to ask ffprobe for; a file follows.
pub const ARGUMENTS: [&str; 5] = ["-show_streams", "-show_format", "-of", "json", "-i"];

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum NoReport {
    /// It is longer than anything that makes sense.
    #[error("what ffprobe says of the file is too long")]
    TooLong,
    /// It cannot be read.
    #[error("what ffprobe says of the file cannot be read: {0}")]
    NotUnderstood(#[from] serde_json::Error),
}

/// A file.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Report {
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
    /// How long it lasts, in seconds.
    pub duration: Option<String>,
}

/// A stream.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Stream {
    /// Its number.
    pub index: u32,
    /// What it is: `video`, `audio`, `subtitle`, `data`, `attachment`.
    #[serde(default, rename = "codec_type")]
    pub kind: String,
    /// The codec, as ffmpeg calls it.
    #[serde(default, rename = "codec_name")]
    pub codec: String,
    /// How its samples are laid out.
    pub pix_fmt: Option<String>,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// How many pictures are decoded before they are shown.
    #[serde(default)]
    pub has_b_frames: i64,
    /// Whether pictures are made of two fields, and which comes first.
    pub field_order: Option<String>,
    /// What brightness means: `smpte2084` and `arib-std-b67` are of high dynamic range.
    pub color_transfer: Option<String>,
    /// The unit of its times: `1/1000`.
    #[serde(default)]
    pub time_base: String,
    /// How many voices sound has.
    pub channels: Option<u32>,
    /// What it is for: `attached_pic`, `default`.
    #[serde(default)]
    pub disposition: BTreeMap<String, i64>,
    /// What is said about it: `language`, `title`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl Report {
    /// Reads what ffprobe has printed.
    ///
    /// # Errors
    /// If it is too long, or no report.
    pub fn read(json: &[u8]) -> Result<Self, NoReport> {
        if json.len() > BYTES_MAX {
            return Err(NoReport::TooLong);
        }
        let mut report: Self = serde_json::from_slice(json)?;
        report.streams.truncate(STREAMS_MAX);
        Ok(report)
    }

    /// Whether the container is one of these.
    pub fn is_in(&self, names: &[&str]) -> bool {
        self.format.names.split(',').any(|name| names.contains(&name))
    }

    /// How long it lasts, in milliseconds, as far as that is known.
    pub fn duration_ms(&self) -> Option<u64> {
        let (seconds, decimals) = self.format.duration.as_deref()?.split_once('.')?;
        let ms: u64 = format!("{decimals:0<3}").get(..3)?.parse().ok()?;
        seconds.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(ms)
    }
}

impl Stream {
    /// Whether it is a cover, and no moving pictures.
    pub fn is_cover(&self) -> bool {
        self.disposition.get("attached_pic") == Some(&1)
    }

    /// Whether its pictures are made of two fields.
    pub fn is_interlaced(&self) -> bool {
        matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt"))
    }

    /// Whether it is of high dynamic range.
    pub fn is_high_range(&self) -> bool {
        matches!(self.color_transfer.as_deref(), Some("smpte2084" | "arib-std-b67"))
    }

    /// What people can tell it by: its language or its title, else its number.
    pub fn name(&self) -> String {
        let tag = |name| self.tags.get(name).filter(|value| !value.is_empty()).cloned();
        tag("title").or_else(|| tag("language")).unwrap_or_else(|| format!("stream {}", self.index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_absent_and_what_is_wrong_is_refused() {
        let report = Report::read(br#"{"streams":[{"index":3}],"format":{"duration":"61.5"}}"#);
        let report = report.expect("a report");
        assert_eq!(report.streams[0].name(), "stream 3");
        assert_eq!(report.duration_ms(), Some(61_500));
        assert!(Report::read(b"{}").expect("a report").streams.is_empty());
        assert!(matches!(Report::read(b"{"), Err(NoReport::NotUnderstood(_))));
        assert!(matches!(Report::read(&vec![b' '; BYTES_MAX + 1]), Err(NoReport::TooLong)));
    }

    #[test]
    fn of_very_many_streams_the_first_are_looked_at() {
        let streams = vec![r#"{"index":1}"#; 1000].join(",");
        let report = Report::read(format!(r#"{{"streams":[{streams}]}}"#).as_bytes());
        assert_eq!(report.expect("a report").streams.len(), STREAMS_MAX);
    }
}
