//! One attempt at one job.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::Worker;
use crate::{
    derive::{Failure, Made, Next, Task},
    jobs::queue::{Beat, Class, Job, Lease, NewArtifact, Progress, Retry},
    store::artifacts::Workspace,
};

/// How often progress is reported, if there is any.
const REPORT: Duration = Duration::from_secs(1);

/// A job that was claimed.
pub(super) struct Attempt {
    worker: Arc<Worker>,
    job: Job,
    lease: Lease,
}

/// Why an attempt is not to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Halt {
    /// Somebody cancelled the job.
    Cancelled,
    /// The lease ran out, or may have: somebody else has the job.
    Lost,
    /// The worker is to stop.
    Stopping,
}

impl Attempt {
    pub(super) fn new(worker: Arc<Worker>, job: Job, lease: Lease) -> Self {
        Self { worker, job, lease }
    }

    pub(super) fn class(&self) -> Class {
        self.job.class
    }

    /// Makes what the job is about, and reports how that ended.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) {
        let (id, kind, title) = (self.job.id, &self.job.kind, &self.job.title);
        tracing::info!(job = %id, kind, title, attempt = self.job.attempts, "begun");
        let begun = Instant::now();
        let took_s = || begun.elapsed().as_secs_f32();
        match self.attempt(stop).await {
            Ok(true) => tracing::info!(job = %id, kind, title, took_s = took_s(), "done"),
            Ok(false) => tracing::warn!(job = %id, kind, title, "the lease was lost; its output is dropped"),
            Err(error) => {
                // Its lease runs out, and it is begun again.
                tracing::warn!(job = %id, kind, title, %error, "the queue does not answer");
            }
        }
    }

    /// Returns whether the lease was held to the end.
    async fn attempt(&self, mut stop: watch::Receiver<bool>) -> Result<bool, sqlx::Error> {
        let queue = &self.worker.queue;
        let (halt, halted) = watch::channel(false);
        let progress = watch::Sender::new(Progress::default());
        let reports = progress.subscribe();
        let work = self.make(progress, halted);
        tokio::pin!(work);
        let ended = tokio::select! {
            ended = &mut work => Ok(ended),
            why = self.keep_lease(reports, &mut stop) => Err(why),
        };
        let ended = match ended {
            Ok(ended) => ended,
            Err(why) => {
                // What runs is ended before anything else is done, so that nothing is left behind.
                halt.send_replace(true);
                let _ = work.await;
                return match why {
                    Halt::Lost => Ok(false),
                    Halt::Cancelled => queue.fail(&self.lease, "cancelled", Retry::Never).await,
                    Halt::Stopping => queue.release(&self.lease).await,
                };
            }
        };
        match ended {
            Ok(Next::Publish { workspace, made }) => self.publish(workspace, made).await,
            Ok(Next::Split(children)) => queue.split(&self.lease, children).await,
            Err(failure) => {
                let Failure { why, retry } = failure;
                tracing::warn!(job = %self.job.id, kind = self.job.kind, title = self.job.title, why, "failed");
                queue.fail(&self.lease, &why, retry).await
            }
        }
    }
}
