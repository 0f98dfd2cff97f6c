//! DASH: the same segments as an MPD (ISO/IEC 23009-1, live profile, static).
//!
//! [`manifest()`] is a pure function. All URLs in it are relative, so that an MPD below a signed prefix
//! leads to what lies below the same prefix; each representation has its folder as its base, and so
//! those of a set share one template and, when they can, one timeline.

mod audio;
mod manifest;
mod sets;
mod timeline;
mod xml;

#[cfg(test)]
mod tests;

pub use manifest::manifest;
