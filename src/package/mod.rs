//! A movie as extents and as manifests: what players are given of a file that stays as it is.
//!
//! HLS and DASH are two texts about one space of CMAF segments. Each segment is a header made in memory
//! and ranges of the file; its size and its times are known from the index, so that manifests are exact
//! and nothing has to be prepared. This room knows no URL's title, no status code and no socket.

mod auxiliary;
mod bit_rate;
mod boxes;
pub mod chapters;
pub mod clip;
pub mod cmaf;
pub mod concat;
pub mod cues;
pub mod dash;
pub mod faststart;
pub mod hls;
pub mod inspect;
pub mod presentation;
pub mod protection;
pub mod renditions;
mod shifted;
pub mod stills;
pub mod storyboard;
mod tables;
pub mod text;
pub mod title;
mod write;
