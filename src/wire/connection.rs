//! What a transport and the requests that came over it know of each other.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    task::Waker,
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
pub struct Answering(Option<Rc<Connection>>);

impl Answering {
    /// For the answer to a request that came over this connection.
    pub fn on(connection: Option<&Rc<Connection>>) -> Self {
        if let Some(connection) = connection
            && connection.protocol == Protocol::Http2
        {
            // Over HTTP/1 the transport has counted it, when it showed the request.
            connection.answers.set(connection.answers.get() + 1);
        }
        Self(connection.cloned())
    }

    /// The dispatcher has taken a piece of the body.
    pub fn advance(&self) {
        if let Some(connection) = &self.0 {
            connection.progress.set(connection.progress.get().wrapping_add(1));
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.end_answer();
        }
    }
}
