//! Buffers for file reads, within one byte budget.

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};

/// The size of one buffer, which is also that of the largest single read, in bytes.
///
/// "Large enough to minimize thread handoffs but short enough to keep memory usage under control"
/// (moonfire-nvr): at 64 KiB a handoff to a disk thread costs less than the copy itself.
pub const BUFFER_BYTES: usize = 64 * 1024;

/// A pool of equal buffers. A clone is the same pool.
///
/// A read holds its buffer only until the bytes have been copied to the socket, never while the server
/// waits for a viewer: a thousand paused viewers hold none.
#[derive(Clone)]
pub struct Buffers(Arc<Pool>);

struct Pool {
    /// Held for nanoseconds and never across an await, hence a plain mutex.
    state: Mutex<State>,
    returned: Condvar,
    returned_to_task: Notify,
    /// The most buffers.
    limit: usize,
}

#[derive(Default)]
struct State {
    free: Vec<Box<[u8]>>,
    allocated: usize,
    /// Threads that wait for a buffer. A notification is a system call even if no thread waits.
    waiting: usize,
    waiting_tasks: usize,
}

/// A task that waits for a buffer.
struct WaitingTask<'a>(&'a Pool);

impl<'a> WaitingTask<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.lock().waiting_tasks += 1;
        Self(pool)
    }
}

impl Drop for WaitingTask<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting_tasks -= 1;
    }
}

impl Buffers {
    /// A pool that never holds more than `budget_bytes`, but at least one buffer.
    pub fn new(budget_bytes: usize) -> Self {
        Self(Arc::new(Pool {
            state: Mutex::default(),
            returned: Condvar::new(),
            returned_to_task: Notify::new(),
            limit: (budget_bytes / BUFFER_BYTES).max(1),
        }))
    }

    /// A buffer, if one is free.
    pub fn try_take(&self) -> Option<Buffer> {
        self.take_from(&mut self.0.lock())
    }

    /// A buffer, after a wait of at most `timeout`. Blocks: for disk threads only.
    pub fn take_within(&self, timeout: Duration) -> Option<Buffer> {
        let is_empty = |state: &mut State| state.free.is_empty() && state.allocated >= self.0.limit;
        let mut state = self.0.lock();
        state.waiting += 1;
        let (mut state, _timed_out) = (self.0.returned)
            .wait_timeout_while(state, timeout, is_empty)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        self.take_from(&mut state)
    }

    /// As [`take_within`](Self::take_within), for tasks.
    pub async fn take(&self, longest: Duration) -> Option<Buffer> {
        if let Some(buffer) = self.try_take() {
            return Some(buffer);
        }
        let _waiting = WaitingTask::new(&self.0);
        let take = async {
            loop {
                // Before the look: a buffer that returns in between wakes this task, too.
                let mut returned = pin!(self.0.returned_to_task.notified());
                returned.as_mut().enable();
                match self.try_take() {
                    Some(buffer) => return buffer,
                    None => returned.await,
                }
            }
        };
        timeout(longest, take).await.ok()
    }

    fn take_from(&self, state: &mut State) -> Option<Buffer> {
        let bytes = state.free.pop().or_else(|| {
            (state.allocated < self.0.limit).then(|| {
                state.allocated += 1;
                vec![0; BUFFER_BYTES].into_boxed_slice()
            })
        })?;
        Some(Buffer { bytes, pool: Arc::clone(&self.0) })
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is valid between any two statements, so a poisoned lock is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("limit", &self.0.limit).finish_non_exhaustive()
    }
}

/// One buffer of [`BUFFER_BYTES`]; its drop returns it to the pool.
pub struct Buffer {
    bytes: Box<[u8]>,
    pool: Arc<Pool>,
}

impl Buffer {
    /// The first `len` bytes of the buffer, to read into.
    pub fn front(&mut self, len: usize) -> &mut [u8] {
        &mut self.bytes[..len]
    }

    /// The first `len` bytes; the drop of their last clone returns the buffer.
    pub fn freeze(self, len: usize) -> Bytes {
        struct FilledBuffer(Buffer, usize);
        impl AsRef<[u8]> for FilledBuffer {
            fn as_ref(&self) -> &[u8] {
                &self.0.bytes[..self.1]
            }
        }
        Bytes::from_owner(FilledBuffer(self, len))
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").finish_non_exhaustive()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.free.push(std::mem::take(&mut self.bytes));
        if state.waiting > 0 {
            self.pool.returned.notify_one();
        }
        if state.waiting_tasks > 0 {
            self.pool.returned_to_task.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_buffer_returns_when_the_last_reference_is_dropped() {
        let pool = Buffers::new(BUFFER_BYTES);
        let mut buffer = pool.try_take().expect("the only buffer");
        buffer.front(3).copy_from_slice(b"abc");
        let bytes = buffer.freeze(3);
        let part = bytes.slice(1..2);
        drop(bytes);
        assert!(pool.try_take().is_none(), "a part of the bytes is still held");
        assert_eq!(part, "b");
        drop(part);
        assert!(pool.try_take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_waits_for_the_next_buffer_that_returns() {
        let pool = Buffers::new(BUFFER_BYTES);
        let buffer = pool.try_take().expect("the only buffer");
        assert!(pool.take(Duration::from_secs(1)).await.is_none());
        let mut waiting = [(); 2].map(|()| {
            let pool = pool.clone();
            Box::pin(async move { pool.take(Duration::from_secs(1)).await.is_some() })
        });
        for task in &mut waiting {
            assert!(task.now_or_never().is_none());
        }
        drop(buffer);
        let [one, other] = waiting;
        // Each returns it to the other.
        assert!(one.await && other.await);
        assert_eq!(pool.0.lock().waiting_tasks, 0);
    }
}
