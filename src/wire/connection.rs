//! What a transport and the requests that came over it know of each other.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Which HTTP is spoken on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, with many requests at a time.
    Http2,
}

/// Requests of one HTTP/2 connection that are answered at a time; more are refused. Browsers open
/// 100 at most when nothing is said, and actix's dispatcher does not let us say anything.
const STREAMS_MAX: usize = 128;

/// Bytes of bodies that an HTTP/2 connection hands to its dispatcher before these have been written.
/// The dispatcher takes 400 KiB of each stream, however full the socket is. (HTTP/1's takes no piece
/// before it has written the last.)
const UNSENT_MAX: u64 = 256 * 1024;

/// Why a request is refused before anybody looks at what it asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is no HTTP/1 request, or its framing is not certain; what exactly is wrong with it.
    Malformed(&'static str),
    /// The target is longer than [`intake::TARGET_BYTES_MAX`](super::intake::TARGET_BYTES_MAX).
    TargetTooLong,
    /// The head is longer than [`intake::HEAD_BYTES_MAX`](super::intake::HEAD_BYTES_MAX), or has
    /// too many fields.
    HeadTooLarge,
    /// Its content comes in chunks, whose end nobody here would look for.
    LengthRequired,
    /// The client's address has as many connections as one may have.
    TooManyConnections,
}

/// One connection. It lives on one I/O worker, hence cells and no locks.
pub struct Connection {
    protocol: Protocol,
    /// Requests whose answers are not finished: over HTTP/1 one at most.
    answers: Cell<usize>,
    /// Counts pieces of bodies as the dispatcher takes them; for HTTP/2, whose socket does not block
    /// when a client takes nothing of a stream.
    progress: Cell<u64>,
    /// Whether answers have ended since the transport last asked.
    has_ended: Cell<bool>,
    /// Bytes of bodies that the dispatcher may not have written yet (HTTP/2 only).
    unsent: Cell<u64>,
    /// Bodies whose pieces were handed out, and that were not asked for more since (HTTP/2 only).
    untaken: Cell<usize>,
    /// Wake bodies that wait until there is room for another piece.
    bodies: RefCell<Vec<Waker>>,
    refusal: Cell<Option<Refusal>>,
    /// The client will send no more. It may still be listening.
    half_closed: Cell<bool>,
    /// The transport is gone, and so is everybody who could listen.
    closed: Cell<bool>,
    /// Wakes the dispatcher, which then reads on.
    reader: RefCell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new(protocol: Protocol) -> Rc<Self> {
        Rc::new(Self {
            protocol,
            answers: Cell::default(),
            progress: Cell::default(),
            has_ended: Cell::default(),
            unsent: Cell::default(),
            untaken: Cell::default(),
            bodies: RefCell::default(),
            refusal: Cell::default(),
            half_closed: Cell::default(),
            closed: Cell::default(),
            reader: RefCell::default(),
        })
    }

    /// Which HTTP is spoken.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Why what comes over this connection is refused, from now on: a refused request is the last
    /// one of its connection.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal.get()
    }

    /// Whether nobody will take more bytes, as far as can be known without sending any. A client
    /// that has closed its side of an HTTP/1 connection may still listen, and is served; but for an
    /// answer without a foreseeable end it counts as gone.
    pub fn is_abandoned(&self) -> bool {
        self.closed.get() || self.half_closed.get()
    }

    /// Whether more requests are being answered than one connection may have.
    pub fn is_overloaded(&self) -> bool {
        self.answers.get() > STREAMS_MAX
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.set(Some(refusal));
    }

    pub(super) fn is_answering(&self) -> bool {
        self.answers.get() > 0
    }

    pub(super) fn progress(&self) -> u64 {
        self.progress.get()
    }

    /// Whether the dispatcher holds a piece that its client has not made room for.
    pub(super) fn is_held_up(&self) -> bool {
        self.untaken.get() > 0
    }

    /// Whether bodies wait until there is room for another piece.
    pub(super) fn has_waiting(&self) -> bool {
        !self.bodies.borrow().is_empty()
    }

    /// The dispatcher has written so many bytes to the socket.
    pub(super) fn sent(&self, bytes: u64) {
        self.unsent.set(self.unsent.get().saturating_sub(bytes));
        if self.unsent.get() < UNSENT_MAX {
            self.bodies.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Whether answers have ended since this was last asked.
    pub(super) fn take_ended(&self) -> bool {
        self.has_ended.take()
    }

    pub(super) fn wait_for_answer(&self, reader: &Waker) {
        let mut kept = self.reader.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(reader)) {
            *kept = Some(reader.clone());
        }
    }

    pub(super) fn set_half_closed(&self) {
        self.half_closed.set(true);
    }

    pub(super) fn set_closed(&self) {
        self.closed.set(true);
    }

    fn wake_reader(&self) {
        if let Some(reader) = &*self.reader.borrow() {
            reader.wake_by_ref();
        }
    }

    /// A request has been shown to the HTTP/1 dispatcher.
    pub(super) fn begin_answer(&self) {
        self.answers.set(1);
    }

    fn end_answer(&self) {
        self.answers.set(self.answers.get().saturating_sub(1));
        self.has_ended.set(true);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// Held by the body of an answer: when it goes, however it goes, the next request may be read.
#[derive(Debug)]
pub struct Answering {
    connection: Option<Rc<Connection>>,
    /// Whether the dispatcher has a piece of this body, and has not asked for the next.
    is_untaken: bool,
}

impl Answering {
    /// For the answer to a request that came over this connection.
    pub fn on(connection: Option<&Rc<Connection>>) -> Self {
        let answering = Self { connection: connection.cloned(), is_untaken: false };
        if let Some(connection) = answering.http2() {
            // Over HTTP/1 the transport has counted it, when it showed the request.
            connection.answers.set(connection.answers.get() + 1);
        }
        answering
    }

    /// The dispatcher asks for a piece of the body. Ready when there may be one.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.taken();
        let Some(connection) = self.http2() else {
            return Poll::Ready(());
        };
        if connection.unsent.get() < UNSENT_MAX {
            return Poll::Ready(());
        }
        connection.bodies.borrow_mut().push(cx.waker().clone());
        // Pieces for which clients have not made room count, too, and nothing of them is written:
        // that there is room again is known when the dispatcher has written what it can.
        connection.wake_reader();
        Poll::Pending
    }

    /// The dispatcher is given a piece of so many bytes.
    pub fn advance(&mut self, bytes: u64) {
        let Some(connection) = self.http2() else {
            return;
        };
        connection.progress.set(connection.progress.get().wrapping_add(1));
        connection.unsent.set(connection.unsent.get() + bytes);
        connection.untaken.set(connection.untaken.get() + 1);
        if connection.untaken.get() == 1 {
            // From now on somebody has to look whether it is taken.
            connection.wake_reader();
        }
        self.is_untaken = true;
    }

    fn taken(&mut self) {
        if std::mem::take(&mut self.is_untaken)
            && let Some(connection) = &self.connection
        {
            connection.untaken.set(connection.untaken.get().saturating_sub(1));
        }
    }

    fn http2(&self) -> Option<&Connection> {
        self.connection.as_deref().filter(|connection| connection.protocol == Protocol::Http2)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.taken();
        if let Some(connection) = &self.connection {
            connection.end_answer();
        }
    }
}
