//! Objects in buckets: what speaks the S3 API.
//!
//! A [`Fetcher`] reads parts of objects into a [`Sink`], each part once however many wait for it, and holds
//! under faults: every response is compared with its request, and retries, hedges and a breaker keep within
//! a deadline and a budget. Nothing here runs on an I/O thread.

mod address;
mod breaker;
mod budget;
mod chunks;
mod client;
mod collected;
mod credentials;
mod error;
mod fetch;
mod flight;
mod hedge;
mod listing;
mod permits;
mod probe;
mod recent;
mod retry;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a panic fails the test")]
mod tests;
mod transfer;
mod transport;
mod usage;

pub use address::{BucketSettings, SettingsError};
pub use breaker::BreakerState;
pub use chunks::{CHUNK_BYTES, UNIT_BYTES};
pub use client::Opened;
pub use error::{FetchError, Outage, Refusal};
pub use fetch::{FetchSettings, Fetcher, Need, Sink};
pub use listing::{Listed, Page};
pub use probe::{Probe, probe};
pub use usage::{FIRST_BYTE_LIMITS_MS, FetchUsage, Operation, Outcome};
