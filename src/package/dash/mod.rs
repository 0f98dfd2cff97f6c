//! DASH: the same segments as an MPD (ISO/IEC 23009-1, live profile, static; text has the full profile).
//!
//! [`manifest()`] is a pure function. All URLs are relative, so that an MPD below a signed prefix refers to
//! resources below the same prefix. The base URL of a representation is its folder, and its template is
//! beside it.

mod audio;
mod captions;
mod manifest;
mod sets;
mod timeline;
mod xml;

#[cfg(test)]
mod tests;

pub use manifest::manifest;
