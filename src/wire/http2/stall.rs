//! The send timeout of an HTTP/2 connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Fails when a client has accepted nothing for the send timeout (actix has no timer for writes).
#[derive(Debug)]
pub(super) struct StallTimer {
    timeout: Duration,
    /// The start of the stall; `None` while there is none.
    since: Option<Instant>,
    /// Created at the first stall, which most connections never have, and then kept.
    timer: Option<Pin<Box<Sleep>>>,
}

impl StallTimer {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, since: None, timer: None }
    }

    /// Records that the client has accepted bytes, or that no bytes are unsent.
    pub(super) fn reset(&mut self) {
        self.since = None;
    }

    /// Passes on the result of a write; replaces `Pending` by an error after the timeout.
    pub(super) fn watch_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.reset();
            return written;
        }
        self.poll(cx).map_ok(|()| 0)
    }

    /// Records that the client accepts nothing. Ready, with an error, after the timeout.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let deadline = since + self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("send timeout: the client accepts nothing; connection closed");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}
