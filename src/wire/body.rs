//! Response bodies: extents, or a stream of bytes.
//!
//! A connection sends extents from the page cache (`send` over HTTP/1, `http2::output` over HTTP/2). For files
//! that must not be sent by reference, and for middleware, [`ExtentBody`] reads the same extents into buffers
//! of a bounded pool.

use std::{
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};

use super::connection::Protocol;
use crate::{
    extent::{Extent, Extents, ReadError, disk::BUFFER_BYTES},
    telemetry::SentBy,
};

/// Observes the sending of a response. Dropped when the response ends.
pub trait ResponseObserver: Unpin + 'static {
    /// Called when the connection has accepted more bytes of the body, with the way of sending.
    fn sent(&mut self, bytes: u64, by: SentBy);

    /// Called when the server cuts the body short.
    fn cut(&mut self, error: &(dyn std::error::Error + 'static));
}

/// A response body, as the routes hand it to the connection.
pub struct Body<T> {
    /// The bytes.
    pub content: BodyContent,
    /// Observes the sending.
    pub observer: T,
}

/// The bytes of a response body.
pub enum BodyContent {
    /// Extents, from the page cache or copied.
    Extents(Extents),
    /// Bytes that actix's body type yields.
    Stream(BoxBody),
}

impl BodyContent {
    /// The extents behind a response's body if the body is still current, else the body itself.
    pub fn new(direct: Option<DirectBody>, body: BoxBody) -> Self {
        match direct {
            Some(direct) if direct.is_current(&body) => Self::Extents(direct.extents),
            _ => Self::Stream(body),
        }
    }

    /// What the body holds in memory, in bytes. A streamed body of known length is in memory.
    pub fn bytes_in_memory(&self) -> u64 {
        match self {
            Self::Extents(extents) => extents.bytes_in_memory() as u64,
            Self::Stream(body) => match body.size() {
                BodySize::Sized(length) => length,
                BodySize::None | BodySize::Stream => 0,
            },
        }
    }
}

/// The extents of a body, to be sent in its place. The response's extensions carry it.
#[derive(Clone)]
pub struct DirectBody {
    extents: Extents,
    body: Weak<()>,
}

impl DirectBody {
    /// Whether the extents are still the content of the response. A middleware that replaces the body (a
    /// content coding, a buffer) drops it, or reports another size.
    fn is_current(&self, body: &BoxBody) -> bool {
        let is_alive = self.body.strong_count() > 0;
        is_alive && body.size() == BodySize::Sized(self.extents.len())
    }
}

/// A body of extents: its length is known, and it is sent exactly or cut short, never padded.
///
/// The body reads only when it is polled, and the connection polls it only after it has taken the previous
/// piece: a paused viewer costs no read and no buffer.
pub struct ExtentBody {
    /// The remaining extents, last first.
    remaining: Vec<Extent>,
    current: Option<Extent>,
    reading: Option<BoxFuture<'static, Result<Bytes, ReadError>>>,
    length: u64,
    pieces: PiecePolicy,
    /// Alive as long as this body, for its [`DirectBody`].
    _alive: Option<Rc<()>>,
}

/// The size of pieces, and the lifetime of their buffers.
#[derive(Clone, Copy, Debug)]
pub struct PiecePolicy {
    /// The largest piece, in bytes.
    pub max_bytes: u64,
    /// Whether the connection keeps a piece while it waits for its client: such a piece must not hold a
    /// buffer of the pool. HTTP/1's `send` copies a piece only when it has to wait; an HTTP/2 connection
    /// keeps each piece until the peer's window opens.
    is_kept: bool,
}

impl PiecePolicy {
    /// The policy for a protocol.
    pub fn for_protocol(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self { max_bytes: BUFFER_BYTES as u64, is_kept: false },
            // The largest frame that every peer must accept (RFC 9113 section 4.2).
            Protocol::Http2 => Self { max_bytes: 16 * 1024, is_kept: true },
        }
    }

    /// Copies the piece and releases its buffer, if the connection would keep it.
    fn detach(self, piece: Bytes) -> Bytes {
        if self.is_kept { Bytes::copy_from_slice(&piece) } else { piece }
    }
}

impl ExtentBody {
    /// A body that sends these extents over a connection of this protocol.
    pub fn new(extents: Extents, protocol: Protocol) -> Self {
        let length = extents.len();
        let remaining = extents.into_extents().rev().collect();
        Self {
            remaining,
            current: None,
            reading: None,
            length,
            pieces: PiecePolicy::for_protocol(protocol),
            _alive: None,
        }
    }

    /// A body that sends these extents, and the extents for a connection that sends them directly.
    pub fn with_direct(extents: Extents, protocol: Protocol) -> (Self, DirectBody) {
        let alive = Rc::new(());
        let direct = DirectBody { extents: extents.clone(), body: Rc::downgrade(&alive) };
        (Self { _alive: Some(alive), ..Self::new(extents, protocol) }, direct)
    }

    /// Reads the next piece of the current extent.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReadError>> {
        let current = self.current.as_mut().expect("an extent is being sent");
        let (source, range) = match current {
            Extent::Memory(bytes) => {
                let max = usize::try_from(self.pieces.max_bytes).unwrap_or(usize::MAX);
                return Poll::Ready(Ok(bytes.split_to(max.min(bytes.len()))));
            }
            Extent::Source { source, range } => (source, range),
        };
        let wanted = range.start..range.end.min(range.start.saturating_add(self.pieces.max_bytes));
        let max = wanted.end - wanted.start;
        let read = if let Some(reading) = &mut self.reading {
            futures::ready!(reading.poll_unpin(cx))
        } else {
            match source.read_now(wanted.clone()).transpose() {
                Some(read) => read,
                None => {
                    self.reading = Some(source.clone().read(wanted));
                    return self.poll_piece(cx);
                }
            }
        };
        self.reading = None;
        let piece = read?;
        let length = piece.len() as u64;
        if length == 0 || length > max {
            // The source breaks its contract.
            return Poll::Ready(Err(ReadError::Truncated));
        }
        range.start += length;
        Poll::Ready(Ok(self.pieces.detach(piece)))
    }
}

impl MessageBody for ExtentBody {
    type Error = ReadError;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ReadError>>> {
        let this = &mut *self;
        if this.current.as_ref().is_none_or(Extent::is_empty) {
            this.current = this.remaining.pop();
        }
        if this.current.is_none() {
            return Poll::Ready(None);
        }
        this.poll_piece(cx).map(Some)
    }
}

/// The body of a response to HEAD: a length and no bytes.
#[derive(Debug)]
pub struct HeadBody(pub u64);

impl MessageBody for HeadBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}
