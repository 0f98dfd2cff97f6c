//! Objects of a bucket, cached on a local disk.
//!
//! An object's bytes do not change under one ETag, so that what is present of it can be sent as from a file.
//! The [`Cache`] holds [shelves](Shelf): sparse files of 16 MiB each, which are evicted as a whole, by removing
//! their names. Holes are never punched into them: bytes that sendfile(2) has handed to a socket are pages of
//! the file, and would turn into zeros on their way.

mod cache;
mod cache_folder;
mod cache_upkeep;
mod cached_object;
mod chunk_set;
mod open_shelves;
mod shelf;
mod shelf_key;
mod shelf_page;
mod shelf_policy;

pub use cache::{Cache, CacheSettings, CacheUsage};
pub use cached_object::{CachedObject, Piece};
pub use shelf::Shelf;
pub use shelf_key::ObjectId;
