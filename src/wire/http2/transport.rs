//! The byte stream of a connection, as h2 sees it.

use std::{
    cell::{RefCell, RefMut},
    io::{self, IoSlice},
    mem,
    os::fd::AsFd as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::{UNSENT_BYTES_MAX, input::Input, output::Output};
use crate::{sys::net, wire::io_thread::IoThread};

/// A connection's bytes: of a TCP connection, and later of TLS over one.
pub(in crate::wire) trait ByteStream: AsyncRead + AsyncWrite + Unpin {
    /// Waits until a write would accept bytes. It may also be ready when none would be accepted.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl ByteStream for TcpStream {
    /// Asks the kernel: what a full socket does not accept would have been read in vain, and would wait in
    /// memory.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_room = || match net::has_room(self.as_fd())? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        loop {
            match self.try_io(Interest::WRITABLE, has_room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_write_ready(cx))?;
                }
                asked => return Poll::Ready(asked),
            }
        }
    }
}

/// A byte stream that limits what is read, and gathers what is written until [`poll_send`](Self::poll_send).
/// Clones share the stream: h2 owns one, and the connection another.
pub(super) struct Transport<IO>(Rc<Shared<IO>>);

struct Shared<IO> {
    stream: RefCell<IO>,
    /// Bytes that were received before this transport existed, and are read first.
    received: RefCell<BytesMut>,
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
    pub(super) fn new(stream: IO, received: BytesMut, io_thread: &Rc<IoThread>) -> Self {
        Self(Rc::new(Shared {
            stream: RefCell::new(stream),
            received: RefCell::new(received),
            input: RefCell::new(Input::new(io_thread.now())),
            output: RefCell::default(),
            io_thread: Rc::clone(io_thread),
        }))
    }

    /// What the client may send.
    pub(super) fn input(&self) -> RefMut<'_, Input> {
        self.0.input.borrow_mut()
    }

    /// Notes a piece of a body that h2 gets, so that it is not copied when h2 writes it.
    pub(super) fn expect(&self, piece: &Bytes) {
        self.0.output.borrow_mut().expect(piece);
    }

    /// The number of written bytes that the socket has not taken.
    pub(super) fn unsent(&self) -> usize {
        self.0.output.borrow().len()
    }

    /// Sends what was written. Ready when the socket has taken the last byte.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut output = self.0.output.borrow_mut();
        if output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        output.poll_send(cx, Pin::new(&mut *self.0.stream.borrow_mut()))
    }

    /// Waits until the socket accepts more.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.borrow().poll_room(cx)
    }

    /// Ends a turn of the event loop.
    pub(super) fn end_turn(&self) {
        self.0.output.borrow_mut().end_turn();
    }

    /// Reads and discards what the client still sends. Ready at the end of the stream.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = self.0.io_thread.scratch.borrow_mut();
        while self.input().may_read() {
            let mut into = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *self.0.stream.borrow_mut()).poll_read(cx, &mut into))?;
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
        let mut input = self.input();
        if input.is_exceeded() {
            // The connection ends.
            return Poll::Pending;
        }
        if !input.may_read() {
            // Other connections have their turn.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        let mut first = received.borrow_mut();
        if first.is_empty() {
            ready!(Pin::new(&mut *stream.borrow_mut()).poll_read(cx, into))?;
        } else {
            let length = first.len().min(into.remaining());
            into.put_slice(&first[..length]);
            first.advance(length);
            if first.is_empty() {
                drop(mem::take(&mut *first));
            }
        }
        input.record(&into.filled()[before..], io_thread.now());
        Poll::Ready(Ok(()))
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
        slices.iter().for_each(|slice| output.push(slice));
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
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(cx)
    }
}
