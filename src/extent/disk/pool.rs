//! The disk pool of one library root: the threads for calls that may wait for its disk.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    shares::{ClientKey, FairQueue},
    sys::sched::{self, Policy},
};

/// The most threads that compute for one root: a scan of all samples keeps a core busy.
const COMPUTE_THREADS_MAX: usize = 2;

/// The scheduling of threads that compute.
const COMPUTE_SCHEDULING: Policy = Policy::Batch { slice: Duration::from_millis(20), nice: 5 };

/// The settings of a pool.
#[derive(Clone, Copy, Debug)]
pub struct DiskPoolSettings {
    /// The most threads; each starts when it is first needed.
    pub threads: usize,
    /// The most calls that wait for a thread; the pool refuses more. A client may have as many of them as
    /// places are free.
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
    /// The queue is full, or the client has its share of it.
    #[error("too many calls wait for the disk")]
    Busy,
    /// The process, or the system, has as many open files as it may have.
    #[error("no file descriptor is free")]
    NoDescriptor,
    /// The root has not been opened yet, or its file system lost its server.
    #[error("the root is not available")]
    Offline,
    /// The bucket of the root did not respond as it should, after all retries.
    #[error("the bucket is not available")]
    BucketDown {
        /// When to try again.
        retry_after: Duration,
    },
    /// The bucket of the root refused the credentials.
    #[error("the bucket refused the credentials")]
    BucketRefused,
    /// The call panicked. [`OpenError`](super::OpenError) and [`ReadError`](crate::extent::ReadError)
    /// report this as an error of the server, not of the disk.
    #[error("a disk call panicked")]
    Panicked,
}

/// A bounded pool of threads for the disk of one root.
///
/// Clients take turns: a call waits for those that run, and for at most one of each other client.
///
/// A call that hangs blocks its thread until the kernel returns, and nothing more: callers get an error
/// after the deadline, and at once when all threads hang.
pub struct DiskPool {
    shared: Arc<Shared>,
    settings: DiskPoolSettings,
    /// How the threads are scheduled; `None` like those of the server.
    scheduling: Option<Policy>,
    /// Hashes the keys of calls that others can join.
    keys: RandomState,
}

struct Shared {
    name: String,
    /// Held for a push or a pop and never across a call, hence a plain mutex.
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: FairQueue<Ticket>,
    /// The calls that wait under the hash of a key.
    joinable: HashMap<u64, Call>,
    /// For each started thread: the start of its present call.
    threads: Vec<Option<Instant>>,
    last_finished: Option<Instant>,
    /// The calls that began, the time that these waited, and the calls that were refused because too many
    /// waited.
    calls: u64,
    waited: Duration,
    refused: u64,
    closing: bool,
}

/// A call that waits.
struct Call {
    run: Box<dyn FnOnce() + Send>,
    queued: Instant,
}

impl Call {
    fn new(run: impl FnOnce() + Send + 'static) -> Self {
        Self { run: Box::new(run), queued: Instant::now() }
    }
}

/// The use of a pool since the start.
#[derive(Clone, Copy, Debug)]
pub struct PoolUse {
    /// The calls that wait for a thread now.
    pub waiting: usize,
    /// The calls that began.
    pub calls: u64,
    /// The time that these waited, all together.
    pub waited: Duration,
    /// The calls that were refused because too many waited.
    pub refused: u64,
}

/// The place of a call in the queue. A call that several clients wait for has several, and runs at the first
/// of them.
enum Ticket {
    Own(Call),
    Joint(u64),
}

impl State {
    /// The next call of the client whose turn it is.
    fn pop(&mut self) -> Option<Call> {
        loop {
            match self.queue.pop()? {
                Ticket::Own(call) => return Some(call),
                Ticket::Joint(key) => {
                    if let Some(call) = self.joinable.remove(&key) {
                        return Some(call);
                    }
                    // It ran at another client's turn.
                }
            }
        }
    }
}

impl DiskPool {
    /// A pool without threads yet; `name` becomes their name.
    pub fn new(name: &str, settings: DiskPoolSettings) -> Self {
        let shared =
            Shared { name: name.to_owned(), state: Mutex::default(), work: Condvar::new() };
        Self { shared: Arc::new(shared), settings, scheduling: None, keys: RandomState::new() }
    }

    /// A pool for calls that compute more than they read. Its threads yield the processor to the others, so
    /// that a client who asks for much of it delays neither responses nor reads.
    pub fn for_computing(name: &str, settings: DiskPoolSettings) -> Self {
        let threads = settings.threads.min(COMPUTE_THREADS_MAX);
        let mut pool = Self::new(name, DiskPoolSettings { threads, ..settings });
        pool.scheduling = Some(COMPUTE_SCHEDULING);
        pool
    }

