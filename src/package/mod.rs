//! A movie as manifests: one space of CMAF segments, and the views that players ask for.

pub mod bit_rate;
pub mod dash;
pub mod hls;
pub mod presentation;
mod write;
