//! A client that takes nothing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Gives up on a client that has taken nothing for too long (actix has no timer for writes).
#[derive(Debug)]
pub(super) struct StallTimer {
    limit: Duration,
    /// Since when nothing has been taken; `None` while something is.
    since: Option<Instant>,
    /// Made when something first stalls, then kept: most connections never need one.
    timer: Option<Pin<Box<Sleep>>>,
}

impl StallTimer {
    /// Bears this long that nothing is taken.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: None }
    }

    /// Something was taken, or there is nothing to take.
    pub(super) fn moves(&mut self) {
        self.since = None;
    }

    /// Passes on what came of writing; an error instead of `Pending` when that has lasted too long.
    pub(super) fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.moves();
            return written;
        }
        self.poll(cx).map_ok(|()| 0)
    }

    /// Nothing was taken. Ready, with an error, when that has lasted too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
