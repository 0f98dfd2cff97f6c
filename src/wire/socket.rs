//! A TCP connection, and a client that takes nothing.

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

use super::{notsent_limit::NotSentLimit, worker::Alarm};
use crate::sys::net;

/// What a client must take within the stall limit to be borne, in bytes: a player that was paused and
/// goes on takes this at once. Who takes a byte now and then would otherwise hold a connection for
/// ever (slow read, CWE-400).
const PROGRESS_BYTES: usize = 4096;

/// How long a socket that took less than it was given is believed to be full without being asked.
const DOUBT: Duration = Duration::from_secs(1);

/// A socket that gives up on a client that takes too little for too long.
pub struct Socket {
    stream: TcpStream,
    alarm: Alarm,
    stall_limit: Duration,
    ahead: NotSentLimit,
    /// What was taken since the client was found to take nothing; `None` while it takes what comes.
    taken: Option<usize>,
    /// The last call wrote less than it was to write.
    seems_full: bool,
    /// The alarm is set to ask whether it is.
    is_doubted: bool,
}

impl Socket {
    pub(super) fn new(
        stream: TcpStream,
        alarm: Alarm,
        stall_limit: Duration,
        ahead: NotSentLimit,
    ) -> Self {
        let (taken, seems_full, is_doubted) = (None, false, false);
        Self { stream, alarm, stall_limit, ahead, taken, seems_full, is_doubted }
    }

    /// The connection's timer, for whoever waits for the client to say something. While something
    /// is sent it is ours.
    pub(super) fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    /// Reads what has come. Ready with nothing read: the client will send no more.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut into = ReadBuf::new(into);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into))?;
        Poll::Ready(Ok(into.filled().len()))
    }

    /// Makes a call that writes `wanted` bytes to the socket without waiting, as soon as it takes some.
    ///
    /// A call that writes less has filled the socket, and is not made again to hear that: a sendfile
    /// in vain looks for pages first, and costs as much as one that sends some.
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
                    let limit = self.ahead.filled(Instant::now());
                    self.set_ahead(limit);
                }
                return Poll::Ready(Ok(self.took(bytes)));
            }
            if self.stream.poll_write_ready(cx)?.is_pending() {
                ready!(self.poll_stall(cx))?;
                // It only seemed to be full, or it is.
                match write(self.stream.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written.map(|bytes| self.took(bytes))),
                }
            }
        }
    }

    fn took(&mut self, written: usize) -> usize {
        self.ahead.took(written);
        if let Some(taken) = &mut self.taken {
            *taken += written;
            if *taken >= PROGRESS_BYTES {
                self.moves();
            }
        }
        written
    }

    /// Writes bytes that are in memory.
    pub(super) fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, bytes.len(), |fd| net::send(fd, bytes, more))
    }

    /// The client is not waited for any more: all was taken.
    pub(super) fn moves(&mut self) {
        if self.taken.take().is_some() {
            self.alarm.clear();
        }
    }

    /// The client takes nothing. Ready when that is to be doubted, and with an error when it has
    /// lasted too long.
    fn poll_stall(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.taken.is_none() {
            self.taken = Some(0);
            // Something else than the socket can have made a call short, such as a page that could
            // not be read. Then nobody would ever say that there is room again.
            self.is_doubted = self.seems_full;
            self.alarm.set(if self.is_doubted { DOUBT } else { self.stall_limit });
        }
        ready!(self.alarm.poll(cx));
        if std::mem::take(&mut self.is_doubted) {
            self.alarm.set(self.stall_limit);
            let limit = self.ahead.stalled();
            self.set_ahead(limit);
            return Poll::Ready(Ok(()));
        }
        tracing::debug!("a client has taken too little for too long; cut");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn set_ahead(&self, limit: Option<u32>) {
        if let Some(limit) = limit {
            // Where it does not take this, it goes by the one before.
            let _ = net::set_ahead(&self.stream, limit);
        }
    }

    /// Holds back packets that are not full (`TCP_CORK`), or lets them go.
    pub(super) fn cork(&self, is_corked: bool) {
        // Where it does not take this, there are more packets than need be.
        let _ = net::set_cork(&self.stream, is_corked);
    }

    /// Says that no more will come.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Has the client see that it has not got everything: what the kernel has not sent yet is thrown
    /// away with the connection.
    pub(super) fn reset(&self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}
