//! A TCP connection with a send timeout.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf},
    net::TcpStream,
};

use super::{notsent_limit::NotSentLimit, timer::Timer};
use crate::sys::net;

/// The least number of bytes that a stalled client must accept within the send timeout to keep its
/// connection: a player that resumes accepts this at once. A client that accepts a byte now and then could
/// otherwise hold a connection for ever (slow read, CWE-400).
const PROGRESS_BYTES: usize = 4096;

/// After a partial write the socket is assumed to be full for this long, then tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A socket that fails when the client accepts too little for too long.
pub struct Socket {
    stream: TcpStream,
    timer: Timer,
    send_timeout: Duration,
    notsent_limit: NotSentLimit,
    /// Bytes that the client has accepted since it stalled; `None` while it does not stall.
    accepted: Option<usize>,
    /// Whether the last write was partial.
    seems_full: bool,
    /// Whether the timer is set to retry a socket that seems full.
    is_retry_due: bool,
    /// Whether the connection has sent as much as its first turn allows.
    pub(super) has_had_a_turn: bool,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        timer: Timer,
        send_timeout: Duration,
        notsent_limit: NotSentLimit,
    ) -> Self {
        let (accepted, seems_full, is_retry_due) = (None, false, false);
        Self {
            stream,
            timer,
            send_timeout,
            notsent_limit,
            accepted,
            seems_full,
            is_retry_due,
            has_had_a_turn: false,
        }
    }

    /// The connection's timer, for timeouts of reads. The socket uses it during writes.
    pub(super) fn timer(&self) -> &Timer {
        &self.timer
    }

    /// Reads bytes that have arrived. Ready with 0 bytes: the client will send no more.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Calls `write`, which writes `wanted` bytes without blocking, once the socket accepts some.
    ///
    /// A partial write has filled the socket, and is not repeated to confirm that: a sendfile in vain looks
    /// up pages first, and costs as much as one that sends some.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut write: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut written = None;
            let result = self.stream.try_io(Interest::WRITABLE, || {
                let bytes = *written.insert(write(self.stream.as_fd())?);
                if bytes < wanted { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) => {}
            }
            if let Some(bytes) = written {
                self.seems_full = bytes < wanted;
                if self.seems_full {
                    let limit = self.notsent_limit.adapt(Instant::now());
                    self.set_notsent_lowat(limit);
                }
                return Poll::Ready(Ok(self.record(bytes)));
            }
            if self.stream.poll_write_ready(cx)?.is_pending() {
                ready!(self.poll_stall(cx))?;
                // Retries the write, because the socket may only seem full.
                match write(self.stream.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written.map(|bytes| self.record(bytes))),
                }
            }
        }
    }

    fn record(&mut self, written: usize) -> usize {
        self.notsent_limit.record(written);
        if let Some(accepted) = &mut self.accepted {
            *accepted += written;
            if *accepted >= PROGRESS_BYTES {
                self.end_stall();
            }
        }
        written
    }

    /// Writes bytes from memory.
    pub(super) fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, bytes.len(), |fd| net::send(fd, bytes, more))
    }

    /// Stops the send timeout: the client made progress, or nothing is left to send.
    pub(super) fn end_stall(&mut self) {
        if self.accepted.take().is_some() {
            self.timer.clear();
        }
    }

    /// Waits while the client accepts nothing. Ready when the write should be retried, and with an error
    /// after the send timeout.
    fn poll_stall(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.accepted.is_none() {
            self.accepted = Some(0);
            // A partial write may have another cause than a full socket, such as an unreadable page. Then no
            // event would ever announce that the socket is writable.
            self.is_retry_due = self.seems_full;
            self.timer.set(if self.is_retry_due { RETRY_INTERVAL } else { self.send_timeout });
        }
        ready!(self.timer.poll(cx));
        if std::mem::take(&mut self.is_retry_due) {
            self.timer.set(self.send_timeout);
            let limit = self.notsent_limit.reset();
            self.set_notsent_lowat(limit);
            return Poll::Ready(Ok(()));
        }
        tracing::debug!("send timeout: the client accepts too little; connection closed");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn set_notsent_lowat(&self, limit: Option<u32>) {
        if let Some(limit) = limit {
            // If the call fails, the previous limit stays.
            let _ = net::set_notsent_lowat(&self.stream, limit);
        }
    }

    /// Holds back partial packets, or releases them (`TCP_CORK`).
    pub(super) fn set_cork(&self, is_corked: bool) {
        // If the call fails, more packets than necessary are sent.
        let _ = net::set_cork(&self.stream, is_corked);
    }

    /// Closes the sending side (FIN).
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Makes the close of this socket a reset (RST), which discards unsent bytes and shows the client that
    /// its response is incomplete.
    pub(super) fn reset_on_close(&self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
