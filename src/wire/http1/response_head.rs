//! The head of a response, as bytes.

use std::fmt::{self, Write as _};

use actix_http::{ConnectionType, Response};
use actix_web::http::{
    StatusCode,
    header::{CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING},
};
use bytes::{BufMut as _, Bytes, BytesMut};

use crate::wire::{fields::ResponseFields, io_thread::IoThread};

/// Writes a response head: status line, fields of the response, and fields of the connection.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    bytes: &'a mut BytesMut,
    is_1_1: bool,
}

/// The framing of the content, by which the client finds its end (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// No content, and no `Content-Length`.
    None,
    /// A length.
    Sized(u64),
    /// Chunks, the last of them empty.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

impl<'a> ResponseHead<'a> {
    pub(super) fn new(bytes: &'a mut BytesMut, is_1_1: bool) -> Self {
        bytes.clear();
        bytes.reserve(1024);
        Self { bytes, is_1_1 }
    }

    /// Appends the connection's fields, and returns the complete head.
    pub(super) fn finish(
        mut self,
        io_thread: &IoThread,
        framing: Framing,
        keeps_alive: bool,
    ) -> Bytes {
        match framing {
            Framing::Sized(length) => self.put_text(&CONTENT_LENGTH, format_args!("{length}")),
            Framing::Chunked => self.put(&TRANSFER_ENCODING, b"chunked"),
            Framing::None | Framing::UntilClose => {}
        }
        match (keeps_alive, self.is_1_1) {
            (false, _) => self.bytes.put_slice(b"connection: close\r\n"),
            (true, false) => self.bytes.put_slice(b"connection: keep-alive\r\n"),
            (true, true) => {}
        }
        self.bytes.put_slice(b"date: ");
        io_thread.append_date(self.bytes);
        self.bytes.put_slice(b"\r\n\r\n");
        self.bytes.split().freeze()
    }

    /// Copies the head of a response from the App.
    pub(super) fn copy(&mut self, response: &Response<()>) {
        self.set_status(response.status());
        let is_ours = |name: &HeaderName| name == CONTENT_LENGTH || name == DATE;
        for (name, value) in response.headers().iter().filter(|(name, _)| !is_ours(name)) {
            self.put(name, value.as_bytes());
        }
    }
}

impl ResponseFields for ResponseHead<'_> {
    /// Writes the status line, in the version of the request: a client of HTTP/1.0 may not support HTTP/1.1.
    fn set_status(&mut self, status: StatusCode) {
        self.bytes.put_slice(if self.is_1_1 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
        self.bytes.put_slice(status.as_str().as_bytes());
        self.bytes.put_slice(b" ");
        self.bytes.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        self.bytes.put_slice(b"\r\n");
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        self.bytes.put_slice(name.as_str().as_bytes());
        self.bytes.put_slice(b": ");
        self.bytes.put_slice(value);
        self.bytes.put_slice(b"\r\n");
    }

    /// Appends a field whose value is formatted straight into the head.
    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        self.bytes.put_slice(name.as_str().as_bytes());
        self.bytes.put_slice(b": ");
        // A write to memory cannot fail.
        let _ = self.bytes.write_fmt(value);
        self.bytes.put_slice(b"\r\n");
    }
}

/// Whether the connection must close after the response.
pub(super) fn closes_connection(response: &Response<()>) -> bool {
    response.head().connection_type() == ConnectionType::Close
}

/// Encodes a chunk (RFC 9112 section 7.1).
pub(super) fn chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = BytesMut::with_capacity(bytes.len() + 20);
    let _ = write!(chunk, "{:x}\r\n", bytes.len());
    chunk.put_slice(bytes);
    chunk.put_slice(b"\r\n");
    chunk.freeze()
}

/// The chunk that ends the content.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
