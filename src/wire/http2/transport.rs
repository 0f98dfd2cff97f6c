//! The TCP connection for actix's dispatcher.

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
    monitor::{DrainSignal, StreamMonitor},
    stall::StallTimer,
};

/// A TCP connection that fails when its client, or all of its streams, stall for too long.
pub(super) struct Transport {
    stream: TcpStream,
    connection: Rc<Connection>,
    stall: StallTimer,
    monitor: StreamMonitor,
}

impl Transport {
    pub(super) fn new(
        stream: TcpStream,
        connection: Rc<Connection>,
        send_timeout: Duration,
        drain: DrainSignal,
    ) -> Self {
        Self {
            stream,
            connection,
            stall: StallTimer::new(send_timeout),
            monitor: StreamMonitor::new(drain, send_timeout),
        }
    }

    /// The state that this transport shares with its requests.
    pub(super) fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.monitor.set_unflushed();
        if let Poll::Ready(Ok(bytes)) = &written {
            self.connection.record_written(*bytes as u64);
        }
        self.stall.watch_write(cx, written)
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.monitor.poll_read(cx, &mut this.stream, &this.connection, into)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.monitor.set_flushed() || self.connection.has_waiting_bodies() {
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
