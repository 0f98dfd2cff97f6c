//! A movie as extents and as manifests, and the text that goes with it.

pub mod text;
