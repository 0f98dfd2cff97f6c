//! Media types of texts.

/// HLS playlists.
pub const HLS: &str = "application/vnd.apple.mpegurl";
/// MPDs.
pub const DASH: &str = "application/dash+xml";
/// WebVTT.
pub const VTT: &str = "text/vtt; charset=utf-8";
