//! Packaging: manifests for a movie, and extents of a source file that does not change.
//!
//! HLS and DASH describe the same CMAF segments. A segment is a header in memory and ranges of the source
//! file. The index gives its size and its times, so manifests are exact and no packaging job is needed.
//! This module knows no title URLs, no status codes and no sockets.

mod auxiliary;
pub mod bit_rate;
mod boxes;
pub mod chapters;
pub mod clip;
pub mod cmaf;
pub mod concat;
pub mod container;
pub mod cues;
pub mod dash;
pub mod faststart;
mod frame_rate;
pub mod hls;
pub mod inspect;
pub mod presentation;
pub mod protection;
pub mod renditions;
pub mod roles;
mod shifted;
mod size_bounds;
pub mod stills;
pub mod storyboard;
mod tables;
pub mod text;
mod text_blocks;
pub mod text_track;
pub mod title;
mod track_boxes;
mod write;
