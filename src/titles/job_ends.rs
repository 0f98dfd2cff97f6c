//! Tells waiting requests that their job has ended.
//!
//! One task reads the changes of the queue for all requests that wait. While each request read them itself,
//! every change cost three queries for each of them: hundreds of requests that wait for images kept the
//! database busy, at the expense of everybody else.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::queue::{Job, JobId, Queue, QueueError};

/// The most changes in one read of the database.
const PAGE: u32 = 100;

/// The interval at which the task checks whether requests wait.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The delay after an error of the database.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The requests that wait for the end of a job.
pub struct JobEnds {
    queue: Queue,
    waiting: Mutex<HashMap<JobId, Arc<Notify>>>,
    /// The task that follows the changes of the queue, while requests wait.
    follower: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// A request that waits. Its drop, if it is the last for its job, ends the interest in that job.
struct Waiter<'a> {
    ends: &'a JobEnds,
    id: JobId,
    changed: Arc<Notify>,
}

impl JobEnds {
    /// No request waits yet.
    pub fn new(queue: Queue) -> Arc<Self> {
        Arc::new(Self { queue, waiting: Mutex::default(), follower: tokio::sync::Mutex::default() })
    }

    /// Waits until a job has ended, and returns it; `None` if it does not exist.
    pub async fn wait(self: &Arc<Self>, id: JobId) -> Result<Option<Job>, QueueError> {
        let waiter = self.register(id).await?;
        loop {
            // Before the query, so that a change during it is noticed.
            let mut changed = pin!(waiter.changed.notified());
            changed.as_mut().enable();
            match self.queue.job(id).await? {
                Some(job) if !job.state.is_end() => changed.await,
                ended => return Ok(ended),
            }
        }
    }

    /// Registers interest in a job: from now on the follower notices its changes.
    async fn register(self: &Arc<Self>, id: JobId) -> Result<Waiter<'_>, QueueError> {
        let mut follower = self.follower.lock().await;
        if follower.as_ref().is_none_or(JoinHandle::is_finished) {
            let last = self.queue.last_change().await?;
            *follower = Some(tokio::spawn(Arc::clone(self).follow(last)));
        }
        let changed = Arc::clone(self.lock().entry(id).or_default());
        Ok(Waiter { ends: self, id, changed })
    }

    /// Notifies requests of all changes after the change `last`, until none waits.
    async fn follow(self: Arc<Self>, mut last: i64) {
        loop {
            match self.changes(last).await {
                Ok(jobs) => {
                    let waiting = self.lock();
                    for job in &jobs {
                        last = job.changed;
                        if let Some(changed) = waiting.get(&job.id)
                            && job.state.is_end()
                        {
                            changed.notify_waiters();
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot read the changes of jobs, retrying");
                    sleep(RETRY_INTERVAL).await;
                }
            }
            let mut follower = self.follower.lock().await;
            if self.lock().is_empty() {
                *follower = None;
                return;
            }
        }
    }

    /// The changes after the change `last`, perhaps none.
    async fn changes(&self, last: i64) -> Result<Vec<Job>, QueueError> {
        // After a timeout and a change alike, the read below finds the changes.
        let _ = timeout(POLL_INTERVAL, self.queue.wait_for_change(last)).await;
        self.queue.changed_since(last, PAGE).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.ends.lock();
        // One of the table, and one of this request.
        if Arc::strong_count(&self.changed) == 2 {
            waiting.remove(&self.id);
        }
    }
}
