//! Bodies: extents, which each connection sends in its own way, and whatever else an answer has.
//!
//! Over a plain HTTP/1 connection extents go from the page cache (`send`). Everywhere else, and for
//! files whose pages must not be referred to, the same extents are read in pieces from a bounded pool
//! of buffers: that is [`ExtentBody`].

use std::{
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};

use super::connection::Protocol;
use crate::extent::{Extent, Extents, ReadError, disk::PIECE_BYTES};

/// Takes down what became of an answer, until it is dropped with it.
pub trait ResponseObserver: Unpin + 'static {
    /// So many more bytes of the body were handed to the connection.
    fn sent(&mut self, bytes: u64);

    /// So many of them were read and copied, instead of going straight from the page cache.
    fn copied(&mut self, bytes: u64);

    /// The body ends early, and not by the client's doing.
    fn cut(&mut self, error: &(dyn std::error::Error + 'static));
}

/// An answer's body on its way out of the routes.
pub struct Body<T> {
    /// What is to be sent.
    pub content: Sendable,
    /// Takes it down.
    pub tally: T,
}

/// What is to be sent.
pub enum Sendable {
    /// Extents, in whichever way suits the connection.
    Extents(Extents),
    /// Bytes as somebody else makes them.
    Other(BoxBody),
}

impl Sendable {
    /// The extents that a body offered, if it still is the body of its answer, else the body.
    pub fn of(offer: Option<DirectBody>, body: BoxBody) -> Self {
        match offer {
            Some(offer) if offer.stands(&body) => Self::Extents(offer.extents),
            _ => Self::Other(body),
        }
    }
}

/// What a body offers to be sent in its place; it travels beside it, in the answer's extensions.
#[derive(Clone)]
pub struct DirectBody {
    extents: Extents,
    body: Weak<()>,
}

impl DirectBody {
    /// Whoever takes a body into another one (a coding, a buffer) drops it, or has it report another
    /// size: what it offered is then not what is to be sent.
    fn stands(&self, body: &BoxBody) -> bool {
        let is_there = self.body.strong_count() > 0;
        is_there && body.size() == BodySize::Sized(self.extents.len())
    }
}

/// A body of extents: its length is known, and it is sent exactly or cut, never padded.
///
/// It reads when it is polled and not before, and is polled only when the connection has taken what
/// came before: a viewer who pauses costs no read and no buffer.
pub struct ExtentBody {
    /// What has not been begun, last first.
    waiting: Vec<Extent>,
    current: Option<Extent>,
    reading: Option<BoxFuture<'static, Result<Bytes, ReadError>>>,
    length: u64,
    handling: Handling,
    /// Tells what was offered that this body is still there.
    _presence: Option<Rc<()>>,
}

/// How pieces are handed to whoever sends them.
#[derive(Clone, Copy, Debug)]
pub struct Handling {
    /// The largest piece, in bytes.
    pub piece: u64,
    /// Whether a piece is kept while its client is waited for, which must not pin a pooled buffer.
    /// HTTP/1's `send` takes care of that itself, when it has to wait; HTTP/2's dispatcher keeps each
    /// piece until the peer's window opens.
    is_kept: bool,
}

impl Handling {
    /// What suits this protocol.
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self { piece: PIECE_BYTES as u64, is_kept: false },
            // As large as the largest frame that a peer must take (RFC 9113 section 4.2).
            Protocol::Http2 => Self { piece: 16 * 1024, is_kept: true },
        }
    }

    /// The piece as it may leave: its buffer goes home at once, or with the poll that returns it.
    fn hand_over(self, piece: Bytes) -> Bytes {
        if self.is_kept { Bytes::copy_from_slice(&piece) } else { piece }
    }
}

impl ExtentBody {
    /// A body that sends these extents over a connection of this protocol.
    pub fn new(extents: Extents, protocol: Protocol) -> Self {
        let length = extents.len();
        let waiting = extents.into_extents().rev().collect();
        Self {
            waiting,
            current: None,
            reading: None,
            length,
            handling: Handling::of(protocol),
            _presence: None,
        }
    }

    /// A body that sends these extents, and what it offers instead.
    pub fn offering(extents: Extents, protocol: Protocol) -> (Self, DirectBody) {
        let presence = Rc::new(());
        let offer = DirectBody { extents: extents.clone(), body: Rc::downgrade(&presence) };
        (Self { _presence: Some(presence), ..Self::new(extents, protocol) }, offer)
    }

    /// Takes a piece off the front of the current extent, or says that it is still being read.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReadError>> {
        let current = self.current.as_mut().expect("an extent is being sent");
        let (source, range) = match current {
            Extent::Memory(bytes) => {
                let piece = usize::try_from(self.handling.piece).unwrap_or(usize::MAX);
                return Poll::Ready(Ok(bytes.split_to(piece.min(bytes.len()))));
            }
            Extent::Source { source, range } => (source, range),
        };
        let wanted = range.start..range.end.min(range.start.saturating_add(self.handling.piece));
        let most = wanted.end - wanted.start;
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
        if length == 0 || length > most {
            // A source that breaks its contract this way is as good as gone.
            return Poll::Ready(Err(ReadError::Truncated));
        }
        range.start += length;
        Poll::Ready(Ok(self.handling.hand_over(piece)))
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
            this.current = this.waiting.pop();
        }
        if this.current.is_none() {
            return Poll::Ready(None);
        }
        this.poll_piece(cx).map(Some)
    }
}

/// No body, but the length that one would have: what HEAD gets.
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
