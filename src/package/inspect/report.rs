//! What is told of a file, as plain data that prints as JSON. Whoever makes it decides; whoever shows
//! it only shows.
//!
//! Times are in seconds and rounded to the millisecond: they are for people, nothing is computed from
//! them. Fields that do not apply are `null`.

use serde::Serialize;

/// Everything that is known of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether some player can play some of it in some way.
    pub playable: bool,
    /// Why it is not playable; empty if it is.
    pub reasons: Vec<String>,
    /// The file as a whole.
    pub file: File,
    /// How long it plays.
    pub duration_s: Option<f64>,
    /// Its tracks, as they come in the file.
    pub tracks: Vec<Track>,
    /// Its chapters.
    pub chapters: Vec<Chapter>,
    /// Tracks that cannot be played by anybody.
    pub left_out: Vec<LeftOut>,
    /// What is put right while it is sent. The file stays as it is.
    pub repairs: Vec<Repair>,
    /// What only encoding anew can put right.
    pub transcodes: Vec<Transcode>,
    /// The month to which the knowledge of players belongs.
    pub players_as_of: &'static str,
    /// Who plays it, and how.
    pub players: Vec<Player>,
    /// What is wrong with it, or worth knowing; the worst first.
    pub problems: Vec<Problem>,
}

/// The file as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// Its length.
    pub size_bytes: u64,
    /// The version that its ETag and the API name.
    pub version: String,
    /// The version in the URLs of its segments; it depends on the configured length of segments too.
    pub streams_version: Option<String>,
    /// What kind of file it is, in words.
    pub container: String,
    /// Its major brand.
    pub brand: Option<String>,
    /// Where its index is.
    pub index: Index,
    /// How many fragments (`moof`) it has.
    pub fragments: usize,
    /// How many boxes it has at the top; no more than 4096 are counted.
    pub box_count: usize,
    /// The first of these, and how they lie.
    pub boxes: Vec<TopBox>,
    /// Bytes at its end that are in no box.
    pub trailing_bytes: u64,
    /// How sound and pictures lie beside each other, if there are both.
    pub interleaving: Option<Interleaving>,
    /// The mean length of what of one track lies together.
    pub average_extent_bytes: Option<u64>,
}

/// A chapter.
#[derive(Clone, Debug, Serialize)]
pub struct Chapter {
    /// When it begins.
    pub start_s: f64,
    /// What it is called.
    pub title: String,
}

/// Where the index is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Index {
    /// Before the media or behind them.
    pub place: Place,
    /// The length of `moov`.
    pub size_bytes: Option<u64>,
}

/// Where an index can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In front of the media.
    Front,
    /// Behind them.
    End,
    /// Nowhere.
    Missing,
}

/// A box at the top of the file.
#[derive(Clone, Debug, Serialize)]
pub struct TopBox {
    /// Its name.
    pub kind: String,
    /// Where it begins.
    pub offset: u64,
    /// Its length, header included, as far as the file goes.
    pub size_bytes: u64,
    /// It says that it is longer than the file.
    pub is_cut: bool,
}

/// How sound and pictures lie beside each other.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Interleaving {
    /// The largest distance in the file between pictures and sound of one second.
    pub largest_distance_bytes: u64,
    /// In which second that is.
    pub at_s: u64,
}

/// What a track is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text that is shown.
    Text,
    /// What is neither seen nor heard.
    Data,
}

/// One track.
#[derive(Clone, Debug, Serialize)]
pub struct Track {
    /// Its identifier in the file.
    pub id: u32,
    /// What it is.
    pub kind: Kind,
    /// Its folder in URLs, if it is offered as segments.
    pub folder: Option<String>,
    /// Why it is not offered as segments.
    pub not_offered: Option<String>,
    /// The codec in words.
    pub codec: String,
    /// The codecs parameter (RFC 6381) by which manifests name it.
    pub codecs: String,
    /// The type of its sample entry in the file.
    pub format: String,
    /// Its language, as the file says.
    pub language: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// Whether it is to be played if nobody chooses.
    pub is_enabled: bool,
    /// How it is encrypted, in words.
    pub encryption: Option<String>,
    /// What only pictures have.
    pub video: Option<Video>,
    /// What only sound has.
    pub audio: Option<Audio>,
    /// Bit rates.
    pub bit_rate: BitRate,
    /// When it plays.
    pub timing: Timing,
    /// How many samples it has.
    pub samples: u64,
    /// How many bytes these are.
    pub size_bytes: u64,
    /// The mean length of what of it lies together in the file.
    pub average_extent_bytes: Option<u64>,
    /// Its segments.
    pub segments: Segments,
}

