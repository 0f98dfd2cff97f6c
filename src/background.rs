//! Bounded work in the background, on the runtime beside the I/O threads.
//!
//! A permit belongs to the work, not to the request that started it. While permits were dropped with
//! their requests, 1,000 searches over 20,000 titles whose connections were reset all ran, and the next
//! request took 5.7 s.
//!
//! The bound is shared fairly between clients: each may have as many calls as there are free places, so that
//! one alone gets half of them, and few of its calls run at the same time.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinError,
};

use crate::shares::ClientKey;

/// The most calls of one client that run at the same time; its other calls wait for their turn. Less than the
/// blocking threads and the connections to the database, so that calls of others always find some.
const CLIENT_RUNNING_MAX: usize = 2;

/// The error of a call without a result.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// Too many calls wait, or too many of this client.
    #[error("too many calls are waiting in the background")]
    Busy,
    /// The call panicked, or the runtime is shutting down.
    #[error(transparent)]
    Aborted(#[from] JoinError),
}

/// The background runtime, with a bound on the calls that wait or run there. A clone shares the bound.
#[derive(Clone, Debug)]
pub struct Background {
    runtime: Handle,
    calls: Arc<Calls>,
}

/// The calls that wait or run.
#[derive(Debug)]
struct Calls {
    calls_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    count: usize,
    /// Each client with a call.
    clients: HashMap<ClientKey, Client>,
}

/// The calls of a client.
#[derive(Debug)]
struct Client {
    count: usize,
    /// Permits for those that run.
    running: Arc<Semaphore>,
}

/// The right to one call, until it is dropped.
#[derive(Debug)]
struct Permit {
    calls: Arc<Calls>,
    client: ClientKey,
    running: Arc<Semaphore>,
}

/// The signal to a call that its caller is gone.
#[derive(Debug)]
pub struct Abandonment(oneshot::Receiver<Infallible>);

impl Abandonment {
    /// Waits until the caller is gone.
    pub async fn wait(&mut self) {
        // No value is ever sent: the channel closes when the caller drops its end.
        let _ = (&mut self.0).await;
    }

    fn has_happened(&mut self) -> bool {
        self.0.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }
}

impl Background {
    /// At most `calls_max` calls wait or run on this runtime; more are refused.
    pub fn new(runtime: Handle, calls_max: usize) -> Self {
        let calls = Calls { calls_max, held: Mutex::default() };
        Self { runtime, calls: Arc::new(calls) }
    }

    /// The runtime itself, for tasks that run until the process ends.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs a call that is too long for an I/O thread (over about 1 ms) on a blocking thread. A call that
    /// has not begun when its caller is dropped does not run.
    pub async fn spawn_blocking_limited<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BackgroundError> {
        let permit = self.permit()?;
        let turn = permit.turn().await;
        let (_caller, abandoned) = oneshot::channel();
        let mut abandonment = Abandonment(abandoned);
        let task = self.runtime.spawn_blocking(move || {
            let _held = (turn, permit);
            (!abandonment.has_happened()).then(call)
        });
        Ok(task.await?.expect("the caller is here"))
    }

    /// Awaits a future that needs this runtime, such as one that uses the database's connections. A
    /// future that has not begun when its caller is dropped is not polled; one that has begun runs to its
    /// end.
    pub async fn spawn_limited<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, BackgroundError> {
        let permit = self.permit()?;
        let turn = permit.turn().await;
        self.spawn((turn, permit), |_| future).await
    }

