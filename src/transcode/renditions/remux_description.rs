//! What a remuxed movie cannot say about the file that it comes from, in a file beside it: subtitles, which
//! are files of their own, and full language tags.
//!
//! MP4 has text tracks too, but their cues must not overlap: ffmpeg cut the earlier one short.

use serde::{Deserialize, Serialize};

/// The file name of the description in the artifact.
pub const DESCRIPTION_FILE: &str = "remux.json";

/// The maximum size of a description: sixty streams with long names.
pub const DESCRIPTION_BYTES_MAX: u64 = 1 << 20;

/// The description of a remuxed movie.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RemuxDescription {
    /// The subtitles, in the order of the file.
    pub texts: Vec<RemuxedText>,
    /// For each audio track of the movie, the language tag of the file (BCP 47), where MP4 has only a code of
    /// three letters.
    pub audio_languages: Vec<Option<String>>,
    /// What is not in the movie, and why: sentences for people.
    pub left_out: Vec<String>,
}

/// Subtitles of the file, as WebVTT beside the movie.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RemuxedText {
    /// The file name in the artifact.
    pub file: String,
    /// The language, as the file has it.
    pub language: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// Whether the file marks them as default.
    pub is_default: bool,
    /// Whether they are shown even without subtitles: they translate foreign speech and signs.
    pub is_forced: bool,
    /// Whether they describe sounds other than speech.
    pub is_hearing_impaired: bool,
}
