//! HLS playlists (RFC 8216bis, and Apple's authoring specification for its devices).
//!
//! Four pure functions return playlists as text: [`multivariant()`] lists the renditions of a title,
//! [`media()`] the segments of a track, [`iframes`] the key frames of a video track, [`images()`] the
//! sheets of the storyboard. All URIs are relative, so that a playlist below a signed prefix refers to
//! resources below the same prefix.

mod captions;
mod groups;
mod images;
mod keys;
mod media;
mod multivariant;
mod tag;

#[cfg(test)]
mod tests;

pub use images::images;
pub use media::{iframes, media};
pub use multivariant::multivariant;

use super::presentation::Track;
use crate::movie::SegmentStart;

/// The first lines of a playlist. No playlist needs more than version 7 (RFC 8216bis section 8), and some
/// clients refuse higher versions.
const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n";

/// Every segment can be decoded without another one (section 4.4.2.1).
const INDEPENDENT: &str = "#EXT-X-INDEPENDENT-SEGMENTS\n";

/// The first lines of a playlist of these tracks.
fn head<'a>(tracks: impl IntoIterator<Item = &'a Track>) -> [&'static str; 2] {
    let is_independent = |track: &Track| track.begins == SegmentStart::Independent;
    [HEAD, if tracks.into_iter().all(is_independent) { INDEPENDENT } else { "" }]
}
