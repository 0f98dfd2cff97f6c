//! A title, opened: its file, its index, and everything that belongs to it.

pub mod artifacts;
pub mod assets;
pub mod job_request;
pub mod job_tracks;
pub mod manifest_cache;
pub mod opened;
pub mod remux;
