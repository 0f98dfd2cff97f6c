//! HTTP/1: one connection, one request after the other.
//!
//! This module replaces actix's dispatcher, which was measured to cost a fifth of a small response and 20
//! KiB for each paused viewer. A request is read, parsed and served before the next is parsed. A request
//! that is recognised without doubt and needs no waiting gets its response from the [`FastPath`], in the
//! same turn of the event loop in which its head has arrived; all others go to the App, with the same result.

mod connection;
mod request_body;
mod request_head;
mod request_target;
mod response;
mod response_head;

use std::net::SocketAddr;

pub(super) use connection::Http1Connection;
pub use request_head::{FIELDS_MAX, HEAD_BYTES_MAX, RequestHead, TARGET_BYTES_MAX};
pub use request_target::is_host;
pub use response_head::ResponseHead;

use super::{body::ResponseObserver, connection::Timeouts};
use crate::extent::Extents;

/// Responds to requests without waiting.
pub trait FastPath: 'static {
    /// Observes the responses.
    type ResponseObserver: ResponseObserver;

    /// Responds to a request without content, if it is recognised without doubt and the response is ready,
    /// and writes its status and fields to `head`. `None` leaves the request to the App, which ignores
    /// `head`.
    fn respond(
        &self,
        request: &RequestHead<'_>,
        peer: SocketAddr,
        head: &mut ResponseHead<'_>,
    ) -> Option<ImmediateResponse<Self::ResponseObserver>>;

    /// The most content that the App reads of such a request, in bytes; `None` if it reads none. The
    /// connection waits for content before it calls the App only if the App reads it.
    fn content_bytes_max(&self, request: &RequestHead<'_>) -> Option<usize>;
}

/// A response of the fast path, without its head.
pub struct ImmediateResponse<T> {
    /// The `Content-Length`, which for HEAD is not the length of `extents`.
    pub length: Option<u64>,
    /// The body, whose files were checked in this turn of the event loop.
    pub extents: Extents,
    /// Observes the response.
    pub observer: T,
}

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
