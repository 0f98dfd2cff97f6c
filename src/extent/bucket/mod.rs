//! Objects in buckets: fetched from what speaks the S3 API, and cached on a local disk.
//!
//! A [`Fetcher`] reads parts of objects into a [`Sink`], each part once however many wait for it, and holds
//! under faults: every response is compared with its request, and retries, hedges and a breaker keep within
//! a deadline and a budget. Nothing here runs on an I/O thread, except for what looks into memory only.
//!
//! An object's bytes do not change under one ETag, so that what is present of it can be sent as from a file.
//! The [`Cache`] holds [shelves](Shelf): sparse files of 16 MiB each, which are evicted as a whole, by removing
//! their names. Holes are never punched into them: bytes that sendfile(2) has handed to a socket are pages of
//! the file, and would turn into zeros on their way.
//!
//! A [`BucketPlace`] is a bucket as a root, and opens an [`Object`] by its name. A [`Writer`] puts and removes
//! objects; it writes artifacts, and never to a root.

mod address;
mod breaker;
mod budget;
mod cache;
mod cache_folder;
mod cache_upkeep;
mod cached_object;
mod cached_sink;
mod chunk_set;
mod chunks;
mod client;
mod collected;
mod credentials;
mod error;
mod fetch;
mod flight;
mod hedge;
mod listing;
mod object;
mod open_shelves;
mod permits;
mod place;
mod probe;
mod recent;
mod retry;
mod shelf;
mod shelf_key;
mod shelf_page;
mod shelf_policy;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a panic fails the test")]
mod tests;
mod transfer;
mod transport;
mod tree;
mod usage;
mod writer;

pub use address::{BucketSettings, SettingsError};
pub use breaker::BreakerState;
pub use cache::{Cache, CacheSettings, CacheUsage};
pub use cached_object::{CachedObject, Piece};
pub use chunks::{CHUNK_BYTES, UNIT_BYTES};
pub use client::Opened;
pub use error::{FetchError, Outage, Refusal};
pub use fetch::{Ends, FetchSettings, Fetcher, Need, Sink};
pub use listing::{Listed, ObjectChange, Page};
pub use object::Object;
pub use place::{BucketPlace, BucketPlaceSettings, LeftOut};
pub use probe::{Probe, probe};
pub use shelf::Shelf;
pub use shelf_key::ObjectId;
pub use usage::{FIRST_BYTE_LIMITS_MS, FetchUsage, Operation, Outcome};
pub use writer::Writer;
