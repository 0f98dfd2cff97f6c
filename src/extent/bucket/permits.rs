//! Permits for requests: reads that a viewer waits for come before read-ahead.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::shares::{ClientKey, FairPermit, FairPermits};

/// As many permits as requests may be in progress. Clients take turns; read-ahead takes only what is free,
/// at most half, and ends when a viewer has to wait.
#[derive(Debug)]
pub(super) struct RequestPermits {
    all: FairPermits,
    ahead: FairPermits,
    /// The viewers that wait for a permit.
    waiting: AtomicUsize,
    contended: Notify,
}

/// A permit, until it is dropped.
#[derive(Debug)]
pub(super) struct RequestPermit {
    _request: FairPermit,
    _ahead: Option<FairPermit>,
}

/// A viewer that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl RequestPermits {
    pub(super) fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self {
            all: FairPermits::new(requests.max(1)),
            ahead: FairPermits::new((requests / 2).max(1)),
            waiting: AtomicUsize::new(0),
            contended: Notify::new(),
        })
    }

    /// Waits for a permit, on whose behalf read-ahead ends.
    pub(super) async fn acquire(&self, client: ClientKey) -> RequestPermit {
        if let Some(permit) = self.all.try_acquire() {
            return RequestPermit { _request: permit, _ahead: None };
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.contended.notify_waiters();
        RequestPermit { _request: self.all.acquire(client).await, _ahead: None }
    }

    /// A permit for a hedge or another attempt, if one is free.
    pub(super) fn try_acquire(&self) -> Option<RequestPermit> {
        self.all.try_acquire().map(|permit| RequestPermit { _request: permit, _ahead: None })
    }

    /// A permit for read-ahead, if one is free.
    pub(super) fn try_acquire_ahead(&self) -> Option<RequestPermit> {
        let ahead = self.ahead.try_acquire()?;
        let request = self.all.try_acquire()?;
        Some(RequestPermit { _request: request, _ahead: Some(ahead) })
    }

    /// Returns when a viewer has to wait for a permit.
    pub(super) async fn contended(&self) {
        let contended = self.contended.notified();
        if self.waiting.load(Ordering::Relaxed) == 0 {
            contended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn read_ahead_takes_half_and_hears_of_a_viewer_that_waits() {
        let permits = RequestPermits::new(4);
        let ahead = [(); 2].map(|()| permits.try_acquire_ahead().expect("it is free"));
        assert!(permits.try_acquire_ahead().is_none(), "more than half");
        let held = [(); 2].map(|()| permits.try_acquire().expect("it is free"));
        let mut contended = Box::pin(permits.contended());
        assert!((&mut contended).now_or_never().is_none());
        let mut viewer = Box::pin(permits.acquire(ClientKey::Server));
        assert!((&mut viewer).now_or_never().is_none());
        contended.now_or_never().expect("a viewer waits");
        permits.contended().now_or_never().expect("the viewer waits still");
        drop(ahead);
        viewer.now_or_never().expect("read-ahead ended");
        assert!(permits.contended().now_or_never().is_none());
        drop(held);
    }
}
