//! Permits for which clients take turns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{ClientKey, FairQueue};

/// A semaphore whose permits go round the clients that wait for one.
#[derive(Clone, Debug)]
pub struct FairPermits(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    waiting: FairQueue<oneshot::Sender<FairPermit>>,
}

/// A permit, until it is dropped; `None` once another has it.
#[derive(Debug)]
pub struct FairPermit(Option<FairPermits>);

impl FairPermits {
    /// So many permits.
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: permits, waiting: FairQueue::default() })))
    }

    /// A permit, if one is free.
    pub fn try_acquire(&self) -> Option<FairPermit> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(FairPermit(Some(self.clone())))
    }

    /// Waits for a permit.
    pub async fn acquire(&self, client: ClientKey) -> FairPermit {
        let granted = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return FairPermit(Some(self.clone()));
            }
            let (sender, granted) = oneshot::channel();
            state.waiting.push(client, sender);
            granted
        };
        granted.await.expect("a permit that is held keeps the queue")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FairPermit {
    /// Passes the permit on to the first caller that still waits.
    fn drop(&mut self) {
        let Some(permits) = self.0.take() else {
            return;
        };
        loop {
            let next = {
                let mut state = permits.lock();
                let next = state.waiting.pop();
                state.free += usize::from(next.is_none());
                next
            };
            let Some(next) = next else {
                return;
            };
            match next.send(Self(Some(permits.clone()))) {
                Ok(()) => return,
                // That caller has gone, and this permit must not be passed on twice.
                Err(mut unsent) => drop(unsent.0.take()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn client(number: u64) -> ClientKey {
        ClientKey::V6(number)
    }

    #[test]
    fn a_permit_goes_round_the_clients_that_wait() {
        let permits = FairPermits::new(1);
        let held = permits.acquire(client(1)).now_or_never().expect("it is free");
        let mut first = Box::pin(permits.acquire(client(1)));
        let mut second = Box::pin(permits.acquire(client(1)));
        let mut other = Box::pin(permits.acquire(client(2)));
        for waiting in [&mut first, &mut second, &mut other] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(held);
        drop(first.now_or_never().expect("its turn"));
        assert!((&mut second).now_or_never().is_none());
        drop(other.now_or_never().expect("its turn"));
        second.now_or_never().expect("its turn");
        permits.acquire(client(3)).now_or_never().expect("it is free again");
    }

    #[test]
    fn callers_that_have_gone_keep_no_permit() {
        let permits = FairPermits::new(1);
        let held = permits.acquire(client(1)).now_or_never().expect("it is free");
        let mut before = Box::pin(permits.acquire(client(1)));
        let mut after = Box::pin(permits.acquire(client(2)));
        assert!((&mut before).now_or_never().is_none() && (&mut after).now_or_never().is_none());
        drop(before);
        drop(held);
        // This one goes with a permit that it has not received yet.
        drop(after);
        permits.acquire(client(3)).now_or_never().expect("it is free again");
    }
}
