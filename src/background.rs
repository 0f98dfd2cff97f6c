//! Bounded work in the background, on the runtime beside the I/O threads.
//!
//! A permit belongs to the work, not to the request that started it. While permits were dropped with
//! their requests, 1,000 searches over 20,000 titles whose connections were reset all ran, and the next
//! request took 5.7 s.
//!
//! Clients take turns, and one client alone gets half of the permits.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::oneshot::{self, error::RecvError},
    task::JoinError,
};

use crate::shares::{ClientKey, FairPermits, FairQueue, Share, Shares};

/// The most futures that run at the same time: as many as a pool has connections to the database. Without
/// this limit a client could have a hundred calls wait for one, and each of another client behind them.
const FUTURES_RUNNING_MAX: usize = 8;

/// The error of a call without a result.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// Too many calls wait, or the client has its share of them.
    #[error("too many calls are waiting in the background")]
    Busy,
    /// The call panicked, or the runtime is shutting down.
    #[error("a call in the background panicked, or the server is shutting down")]
    Aborted,
}

impl From<JoinError> for BackgroundError {
    fn from(_: JoinError) -> Self {
        Self::Aborted
    }
}

impl From<RecvError> for BackgroundError {
    fn from(_: RecvError) -> Self {
        Self::Aborted
    }
}

/// The background runtime, with a bound on the calls that wait or run there. A clone shares the bound.
#[derive(Clone, Debug)]
pub struct Background {
    runtime: Handle,
    permits: Shares,
    /// Permits of the futures that run.
    futures: FairPermits,
    /// The calls that wait for a blocking thread.
    waiting: Arc<Waiting>,
}

