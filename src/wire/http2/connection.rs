//! The state that a transport shares with the requests of its connection.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::wire::connection::{Client, Protocol};

/// The most concurrent requests of one connection; more are refused. Browsers open at most 100 without a
/// setting of the server, and actix's dispatcher cannot send one.
const STREAMS_MAX: usize = 128;

/// The most unwritten body bytes of a connection in its dispatcher. The dispatcher buffers 400 KiB for each
/// stream, however full the socket is.
const UNSENT_BYTES_MAX: u64 = 256 * 1024;

/// One connection. It belongs to one I/O thread, hence cells and no locks.
pub(super) struct Connection {
    client: Rc<Client>,
    /// Requests whose responses are not complete.
    responses: Cell<usize>,
    /// Counts pieces of bodies that the dispatcher has taken. The socket does not show progress: it does not
    /// block when a client accepts nothing of a stream.
    progress: Cell<u64>,
    /// Whether responses have ended since the last check of the monitor.
    has_ended: Cell<bool>,
    /// Body bytes that the dispatcher may not have written yet.
    unsent: Cell<u64>,
    /// The number of bodies of which the dispatcher holds a piece, and has not yet polled for the next.
    held_pieces: Cell<usize>,
    /// The wakers of bodies that wait for space in the dispatcher.
    waiting_bodies: RefCell<Vec<Waker>>,
    /// The waker of the dispatcher, which then reads on.
    reader: RefCell<Option<Waker>>,
}

impl Connection {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            client: Client::new(Protocol::Http2),
            responses: Cell::default(),
            progress: Cell::default(),
            has_ended: Cell::default(),
            unsent: Cell::default(),
            held_pieces: Cell::default(),
            waiting_bodies: RefCell::default(),
            reader: RefCell::default(),
        })
    }

    pub(super) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    /// Whether there are more concurrent requests than allowed.
    pub(super) fn is_overloaded(&self) -> bool {
        self.responses.get() > STREAMS_MAX
    }

    /// Whether a response is under way.
    pub(super) fn is_responding(&self) -> bool {
        self.responses.get() > 0
    }

    pub(super) fn progress(&self) -> u64 {
        self.progress.get()
    }

    /// Whether the dispatcher holds a piece that does not fit into the client's window.
    pub(super) fn is_blocked_by_client(&self) -> bool {
        self.held_pieces.get() > 0
    }

    /// Whether bodies wait for space in the dispatcher.
    pub(super) fn has_waiting_bodies(&self) -> bool {
        !self.waiting_bodies.borrow().is_empty()
    }

    /// Records that the dispatcher has written bytes to the socket.
    pub(super) fn record_written(&self, bytes: u64) {
        self.unsent.set(self.unsent.get().saturating_sub(bytes));
        if self.unsent.get() < UNSENT_BYTES_MAX {
            self.waiting_bodies.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Whether responses have ended since the last call.
    pub(super) fn take_ended(&self) -> bool {
        self.has_ended.take()
    }

    /// Wakes this reader when a response ends.
    pub(super) fn set_reader(&self, waker: &Waker) {
        let mut reader = self.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|reader| reader.will_wake(waker)) {
            *reader = Some(waker.clone());
        }
    }

    fn wake_reader(&self) {
        if let Some(reader) = &*self.reader.borrow() {
            reader.wake_by_ref();
        }
    }

    fn end_response(&self) {
        self.responses.set(self.responses.get().saturating_sub(1));
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

/// Counts a response of a connection, as long as its body exists.
#[derive(Debug)]
pub(super) struct ResponseGuard {
    connection: Rc<Connection>,
    /// Whether the dispatcher holds a piece of this body, and has not yet polled for the next.
    is_piece_held: bool,
}

impl ResponseGuard {
    /// Counts a response of this connection.
    pub(super) fn new(connection: &Rc<Connection>) -> Self {
        connection.responses.set(connection.responses.get() + 1);
        Self { connection: Rc::clone(connection), is_piece_held: false }
    }

    /// Waits until the dispatcher has space for a piece.
    pub(super) fn poll_space(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.release_piece();
        let connection = &self.connection;
        if connection.unsent.get() < UNSENT_BYTES_MAX {
            return Poll::Ready(());
        }
        connection.waiting_bodies.borrow_mut().push(cx.waker().clone());
        // Pieces that do not fit into their clients' windows count as unwritten too, so the space is known
        // only after the dispatcher has written as much as it can.
        connection.wake_reader();
        Poll::Pending
    }

    /// Records that the dispatcher gets a piece of this length.
    pub(super) fn record_piece(&mut self, bytes: u64) {
        let connection = &self.connection;
        connection.progress.set(connection.progress.get().wrapping_add(1));
        connection.unsent.set(connection.unsent.get() + bytes);
        connection.held_pieces.set(connection.held_pieces.get() + 1);
        if connection.held_pieces.get() == 1 {
            // From now on the monitor must watch for progress.
            connection.wake_reader();
        }
        self.is_piece_held = true;
    }

    fn release_piece(&mut self) {
        if std::mem::take(&mut self.is_piece_held) {
            let held = &self.connection.held_pieces;
            held.set(held.get().saturating_sub(1));
        }
    }
}

impl Drop for ResponseGuard {
    fn drop(&mut self) {
        self.release_piece();
        self.connection.end_response();
    }
}
