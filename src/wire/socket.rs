//! A TCP connection, and a client that takes nothing.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf},
    net::TcpStream,
};

use super::worker::Alarm;

/// What a client must take within the stall limit to be borne, in bytes: a player that was paused and
/// goes on takes this at once. Who takes a byte now and then would otherwise hold a connection for
/// ever (slow read, CWE-400).
const PROGRESS_BYTES: usize = 4096;

/// A socket that gives up on a client that takes too little for too long.
pub struct Socket {
    stream: TcpStream,
    alarm: Alarm,
    stall_limit: Duration,
    /// What was taken since the client was found to take nothing; `None` while it takes what comes.
    taken: Option<usize>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, alarm: Alarm, stall_limit: Duration) -> Self {
        Self { stream, alarm, stall_limit, taken: None }
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

    /// Makes a call that writes to the socket without waiting, as soon as it takes something.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let written = self.stream.try_io(Interest::WRITABLE, || write(self.stream.as_fd()));
            match written {
                Ok(written) => {
                    if let Some(taken) = &mut self.taken {
                        *taken += written;
                        if *taken >= PROGRESS_BYTES {
                            self.moves();
                        }
                    }
                    return Poll::Ready(Ok(written));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stream.poll_write_ready(cx)?.is_pending() {
                        return self.poll_stall(cx);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Writes bytes that are in memory.
    pub(super) fn poll_write_bytes(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        use rustix::net::{SendFlags, send};
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let flags = if more { flags | SendFlags::MORE } else { flags };
        self.poll_write(cx, |fd| Ok(send(fd, bytes, flags)?))
    }

    /// The client is not waited for any more: all was taken.
    pub(super) fn moves(&mut self) {
        if self.taken.take().is_some() {
            self.alarm.clear();
        }
    }

    /// The client takes nothing. Ready, with an error, when that has lasted too long.
    fn poll_stall(&mut self, cx: &Context<'_>) -> Poll<io::Result<usize>> {
        if self.taken.is_none() {
            self.taken = Some(0);
            self.alarm.set(self.stall_limit);
        }
        self.alarm.poll(cx).map(|()| {
            tracing::debug!("a client has taken too little for too long; cut");
            Err(io::ErrorKind::TimedOut.into())
        })
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
