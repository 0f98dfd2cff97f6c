//! Storyboards: small images of a title at regular times, twenty-five to a sheet, which players show
//! while seeking.
//!
//! [`Geometry`] follows from the duration of the title and the aspect ratio of its video. All formats refer
//! to the same sheets: [WebVTT](vtt::format) and [JSON](json::format) for players in browsers, [image
//! playlists](crate::package::hls::images) for HLS, a tile set in the
//! [MPD](crate::package::dash::manifest), and [BIF](bif::build) for Roku. None of them needs the images:
//! their places are known in advance.

pub mod bif;
mod geometry;
mod image_format;
pub mod json;
pub mod vtt;

pub use geometry::{COLUMNS, Geometry, ROWS, SHEETS_MAX, Sheet, TILES, display_size};
pub use image_format::ImageFormat;

/// A title's storyboard, as manifests refer to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Storyboard {
    /// The relative URL from the manifest's folder to the folder of `~<version>/storyboard/`:
    /// percent-encoded, and either empty (the same folder) or with a slash at its end.
    pub prefix: String,
    /// The version of the images.
    pub version: String,
    /// The places of the tiles.
    pub geometry: Geometry,
}

impl Storyboard {
    /// The URL of one of its files, relative to the manifest.
    pub fn url(&self, file: impl std::fmt::Display) -> String {
        format!("{}~{}/storyboard/{file}", self.prefix, self.version)
    }
}

#[cfg(test)]
fn example(duration_ms: u64) -> Storyboard {
    Storyboard {
        prefix: String::new(),
        version: "00112233445566ff".to_owned(),
        geometry: Geometry::new(duration_ms, (1280, 720)),
    }
}
