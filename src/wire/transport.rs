//! A connection as actix's dispatchers see it.

use std::{
    io::{self, IoSlice},
    mem::{self, MaybeUninit},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    admission::Admitted,
    connection::{Connection, Protocol},
    intake::{Intake, Show},
};

/// Content that nobody reads is taken from a client up to this many bytes, for the sake of those
/// that write before they read; then the connection is cut.
const UNWANTED_BYTES_MAX: u64 = 256 * 1024;

/// How long a client is listened to, since it last said something, when all has been sent.
const LINGER: Duration = Duration::from_secs(2);

/// Ends when the server begins to go down.
pub type Drain = Pin<Box<dyn Future<Output = ()>>>;

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
        let stall = Stall { limit: stall_limit, since: None, timer: None };
        let streams = Streams::new(drain, &stall);
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
                if let Some(leaving) = &mut this.streams.leaving {
                    return leaving.poll(cx, &mut this.stream);
                }
                return match Pin::new(&mut this.stream).poll_read(cx, into) {
                    Poll::Pending => this.streams.watch(cx, &this.connection),
                    read => read,
                };
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
        let is_awaited = mem::replace(&mut self.streams.flush, Flush::Done) == Flush::Awaited;
        if is_awaited || self.connection.has_waiting() {
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

/// What actix's HTTP/2 dispatcher does not look after: streams that do not move, although the
/// connection is alive, and the server's end.
struct Streams {
    /// `None` for HTTP/1, or once the server goes down.
    drain: Option<Drain>,
    /// How far the connection's bodies were when they were last looked at.
    progress: u64,
    stall: Stall,
    flush: Flush,
    /// Once the server goes down and the last answer has been sent.
    leaving: Option<Leaving>,
}

/// Whether the dispatcher keeps something back that is to be sent.
#[derive(Debug, Eq, PartialEq)]
enum Flush {
    /// Nothing.
    Done,
    /// It may.
    Needed,
    /// It may, and somebody is to be woken when that has changed.
    Awaited,
}

impl Streams {
    fn new(drain: Option<Drain>, stall: &Stall) -> Self {
        let stall = stall.fresh();
        Self { drain, progress: 0, stall, flush: Flush::Done, leaving: None }
    }

    /// The dispatcher may keep something back until it flushes.
    fn keeps_back(&mut self) {
        if self.flush == Flush::Done {
            self.flush = Flush::Needed;
        }
    }

    /// Looks at the streams whenever there is nothing to read. Ready ends the connection.
    fn watch(&mut self, cx: &mut Context<'_>, connection: &Connection) -> Poll<io::Result<()>> {
        connection.wait_for_answer(cx.waker());
        if self.drain.as_mut().is_some_and(|drain| drain.as_mut().poll(cx).is_ready()) {
            self.drain = None;
        }
        if self.flush == Flush::Done {
            // The dispatcher has not been stopped by the socket: what it has not written waits for
            // its streams' windows, and is no reason to keep others waiting.
            connection.sent(u64::MAX);
        }
        let progress = connection.progress();
        let has_moved = mem::replace(&mut self.progress, progress) != progress;
        if connection.take_ended() {
            // The end of an answer is handed to the dispatcher, and not yet to the socket.
            self.keeps_back();
        }
        if !connection.is_answering() {
            self.stall.since = None;
            if self.drain.is_none() {
                self.leave(cx);
            }
            return Poll::Pending;
        }
        if has_moved || !connection.is_held_up() {
            self.stall.since = None;
        }
        // What is not held up by its client waits for a disk, or for a file to grow.
        if connection.is_held_up() { self.stall.poll(cx) } else { Poll::Pending }
    }

    /// Begins to end the connection, unless something is still to be sent: the dispatcher, once it
    /// has read the end, throws that away.
    fn leave(&mut self, cx: &mut Context<'_>) {
        if self.flush == Flush::Done {
            self.leaving = Some(Leaving::default());
            cx.waker().wake_by_ref();
        } else {
            // The dispatcher flushes whenever it finds nothing to read.
            self.flush = Flush::Awaited;
        }
    }
}

/// The end of an HTTP/2 connection. Its client may still be receiving, and say so; to a socket that
/// is closed already, that would be a reason to take back what has not arrived.
#[derive(Debug, Default)]
struct Leaving {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Leaving {
    /// Says that no more will come, and listens until the client has no more to say. Ready with
    /// nothing read ends the connection.
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
        let deadline = || Box::pin(sleep_until(Instant::now() + LINGER));
        self.timer.get_or_insert_with(deadline).as_mut().poll(cx).map(Ok)
    }
}

/// Gives up on a client that has taken nothing for too long (actix has no timer for writes).
#[derive(Debug)]
struct Stall {
    limit: Duration,
    /// Since when nothing has been taken; `None` while something is.
    since: Option<Instant>,
    /// Made when something first stalls, then kept: most connections never need one.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// The same limit, for something else.
    fn fresh(&self) -> Self {
        Self { limit: self.limit, since: None, timer: None }
    }

    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.since = None;
            return written;
        }
        self.poll(cx).map_ok(|()| 0)
    }

    /// Nothing was taken. Ready, with an error, when that has lasted too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a client has taken nothing for too long; cut");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
