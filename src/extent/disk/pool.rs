//! The disk pool of one library root: the threads for calls that may wait for its disk.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// The settings of a pool.
#[derive(Clone, Copy, Debug)]
pub struct DiskPoolSettings {
    /// The most threads; each starts when it is first needed.
    pub threads: usize,
    /// The most calls that wait for a thread; the pool refuses more.
    pub queue: usize,
    /// The most time that a caller waits for its call, the time in the queue included.
    pub deadline: Duration,
}

/// The error of a call in the pool without a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unavailable {
    /// The call did not finish within the pool's deadline.
    #[error("the disk did not respond in time")]
    Deadline,
    /// Every thread has been stuck in a call for longer than the deadline.
    #[error("the disk hangs")]
    Hanging,
    /// The queue is full.
    #[error("too many calls wait for the disk")]
    Busy,
    /// The root has not been opened yet, or its file system lost its server.
    #[error("the root is not available")]
    Offline,
    /// The call panicked. [`OpenError`](super::OpenError) and [`ReadError`](crate::extent::ReadError)
    /// report this as an error of the server, not of the disk.
    #[error("a disk call panicked")]
    Panicked,
}

/// A bounded pool of threads for the disk of one root.
///
/// A call that hangs blocks its thread until the kernel returns, and nothing more: callers get an error
/// after the deadline, and at once when all threads hang.
pub struct DiskPool {
    shared: Arc<Shared>,
    settings: DiskPoolSettings,
}

struct Shared {
    name: String,
    /// Held for a push or a pop and never across a call, hence a plain mutex.
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Call>,
    /// For each started thread: the start of its present call.
    threads: Vec<Option<Instant>>,
    last_finished: Option<Instant>,
    closing: bool,
}

type Call = Box<dyn FnOnce() + Send>;

impl DiskPool {
    /// A pool without threads yet; `name` becomes part of their names.
    pub fn new(name: &str, settings: DiskPoolSettings) -> Self {
        let shared =
            Shared { name: name.to_owned(), state: Mutex::default(), work: Condvar::new() };
        Self { shared: Arc::new(shared), settings }
    }

    /// The most time that a caller waits for its call.
    pub fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// Runs the call on a thread of the pool and waits for its result until the deadline.
    ///
    /// If the caller stops waiting before the call starts, the pool does not run it.
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let finished = self.submit(call, self.settings.queue).map_err(|error| self.log(error))?;
        match tokio::time::timeout(self.settings.deadline, finished).await {
            Ok(result) => call_result(result),
            Err(_elapsed) => Err(self.log(Unavailable::Deadline)),
        }
    }

    /// Logs why a call has no result, with the root.
    pub(super) fn log(&self, error: Unavailable) -> Unavailable {
        tracing::warn!(root = self.shared.name, %error, "storage unavailable");
        error
    }

    /// As [`run`](Self::run), but the deadline does not count while the pool finishes other calls: for
    /// the reads of a response that has begun. A busy disk slows its viewers down; a cut would make them
    /// all reconnect and request the same again.
    pub async fn run_progressing<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        // A long queue is no reason to refuse: each response waits for one read at a time, so that the
        // connection limit bounds the queue.
        let mut finished = self.submit(call, usize::MAX).map_err(|error| self.log(error))?;
        loop {
            match tokio::time::timeout(self.settings.deadline, &mut finished).await {
                Ok(result) => return call_result(result),
                Err(_elapsed) if self.has_progressed() => {}
                Err(_elapsed) => return Err(self.log(Unavailable::Deadline)),
            }
        }
    }

    /// As [`run`](Self::run), without a deadline: for scans, which no request waits for.
    pub async fn run_without_deadline<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        call_result(self.submit(call, usize::MAX)?.await)
    }

    /// Queues the call for its effect alone: closing a file, for example, can wait for a disk too.
    pub fn run_detached(&self, call: impl FnOnce() + Send + 'static) {
        self.enqueue(&mut self.shared.lock(), Box::new(call));
    }

    fn submit<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
        queue_max: usize,
    ) -> Result<oneshot::Receiver<thread::Result<T>>, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.shared.lock();
        if self.all_hang(&state) {
            return Err(Unavailable::Hanging);
        }
        if state.queue.len() >= queue_max {
            return Err(Unavailable::Busy);
        }
        let call = move || {
            if !sender.is_closed() {
                // The panic hook counts a panic, which here costs only its own call. An error of `send`
                // means that the caller is gone.
                let _ = sender.send(catch_unwind(AssertUnwindSafe(call)));
            }
        };
        self.enqueue(&mut state, Box::new(call));
        Ok(receiver)
    }

    fn enqueue(&self, state: &mut State, call: Call) {
        state.queue.push_back(call);
        let idle = state.threads.iter().filter(|busy| busy.is_none()).count();
        if idle < state.queue.len() && state.threads.len() < self.settings.threads {
            let number = state.threads.len();
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name(format!("disk-{}", shared.name))
                .spawn(move || shared.worker_loop(number));
            match started {
                Ok(_detached) => state.threads.push(None),
                Err(error) if number == 0 => panic!("cannot start a disk thread: {error}"),
                Err(error) => tracing::warn!(%error, "cannot start another disk thread"),
            }
        }
        self.shared.work.notify_one();
    }

    /// Whether a call finished within the last deadline.
    fn has_progressed(&self) -> bool {
        let last = self.shared.lock().last_finished;
        last.is_some_and(|last| last.elapsed() < self.settings.deadline)
    }

    fn all_hang(&self, state: &State) -> bool {
        let hangs =
            |busy: &Option<Instant>| busy.is_some_and(|s| s.elapsed() > self.settings.deadline);
        state.threads.len() == self.settings.threads && state.threads.iter().all(hangs)
    }
}

