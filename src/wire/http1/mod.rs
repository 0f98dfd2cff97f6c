//! HTTP/1: one connection, one request after the other.
//!
//! This module replaces actix's dispatcher, which was measured to cost a fifth of a small response and 20
//! KiB for each paused viewer. A request is read, parsed and served before the next is parsed. A request
//! that is recognised without doubt and needs no waiting gets its response from the
//! [`FastPath`](super::fast_path::FastPath), in the
//! same turn of the event loop in which its head has arrived; all others go to the App, with the same result.

mod connection;
mod request_body;
mod request_head;
mod request_target;
mod response;
mod response_head;

pub(super) use connection::Http1Connection;
pub use request_head::{FIELDS_MAX, HEAD_BYTES_MAX, RequestHead, TARGET_BYTES_MAX};
pub use request_target::is_host;
pub use response_head::ResponseHead;

use super::connection::Timeouts;

/// Settings of HTTP/1 connections.
#[derive(Clone, Debug)]
pub(super) struct Http1Settings {
    /// Timeouts of each connection.
    pub(super) timeouts: Timeouts,
    /// The most bytes of a file that one call sends.
    pub(super) window_bytes: u64,
    /// The first limit of unsent bytes in the kernel; fast clients get a higher one.
    pub(super) notsent_lowat_bytes: u32,
}
