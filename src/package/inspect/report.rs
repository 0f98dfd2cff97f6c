//! The report about a file: plain data that serializes to JSON.
//!
//! Times are in seconds, rounded to the millisecond: they are for people, and no code computes with them.
//! Members that do not apply are `null`.

use serde::Serialize;

/// The report about a file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether at least one player plays at least one track.
    pub playable: bool,
    /// Why the file is not playable; empty if it is.
    pub reasons: Vec<String>,
    /// How browsers play the file as it is, if it is in another container than MP4.
    pub browsers: Option<Verdict>,
    /// The file as a whole.
    pub file: File,
    /// The remux, if the file is in another container than MP4.
    pub remux: Option<RemuxReport>,
    /// Duration of the movie.
    pub duration_s: Option<f64>,
    /// Playable tracks, in file order.
    pub tracks: Vec<Track>,
    /// Subtitle files beside the movie.
    pub subtitle_files: Vec<SubtitleFile>,
    /// Chapters.
    pub chapters: Vec<Chapter>,
    /// Unplayable tracks.
    pub left_out: Vec<LeftOut>,
    /// Fixes while streaming; the file does not change.
    pub repairs: Vec<Repair>,
    /// Tracks that need transcoding.
    pub transcodes: Vec<Transcode>,
    /// The month of the player data.
    pub players_as_of: &'static str,
    /// The verdicts of each player.
    pub players: Vec<Player>,
    /// Problems and notes, the most severe first.
    pub problems: Vec<Problem>,
}

/// The file as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct File {
    /// Length of the file.
    pub size_bytes: u64,
    /// The version in the file's ETag and in the API.
    pub version: String,
    /// The version in segment URLs, which also depends on the configured segment length.
    pub streams_version: Option<String>,
    /// Container format.
    pub container: String,
    /// Major brand.
    pub brand: Option<String>,
    /// The index (`moov`).
    pub index: Index,
    /// Number of fragments (`moof`).
    pub fragments: usize,
    /// Number of top-level boxes, at most 4096.
    pub box_count: usize,
    /// The first top-level boxes.
    pub boxes: Vec<TopBox>,
    /// Bytes after the last box.
    pub trailing_bytes: u64,
    /// Interleaving of audio and video, if there are both.
    pub interleaving: Option<Interleaving>,
    /// Average length of a contiguous run of samples of one track.
    pub average_extent_bytes: Option<u64>,
}

/// The remux of a file in another container.
#[derive(Clone, Debug, Serialize)]
pub struct RemuxReport {
    /// Its state.
    pub state: RemuxState,
    /// Its progress in percent.
    pub percent: u16,
    /// Streams of the file that the remuxed movie does not have, with the reasons.
    pub left_out: Vec<String>,
    /// Number of subtitles beside the remuxed movie.
    pub texts: usize,
}

/// The state of a remux.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemuxState {
    /// No request has needed it yet.
    NotStarted,
    /// The job is queued or runs.
    Running,
    /// The remuxed movie plays.
    Done,
    /// The job failed.
    Failed,
    /// The job cannot run.
    Unavailable,
}

/// A chapter.
#[derive(Clone, Debug, Serialize)]
pub struct Chapter {
    /// Start time.
    pub start_s: f64,
    /// Title.
    pub title: String,
}

/// The index of the file.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Index {
    /// Before or after the media data.
    pub place: Place,
    /// Length of `moov`.
    pub size_bytes: Option<u64>,
}

/// Position of the index.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Before the media data.
    Front,
    /// After the media data.
    End,
    /// The file has no index.
    Missing,
}

/// A top-level box.
#[derive(Clone, Debug, Serialize)]
pub struct TopBox {
    /// Box type.
    pub kind: String,
    /// Offset in the file.
    pub offset: u64,
    /// Length with the header, at most up to the end of the file.
    pub size_bytes: u64,
    /// Whether the box extends past the end of the file.
    pub is_cut: bool,
}

