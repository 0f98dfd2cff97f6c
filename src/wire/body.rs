//! Extents as the pieces that a dispatcher sends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};

use super::connection::Protocol;
use crate::extent::{Extent, Extents, ReadError, disk::PIECE_BYTES};

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
}

/// How pieces are handed to a dispatcher.
#[derive(Clone, Copy, Debug)]
pub struct Handling {
    /// The largest piece, in bytes.
    pub piece: u64,
    /// Whether a piece may outlive the poll that returned it. HTTP/1's dispatcher copies at once;
    /// HTTP/2's keeps a piece until the peer's window opens, which must not pin a pooled buffer.
    is_kept: bool,
}

impl Handling {
    /// What suits the dispatcher of this protocol.
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self { piece: PIECE_BYTES as u64, is_kept: false },
            // As large as the largest frame that a peer must take (RFC 9113 section 4.2).
            Protocol::Http2 => Self { piece: 16 * 1024, is_kept: true },
        }
    }

    /// The piece as it may leave: its buffer goes home at once, or with the poll that returns it.
    pub fn hand_over(self, piece: Bytes) -> Bytes {
        if self.is_kept { Bytes::copy_from_slice(&piece) } else { piece }
    }
}

impl ExtentBody {
    /// A body that sends these extents over a connection of this protocol.
    pub fn new(extents: Extents, protocol: Protocol) -> Self {
        let length = extents.len();
        let waiting = extents.into_extents().rev().collect();
        Self { waiting, current: None, reading: None, length, handling: Handling::of(protocol) }
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
