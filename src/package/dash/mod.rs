//! DASH: the same segments as an MPD (ISO/IEC 23009-1, live profile, static).
//!
//! [`manifest()`] is a pure function. All URLs are relative, so that an MPD below a signed prefix refers to
//! resources below the same prefix. The base URL of a representation is its folder, so representations of
//! an adaptation set share one template and, if possible, one timeline.

mod audio;
mod captions;
mod manifest;
mod sets;
mod timeline;
mod xml;

#[cfg(test)]
mod tests;

pub use manifest::manifest;
