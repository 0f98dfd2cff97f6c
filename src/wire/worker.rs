//! What the connections of one I/O worker share.
//!
//! Time above all: a timer of the runtime costs a quarter of a microsecond each time that it is set,
//! and a connection sets one for each request. Here setting one is a store, and somebody looks a few
//! times a second whose time has come.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant, SystemTime},
};

use bytes::BytesMut;
use slab::Slab;
use tokio::task::spawn_local;

use super::{drain::Drain, residency::Residency};

/// How often it is looked whose time has come; the time by which an alarm may be late.
const TICK: Duration = Duration::from_millis(250);

/// The most that is read from a connection at a time, in bytes.
const SCRATCH_BYTES: usize = 16 * 1024;

/// One I/O worker. It stays on its thread, hence cells and no locks.
#[derive(Debug)]
pub struct Worker {
    /// What of which file is known to be in the page cache.
    pub(super) residency: Residency,
    /// Where bytes are read to before anybody knows what they are. A connection that is idle, or
    /// that is being sent something, so needs no buffer of its own.
    pub(super) scratch: RefCell<Vec<u8>>,
    /// Where heads of answers are written, for the same reason.
    pub(super) head: RefCell<BytesMut>,
    alarms: RefCell<Slab<Slot>>,
    /// The time of the last look.
    now: Cell<Instant>,
    date: RefCell<Date>,
    drain: Drain,
}

#[derive(Debug, Default)]
struct Slot {
    rings_at: Option<Instant>,
    /// Wakes the connection, which then asks whether it has rung.
    waker: Option<Waker>,
}

/// The Date field of the present second.
#[derive(Debug)]
struct Date {
    text: [u8; DATE_BYTES],
    made: Option<Instant>,
}

/// The length of a date as HTTP writes it (RFC 9110 section 5.6.7).
const DATE_BYTES: usize = 29;

impl Worker {
    /// Starts a worker's clock on this thread.
    pub(super) fn start(drain: Drain) -> Rc<Self> {
        let worker = Rc::new(Self {
            residency: Residency::default(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
            head: RefCell::default(),
            alarms: RefCell::default(),
            now: Cell::new(Instant::now()),
            date: RefCell::new(Date { text: [b' '; DATE_BYTES], made: None }),
            drain: drain.clone(),
        });
        let clock = Rc::downgrade(&worker);
        spawn_local(async move {
            let mut is_serving = true;
            let mut begun = std::pin::pin!(drain.begun());
            loop {
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    () = &mut begun, if is_serving => is_serving = false,
                }
                let Some(worker) = clock.upgrade() else {
                    return;
                };
                worker.look(is_serving);
            }
        });
        worker
    }

    /// Whether the server is going down.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }

    /// The time, as of the last look.
    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Wakes those whose time has come, and when the server goes down everybody.
    fn look(&self, is_serving: bool) {
        let now = Instant::now();
        self.now.set(now);
        for (_, slot) in &mut *self.alarms.borrow_mut() {
            let has_rung = slot.rings_at.is_some_and(|at| at <= now);
            if (has_rung || !is_serving)
                && let Some(waker) = slot.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Appends the present time as HTTP writes it.
    pub(super) fn put_date(&self, into: &mut BytesMut) {
        let mut date = self.date.borrow_mut();
        // Made anew at each look, so that it is never more than a tick behind.
        if date.made != Some(self.now()) {
            let text = httpdate::fmt_http_date(SystemTime::now());
            date.text.copy_from_slice(text.as_bytes());
            date.made = Some(self.now());
        }
        into.extend_from_slice(&date.text);
    }
}

/// One connection's timer.
#[derive(Debug)]
pub struct Alarm {
    worker: Rc<Worker>,
    place: usize,
}

impl Alarm {
    /// One that is not set.
    pub(super) fn new(worker: &Rc<Worker>) -> Self {
        let place = worker.alarms.borrow_mut().insert(Slot::default());
        Self { worker: Rc::clone(worker), place }
    }

    /// Rings after this time, or up to half a second later; never earlier.
    pub(super) fn set(&self, after: Duration) {
        // The clock may be a tick behind.
        let at = self.worker.now().checked_add(after + TICK);
        self.slot(|slot| slot.rings_at = at);
    }

    /// Does not ring any more.
    pub(super) fn clear(&self) {
        self.slot(|slot| slot.rings_at = None);
    }

    /// Whether it has rung.
    pub(super) fn is_ringing(&self) -> bool {
        let now = self.worker.now();
        self.slot(|slot| slot.rings_at.is_some_and(|at| at <= now))
    }

    /// Ready when it has rung. Otherwise the task is woken when it does, and when the server begins
    /// to go down.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_ringing() {
            return Poll::Ready(());
        }
        self.slot(|slot| {
            if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
        });
        Poll::Pending
    }

    fn slot<T>(&self, call: impl FnOnce(&mut Slot) -> T) -> T {
        call(&mut self.worker.alarms.borrow_mut()[self.place])
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.worker.alarms.borrow_mut().remove(self.place);
    }
}
