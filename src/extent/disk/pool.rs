//! The threads of one library root, where calls that may wait for a disk are made.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// How a lane is made.
#[derive(Clone, Copy, Debug)]
pub struct DiskPoolSettings {
    /// Threads at most; they are started when they are first needed.
    pub threads: usize,
    /// How many calls may wait for a thread before more are refused.
    pub queue: usize,
    /// How long a caller waits for its call, the time in the queue included.
    pub deadline: Duration,
}

/// Why the lane did not make a call, or did not wait for its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unavailable {
    /// The call was not finished within the lane's deadline.
    #[error("the disk did not answer in time")]
    Deadline,
    /// Every thread has been stuck in a call for longer than the deadline.
    #[error("the disk hangs")]
    Hanging,
    /// Too many calls are waiting already.
    #[error("the disk has too much to do")]
    Busy,
}

/// A bounded pool of threads for the disk of one root.
///
/// A call that hangs takes its thread with it until the kernel lets go, and nothing more: callers
/// are told after the deadline, and once all threads hang they are told at once.
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
    queue: VecDeque<Job>,
    /// For each thread that was started, since when it has been in a call.
    threads: Vec<Option<Instant>>,
    last_finished: Option<Instant>,
    closing: bool,
}

type Job = Box<dyn FnOnce() + Send>;

impl DiskPool {
    /// A lane whose threads are named after `name`.
    pub fn new(name: &str, settings: DiskPoolSettings) -> Self {
        let shared =
            Shared { name: name.to_owned(), state: Mutex::default(), work: Condvar::new() };
        Self { shared: Arc::new(shared), settings }
    }

    /// How long a caller waits for its call.
    pub fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// Makes the call on one of the lane's threads and waits for it until the deadline.
    ///
    /// When the caller goes away first, a call that has not begun is not made at all.
    pub async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        let finished = self.submit(call, self.settings.queue)?;
        match tokio::time::timeout(self.settings.deadline, finished).await {
            Ok(result) => result.map_err(|_| Unavailable::Busy),
            Err(_elapsed) => Err(Unavailable::Deadline),
        }
    }

    /// As [`run`](Self::run), but as long as the lane finishes other calls the deadline does not
    /// count: for the pieces of a response that has begun. A disk that is merely busy slows its
    /// viewers down; cutting them off would have them all come back and ask again.
    pub async fn run_progressing<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        // Not refused for a long queue: each response waits for one piece at a time, so that their
        // number is that of the connections.
        let mut finished = self.submit(call, usize::MAX)?;
        loop {
            match tokio::time::timeout(self.settings.deadline, &mut finished).await {
                Ok(result) => return result.map_err(|_| Unavailable::Busy),
                Err(_elapsed) if self.has_moved() => {}
                Err(_elapsed) => return Err(Unavailable::Deadline),
            }
        }
    }

    /// As [`run`](Self::run), but waits as long as it takes: for scans, which nobody waits for.
    pub async fn run_without_deadline<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.submit(call, usize::MAX)?.await.map_err(|_| Unavailable::Busy)
    }

    /// Makes the call some time, for its effect alone: closing a file can wait for a disk too.
    pub fn run_detached(&self, call: impl FnOnce() + Send + 'static) {
        self.enqueue(&mut self.shared.lock(), Box::new(call));
    }

    fn submit<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
        queue_max: usize,
    ) -> Result<oneshot::Receiver<T>, Unavailable> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.shared.lock();
        if self.all_hang(&state) {
            return Err(Unavailable::Hanging);
        }
        if state.queue.len() >= queue_max {
            return Err(Unavailable::Busy);
        }
        let job = move || {
            if !sender.is_closed() {
                // A caller that went away meanwhile has no use for the result.
                let _ = sender.send(call());
            }
        };
        self.enqueue(&mut state, Box::new(job));
        Ok(receiver)
    }

    fn enqueue(&self, state: &mut State, job: Job) {
        state.queue.push_back(job);
        let idle = state.threads.iter().filter(|busy| busy.is_none()).count();
        if idle < state.queue.len() && state.threads.len() < self.settings.threads {
            let number = state.threads.len();
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new()
                .name(format!("disk-{}", shared.name))
                .spawn(move || shared.worker_loop(number));
            match started {
                Ok(_detached) => state.threads.push(None),
                Err(error) if number == 0 => panic!("not even one disk thread: {error}"),
                Err(error) => tracing::warn!(%error, "no further disk thread could be started"),
            }
        }
        self.shared.work.notify_one();
    }

    /// Whether a call was finished within the last deadline.
    fn has_moved(&self) -> bool {
        let last = self.shared.lock().last_finished;
        last.is_some_and(|last| last.elapsed() < self.settings.deadline)
    }

    fn all_hang(&self, state: &State) -> bool {
        let hangs =
            |busy: &Option<Instant>| busy.is_some_and(|s| s.elapsed() > self.settings.deadline);
        state.threads.len() == self.settings.threads && state.threads.iter().all(hangs)
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
        f.debug_struct("Lane").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No call is made under the lock, so a poisoned one still holds a valid state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does: one call after the other, until the lane is closed and all are made.
    fn worker_loop(&self, number: usize) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state.threads[number] = Some(Instant::now());
                drop(state);
                // A panic is counted by the process's hook and costs the call that caused it.
                let _ = catch_unwind(AssertUnwindSafe(job));
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

    use super::*;

    fn lane(deadline: Duration) -> DiskPool {
        DiskPool::new("test", DiskPoolSettings { threads: 2, queue: 4, deadline })
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(future)
    }

    #[test]
    fn a_call_returns_its_result() {
        assert_eq!(block_on(lane(Duration::from_secs(60)).run(|| 6 * 7)), Ok(42));
    }

    #[test]
    fn a_panic_costs_its_own_call_only() {
        let lane = lane(Duration::from_secs(60));
        block_on(async {
            assert!(lane.run(|| panic!("on purpose")).await.is_err());
            assert_eq!(lane.run(|| 1).await, Ok(1));
        });
    }

    #[test]
    fn when_all_threads_hang_callers_are_told_at_once_and_later_served_again() {
        let lane = lane(Duration::from_millis(1));
        block_on(async {
            let release: Vec<_> = (0..2)
                .map(|_| {
                    let (release, wait) = mpsc::channel::<()>();
                    lane.run_detached(move || {
                        let _ = wait.recv();
                    });
                    release
                })
                .collect();
            // The deadline of the first call outlasts that of the two that hang.
            while lane.run(|| ()).await != Err(Unavailable::Hanging) {}
            drop(release);
            while lane.run(|| ()).await != Ok(()) {}
        });
    }

    #[test]
    fn a_full_queue_refuses_instead_of_growing() {
        let lane = lane(Duration::from_secs(60));
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..8 {
            let wait = Arc::clone(&wait);
            lane.run_detached(move || {
                let _ = wait.lock().map(|wait| wait.recv());
            });
        }
        assert_eq!(block_on(lane.run(|| ())), Err(Unavailable::Busy));
        drop(release);
    }
}