/// Interleaving of audio and video.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Interleaving {
    /// The largest distance in the file between video and audio of the same second.
    pub largest_distance_bytes: u64,
    /// The second with that distance.
    pub at_s: u64,
}

/// Kind of track.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Video.
    Video,
    /// Audio.
    Audio,
    /// Subtitles or captions.
    Text,
    /// Anything else.
    Data,
}

/// One track.
#[derive(Clone, Debug, Serialize)]
pub struct Track {
    /// Track identifier.
    pub id: u32,
    /// Kind of track.
    pub kind: Kind,
    /// Folder in URLs, if the track is sent in segments.
    pub folder: Option<String>,
    /// Why the track is not sent in segments.
    pub not_offered: Option<String>,
    /// Name of the codec, with profile and level.
    pub codec: String,
    /// Codecs parameter (RFC 6381) in manifests.
    pub codecs: String,
    /// Sample entry type in the file.
    pub format: String,
    /// Language as in the file.
    pub language: Option<String>,
    /// Name for people.
    pub name: Option<String>,
    /// Whether the track plays by default.
    pub is_enabled: bool,
    /// Encryption, in words.
    pub encryption: Option<String>,
    /// Set for video tracks.
    pub video: Option<Video>,
    /// Set for audio tracks.
    pub audio: Option<Audio>,
    /// Set for text tracks that HLS and DASH list.
    pub text: Option<Text>,
    /// Bit rates.
    pub bit_rate: BitRate,
    /// Presentation times.
    pub timing: Timing,
    /// Number of samples.
    pub samples: u64,
    /// Total size of the samples.
    pub size_bytes: u64,
    /// Average length of a contiguous run of samples.
    pub average_extent_bytes: Option<u64>,
    /// Segments.
    pub segments: Segments,
}

/// Properties of a video track.
#[derive(Clone, Debug, Serialize)]
pub struct Video {
    /// Coded width in pixels.
    pub width: u16,
    /// Coded height in pixels.
    pub height: u16,
    /// Displayed width, after pixel aspect ratio and rotation.
    pub shown_width: u32,
    /// Displayed height.
    pub shown_height: u32,
    /// Clockwise rotation; `null` if it is not a multiple of 90 degrees.
    pub rotation_degrees: Option<u16>,
    /// Whether the video is mirrored before it is rotated.
    pub is_mirrored: bool,
    /// Pixel aspect ratio, width to height.
    pub pixel_aspect: String,
    /// Frames per second.
    pub frame_rate: FrameRate,
    /// `progressive`, `interlaced`, or `mixed` if the stream allows both; `null` if only decoding tells.
    pub scan: Option<&'static str>,
    /// Bits per component.
    pub bit_depth: Option<u8>,
    /// `SDR`, `PQ` or `HLG`, as in playlists.
    pub range: &'static str,
    /// Colour in words.
    pub colour: String,
    /// Dolby Vision in words.
    pub dolby_vision: Option<String>,
    /// Closed captions in the video, as far as its first two segments tell: `CC1`, `SERVICE1`.
    pub captions: Vec<String>,
    /// Sync samples.
    pub key_frames: KeyFrames,
}

/// Frames per second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FrameRate {
    /// Average; `null` if the track has no duration.
    pub average: Option<f64>,
    /// Whether the frame rate is variable.
    pub is_variable: bool,
    /// Rate by the longest frame duration.
    pub lowest: Option<f64>,
    /// Rate by the shortest frame duration.
    pub highest: Option<f64>,
}

/// Sync samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KeyFrames {
    /// Number of them.
    pub count: u64,
    /// Average distance.
    pub average_distance_s: Option<f64>,
    /// Longest distance, up to the end of the track.
    pub longest_distance_s: f64,
}

/// Properties of an audio track.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Audio {
    /// Number of channels.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Bits per sample, for PCM and lossless codecs.
    pub sample_bits: Option<u16>,
}

