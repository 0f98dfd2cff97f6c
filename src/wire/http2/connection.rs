//! What a transport and the requests that came over it know of each other.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::wire::{
    connection::{Client, Protocol},
    refusal::Refusal,
};

/// Requests of one connection that are answered at a time; more are refused. Browsers open
/// 100 at most when nothing is said, and actix's dispatcher does not let us say anything.
const STREAMS_MAX: usize = 128;

/// Bytes of bodies that a connection hands to its dispatcher before these have been written. The
/// dispatcher takes 400 KiB of each stream, however full the socket is.
const UNSENT_MAX: u64 = 256 * 1024;

/// One connection. It lives on one I/O worker, hence cells and no locks.
pub(super) struct Connection {
    client: Rc<Client>,
    /// Why what comes over this connection is refused.
    refusal: Option<Refusal>,
    /// Requests whose answers are not finished.
    answers: Cell<usize>,
    /// Counts pieces of bodies as the dispatcher takes them: the socket does not block when a client
    /// takes nothing of a stream.
    progress: Cell<u64>,
    /// Whether answers have ended since the transport last asked.
    has_ended: Cell<bool>,
    /// Bytes of bodies that the dispatcher may not have written yet.
    unsent: Cell<u64>,
    /// Bodies whose pieces were handed out, and that were not asked for more since.
    untaken: Cell<usize>,
    /// Wake bodies that wait until there is room for another piece.
    bodies: RefCell<Vec<Waker>>,
    /// Wakes the dispatcher, which then reads on.
    reader: RefCell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new(refusal: Option<Refusal>) -> Rc<Self> {
        Rc::new(Self {
            client: Client::new(Protocol::Http2),
            refusal,
            answers: Cell::default(),
            progress: Cell::default(),
            has_ended: Cell::default(),
            unsent: Cell::default(),
            untaken: Cell::default(),
            bodies: RefCell::default(),
            reader: RefCell::default(),
        })
    }

    /// Whoever is at its other end.
    pub(super) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// Why what comes over this connection is refused.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether more requests are being answered than one connection may have.
    pub(super) fn is_overloaded(&self) -> bool {
        self.answers.get() > STREAMS_MAX
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

    fn wake_reader(&self) {
        if let Some(reader) = &*self.reader.borrow() {
            reader.wake_by_ref();
        }
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
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Held by the body of an answer for as long as it lasts.
#[derive(Debug)]
pub(super) struct Answering {
    connection: Rc<Connection>,
    /// Whether the dispatcher has a piece of this body, and has not asked for the next.
    is_untaken: bool,
}

impl Answering {
    /// For the answer to a request that came over this connection.
    pub(super) fn on(connection: &Rc<Connection>) -> Self {
        connection.answers.set(connection.answers.get() + 1);
        Self { connection: Rc::clone(connection), is_untaken: false }
    }

    /// The dispatcher asks for a piece of the body. Ready when there may be one.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.taken();
        let connection = &self.connection;
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
    pub(super) fn advance(&mut self, bytes: u64) {
        let connection = &self.connection;
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
        if std::mem::take(&mut self.is_untaken) {
            let untaken = &self.connection.untaken;
            untaken.set(untaken.get().saturating_sub(1));
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.taken();
        self.connection.end_answer();
    }
}
