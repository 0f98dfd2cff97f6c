//! The byte stream of a connection, as h2 sees it.

use std::{
    cell::{RefCell, RefMut},
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    UNSENT_BYTES_MAX, byte_stream::ByteStream, input::Input, output::Output, piece::Piece,
    placeholder::Placeholder, received::Received,
};
use crate::{
    extent::{File, ReadError},
    wire::io_thread::IoThread,
};

/// A byte stream that limits what is read, and gathers what is written until [`poll_send`](Self::poll_send).
/// Clones share the stream: h2 owns one, and the connection another.
pub(super) struct Transport<IO>(Rc<Shared<IO>>);

struct Shared<IO> {
    stream: RefCell<IO>,
    /// Bytes that h2 has not read yet.
    received: RefCell<Received>,
    input: RefCell<Input>,
    output: RefCell<Output>,
    io_thread: Rc<IoThread>,
}

impl<IO> Clone for Transport<IO> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<IO: ByteStream> Transport<IO> {
    /// `received`: what was received before, which is read first.
    pub(super) fn new(stream: IO, received: &[u8], io_thread: &Rc<IoThread>) -> Self {
        let mut input = Input::new(io_thread.now());
        input.record(received, io_thread.now());
        let mut waiting = Received::default();
        waiting.add(received, input.incomplete_bytes());
        Self(Rc::new(Shared {
            stream: RefCell::new(stream),
            received: RefCell::new(waiting),
            input: RefCell::new(input),
            output: RefCell::default(),
            io_thread: Rc::clone(io_thread),
        }))
    }

    /// What the client may send.
    pub(super) fn input(&self) -> RefMut<'_, Input> {
        self.0.input.borrow_mut()
    }

    /// Takes a piece of the body of a stream. Returns what h2 gets in its place.
    pub(super) fn expect(&self, stream: u32, piece: Piece) -> Placeholder {
        self.0.output.borrow_mut().expect(stream, piece)
    }

    /// Whether the kernel can send this range of a file now.
    pub(super) fn sends_file(&self, file: &File, range: &Range<u64>) -> bool {
        let Shared { stream, io_thread, .. } = &*self.0;
        stream.borrow_mut().sends_file(file)
            && io_thread.page_cache.is_cached(file, range, io_thread.now())
    }

    /// Whether the connection was aborted, because a writer waited for a file that is being sent.
    pub(super) fn is_aborted(&self) -> bool {
        self.0.stream.borrow().is_aborted()
    }

    /// The number of written bytes that the socket has not taken.
    pub(super) fn unsent(&self) -> usize {
        self.0.output.borrow().len()
    }

    /// Whether a piece of a body was read in this turn.
    pub(super) fn has_new_memory(&self) -> bool {
        self.0.output.borrow().has_new_memory()
    }

    /// Sends what was written. Ready when the socket has taken the last byte.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut output = self.0.output.borrow_mut();
        if output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let Shared { stream, io_thread, .. } = &*self.0;
        output.poll_send(cx, &mut *stream.borrow_mut(), |file, range| {
            io_thread.page_cache.is_cached(file, range, io_thread.now())
        })
    }

    /// Takes the reason if bytes that were passed on could not be read.
    pub(super) fn take_failure(&self) -> Option<ReadError> {
        self.0.output.borrow_mut().take_failure()
    }

    /// Waits until the socket accepts more.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.borrow().poll_room(cx)
    }

    /// Ends a turn of the event loop.
    pub(super) fn end_turn(&self) {
        self.0.output.borrow_mut().end_turn(&*self.0.stream.borrow());
    }

    /// Reads and discards what the client still sends. Ready at the end of the stream.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = self.0.io_thread.scratch.borrow_mut();
        while self.input().may_read() {
            let mut into = ReadBuf::new(&mut scratch);
            ready!(self.0.stream.borrow_mut().poll_read(cx, &mut into))?;
            self.input().record(into.filled(), self.0.io_thread.now());
            if into.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<IO: ByteStream> AsyncRead for Transport<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Shared { stream, received, io_thread, .. } = &*self.0;
        let (mut input, mut received) = (self.input(), received.borrow_mut());
        loop {
            if input.is_exceeded() {
                // The connection ends.
                return Poll::Pending;
            }
            if received.is_ready() {
                received.take(into);
                return Poll::Ready(Ok(()));
            }
            if !input.may_read() {
                // Other connections have their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if received.holds_frame() {
                let mut scratch = io_thread.scratch.borrow_mut();
                let mut more = ReadBuf::new(&mut scratch);
                ready!(stream.borrow_mut().poll_read(cx, &mut more))?;
                input.record(more.filled(), io_thread.now());
                if more.filled().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                received.add(more.filled(), input.incomplete_bytes());
                continue;
            }
            let before = into.filled().len();
            ready!(stream.borrow_mut().poll_read(cx, into))?;
            input.record(&into.filled()[before..], io_thread.now());
            let incomplete = input.incomplete_bytes();
            let complete = into.filled().len().saturating_sub(incomplete).max(before);
            if incomplete > 0 {
                received.add(&into.filled()[complete..], incomplete);
                into.set_filled(complete);
            }
            if complete > before || incomplete == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: ByteStream> AsyncWrite for Transport<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// Takes all bytes, unless so many wait for the socket that h2 must wait too.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.unsent() >= UNSENT_BYTES_MAX {
            ready!(self.poll_send(cx))?;
        }
        let mut output = self.0.output.borrow_mut();
        slices.iter().try_for_each(|slice| output.push(slice))?;
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: h2 flushes after each frame, and the connection sends at the end of its turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.0.stream.borrow_mut().poll_shutdown(cx)
    }
}
