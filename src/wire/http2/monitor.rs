//! Watches the streams of an HTTP/2 connection for stalls, and ends it at shutdown.

use std::{
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{connection::Connection, stall::StallTimer};

/// A closing connection is read until the client has sent nothing for this time.
const LINGER: Duration = Duration::from_secs(2);

/// Ends when the server begins to shut down.
pub(super) type DrainSignal = Pin<Box<dyn Future<Output = ()>>>;

/// A timeout for streams that stall although the connection is alive, and a graceful shutdown: actix's
/// HTTP/2 dispatcher has neither.
pub(super) struct StreamMonitor {
    /// `None` once the server shuts down.
    drain: Option<DrainSignal>,
    /// The progress of the connection's bodies at the last check.
    progress: u64,
    stall: StallTimer,
    flush: FlushState,
    /// Set once the server shuts down and the last response has been sent.
    closing: Option<Closing>,
}

/// Whether the dispatcher holds bytes that it has not written.
#[derive(Debug, Eq, PartialEq)]
enum FlushState {
    /// The dispatcher holds no such bytes.
    Flushed,
    /// The dispatcher may hold such bytes.
    Unflushed,
    /// The dispatcher may hold such bytes, and the next flush wakes the reader.
    Awaited,
}

impl StreamMonitor {
    pub(super) fn new(drain: DrainSignal, send_timeout: Duration) -> Self {
        let stall = StallTimer::new(send_timeout);
        Self { drain: Some(drain), progress: 0, stall, flush: FlushState::Flushed, closing: None }
    }

    /// Reads for the dispatcher, and checks its streams when there is nothing to read.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        connection: &Connection,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(closing) = &mut self.closing {
            return closing.poll(cx, stream);
        }
        match Pin::new(stream).poll_read(cx, into) {
            Poll::Pending => self.check_streams(cx, connection),
            read => read,
        }
    }

    /// Records a flush of the dispatcher. Returns whether to wake the reader.
    pub(super) fn set_flushed(&mut self) -> bool {
        mem::replace(&mut self.flush, FlushState::Flushed) == FlushState::Awaited
    }

    /// Records that the dispatcher may hold bytes until it flushes.
    pub(super) fn set_unflushed(&mut self) {
        if self.flush == FlushState::Flushed {
            self.flush = FlushState::Unflushed;
        }
    }

    /// Checks the streams. Ready ends the connection.
    fn check_streams(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
    ) -> Poll<io::Result<()>> {
        connection.set_reader(cx.waker());
        if self.drain.as_mut().is_some_and(|drain| drain.as_mut().poll(cx).is_ready()) {
            self.drain = None;
        }
        if self.flush == FlushState::Flushed {
            // The socket has not blocked the dispatcher: the bytes that it holds wait for the windows of
            // their streams, and must not block other streams.
            connection.record_written(u64::MAX);
        }
        let progress = connection.progress();
        let has_moved = mem::replace(&mut self.progress, progress) != progress;
        if connection.take_ended() {
            // The dispatcher may not have written the end of a response yet.
            self.set_unflushed();
        }
        if !connection.is_responding() {
            self.stall.reset();
            if self.drain.is_none() {
                self.close(cx);
            }
            return Poll::Pending;
        }
        // Otherwise the stream waits for a disk, or for a file to grow.
        let is_blocked = connection.is_blocked_by_client();
        if has_moved || !is_blocked {
            self.stall.reset();
        }
        if is_blocked { self.stall.poll(cx) } else { Poll::Pending }
    }

    /// Begins to close the connection, unless the dispatcher still holds bytes: it discards them when it
    /// reads the end of the stream.
    fn close(&mut self, cx: &mut Context<'_>) {
        if self.flush == FlushState::Flushed {
            self.closing = Some(Closing::default());
            cx.waker().wake_by_ref();
        } else {
            // The dispatcher flushes whenever it finds nothing to read.
            self.flush = FlushState::Awaited;
        }
    }
}

/// Closes an HTTP/2 connection without a reset: a client that still receives also sends acknowledgements, and
/// a closed socket replies to them with a reset, which discards bytes that have not arrived.
#[derive(Debug, Default)]
struct Closing {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Closing {
    /// Closes the sending side, and reads until the client closes its own. Ready with nothing read ends the
    /// connection.
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
        let mut space = [const { MaybeUninit::uninit() }; 4096];
        loop {
            let mut into = ReadBuf::uninit(&mut space);
            match Pin::new(&mut *stream).poll_read(cx, &mut into)? {
                Poll::Ready(()) if into.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(()) => self.timer = None,
                Poll::Pending => break,
            }
        }
        let create = || Box::pin(sleep_until(Instant::now() + LINGER));
        self.timer.get_or_insert_with(create).as_mut().poll(cx).map(Ok)
    }
}