    /// As [`spawn_limited`](Self::spawn_limited), for a future that mostly waits, and ends early when its
    /// caller is gone. All such futures of a client run at the same time.
    pub async fn spawn_limited_with<T: Send + 'static, F>(
        &self,
        future: impl FnOnce(Abandonment) -> F + Send + 'static,
    ) -> Result<T, BackgroundError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let permit = self.permit()?;
        self.spawn(permit, future).await
    }

    /// Runs a future that holds its permits.
    async fn spawn<T: Send + 'static, F>(
        &self,
        held: impl Send + 'static,
        future: impl FnOnce(Abandonment) -> F + Send + 'static,
    ) -> Result<T, BackgroundError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (_caller, abandoned) = oneshot::channel();
        let mut abandonment = Abandonment(abandoned);
        let task = self.runtime.spawn(async move {
            let _held = held;
            if abandonment.has_happened() {
                return None;
            }
            Some(future(abandonment).await)
        });
        Ok(task.await?.expect("the caller is here"))
    }

    /// A permit on the account of the present task's client.
    fn permit(&self) -> Result<Permit, BackgroundError> {
        let client = ClientKey::current();
        let mut held = self.calls.lock();
        let free = self.calls.calls_max.saturating_sub(held.count);
        let own = held.clients.get(&client).map_or(0, |client| client.count);
        if free == 0 || (client != ClientKey::Server && own >= free) {
            return Err(BackgroundError::Busy);
        }
        held.count += 1;
        let running = held.add(client);
        drop(held);
        Ok(Permit { calls: Arc::clone(&self.calls), client, running })
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Held> {
        // A change cannot panic half-way.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Counts a call of a client, and returns the permits for its calls that run.
    fn add(&mut self, client: ClientKey) -> Arc<Semaphore> {
        let running_max = match client {
            ClientKey::Server => Semaphore::MAX_PERMITS,
            ClientKey::V4(_) | ClientKey::V6(_) => CLIENT_RUNNING_MAX,
        };
        let none = || Client { count: 0, running: Arc::new(Semaphore::new(running_max)) };
        let held = self.clients.entry(client).or_insert_with(none);
        held.count += 1;
        Arc::clone(&held.running)
    }
}

impl Permit {
    /// Waits until few enough calls of the client run.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(&self.running).acquire_owned().await.ok()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.calls.lock();
        held.count = held.count.saturating_sub(1);
        if let Some(client) = held.clients.get_mut(&self.client) {
            client.count -= 1;
            if client.count == 0 {
                held.clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use futures::{FutureExt as _, future::join_all};
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    const CALLS_MAX: usize = 8;

    fn one_blocking_thread() -> Runtime {
        Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(1)
            .build()
            .expect("a runtime")
    }

    /// Occupies the only blocking thread until the sender is dropped.
    fn occupy(runtime: &Runtime) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        runtime.spawn_blocking(move || {
            begin.send(()).expect("the test waits");
            let _ = released.recv();
        });
        begun.recv().expect("the thread begins");
        release
    }

    /// A request whose client has gone: its future was polled, then dropped.
    fn abandon(future: impl Future) {
        assert!(future.now_or_never().is_none(), "it waits");
    }

    #[test]
    fn permits_stay_with_abandoned_work_and_the_work_does_not_begin() {
        let runtime = one_blocking_thread();
        let background = Background::new(runtime.handle().clone(), CALLS_MAX);
        let release = occupy(&runtime);
        let runs = Arc::new(AtomicUsize::new(0));
        for _ in 0..CALLS_MAX {
            let call_runs = Arc::clone(&runs);
            abandon(
                background
                    .spawn_blocking_limited(move || call_runs.fetch_add(1, Ordering::Relaxed)),
            );
        }
        let refused = background.spawn_blocking_limited(|| ()).now_or_never();
        assert!(matches!(refused, Some(Err(BackgroundError::Busy))), "every permit is with a call");
        drop(release);
        // The queue is in order: behind this call no abandoned one is left.
        runtime.block_on(async { runtime.spawn_blocking(|| ()).await }).expect("the thread runs");
        assert_eq!(runs.load(Ordering::Relaxed), 0, "abandoned calls that ran");
        let calls = (0..CALLS_MAX).map(|_| background.spawn_blocking_limited(|| ()));
        let results = runtime.block_on(join_all(calls));
        assert!(results.iter().all(Result::is_ok), "every permit is back");
    }

    fn client(number: u8) -> ClientKey {
        ClientKey::V4([127, 0, 0, number].into())
    }

    #[test]
    fn one_client_leaves_places_for_others() {
        let runtime = one_blocking_thread();
        let background = Background::new(runtime.handle().clone(), CALLS_MAX);
        let permits = |number| {
            let permit = client(number).scope(async { background.permit().ok() });
            permit.now_or_never().flatten()
        };
        let greedy: Vec<_> = std::iter::from_fn(|| permits(1)).collect();
        assert_eq!(greedy.len(), CALLS_MAX / 2);
        let second: Vec<_> = std::iter::from_fn(|| permits(2)).collect();
        assert_eq!(second.len(), CALLS_MAX / 4);
        assert!(permits(3).is_some(), "there is a place for the next one");
        drop((greedy, second));
        assert!(
            background.calls.lock().clients.is_empty(),
            "nothing is kept of clients without calls"
        );
        assert_eq!(background.calls.lock().count, 0);
    }

    #[test]
    fn few_calls_of_one_client_run_at_the_same_time() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let background = Background::new(runtime.handle().clone(), 4 * CALLS_MAX);
        let (begin, begun) = mpsc::channel();
        let (release, released) = tokio::sync::watch::channel(false);
        let mut calls: Vec<_> = (0..CALLS_MAX)
            .map(|_| {
                let (begin, mut released) = (begin.clone(), released.clone());
                let call = background.spawn_limited(async move {
                    begin.send(()).expect("the test waits");
                    let _ = released.wait_for(|released| *released).await;
                });
                Box::pin(client(1).scope(call))
            })
            .collect();
        for call in &mut calls {
            assert!(call.now_or_never().is_none(), "it waits");
        }
        (0..CLIENT_RUNNING_MAX).for_each(|_| begun.recv().expect("it begins"));
        // The call of another client runs, and after it none of the first client has begun.
        let other = client(2).scope(background.spawn_limited(async {}));
        runtime.block_on(other).expect("another client's call");
        assert!(begun.try_recv().is_err(), "the others of this client wait for their turn");
        release.send_replace(true);
        assert!(runtime.block_on(join_all(calls)).iter().all(Result::is_ok));
        assert_eq!(begun.try_iter().count(), CALLS_MAX - CLIENT_RUNNING_MAX);
    }

    #[test]
    fn a_future_that_has_begun_runs_to_its_end() {
        let runtime = one_blocking_thread();
        let background = Background::new(runtime.handle().clone(), CALLS_MAX);
        let (begin, begun) = oneshot::channel();
        let (proceed, proceeding) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let call = async {
            begin.send(()).expect("the test waits");
            proceeding.await.expect("the test goes on");
            end.send(()).expect("the test waits");
        };
        runtime.block_on(async {
            let mut waiting = Box::pin(background.spawn_limited(call));
            assert!((&mut waiting).now_or_never().is_none());
            begun.await.expect("it begins");
            drop(waiting);
            proceed.send(()).expect("it waits");
            ended.await.expect("it ends");
        });
    }

    #[test]
    fn a_panic_frees_its_permit() {
        let runtime = one_blocking_thread();
        let background = Background::new(runtime.handle().clone(), CALLS_MAX);
        for _ in 0..2 * CALLS_MAX {
            let call = || std::panic::resume_unwind(Box::new(()));
            let aborted: Result<(), _> = runtime.block_on(background.spawn_blocking_limited(call));
            assert!(matches!(aborted, Err(BackgroundError::Aborted(_))));
        }
    }

    #[test]
    fn a_future_is_notified_that_its_caller_is_gone() {
        let runtime = one_blocking_thread();
        let background = Background::new(runtime.handle().clone(), 1);
        let (begin, begun) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let call = async |mut abandonment: Abandonment| {
            begin.send(()).expect("the test waits");
            abandonment.wait().await;
            end.send(()).expect("the test waits");
        };
        runtime.block_on(async {
            let mut waiting = Box::pin(background.spawn_limited_with(call));
            assert!((&mut waiting).now_or_never().is_none());
            begun.await.expect("it begins");
            drop(waiting);
            ended.await.expect("it ends");
        });
    }
}