/// What only pictures have.
#[derive(Clone, Debug, Serialize)]
pub struct Video {
    /// Coded pixels in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// Width as it is shown: with the shape of pixels, and turned.
    pub shown_width: u32,
    /// Height as it is shown.
    pub shown_height: u32,
    /// How far it is turned clockwise; `null` if it is by no right angle.
    pub rotation_degrees: Option<u16>,
    /// Whether it is mirrored before it is turned.
    pub is_mirrored: bool,
    /// The shape of a pixel, width to height.
    pub pixel_aspect: String,
    /// Pictures in a second.
    pub frame_rate: FrameRate,
    /// Bits of a sample of a picture.
    pub bit_depth: Option<u8>,
    /// `SDR`, `PQ` or `HLG`, as playlists say it.
    pub range: &'static str,
    /// Colour in words.
    pub colour: String,
    /// The Dolby Vision in it, in words.
    pub dolby_vision: Option<String>,
    /// Pictures that decoding can begin with.
    pub key_frames: KeyFrames,
}

/// Pictures in a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FrameRate {
    /// On average; `null` if there is no time.
    pub average: Option<f64>,
    /// Whether pictures last differently.
    pub is_variable: bool,
    /// By the picture that lasts longest.
    pub lowest: Option<f64>,
    /// By the one that lasts shortest.
    pub highest: Option<f64>,
}

/// Pictures that decoding can begin with.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KeyFrames {
    /// How many.
    pub count: u64,
    /// The mean time from one to the next.
    pub average_distance_s: Option<f64>,
    /// The longest, or from the last to the end if that is longer.
    pub longest_distance_s: f64,
}

/// What only sound has.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Audio {
    /// How many channels.
    pub channels: u16,
    /// Samples in a second.
    pub sample_rate_hz: u32,
    /// Bits of a sample, where samples are kept as they are.
    pub sample_bits: Option<u16>,
}

/// Bits per second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BitRate {
    /// Of all of it.
    pub average_bits_s: u64,
    /// Of the segments that take most (RFC 8216bis section 4.4.6.2).
    pub peak_bits_s: u64,
}

/// When a track plays.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// From when on it is seen or heard.
    pub start_s: f64,
    /// When it is over.
    pub end_s: f64,
    /// What is decoded before that and neither seen nor heard.
    pub hidden_s: f64,
    /// The same in words, with what else an edit list says.
    pub words: String,
}

/// The segments of a track.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Segments {
    /// How many.
    pub count: usize,
    /// How long the longest lasts.
    pub longest_s: f64,
}

/// A track that cannot be played by anybody.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// Its identifier in the file; 0 if it has none.
    pub id: u32,
    /// What the file says that it is.
    pub handler: Option<String>,
    /// The type of its sample entry.
    pub format: Option<String>,
    /// Why it is left out.
    pub why: String,
}

/// Something that is put right while it is sent.
#[derive(Clone, Debug, Serialize)]
pub struct Repair {
    /// The track, if it is one track's.
    pub track: Option<u32>,
    /// What is done.
    pub what: String,
}

/// Something that has to be encoded anew for some.
#[derive(Clone, Debug, Serialize)]
pub struct Transcode {
    /// The track.
    pub track: u32,
    /// What it is.
    pub from: String,
    /// What everybody takes.
    pub to: &'static str,
    /// For whom it has to be.
    pub needed_for: Vec<String>,
    /// For whom it may have to be.
    pub perhaps_for: Vec<String>,
}

/// How a player gets on with the file.
#[derive(Clone, Debug, Serialize)]
pub struct Player {
    /// What it is called.
    pub name: &'static str,
    /// Which versions are meant.
    pub versions: &'static str,
    /// With `play.mp4`.
    pub progressive: Verdict,
    /// With `index.m3u8`.
    pub hls: Verdict,
    /// With `manifest.mpd`.
    pub dash: Verdict,
}

/// How a player gets on with the file in one way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether it plays.
    pub plays: Plays,
    /// On what that depends, or why not; empty if there is nothing to say.
    pub reason: String,
}

/// Whether something plays.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plays {
    /// It does.
    Yes,
    /// On some devices.
    Depends,
    /// Without sound, or without pictures.
    Partly,
    /// It does not.
    No,
}

/// Something that is wrong with the file, or worth knowing.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The track, if it is one track's.
    pub track: Option<u32>,
    /// What it is.
    pub sentence: String,
    /// What can be done about it.
    pub advice: String,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something cannot be played.
    Error,
    /// It plays badly, or not everywhere, or not to its end.
    Warning,
    /// It does no harm here.
    Note,
}
