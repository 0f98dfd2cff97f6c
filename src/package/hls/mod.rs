//! HLS playlists (RFC 8216bis, and Apple's authoring specification for its devices).
//!
//! Four pure functions, each a playlist as text: [`multivariant()`] names the renditions of a title,
//! [`media()`] the segments of one, [`iframes`] the key frames of one that is video, [`images()`] the
//! sheets of its storyboard. All URIs in them are relative, so that a playlist below a signed prefix
//! leads to what lies below the same prefix.

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

/// How every playlist begins. Nothing here needs more than version 7 (RFC 8216bis section 8), and some
/// clients refuse what they do not know. Every segment begins with a sync sample.
const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n";
