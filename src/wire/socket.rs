//! A TCP connection with a send timeout.

use std::{
    io,
    net::Shutdown,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

use super::{notsent_limit::NotSentLimit, timer::Timer};
use crate::{extent::disk::PageReferences, sys::net};

/// The least number of bytes that a stalled client must accept within the send timeout to keep its
/// connection: a player that resumes accepts this at once. A client that accepts a byte now and then could
/// otherwise hold a connection for ever (slow read, CWE-400).
const PROGRESS_BYTES: usize = 4096;

/// After a partial write the socket is assumed to be full for this long, then tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A socket that fails when the client accepts too little for too long.
pub struct Socket {
    /// Shared with `page_references`.
    stream: Arc<TcpStream>,
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
    /// The files to whose pages the socket may refer, from the first send from a file on.
    page_references: Option<Arc<PageReferences>>,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        timer: Timer,
        send_timeout: Duration,
        notsent_limit: NotSentLimit,
    ) -> Self {
        Self {
            stream: Arc::new(stream),
            timer,
            send_timeout,
            notsent_limit,
            accepted: None,
            seems_full: false,
            is_retry_due: false,
            has_had_a_turn: false,
            page_references: None,
        }
    }

    /// The socket's references to pages of files. Each send from a file goes through them.
    pub(super) fn page_references(&mut self) -> Arc<PageReferences> {
        let new = || PageReferences::new(Arc::clone(&self.stream) as _);
        Arc::clone(self.page_references.get_or_insert_with(new))
    }

    /// Whether the connection was aborted, because a writer waited for a file that is being sent.
    pub(super) fn is_aborted(&self) -> bool {
        self.page_references.as_ref().is_some_and(|references| references.is_aborted())
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
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let mut read = None;
            let result = self.stream.try_io(Interest::READABLE, || {
                let received = rustix::net::recv(&*self.stream, &mut *into, RecvFlags::DONTWAIT)?.1;
                read = Some(received);
                // A short read has emptied the socket, and no second one need confirm that.
                let has_emptied = received > 0 && received < into.len();
                if has_emptied { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if let Some(received) = read {
                return Poll::Ready(Ok(received));
            }
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) => {}
            }
        }
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
        if let Some(references) = &self.page_references {
            references.count_written(written);
        }
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
            let _ = net::set_notsent_lowat(&*self.stream, limit);
        }
    }

    /// Holds back partial packets, or releases them (`TCP_CORK`).
    pub(super) fn set_cork(&self, is_corked: bool) {
        // If the call fails, more packets than necessary are sent.
        let _ = net::set_cork(&*self.stream, is_corked);
    }

    /// Closes the sending side (FIN).
    pub(super) fn shutdown(&self) -> io::Result<()> {
        SockRef::from(&*self.stream).shutdown(Shutdown::Write)
    }

    /// Makes the close of this socket a reset (RST), which discards unsent bytes and shows the client that
    /// its response is incomplete.
    pub(super) fn reset_on_close(&self) {
        let _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
    }
}
