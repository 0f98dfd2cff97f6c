//! The worker: claims jobs, runs them, and reports.
//!
//! A worker is a process of its own (`headwater worker`), on this machine or another that reaches the same
//! database and the same artifacts. [`transcode`](crate::transcode) does the work of a job; this folder keeps
//! the rules of the queue: a worker renews the lease of a job while it runs; a worker that lost the
//! lease publishes and acknowledges nothing; a worker that stops releases its jobs.

mod attempt;
mod slots;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use self::{attempt::Attempt, slots::Slots};
use crate::queue::{Class, Queue};
use crate::{store::artifacts::ArtifactStore, transcode::JobRunner};

/// Poll interval of the queue without changes, since jobs become due and leases expire; also the delay
/// after a database error.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// The queue of its jobs.
    pub queue: Queue,
    /// Runs the jobs.
    pub runner: Arc<JobRunner>,
    /// The storage of artifacts.
    pub artifacts: ArtifactStore,
    /// Name of the owner of its leases.
    pub owner: String,
    /// Duration of a lease without renewal.
    pub lease: Duration,
    /// Renditions or chunks that it encodes at the same time.
    pub encode_slots: usize,
    /// Image jobs that it runs at the same time.
    pub image_slots: usize,
}

impl Worker {
    /// Runs jobs until `stop`; then releases the unfinished ones.
    ///
    /// `wake` signals that there may be a job; changes of the queue do, too.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let slots = Slots::new(worker.encode_slots, worker.image_slots);
        let mut attempts = JoinSet::new();
        while !*stop.borrow() {
            // Read before the claim, so that no later change is missed.
            let seen = worker.queue.last_change().await.unwrap_or_default();
            let claimed = match slots.free() {
                free if free.is_empty() => None,
                free => worker.claim(&free).await,
            };
            if let Some(attempt) = claimed {
                let slot = slots.take(attempt.class());
                let stop = stop.clone();
                attempts.spawn(async move {
                    attempt.run(stop).await;
                    drop(slot);
                });
                continue;
            }
            tokio::select! {
                () = wake.notified() => {}
                _ = timeout(POLL_INTERVAL, worker.queue.wait_for_change(seen)) => {}
                Some(_ended) = attempts.join_next() => {}
                _ = stop.changed() => {}
            }
        }
        attempts.join_all().await;
    }

    async fn claim(self: &Arc<Self>, classes: &[Class]) -> Option<Attempt> {
        match self.queue.claim(&self.owner, classes, self.lease).await {
            Ok(claimed) => {
                let (job, lease) = claimed?;
                Some(Attempt::new(Arc::clone(self), job, lease))
            }
            Err(error) => {
                tracing::warn!(%error, "could not claim a job, retrying");
                sleep(POLL_INTERVAL).await;
                None
            }
        }
    }
}
