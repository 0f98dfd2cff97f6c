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

/// The first lines of a playlist. No playlist needs more than version 7 (RFC 8216bis section 8), and some
/// clients refuse higher versions. Every segment begins with a sync sample.
const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n";