    /// The most time that a caller waits for its call.
    pub fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// Runs the call of a client on a thread of the pool and waits for its result until the deadline.
    ///
    /// If the caller stops waiting before the call starts, the pool does not run it.
    pub async fn run<T: Send + 'static>(
        &self,
        client: ClientKey,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.finish(self.submit(client, None, call, self.settings.queue)).await
    }

    /// As [`run`](Self::run), for a call whose result others wait for too: under this key they can
    /// [join](Self::join) it.
    pub async fn run_joinable<T: Send + 'static>(
        &self,
        client: ClientKey,
        key: &(impl Hash + ?Sized),
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let key = Some(self.keys.hash_one(key));
        self.finish(self.submit(client, key, call, self.settings.queue)).await
    }

    /// Lets the call under this key, if one waits, run at a turn of this client too. So a client that waits
    /// for what a greedy client has asked for does not wait for the rest that it has asked for.
    pub fn join(&self, client: ClientKey, key: &(impl Hash + ?Sized)) {
        let (key, queue_max) = (self.keys.hash_one(key), self.settings.queue);
        let mut state = self.shared.lock();
        if state.joinable.contains_key(&key) && state.queue.has_place_for(client, queue_max) {
            state.queue.push(client, Ticket::Joint(key));
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
        client: ClientKey,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        // A long queue is no reason to refuse: each response waits for one read at a time, so that the
        // connection limit bounds the queue.
        let submitted = self.submit(client, None, call, usize::MAX);
        let mut finished = submitted.map_err(|error| self.log(error))?;
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
        call_result(self.submit(ClientKey::Server, None, call, usize::MAX)?.await)
    }

    /// Queues the call for its effect alone: closing a file, for example, can wait for a disk too.
    pub fn run_detached(&self, client: ClientKey, call: impl FnOnce() + Send + 'static) {
        self.enqueue(&mut self.shared.lock(), client, Ticket::Own(Call::new(call)));
    }

    async fn finish<T>(
        &self,
        submitted: Result<oneshot::Receiver<thread::Result<T>>, Unavailable>,
    ) -> Result<T, Unavailable> {
        let finished = submitted.map_err(|error| self.log(error))?;
        match tokio::time::timeout(self.settings.deadline, finished).await {
            Ok(result) => call_result(result),
            Err(_elapsed) => Err(self.log(Unavailable::Deadline)),
        }
    }

    fn submit<T: Send + 'static>(
        &self,
        client: ClientKey,
        key: Option<u64>,
        call: impl FnOnce() -> T + Send + 'static,
        queue_max: usize,
    ) -> Result<oneshot::Receiver<thread::Result<T>>, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.shared.lock();
        if self.all_hang(&state) {
            return Err(Unavailable::Hanging);
        }
        if !state.queue.has_place_for(client, queue_max) {
            state.refused += 1;
            return Err(Unavailable::Busy);
        }
        let call = move || {
            if !sender.is_closed() {
                // The panic hook counts a panic, which here costs only its own call. An error of `send`
                // means that the caller is gone.
                let _ = sender.send(catch_unwind(AssertUnwindSafe(call)));
            }
        };
        let ticket = match key {
            // Else the caller of the earlier one has gone, or two keys have one hash.
            Some(key) if !state.joinable.contains_key(&key) => {
                state.joinable.insert(key, Call::new(call));
                Ticket::Joint(key)
            }
            _ => Ticket::Own(Call::new(call)),
        };
        self.enqueue(&mut state, client, ticket);
        Ok(receiver)
    }

    fn enqueue(&self, state: &mut State, client: ClientKey, ticket: Ticket) {
        state.queue.push(client, ticket);
        let idle = state.threads.iter().filter(|busy| busy.is_none()).count();
        if idle < state.queue.len() && state.threads.len() < self.settings.threads {
            let number = state.threads.len();
            let (shared, scheduling) = (Arc::clone(&self.shared), self.scheduling);
            let started = thread::Builder::new().name(shared.name.clone()).spawn(move || {
                if let Some(policy) = scheduling {
                    // Without it the thread has the priority of all others, which still works.
                    let _ = sched::set_policy(policy);
                }
                shared.worker_loop(number);
            });
            match started {
                Ok(_detached) => state.threads.push(None),
                Err(error) if number == 0 => panic!("cannot start a disk thread: {error}"),
                Err(error) => tracing::warn!(%error, "cannot start another disk thread"),
            }
        }
        self.shared.work.notify_one();
    }

    /// The use of the pool since the start.
    pub fn usage(&self) -> PoolUse {
        let state = self.shared.lock();
        let State { calls, waited, refused, .. } = *state;
        PoolUse { waiting: state.queue.len(), calls, waited, refused }
    }

    /// The number of calls that wait for a thread.
    pub fn waiting(&self) -> usize {
        self.usage().waiting
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
            if let Some(call) = state.pop() {
                let began = Instant::now();
                state.threads[number] = Some(began);
                state.calls += 1;
                state.waited += began.saturating_duration_since(call.queued);
                drop(state);
                // A panic of a detached call; the others catch their own.
                let _ = catch_unwind(AssertUnwindSafe(call.run));
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
    use crate::extent::{ReadError, disk::testing::block_on};

    fn pool(deadline: Duration) -> DiskPool {
        DiskPool::new("test", DiskPoolSettings { threads: 2, queue: 4, deadline })
    }

    #[test]
    fn a_call_returns_its_result() {
        assert_eq!(
            block_on(pool(Duration::from_secs(60)).run(ClientKey::Server, || 6 * 7)),
            Ok(42)
        );
    }

    #[test]
    fn a_panic_costs_its_own_call_only() {
        let pool = pool(Duration::from_secs(60));
        block_on(async {
            assert_eq!(
                pool.run(ClientKey::Server, || panic!("on purpose")).await,
                Err::<(), _>(Unavailable::Panicked)
            );
            assert_eq!(pool.run(ClientKey::Server, || 1).await, Ok(1));
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
                    pool.run_detached(ClientKey::Server, move || {
                        let _ = wait.recv();
                    });
                    release
                })
                .collect();
            // The deadline of the first call outlasts that of the two that hang.
            while pool.run(ClientKey::Server, || ()).await != Err(Unavailable::Hanging) {}
            drop(release);
            while pool.run(ClientKey::Server, || ()).await != Ok(()) {}
        });
    }

    fn client(number: u64) -> ClientKey {
        ClientKey::V6(number)
    }

    /// A pool whose only thread waits for the sender to be dropped.
    fn occupied_pool(queue: usize) -> (DiskPool, mpsc::Sender<()>) {
        let settings = DiskPoolSettings { threads: 1, queue, deadline: Duration::from_secs(60) };
        let pool = DiskPool::new("test", settings);
        let (release, wait) = mpsc::channel::<()>();
        pool.run_detached(client(1), move || wait.recv().unwrap_or_default());
        while pool.waiting() > 0 {
            thread::yield_now();
        }
        (pool, release)
    }

    #[test]
    fn a_call_waits_for_those_that_run_and_for_one_of_each_other_client() {
        let (pool, release) = occupied_pool(4);
        let (ran, order) = mpsc::channel();
        for (number, calls) in [(1, 300), (2, 100), (3, 1)] {
            for _ in 0..calls {
                let ran = ran.clone();
                pool.run_detached(client(number), move || ran.send(number).expect("it is awaited"));
            }
        }
        drop((release, ran));
        let order: Vec<_> = order.iter().collect();
        assert_eq!((&order[..5], order.len()), (&[1, 2, 3, 1, 2][..], 401));
    }

    #[test]
    fn a_call_runs_at_the_first_turn_of_all_who_wait_for_it() {
        let (pool, release) = occupied_pool(64);
        let (ran, order) = mpsc::channel();
        let note = |name: &'static str| {
            let ran = ran.clone();
            move || ran.send(name).expect("it is awaited")
        };
        block_on(async {
            (0..10).for_each(|_| pool.run_detached(client(1), note("other")));
            let mut wanted = Box::pin(pool.run_joinable(client(1), "wanted", note("wanted")));
            assert!(futures::poll!(&mut wanted).is_pending());
            pool.join(client(2), "wanted");
            pool.join(client(2), "another");
            drop(release);
            assert_eq!(wanted.await, Ok(()));
        });
        drop((pool, ran));
        let order: Vec<_> = order.iter().collect();
        assert_eq!((&order[..3], order.len()), (&["other", "wanted", "other"][..], 11));
    }

    #[test]
    fn a_client_that_fills_its_part_of_the_queue_leaves_places_to_others() {
        let pool = pool(Duration::from_secs(60));
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..2 {
            let wait = Arc::clone(&wait);
            pool.run_detached(client(1), move || drop(wait.lock().map(|wait| wait.recv())));
        }
        while pool.waiting() > 0 {
            thread::yield_now();
        }
        let mut greedy: Vec<_> = (0..2).map(|_| Box::pin(pool.run(client(1), || ()))).collect();
        let mut other = Box::pin(pool.run(client(2), || 6 * 7));
        block_on(async {
            for call in &mut greedy {
                assert!(futures::poll!(call).is_pending());
            }
            assert_eq!(pool.run(client(1), || ()).await, Err(Unavailable::Busy));
            assert_eq!(pool.usage().refused, 1);
            assert!(futures::poll!(&mut other).is_pending());
            drop(release);
            assert_eq!(other.await, Ok(42));
        });
    }

    #[test]
    fn a_full_queue_refuses_instead_of_growing() {
        let pool = pool(Duration::from_secs(60));
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..8 {
            let wait = Arc::clone(&wait);
            pool.run_detached(ClientKey::Server, move || {
                let _ = wait.lock().map(|wait| wait.recv());
            });
        }
        assert_eq!(block_on(pool.run(ClientKey::Server, || ())), Err(Unavailable::Busy));
        drop(release);
    }
}