/// The result of a call. A pool drops calls without a result only when it closes.
fn call_result<T>(
    result: Result<thread::Result<T>, oneshot::error::RecvError>,
) -> Result<T, Unavailable> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_panic)) => Err(Unavailable::Panicked),
        Err(_closed) => Err(Unavailable::Busy),
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_all();
    }
}

impl std::fmt::Debug for DiskPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskPool").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No call is made under the lock, so a poisoned one still holds a valid state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one call after the other, until the pool is closed and the queue is empty.
    fn worker_loop(&self, number: usize) {
        let mut state = self.lock();
        loop {
            if let Some(call) = state.queue.pop_front() {
                state.threads[number] = Some(Instant::now());
                drop(state);
                // A panic of a detached call; the others catch their own.
                let _ = catch_unwind(AssertUnwindSafe(call));
                state = self.lock();
                state.threads[number] = None;
                state.last_finished = Some(Instant::now());
            } else if state.closing {
                return;
            } else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{super::OpenError, *};
    use crate::extent::ReadError;

    fn pool(deadline: Duration) -> DiskPool {
        DiskPool::new("test", DiskPoolSettings { threads: 2, queue: 4, deadline })
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(future)
    }

    #[test]
    fn a_call_returns_its_result() {
        assert_eq!(block_on(pool(Duration::from_secs(60)).run(|| 6 * 7)), Ok(42));
    }

    #[test]
    fn a_panic_costs_its_own_call_only() {
        let pool = pool(Duration::from_secs(60));
        block_on(async {
            assert_eq!(
                pool.run(|| panic!("on purpose")).await,
                Err::<(), _>(Unavailable::Panicked)
            );
            assert_eq!(pool.run(|| 1).await, Ok(1));
        });
    }

    #[test]
    fn a_panic_is_an_error_of_the_server_and_not_of_the_disk() {
        let unavailable = Unavailable::Panicked;
        assert!(matches!(OpenError::from(unavailable), OpenError::Io(_)));
        assert!(matches!(ReadError::from(unavailable), ReadError::Io(_)));
    }

    #[test]
    fn when_all_threads_hang_callers_get_an_error_at_once_and_results_again_later() {
        let pool = pool(Duration::from_millis(1));
        block_on(async {
            let release: Vec<_> = (0..2)
                .map(|_| {
                    let (release, wait) = mpsc::channel::<()>();
                    pool.run_detached(move || {
                        let _ = wait.recv();
                    });
                    release
                })
                .collect();
            // The deadline of the first call outlasts that of the two that hang.
            while pool.run(|| ()).await != Err(Unavailable::Hanging) {}
            drop(release);
            while pool.run(|| ()).await != Ok(()) {}
        });
    }

    #[test]
    fn a_full_queue_refuses_instead_of_growing() {
        let pool = pool(Duration::from_secs(60));
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..8 {
            let wait = Arc::clone(&wait);
            pool.run_detached(move || {
                let _ = wait.lock().map(|wait| wait.recv());
            });
        }
        assert_eq!(block_on(pool.run(|| ())), Err(Unavailable::Busy));
        drop(release);
    }
}
