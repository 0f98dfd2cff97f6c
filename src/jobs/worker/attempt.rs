//! One attempt at one job.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::Worker;
use crate::{
    jobs::is_told,
    queue::{
        Artifact, Class, Heartbeat, Job, JobSubmission, Lease, NewArtifact, Progress, QueueError,
        Retry,
    },
    store::artifacts::Key,
    transcode::{Failure, JobContext, JobSpec, NextStep},
};

/// How often progress is reported, if there is any.
const REPORT: Duration = Duration::from_secs(1);

/// How soon to say again what a database did not hear.
const AGAIN: Duration = Duration::from_millis(500);

/// A job that was claimed.
pub(super) struct Attempt {
    worker: Arc<Worker>,
    job: Job,
    lease: Lease,
}

/// Why an attempt is not to go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StopReason {
    /// Somebody does not want the job any more.
    Cancelled,
    /// The lease is lost, or may be: somebody else has the job.
    Lost,
    /// The worker is to stop.
    Stopping,
}

/// What came of it.
enum Outcome {
    /// Something that was published, and the beginning of the keys of what it was made of.
    Artifact { row: NewArtifact, intermediates: Option<String> },
    /// Nothing: others have made it.
    Nothing,
    /// Pieces that are to be made first.
    Pieces(Vec<JobSpec>),
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
        let Job { id, kind, title, attempts, .. } = &self.job;
        tracing::info!(job = %id, kind, title, attempts, "begun");
        let begun = Instant::now();
        match self.attempt(stop).await {
            Ok(true) => {
                let took_s = begun.elapsed().as_secs_f32();
                tracing::info!(job = %id, kind, title, took_s, "ended");
            }
            Ok(false) => tracing::warn!(job = %id, kind, title, "lost to another worker"),
            // Its lease runs out, and somebody begins it again.
            Err(error) => tracing::warn!(job = %id, kind, title, %error, "the queue is silent"),
        }
    }

    /// Returns whether the lease was held to the end.
    async fn attempt(&self, mut stop: watch::Receiver<bool>) -> Result<bool, QueueError> {
        let queue = &self.worker.queue;
        let (halt, cancel) = watch::channel(false);
        let (progress, reports) = watch::channel(Progress::default());
        let work = self.make(JobContext { progress, cancel });
        tokio::pin!(work);
        let why = tokio::select! {
            made = &mut work => return self.report(made).await,
            why = self.hold_lease(reports) => why,
            () = is_told(&mut stop) => StopReason::Stopping,
        };
        // What runs is ended before anything else is done, so that nothing of it is left behind.
        halt.send_replace(true);
        let _ = work.await;
        match why {
            StopReason::Lost => Ok(false),
            StopReason::Cancelled => queue.fail(&self.lease, "cancelled", Retry::Never).await,
            StopReason::Stopping => queue.release(&self.lease).await,
        }
    }

    /// Says how far the job is, and that somebody works on it. Returns when that is not to go on.
    async fn hold_lease(&self, mut reports: watch::Receiver<Progress>) -> StopReason {
        let Worker { queue, lease: time, .. } = &*self.worker;
        let mut held_until = Instant::now() + *time;
        loop {
            let progress = reports.borrow_and_update().clone();
            let asked = Instant::now();
            match queue.beat(&self.lease, &progress, *time).await {
                Ok(Heartbeat::Go) => held_until = asked + *time,
                Ok(Heartbeat::Cancel) => return StopReason::Cancelled,
                Ok(Heartbeat::Lost) => return StopReason::Lost,
                // Whether it is lost cannot be known, so it is when it may be.
                Err(_) if Instant::now() >= held_until => return StopReason::Lost,
                Err(error) => tracing::warn!(job = %self.job.id, %error, "no sign of life given"),
            }
            let next = Instant::now() + *time / 3;
            sleep(REPORT.min(*time / 3)).await;
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                Ok(()) = reports.changed() => {}
            }
        }
    }

    /// Makes it, and publishes what was made. No row names that yet.
    async fn make(&self, watch: JobContext) -> Result<Outcome, Failure> {
        let Worker { runner, artifacts, .. } = &*self.worker;
        let spec: JobSpec = serde_json::from_str(&self.job.payload)
            .map_err(|error| Failure::permanent(format!("the job makes no sense: {error}")))?;
        let needed_bytes = runner.needed_bytes(&spec).await?;
        let (artifacts, token) = (artifacts.clone(), self.lease.token);
        let workspace = beside(move || artifacts.workspace(token, needed_bytes)).await?;
        match runner.run(&spec, workspace.path(), watch).await? {
            NextStep::Publish => {
                let key = spec.key();
                let bytes = beside(move || workspace.publish(&key)).await?;
                let (key, kind) = (spec.key().to_string(), spec.kind().to_owned());
                let title = self.job.title.clone();
                Ok(Outcome::Artifact {
                    row: NewArtifact { key, bytes, kind, title },
                    intermediates: spec.intermediates(),
                })
            }
            NextStep::Finish => Ok(Outcome::Nothing),
            NextStep::Split(pieces) => Ok(Outcome::Pieces(pieces)),
        }
    }

    /// Reports how making it ended. Returns whether the lease was held to the end.
    async fn report(&self, made: Result<Outcome, Failure>) -> Result<bool, QueueError> {
        let Worker { queue, .. } = &*self.worker;
        match made {
            Ok(Outcome::Artifact { row, intermediates }) => {
                self.hand_over(row, intermediates).await
            }
            Ok(Outcome::Nothing) => self.say(|| queue.finish(&self.lease, &[])).await,
            Ok(Outcome::Pieces(pieces)) => {
                // A piece has no key of its own: it is this job's alone.
                let piece =
                    |spec: &JobSpec| JobSubmission { dedupe_key: None, ..spec.submission() };
                let pieces: Vec<_> = pieces.iter().map(piece).collect();
                self.say(|| queue.split(&self.lease, pieces.clone())).await
            }
            Err(Failure { reason: why, retry }) => {
                let Job { id, kind, title, .. } = &self.job;
                tracing::warn!(job = %id, kind, title, why, "failed");
                self.say(|| queue.fail(&self.lease, &why, retry)).await
            }
        }
    }

    /// Has what was published named by a row, in the place of what it was made of.
    async fn hand_over(
        &self,
        row: NewArtifact,
        intermediates: Option<String>,
    ) -> Result<bool, QueueError> {
        let Worker { queue, .. } = &*self.worker;
        let (key, made) = (row.key.clone(), [row]);
        let parts = match &intermediates {
            Some(parts) => self.say(|| queue.artifacts_of(parts)).await?,
            None => Vec::new(),
        };
        let parts_of = intermediates.as_deref();
        let is_held = self.say(|| queue.finish_instead_of(&self.lease, &made, parts_of)).await?;
        if is_held {
            for Artifact { key, token, .. } in parts {
                self.remove(key, token).await;
            }
        } else {
            self.remove(key, self.lease.token).await;
        }
        Ok(is_held)
    }

    /// Removes a folder that no row names. If that cannot be, it is swept away later.
    async fn remove(&self, key: String, token: i64) {
        if let Some(key) = Key::new(key) {
            let artifacts = self.worker.artifacts.clone();
            let _ = beside(move || artifacts.remove(&key, token)).await;
        }
    }

    /// Says something to the queue, or asks it something, until it has heard it, or nobody waits for it
    /// any more: a database that is busy or begins anew must not cost what was made. To say it twice
    /// changes nothing.
    async fn say<T, F>(&self, what: impl Fn() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        let lost_at = Instant::now() + self.worker.lease;
        loop {
            match what().await {
                Err(error) if Instant::now() < lost_at => {
                    tracing::warn!(job = %self.job.id, %error, "the queue did not hear");
                    sleep(AGAIN).await;
                }
                heard => return heard,
            }
        }
    }
}

/// Makes calls that wait for the disk of what is made.
async fn beside<T: Send + 'static, E: fmt::Display + Send + 'static>(
    call: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(call).await.map_err(Failure::transient)?.map_err(Failure::unavailable)
}
