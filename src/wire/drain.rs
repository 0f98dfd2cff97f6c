//! The signal that the server shuts down.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Signals shutdown, once. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    has_begun: AtomicBool,
    on_begin: Notify,
}

impl Drain {
    /// Starts the drain: running responses may end, and no new request is accepted.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::SeqCst);
        self.0.on_begin.notify_waiters();
    }

    /// Whether the server is shutting down.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::SeqCst)
    }

    /// Waits until the server begins to shut down.
    pub async fn begun(self) {
        let on_begin = self.0.on_begin.notified();
        // Created before the check, so that a drain that begins in between wakes it.
        if !self.has_begun() {
            on_begin.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn waiters_are_woken_and_later_ones_do_not_wait() {
        let drain = Drain::default();
        let mut waiting = Box::pin(drain.clone().begun());
        assert!(waiting.as_mut().now_or_never().is_none());
        drain.begin();
        assert!(waiting.as_mut().now_or_never().is_some());
        assert!(drain.begun().now_or_never().is_some());
    }
}
