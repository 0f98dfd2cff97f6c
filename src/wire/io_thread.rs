//! The state that the connections of one I/O thread share.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Instant, SystemTime},
};

use bytes::BytesMut;
use tokio::task::spawn_local;

use super::{
    drain::Drain,
    page_cache::PageCache,
    timer::{TICK, Timer, Timers},
};
use crate::extent::ResponseMemory;

/// The most bytes that one call reads from a connection.
const SCRATCH_BYTES: usize = 16 * 1024;

/// The state of one I/O thread. It belongs to that thread, hence cells and no locks.
#[derive(Debug)]
pub struct IoThread {
    /// The known state of the page cache.
    pub(super) page_cache: PageCache,
    /// Buffer for reads. All connections share it, so an idle or sending connection needs no buffer of its
    /// own.
    pub(super) scratch: RefCell<Vec<u8>>,
    /// Buffer for response heads, shared for the same reason.
    pub(super) head: RefCell<BytesMut>,
    /// The budget of copies that wait for slow clients.
    pub(super) response_memory: ResponseMemory,
    timers: Rc<Timers>,
    date: RefCell<Date>,
    drain: Drain,
}

/// The value of the Date field, updated by each tick.
#[derive(Debug)]
struct Date {
    text: [u8; DATE_BYTES],
    updated: Option<Instant>,
}

/// The length of an HTTP date (RFC 9110 section 5.6.7).
const DATE_BYTES: usize = 29;

impl IoThread {
    /// Creates the state of this thread, and starts its clock.
    pub(super) fn start(drain: Drain, response_memory: ResponseMemory) -> Rc<Self> {
        let thread = Rc::new(Self {
            page_cache: PageCache::default(),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
            head: RefCell::default(),
            response_memory,
            timers: Timers::new(),
            date: RefCell::new(Date { text: [b' '; DATE_BYTES], updated: None }),
            drain: drain.clone(),
        });
        let timers = Rc::downgrade(&thread.timers);
        spawn_local(async move {
            let mut is_draining = false;
            let mut begun = std::pin::pin!(drain.begun());
            loop {
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    () = &mut begun, if !is_draining => is_draining = true,
                }
                let Some(timers) = timers.upgrade() else {
                    return;
                };
                timers.tick(is_draining);
            }
        });
        thread
    }

    /// Whether the server is shutting down.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }

    /// The time of the last tick.
    pub(super) fn now(&self) -> Instant {
        self.timers.now()
    }

    /// A timer for a connection, not set.
    pub(super) fn timer(&self) -> Timer {
        Timer::new(&self.timers)
    }

    /// Appends the current time as an HTTP date.
    pub(super) fn append_date(&self, into: &mut BytesMut) {
        let mut date = self.date.borrow_mut();
        // Formatted once per tick, so it is at most one tick behind.
        if date.updated != Some(self.now()) {
            let text = httpdate::fmt_http_date(SystemTime::now());
            date.text.copy_from_slice(text.as_bytes());
            date.updated = Some(self.now());
        }
        into.extend_from_slice(&date.text);
    }
}
