//! The head of an answer, as bytes.

use std::fmt::{self, Write as _};

use actix_http::{ConnectionType, Response};
use actix_web::http::{
    StatusCode,
    header::{CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING},
};
use bytes::{BufMut as _, Bytes, BytesMut};

use crate::wire::worker::Worker;

/// A head that is being written: status line, fields, and what only the connection knows.
#[derive(Debug)]
pub struct AnswerHead<'a> {
    bytes: &'a mut BytesMut,
    is_1_1: bool,
}

/// How the end of an answer's content is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// There is no content, nor any length of one that is not sent.
    None,
    /// So many bytes.
    Sized(u64),
    /// In chunks, the last of which is empty.
    Chunked,
    /// All until the connection ends.
    UntilClose,
}

impl<'a> AnswerHead<'a> {
    pub(super) fn new(bytes: &'a mut BytesMut, is_1_1: bool) -> Self {
        bytes.clear();
        bytes.reserve(1024);
        Self { bytes, is_1_1 }
    }

    /// Begins the head. In the version of the request: a client of HTTP/1.0 may not know the other.
    pub fn status(&mut self, status: StatusCode) {
        self.bytes.put_slice(if self.is_1_1 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
        self.bytes.put_slice(status.as_str().as_bytes());
        self.bytes.put_slice(b" ");
        self.bytes.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        self.bytes.put_slice(b"\r\n");
    }

    /// Appends a field.
    pub fn put(&mut self, name: &HeaderName, value: &[u8]) {
        self.bytes.put_slice(name.as_str().as_bytes());
        self.bytes.put_slice(b": ");
        self.bytes.put_slice(value);
        self.bytes.put_slice(b"\r\n");
    }

    /// Appends a field whose value is written straight into the head.
    pub fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        self.bytes.put_slice(name.as_str().as_bytes());
        self.bytes.put_slice(b": ");
        // Memory does not refuse to be written to.
        let _ = self.bytes.write_fmt(value);
        self.bytes.put_slice(b"\r\n");
    }

    /// Appends what the connection has to say, and returns the whole head.
    pub(super) fn finish(mut self, worker: &Worker, framing: Framing, persists: bool) -> Bytes {
        match framing {
            Framing::Sized(length) => self.put_text(&CONTENT_LENGTH, format_args!("{length}")),
            Framing::Chunked => self.put(&TRANSFER_ENCODING, b"chunked"),
            Framing::None | Framing::UntilClose => {}
        }
        match (persists, self.is_1_1) {
            (false, _) => self.bytes.put_slice(b"connection: close\r\n"),
            (true, false) => self.bytes.put_slice(b"connection: keep-alive\r\n"),
            (true, true) => {}
        }
        self.bytes.put_slice(b"date: ");
        worker.put_date(self.bytes);
        self.bytes.put_slice(b"\r\n\r\n");
        self.bytes.split().freeze()
    }

    /// Writes the head of an answer that a route has made.
    pub(super) fn copy(&mut self, response: &Response<()>) {
        self.status(response.status());
        let is_ours = |name: &HeaderName| name == CONTENT_LENGTH || name == DATE;
        for (name, value) in response.headers().iter().filter(|(name, _)| !is_ours(name)) {
            self.put(name, value.as_bytes());
        }
    }
}

/// Whether the answer itself says that the connection ends with it.
pub(super) fn is_last(response: &Response<()>) -> bool {
    response.head().connection_type() == ConnectionType::Close
}

/// Puts a piece into a chunk (RFC 9112 section 7.1).
pub(super) fn chunk(piece: &[u8]) -> Bytes {
    let mut chunk = BytesMut::with_capacity(piece.len() + 20);
    let _ = write!(chunk, "{:x}\r\n", piece.len());
    chunk.put_slice(piece);
    chunk.put_slice(b"\r\n");
    chunk.freeze()
}

/// The chunk that ends a content.
pub(super) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
