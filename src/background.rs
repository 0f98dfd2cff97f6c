//! Bounded work in the background, on the runtime beside the I/O threads.
//!
//! A permit belongs to the work, not to the request that started it. While permits were dropped with
//! their requests, 1,000 searches over 20,000 titles whose connections were reset all ran, and the next
//! request took 5.7 s.

use std::{convert::Infallible, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinError,
};

/// The error of a call without a result.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// Too many calls wait.
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
    permits: Arc<Semaphore>,
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
        Self { runtime, permits: Arc::new(Semaphore::new(calls_max)) }
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
        let (_caller, abandoned) = oneshot::channel();
        let mut abandonment = Abandonment(abandoned);
        let task = self.runtime.spawn_blocking(move || {
            let _permit = permit;
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
        self.spawn_limited_with(|_| future).await
    }

    /// As [`spawn_limited`](Self::spawn_limited), for a future that ends early when its caller is gone.
    pub async fn spawn_limited_with<T: Send + 'static, F>(
        &self,
        future: impl FnOnce(Abandonment) -> F + Send + 'static,
    ) -> Result<T, BackgroundError>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let permit = self.permit()?;
        let (_caller, abandoned) = oneshot::channel();
        let mut abandonment = Abandonment(abandoned);
        let task = self.runtime.spawn(async move {
            let _permit = permit;
            if abandonment.has_happened() {
                return None;
            }
            Some(future(abandonment).await)
        });
        Ok(task.await?.expect("the caller is here"))
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, BackgroundError> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| BackgroundError::Busy)
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
