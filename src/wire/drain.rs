//! The beginning of the server's end, as everything on the wire hears of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Begins once, and then stays. A clone is the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    has_begun: AtomicBool,
    begins: Notify,
}

impl Drain {
    /// From now on running answers may end, and nothing new begins.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::SeqCst);
        self.0.begins.notify_waiters();
    }

    /// Whether the server is going down.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::SeqCst)
    }

    /// Ends when the server begins to go down.
    pub async fn begun(self) {
        let begins = self.0.begins.notified();
        // Created before the look: what begins in between is notified.
        if !self.has_begun() {
            begins.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn whoever_waits_hears_of_it_and_whoever_comes_later_does_not_wait() {
        let drain = Drain::default();
        let mut waiting = Box::pin(drain.clone().begun());
        assert!(waiting.as_mut().now_or_never().is_none());
        drain.begin();
        assert!(waiting.as_mut().now_or_never().is_some());
        assert!(drain.begun().now_or_never().is_some());
    }
}