/// Calls in the order of their clients' turns. The runtime's own queue holds as many tokens, each of which
/// runs the next of these calls.
#[derive(Default)]
struct Waiting(Mutex<FairQueue<Box<dyn FnOnce() + Send>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, FairQueue<Box<dyn FnOnce() + Send>>> {
        // No call runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").finish_non_exhaustive()
    }
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
        let futures = FairPermits::new(FUTURES_RUNNING_MAX);
        Self { runtime, permits: Shares::new(calls_max, 0), futures, waiting: Arc::default() }
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
        let client = ClientKey::current();
        let permit = self.permit(client)?;
        let (sender, result) = oneshot::channel();
        let call = move || {
            let _permit = permit;
            if !sender.is_closed() {
                // An error means that the caller has just gone.
                let _ = sender.send(call());
            }
        };
        self.waiting.lock().push(client, Box::new(call));
        let waiting = Arc::clone(&self.waiting);
        self.runtime.spawn_blocking(move || {
            let next = waiting.lock().pop();
            if let Some(call) = next {
                call();
            }
        });
        Ok(result.await?)
    }

    /// Awaits a future that needs this runtime, such as one that uses the database's connections. A
    /// future that has not begun when its caller is dropped is not polled; one that has begun runs to its
    /// end.
    pub async fn spawn_limited<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, BackgroundError> {
        let client = ClientKey::current();
        let permit = self.permit(client)?;
        let turn = self.futures.acquire(client).await;
        self.spawn(client, (permit, turn), |_| future).await
    }

    /// As [`spawn_limited`](Self::spawn_limited), for a future that mostly waits, and ends early when its
    /// caller is gone. Such futures wait for no turn.
    pub async fn spawn_limited_with<T: Send + 'static, F>(
        &self,
        future: impl FnOnce(Abandonment) -> F + Send + 'static,
    ) -> Result<T, BackgroundError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let client = ClientKey::current();
        let permit = self.permit(client)?;
        self.spawn(client, permit, future).await
    }

    /// Runs a future that holds its permits.
    async fn spawn<T: Send + 'static, F>(
        &self,
        client: ClientKey,
        held: impl Send + 'static,
        future: impl FnOnce(Abandonment) -> F + Send + 'static,
    ) -> Result<T, BackgroundError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (_caller, abandoned) = oneshot::channel();
        let mut abandonment = Abandonment(abandoned);
        let task = self.runtime.spawn(client.scope(async move {
            let _held = held;
            if abandonment.has_happened() {
                return None;
            }
            Some(future(abandonment).await)
        }));
        Ok(task.await?.expect("the caller is here"))
    }

    fn permit(&self, client: ClientKey) -> Result<Share, BackgroundError> {
        self.permits.take_free(client).map_err(|_| BackgroundError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use futures::{FutureExt as _, future::join_all};
    use tokio::{
        runtime::{Builder, Runtime},
        sync::{Semaphore, mpsc::unbounded_channel},
    };

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

    fn client(number: usize) -> ClientKey {
        ClientKey::V6(number as u64)
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
        for number in 0..CALLS_MAX {
            let call_runs = Arc::clone(&runs);
            let call = move || call_runs.fetch_add(1, Ordering::Relaxed);
            abandon(client(number).scope(background.spawn_blocking_limited(call)));
        }
        let refused = background.spawn_blocking_limited(|| ()).now_or_never();
        assert!(matches!(refused, Some(Err(BackgroundError::Busy))), "every permit is with a call");
        drop(release);
        // The queue is in order: behind this call no abandoned one is left.
        runtime.block_on(async { runtime.spawn_blocking(|| ()).await }).expect("the thread runs");
        assert_eq!(runs.load(Ordering::Relaxed), 0, "abandoned calls that ran");
        let call = |number| client(number).scope(background.spawn_blocking_limited(|| ()));
        let calls = (0..CALLS_MAX).map(call);
        let results = runtime.block_on(join_all(calls));
        assert!(results.iter().all(Result::is_ok), "every permit is back");
    }

    #[test]
    fn few_futures_run_at_the_same_time_and_clients_take_turns() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let background = Background::new(runtime.handle().clone(), 8 * FUTURES_RUNNING_MAX);
        let (begin, mut begun) = unbounded_channel();
        let release = Arc::new(Semaphore::new(0));
        let wait = |number| {
            let (begin, release) = (begin.clone(), Arc::clone(&release));
            let call = background.spawn_limited(async move {
                begin.send(number).expect("the test waits");
                release.acquire().await.expect("it stays open").forget();
            });
            Box::pin(client(number).scope(call))
        };
        let mut calls: Vec<_> = (0..3 * FUTURES_RUNNING_MAX).map(|_| wait(1)).collect();
        calls.push(wait(2));
        for call in &mut calls {
            assert!(call.now_or_never().is_none(), "it waits");
        }
        for _ in 0..FUTURES_RUNNING_MAX {
            assert_eq!(begun.blocking_recv(), Some(1));
        }
        assert!(begun.try_recv().is_err(), "the others wait for their turn");
        let mut all = join_all(calls);
        let mut next = || {
            release.add_permits(1);
            runtime.block_on(async {
                tokio::select! {
                    next = begun.recv() => next,
                    _ = &mut all => None,
                }
            })
        };
        assert_eq!((next(), next()), (Some(1), Some(2)), "the clients take turns");
        release.add_permits(3 * FUTURES_RUNNING_MAX);
        assert!(runtime.block_on(all).iter().all(Result::is_ok));
    }

    #[test]
    fn clients_take_turns_and_one_alone_gets_half_of_the_permits() {
        let runtime = one_blocking_thread();
        let background = Background::new(runtime.handle().clone(), CALLS_MAX);
        let release = occupy(&runtime);
        let (ran, order) = mpsc::channel();
        let call = |number| {
            let ran = ran.clone();
            let call = move || ran.send(number).expect("the test waits");
            Box::pin(client(number).scope(background.spawn_blocking_limited(call)))
        };
        let mut waiting: Vec<_> = [1, 1, 1, 1, 2].map(call).into();
        for call in &mut waiting {
            assert!(call.now_or_never().is_none(), "it waits");
        }
        let refused = call(1).now_or_never();
        assert!(matches!(refused, Some(Err(BackgroundError::Busy))));
        drop(release);
        runtime.block_on(join_all(waiting));
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 1, 1, 1]);
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
            assert!(matches!(aborted, Err(BackgroundError::Aborted)));
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
