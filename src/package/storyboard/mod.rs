//! Storyboards: small pictures of a title at regular times, twenty-five to a sheet, for whoever looks
//! for a place in it.
//!
//! [`Geometry`] follows from how long a title is and from the shape of its pictures, and all dialects
//! are about the same sheets: [WebVTT and JSON](dialects) for players in browsers, [image
//! playlists](crate::package::hls::images) for HLS, a set of tiles in the
//! [MPD](crate::package::dash::manifest), and [BIF](bif::bif) for Roku. None of them needs a picture to
//! be made: where each will be is known beforehand.

pub mod bif;
pub mod dialects;
mod geometry;

pub use dialects::ImageFormat;
pub use geometry::{COLUMNS, Geometry, ROWS, SHEETS_MAX, Sheet, TILES, display_size};

/// What manifests need to know of a title's storyboard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Storyboard {
    /// The relative URL from the manifest's folder to that in which `~<version>/storyboard/` lies:
    /// percent-encoded, and either empty (the manifest's own) or with a slash at its end.
    pub prefix: String,
    /// The version of the file that the pictures are of.
    pub version: String,
    /// Where they are on their sheets.
    pub geometry: Geometry,
}

impl Storyboard {
    /// The relative URL of a file of it, from where manifests are.
    pub fn url(&self, file: impl std::fmt::Display) -> String {
        format!("{}~{}/storyboard/{file}", self.prefix, self.version)
    }
}
