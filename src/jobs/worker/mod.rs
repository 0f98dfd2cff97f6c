//! A worker: claims jobs, has them made, and reports.
//!
//! It is a process of its own (`headwater worker`), on this machine or another that reaches the same
//! database and folder. What it makes is [`derive`](crate::transcode)'s business. Here is what must hold
//! however that ends: a job is held by a lease that is renewed while it is worked on; whoever lost the
//! lease publishes nothing and acknowledges nothing; whoever is asked to stop gives its jobs back.

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

/// How often the queue is looked at although nothing has changed: jobs become due, and leases run out.
/// Also how long to wait before a database that failed is asked again.
const LOOK: Duration = Duration::from_secs(1);

/// What a worker is given.
#[derive(Debug)]
pub struct Worker {
    /// Where its jobs are.
    pub queue: Queue,
    /// What makes things.
    pub runner: Arc<JobRunner>,
    /// Where they go.
    pub artifacts: ArtifactStore,
    /// By what name its leases are known.
    pub owner: String,
    /// How long a lease lasts that is not renewed.
    pub lease: Duration,
    /// Films that are encoded at the same time.
    pub encode_slots: usize,
    /// Pictures that are made at the same time.
    pub image_slots: usize,
}

impl Worker {
    /// Works until told to stop; then gives back what it has not finished.
    ///
    /// `wake` is told when there may be something to do; without that, it looks as often as the queue
    /// says that something changed.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let slots = Slots::new(worker.encode_slots, worker.image_slots);
        let mut attempts = JoinSet::new();
        while !*stop.borrow() {
            // Asked before the queue is looked at, so that what changes meanwhile is seen.
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
                _ = timeout(LOOK, worker.queue.wait_for_change(seen)) => {}
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
                tracing::warn!(%error, "the queue does not answer");
                sleep(LOOK).await;
                None
            }
        }
    }
}
