//! HTTP/2: one task per connection, on the crate h2.
//!
//! h2 frames, compresses heads and keeps the windows; everything above it is here, and works over any byte
//! stream, so that TLS can take the place of TCP.
//!
//! - `connection` is the task: it reads a little, accepts requests, polls their responses, and fills the
//!   socket; then it yields to other connections. `deadline` is what it waits for.
//! - `stream` is the life of one request: its head is checked, and it gets its response from the fast path
//!   or from the App, as over HTTP/1. `request_head` and `response_head` are the heads of h2's types.
//! - `pieces` finds or reads the next piece of a body, from which h2 cuts frames; `schedule` chooses the
//!   response that sends the next one. h2 gets a `placeholder` for each `piece`.
//! - `transport` is the byte stream as h2 sees it: `input` limits what a client may send, `received`
//!   holds long frames back until they are complete, and `output` puts the pieces into the `frames` that h2
//!   has written, and sends them.
//! - `byte_stream` is the connection below: files go from the page cache to a socket without encryption.

mod byte_stream;
mod connection;
mod deadline;
mod frames;
mod input;
mod output;
mod piece;
mod pieces;
mod placeholder;
mod received;
mod request_head;
mod response_head;
mod schedule;
mod stream;
mod transport;

use h2::server::Builder;

pub(super) use byte_stream::Cleartext;
pub(super) use connection::{Http2Connection, Shared};

use super::{connection::Timeouts, http1::HEAD_BYTES_MAX};

/// The window of a stream and of a connection, in bytes. With the default of 64 KiB a client that uploads
/// over a path of 30 ms gets an eighth of the rate.
const WINDOW_BYTES: u32 = 1 << 20;

/// The largest frame, in bytes: the one that every peer must accept (RFC 9113 section 4.2).
const FRAME_BYTES_MAX: u32 = 16 * 1024;

/// The memory of a connection's field compression, in bytes (RFC 7541 section 4.2).
const FIELD_TABLE_BYTES: u32 = 4 * 1024;

/// The most bytes of bodies that h2 and the socket's queue hold: data inside h2 cannot be overtaken.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// Requests that a client may reset before they are accepted.
const PENDING_RESETS_MAX: usize = 20;

/// Streams that h2 may reset because of errors of the client, before it ends the connection.
const ERROR_RESETS_MAX: usize = 200;

/// Streams of which h2 remembers that it reset them.
const REMEMBERED_RESETS_MAX: usize = 50;

/// Settings of HTTP/2 connections.
#[derive(Clone, Debug)]
pub(super) struct Http2Settings {
    /// Timeouts of each connection.
    pub(super) timeouts: Timeouts,
    /// The most concurrent requests of a connection.
    pub(super) streams_max: u32,
}

impl Http2Settings {
    /// The limits that h2 announces and keeps (RFC 9113 section 6.5.2).
    fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(self.streams_max)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .header_table_size(FIELD_TABLE_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_send_buffer_size(UNSENT_BYTES_MAX)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .max_local_error_reset_streams(Some(ERROR_RESETS_MAX))
            .max_concurrent_reset_streams(REMEMBERED_RESETS_MAX);
        builder
    }
}
