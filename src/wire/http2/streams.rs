//! HTTP/2 connections, where many answers are under way at a time.

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

/// How long a client is listened to, since it last said something, when all has been sent.
const LINGER: Duration = Duration::from_secs(2);

/// Ends when the server begins to go down.
pub(super) type Draining = Pin<Box<dyn Future<Output = ()>>>;

/// What actix's HTTP/2 dispatcher does not look after: streams that do not move, although the
/// connection is alive, and the server's end.
pub(super) struct Streams {
    /// `None` once the server goes down.
    drain: Option<Draining>,
    /// How far the connection's bodies were when they were last looked at.
    progress: u64,
    stall: StallTimer,
    flush: Flush,
    /// Once the server goes down and the last answer has been sent.
    leaving: Option<Closing>,
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
    pub(super) fn new(drain: Draining, stall_limit: Duration) -> Self {
        let stall = StallTimer::new(stall_limit);
        Self { drain: Some(drain), progress: 0, stall, flush: Flush::Done, leaving: None }
    }

    /// Reads for the dispatcher, and looks after its streams when there is nothing to read.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        connection: &Connection,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(leaving) = &mut self.leaving {
            return leaving.poll(cx, stream);
        }
        match Pin::new(stream).poll_read(cx, into) {
            Poll::Pending => self.watch(cx, connection),
            read => read,
        }
    }

    /// The dispatcher has flushed. Whether somebody is to be woken for that.
    pub(super) fn flushed(&mut self) -> bool {
        mem::replace(&mut self.flush, Flush::Done) == Flush::Awaited
    }

    /// The dispatcher may keep something back until it flushes.
    pub(super) fn keeps_back(&mut self) {
        if self.flush == Flush::Done {
            self.flush = Flush::Needed;
        }
    }

    /// Looks at the streams. Ready ends the connection.
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
            self.stall.moves();
            if self.drain.is_none() {
                self.leave(cx);
            }
            return Poll::Pending;
        }
        // What is not held up by its client waits for a disk, or for a file to grow.
        let is_held_up = connection.is_held_up();
        if has_moved || !is_held_up {
            self.stall.moves();
        }
        if is_held_up { self.stall.poll(cx) } else { Poll::Pending }
    }

    /// Begins to end the connection, unless something is still to be sent: the dispatcher, once it
    /// has read the end, throws that away.
    fn leave(&mut self, cx: &mut Context<'_>) {
        if self.flush == Flush::Done {
            self.leaving = Some(Closing::default());
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
struct Closing {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Closing {
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
