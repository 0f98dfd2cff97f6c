//! A connection as actix's dispatcher sees it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    connection::Connection,
    stall::StallTimer,
    streams::{Draining, Streams},
};
use crate::wire::admission::Admitted;

/// A TCP connection that gives up on a client that has taken nothing for too long, or whose streams
/// do not move.
pub(super) struct Transport {
    stream: TcpStream,
    connection: Rc<Connection>,
    stall: StallTimer,
    streams: Streams,
    _admitted: Admitted,
}

impl Transport {
    pub(super) fn new(
        stream: TcpStream,
        connection: Rc<Connection>,
        stall_limit: Duration,
        drain: Draining,
        admitted: Admitted,
    ) -> Self {
        let (stall, streams) = (StallTimer::new(stall_limit), Streams::new(drain, stall_limit));
        Self { stream, connection, stall, streams, _admitted: admitted }
    }

    /// The connection that requests know this transport by.
    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.streams.keeps_back();
        if let Poll::Ready(Ok(written)) = &written {
            self.connection.sent(*written as u64);
        }
        self.stall.watch(cx, written)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.streams.poll_read(cx, &mut this.stream, &this.connection, into)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.streams.flushed() || self.connection.has_waiting() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.connection.client().set_gone();
    }
}
