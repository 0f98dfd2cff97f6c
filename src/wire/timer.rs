//! Timers of connections.
//!
//! A timer of the runtime costs a quarter of a microsecond each time that it is set, and a connection sets
//! one for each request. To set one of these costs a store; the I/O thread checks them a few times a second.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

/// The interval between two checks, which is also the most that a timer is late.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// The clock and the timers of one I/O thread. They belong to that thread, hence cells and no locks.
#[derive(Debug)]
pub(super) struct Timers {
    entries: RefCell<Slab<Entry>>,
    /// The time of the last tick.
    now: Cell<Instant>,
}

#[derive(Debug, Default)]
struct Entry {
    deadline: Option<Instant>,
    /// Wakes the connection, which then checks whether its timer has expired.
    waker: Option<Waker>,
}

impl Timers {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { entries: RefCell::default(), now: Cell::new(Instant::now()) })
    }

    /// The time of the last tick.
    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Wakes the connections whose timers have expired, or all of them.
    pub(super) fn tick(&self, wake_all: bool) {
        let now = Instant::now();
        self.now.set(now);
        for (_, entry) in &mut *self.entries.borrow_mut() {
            let has_expired = entry.deadline.is_some_and(|at| at <= now);
            if (has_expired || wake_all)
                && let Some(waker) = entry.waker.take()
            {
                waker.wake();
            }
        }
    }
}

/// The timer of one connection.
#[derive(Debug)]
pub(super) struct Timer {
    timers: Rc<Timers>,
    key: usize,
}

impl Timer {
    /// A timer that is not set.
    pub(super) fn new(timers: &Rc<Timers>) -> Self {
        let key = timers.entries.borrow_mut().insert(Entry::default());
        Self { timers: Rc::clone(timers), key }
    }

    /// Expires after this time or up to half a second later, never earlier.
    pub(super) fn set(&self, after: Duration) {
        // The clock may be a tick behind.
        let deadline = self.timers.now().checked_add(after + TICK);
        self.with_entry(|entry| entry.deadline = deadline);
    }

    /// Unsets the timer.
    pub(super) fn clear(&self) {
        self.with_entry(|entry| entry.deadline = None);
    }

    /// Whether the timer has expired.
    pub(super) fn has_expired(&self) -> bool {
        let now = self.timers.now();
        self.with_entry(|entry| entry.deadline.is_some_and(|at| at <= now))
    }

    /// Ready once the timer has expired. Wakes the task then, and also when the server begins to shut down.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.has_expired() {
            return Poll::Ready(());
        }
        self.with_entry(|entry| {
            if !entry.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                entry.waker = Some(cx.waker().clone());
            }
        });
        Poll::Pending
    }

    fn with_entry<T>(&self, call: impl FnOnce(&mut Entry) -> T) -> T {
        call(&mut self.timers.entries.borrow_mut()[self.key])
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.timers.entries.borrow_mut().remove(self.key);
    }
}
