//! Frames on their way to the socket, gathered for one write.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// From this length on, in bytes, a part of a piece is kept by reference.
const REFERENCE_MIN_BYTES: usize = 1024;

/// The first allocation for copied bytes: the heads of a few responses, and of their frames.
const TAIL_BYTES: usize = 2048;

/// The most slices of one write.
const SLICES_MAX: usize = 64;

/// Bytes that h2 has written, and the socket has not taken yet.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// The pieces of bodies that h2 got in this turn. h2 writes them as plain slices; here they become
    /// references again, so that no body is copied once more.
    pieces: Vec<Bytes>,
    queue: VecDeque<Bytes>,
    /// Copied bytes behind the queue.
    tail: BytesMut,
    /// The length of queue and tail.
    length: usize,
}

impl Output {
    /// The number of bytes that wait for the socket.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Whether no bytes wait for the socket.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Notes a piece of a body that h2 will write.
    pub(super) fn expect(&mut self, piece: &Bytes) {
        self.pieces.push(piece.clone());
    }

    /// Appends bytes that h2 writes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        let is_long = bytes.len() >= REFERENCE_MIN_BYTES;
        match self.pieces.iter().find(|piece| is_long && is_part(piece, bytes)) {
            Some(piece) => {
                let part = piece.slice_ref(bytes);
                self.queue_tail();
                self.queue.push_back(part);
            }
            None => {
                if self.tail.capacity() == 0 {
                    self.tail.reserve(TAIL_BYTES);
                }
                self.tail.extend_from_slice(bytes);
            }
        }
    }

    fn queue_tail(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push_back(self.tail.split().freeze());
        }
    }

    /// Sends all bytes. Ready when the socket has taken the last one.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        mut socket: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        self.queue_tail();
        while self.length > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slice, bytes) in slices.iter_mut().zip(&self.queue) {
                *slice = IoSlice::new(bytes);
                count += 1;
            }
            let written = ready!(socket.as_mut().poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        // The same buffers, which are in the processor's cache, are used again.
        self.pieces.clear();
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut written: usize) {
        self.length -= written;
        while written > 0 {
            let first = self.queue.front_mut().expect("no more is written than there is");
            let length = written.min(first.len());
            first.advance(length);
            written -= length;
            if first.is_empty() {
                self.queue.pop_front();
            }
        }
    }

    /// Ends a turn: releases the pieces, and copies what is left of them, because a buffer of the pool must
    /// not wait for a client.
    pub(super) fn end_turn(&mut self) {
        let pieces = mem::take(&mut self.pieces);
        if self.length == 0 {
            // An idle connection keeps no memory.
            (self.queue, self.tail) = (VecDeque::new(), BytesMut::new());
        } else if !pieces.is_empty() {
            let mut copy = BytesMut::with_capacity(self.length);
            self.queue.drain(..).for_each(|bytes| copy.extend_from_slice(&bytes));
            copy.extend_from_slice(&self.tail);
            self.tail = BytesMut::new();
            self.queue = VecDeque::from([copy.freeze()]);
        }
    }
}

/// Whether these bytes are in the memory of a piece.
fn is_part(piece: &Bytes, bytes: &[u8]) -> bool {
    let (whole, part) = (piece.as_ptr_range(), bytes.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and then no more.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let length = bytes.len().min(self.room).min(700);
            if length == 0 {
                return Poll::Pending;
            }
            self.room -= length;
            self.taken.extend_from_slice(&bytes[..length]);
            Poll::Ready(Ok(length))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn frames_leave_in_order_and_wait_as_copies() {
        let piece = Bytes::from((0..6000_u32).map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>());
        let mut output = Output::default();
        output.expect(&piece);
        let (mut expected, mut cx) = (Vec::new(), Context::from_waker(std::task::Waker::noop()));
        for part in [&b"head"[..], &piece[..3000], b"next head", &piece[3000..6000], b"end"] {
            output.push(part);
            expected.extend_from_slice(part);
        }
        assert_eq!(output.len(), expected.len());
        let mut socket = Narrow { taken: Vec::new(), room: 2000 };
        assert!(output.poll_send(&mut cx, Pin::new(&mut socket)).is_pending());
        output.end_turn();
        assert!(piece.is_unique(), "the piece is not held while the client does not read");
        socket.room = usize::MAX;
        assert!(output.poll_send(&mut cx, Pin::new(&mut socket)).is_ready());
        assert_eq!(socket.taken, expected);
        assert!(output.is_empty());
    }
}