/// Properties of a text track.
#[derive(Clone, Debug, Serialize)]
pub struct Text {
    /// Name in manifests.
    pub label: String,
    /// Whether players show it from the start.
    pub is_default: bool,
    /// Whether players show it when subtitles are off.
    pub is_forced: bool,
    /// Whether it describes sounds other than speech.
    pub is_for_hearing_impaired: bool,
}

/// A subtitle file beside the movie.
#[derive(Clone, Debug, Serialize)]
pub struct SubtitleFile {
    /// Name of the file.
    pub name: String,
    /// Name in manifests.
    pub label: String,
    /// Language (BCP 47), from the name.
    pub language: Option<String>,
    /// Why manifests do not list the file.
    pub not_offered: Option<String>,
    /// Number of cues.
    pub cues: usize,
    /// Number of cues that are lost.
    pub lost_cues: usize,
    /// The line of the first lost cue's times, from 1.
    pub first_lost_line: Option<usize>,
    /// Why that cue is lost.
    pub first_lost_reason: Option<String>,
}

/// Bits per second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BitRate {
    /// Average of the track.
    pub average_bits_s: u64,
    /// Peak segment bit rate (RFC 8216bis section 4.4.6.2).
    pub peak_bits_s: u64,
}

/// Presentation times of a track.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Start of the presentation.
    pub start_s: f64,
    /// End of the presentation.
    pub end_s: f64,
    /// Duration that is decoded before the start and not presented.
    pub hidden_s: f64,
    /// The same in words, with other effects of the edit list.
    pub words: String,
}

/// The segments of a track.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Segments {
    /// Number of segments.
    pub count: usize,
    /// Duration of the longest segment.
    pub longest_s: f64,
}

/// An unplayable track.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// Track identifier; 0 if it is missing.
    pub id: u32,
    /// Handler type.
    pub handler: Option<String>,
    /// Sample entry type.
    pub format: Option<String>,
    /// The reason.
    pub why: String,
}

/// A fix that is applied while streaming.
#[derive(Clone, Debug, Serialize)]
pub struct Repair {
    /// The track, if it concerns one track.
    pub track: Option<u32>,
    /// The fix.
    pub what: String,
}

/// A track that needs transcoding for some players.
#[derive(Clone, Debug, Serialize)]
pub struct Transcode {
    /// The track.
    pub track: u32,
    /// Its codec.
    pub from: String,
    /// A codec that all players play.
    pub to: &'static str,
    /// Players and protocols that need it.
    pub needed_for: Vec<String>,
    /// Players that need it on some devices.
    pub perhaps_for: Vec<String>,
}

/// The verdicts of a player.
#[derive(Clone, Debug, Serialize)]
pub struct Player {
    /// Name of the player.
    pub name: &'static str,
    /// Versions that the verdicts apply to.
    pub versions: &'static str,
    /// Verdict for `play.mp4`.
    pub progressive: Verdict,
    /// Verdict for `index.m3u8`.
    pub hls: Verdict,
    /// Verdict for `manifest.mpd`.
    pub dash: Verdict,
}

/// The verdict for one way to play the file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// The result.
    pub plays: Plays,
    /// Conditions or reasons; may be empty.
    pub reason: String,
}

/// The result of a verdict.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plays {
    /// Plays.
    Yes,
    /// Plays on some devices.
    Depends,
    /// Plays without audio or without video.
    Partly,
    /// Does not play.
    No,
}

/// A problem or a note.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// Severity.
    pub severity: Severity,
    /// The track, if it concerns one track.
    pub track: Option<u32>,
    /// The problem.
    pub sentence: String,
    /// The next step.
    pub advice: String,
}

/// Severity of a problem.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is unplayable.
    Error,
    /// Playback is incomplete, slow or not available everywhere.
    Warning,
    /// Harmless here.
    Note,
}
