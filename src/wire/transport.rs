//! A connection as actix's dispatchers see it.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
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
    admission::Admitted,
    connection::{Connection, Protocol},
    intake::{Intake, Show},
    stall::Stall,
    streams::{Drain, Streams},
};

/// Content that nobody reads is taken from a client up to this many bytes, for the sake of those
/// that write before they read; then the connection is cut.
const UNWANTED_BYTES_MAX: u64 = 256 * 1024;

/// A TCP connection that shows its dispatcher one request at a time, and that gives up on a client
/// that has taken nothing for too long.
pub struct Transport {
    stream: TcpStream,
    connection: Rc<Connection>,
    /// `None` for HTTP/2, whose dispatcher keeps its streams apart by itself.
    intake: Option<Intake>,
    /// The client has sent its last byte.
    at_end: bool,
    unwanted: u64,
    stall: Stall,
    streams: Streams,
    _admitted: Admitted,
}

impl Transport {
    pub(super) fn new(
        stream: TcpStream,
        connection: Rc<Connection>,
        stall_limit: Duration,
        drain: Option<Drain>,
        admitted: Admitted,
    ) -> Self {
        let intake = (connection.protocol() == Protocol::Http1).then(Intake::default);
        let (stall, streams) = (Stall::new(stall_limit), Streams::new(drain, stall_limit));
        Self {
            stream,
            connection,
            intake,
            at_end: false,
            unwanted: 0,
            stall,
            streams,
            _admitted: admitted,
        }
    }

    /// The connection that requests know this transport by.
    pub fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    /// Reads from the socket into the intake's buffer. Returns whether anything came.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [const { MaybeUninit::uninit() }; 4096];
        let mut into = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut into))?;
        let read = into.filled().len();
        if let Some(intake) = &mut self.intake {
            intake.buffer().extend_from_slice(into.filled());
        }
        if read == 0 {
            self.at_end = true;
            self.connection.set_half_closed();
        }
        Poll::Ready(Ok(read > 0))
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let Some(intake) = &mut this.intake else {
                return this.streams.poll_read(cx, &mut this.stream, &this.connection, into);
            };
            // The next request waits; but whether the client is still there must be known, and
            // the dispatcher must be woken once the answer is finished.
            let must_wait = intake.is_between_requests() && this.connection.is_answering();
            let (show, refusal) = if must_wait { (Show::NeedMore, None) } else { intake.show() };
            if let Some(refusal) = refusal {
                this.connection.refuse(refusal);
            }
            match show {
                Show::Buffered(bytes) => {
                    if intake.is_at_head() {
                        this.connection.begin_answer();
                    }
                    let shown = intake.take(bytes.min(into.remaining()));
                    into.put_slice(&shown);
                    intake.shrink();
                    return Poll::Ready(Ok(()));
                }
                Show::Straight(bytes) => {
                    let most = usize::try_from(bytes).unwrap_or(usize::MAX).min(into.remaining());
                    let mut part = ReadBuf::new(into.initialize_unfilled_to(most));
                    ready!(Pin::new(&mut this.stream).poll_read(cx, &mut part))?;
                    let read = part.filled().len();
                    into.advance(read);
                    intake.pass(read);
                    this.unwanted += read as u64;
                    if this.unwanted > UNWANTED_BYTES_MAX {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                    if read == 0 {
                        this.connection.set_half_closed();
                    }
                    return Poll::Ready(Ok(()));
                }
                Show::NeedMore if this.at_end => {
                    if must_wait {
                        this.connection.wait_for_answer(cx.waker());
                        return Poll::Pending;
                    }
                    return Poll::Ready(Ok(()));
                }
                Show::NeedMore => {
                    if must_wait {
                        this.connection.wait_for_answer(cx.waker());
                        if intake.is_full() {
                            return Poll::Pending;
                        }
                    }
                    if this.poll_fill(cx)?.is_pending() {
                        if let Some(intake) = &mut this.intake {
                            intake.shrink();
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.streams.keeps_back();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = &written {
            this.connection.sent(*written as u64);
        }
        this.stall.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.streams.keeps_back();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(written)) = &written {
            this.connection.sent(*written as u64);
        }
        this.stall.watch(cx, written)
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
        self.connection.set_closed();
    }
}
