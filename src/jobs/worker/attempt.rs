//! One attempt of a job.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::Worker;
use crate::{
    jobs::stopped,
    queue::{
        Artifact, Class, Heartbeat, Job, JobSubmission, Lease, NewArtifact, Progress, QueueError,
        Retry,
    },
    store::artifacts::Key,
    transcode::{Failure, JobContext, JobSpec, NextStep},
};

/// Minimum interval between two reports of progress, each of which is a change of the queue.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Delay before a failed call of the database is repeated.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// A claimed job.
pub(super) struct Attempt {
    worker: Arc<Worker>,
    job: Job,
    lease: Lease,
}

/// Why an attempt stops early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StopReason {
    /// A client cancelled the job.
    Cancelled,
    /// The lease is lost, or may be: another worker may have the job.
    Lost,
    /// The worker stops.
    Stopping,
}

/// Result of a successful attempt.
enum Outcome {
    /// A published artifact, and the prefix of the keys of its intermediates.
    Artifact { row: NewArtifact, intermediates: Option<String> },
    /// No artifact: other jobs have published them all.
    Nothing,
    /// Child jobs to run first.
    Split(Vec<JobSpec>),
}

impl Attempt {
    pub(super) fn new(worker: Arc<Worker>, job: Job, lease: Lease) -> Self {
        Self { worker, job, lease }
    }

    pub(super) fn class(&self) -> Class {
        self.job.class
    }

    /// Runs the job and reports the result.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) {
        let Job { id, kind, title, attempts, .. } = &self.job;
        // Visitors ask for thumbnails, as many as they like: the log is not theirs to fill.
        let is_routine = self.job.class == Class::Thumbnail;
        match is_routine {
            true => tracing::debug!(job = %id, kind, title, attempts, "job started"),
            false => tracing::info!(job = %id, kind, title, attempts, "job started"),
        }
        let started = Instant::now();
        match self.attempt(stop).await {
            Ok(true) => {
                let duration_s = started.elapsed().as_secs_f32();
                match is_routine {
                    true => tracing::debug!(job = %id, kind, title, duration_s, "job ended"),
                    false => tracing::info!(job = %id, kind, title, duration_s, "job ended"),
                }
            }
            Ok(false) => tracing::warn!(job = %id, kind, title, "lease lost"),
            // The lease expires, and a worker claims the job again.
            Err(error) => {
                tracing::warn!(job = %id, kind, title, %error, "could not update job, leaving it");
            }
        }
    }

    /// Returns whether the lease was held to the end.
    async fn attempt(&self, mut stop: watch::Receiver<bool>) -> Result<bool, QueueError> {
        let queue = &self.worker.queue;
        let (cancel_sender, cancel) = watch::channel(false);
        let (progress, reports) = watch::channel(Progress::default());
        let work = self.execute(JobContext { progress, cancel });
        tokio::pin!(work);
        let stop_reason = tokio::select! {
            result = &mut work => return self.report(result).await,
            reason = self.hold_lease(reports) => reason,
            () = stopped(&mut stop) => StopReason::Stopping,
        };
        // The work must end first, so that it leaves nothing behind.
        cancel_sender.send_replace(true);
        let _ = work.await;
        match stop_reason {
            StopReason::Lost => Ok(false),
            StopReason::Cancelled => queue.fail(&self.lease, "cancelled", Retry::Never).await,
            StopReason::Stopping => queue.release(&self.lease).await,
        }
    }

    /// Renews the lease and reports progress. Returns when the attempt must stop.
    async fn hold_lease(&self, mut reports: watch::Receiver<Progress>) -> StopReason {
        let Worker { queue, lease: duration, .. } = &*self.worker;
        let mut held_until = Instant::now() + *duration;
        let mut reported = Progress::default();
        loop {
            let progress = reports.borrow_and_update().clone();
            let sent = Instant::now();
            let result = match progress == reported {
                true => queue.renew(&self.lease, *duration).await,
                false => queue.report(&self.lease, &progress, *duration).await,
            };
            match result {
                Ok(Heartbeat::Go) => {
                    held_until = sent + *duration;
                    reported = progress;
                }
                Ok(Heartbeat::Cancel) => return StopReason::Cancelled,
                Ok(Heartbeat::Lost) => return StopReason::Lost,
                // The lease may have expired, and the database does not respond.
                Err(_) if Instant::now() >= held_until => return StopReason::Lost,
                Err(error) => {
                    tracing::warn!(job = %self.job.id, %error, "could not renew lease, retrying");
                }
            }
            let next = Instant::now() + *duration / 3;
            sleep(REPORT_INTERVAL.min(*duration / 3)).await;
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                Ok(()) = reports.changed() => {}
            }
        }
    }

    /// Runs the job, and publishes its artifact, which no row names yet.
    async fn execute(&self, context: JobContext) -> Result<Outcome, Failure> {
        let Worker { runner, artifacts, .. } = &*self.worker;
        let spec: JobSpec = serde_json::from_str(&self.job.payload)
            .map_err(|error| Failure::permanent(format!("invalid job: {error}")))?;
        let needed_bytes = runner.needed_bytes(&spec).await?;
        let token = self.lease.token;
        let create = || {
            let artifacts = artifacts.clone();
            run_blocking(move || artifacts.workspace(token, needed_bytes))
        };
        let workspace = match create().await {
            Ok(workspace) => workspace,
            // Kept copies of titles may have the space.
            Err(_) => {
                runner.local_copies.clear();
                create().await?
            }
        };
        let mut cancel = context.cancel.clone();
        let started = Instant::now();
        match runner.run(&spec, workspace.path(), context).await? {
            NextStep::Publish => {
                let work_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                let key = spec.key();
                let is_upload = artifacts.bucket().is_some();
                let published = tokio::select! {
                    published = artifacts.publish(workspace, &key) => published,
                    // A rename is over soon; an upload may take minutes, and is garbage without its end.
                    () = stopped(&mut cancel), if is_upload => {
                        return Err(Failure::transient("cancelled"));
                    }
                };
                let bytes = published.map_err(Failure::unavailable)?;
                let (key, kind) = (spec.key().to_string(), spec.kind().to_owned());
                let title = self.job.title.clone();
                Ok(Outcome::Artifact {
                    row: NewArtifact { key, bytes, work_ms, kind, title },
                    intermediates: spec.intermediates(),
                })
            }
            NextStep::Finish => Ok(Outcome::Nothing),
            NextStep::Split(children) => Ok(Outcome::Split(children)),
        }
    }

    /// Reports the result. Returns whether the lease was held to the end.
    async fn report(&self, result: Result<Outcome, Failure>) -> Result<bool, QueueError> {
        let Worker { queue, .. } = &*self.worker;
        match result {
            Ok(Outcome::Artifact { row, intermediates }) => self.finish(row, intermediates).await,
            Ok(Outcome::Nothing) => self.persist(|| queue.finish(&self.lease, &[])).await,
            Ok(Outcome::Split(specs)) => {
                // Children have no dedupe key: they belong to this job, and are as urgent.
                let priority = self.job.priority;
                let child = |spec: &JobSpec| JobSubmission {
                    dedupe_key: None,
                    priority,
                    ..spec.submission()
                };
                let children: Vec<_> = specs.iter().map(child).collect();
                self.persist(|| queue.split(&self.lease, children.clone())).await
            }
            Err(Failure { reason, retry }) => {
                let Job { id, kind, title, .. } = &self.job;
                tracing::warn!(job = %id, kind, title, reason, "job failed");
                self.persist(|| queue.fail(&self.lease, &reason, retry)).await
            }
        }
    }

    /// Records the published artifact in place of its intermediates, and removes these.
    async fn finish(
        &self,
        row: NewArtifact,
        intermediates: Option<String>,
    ) -> Result<bool, QueueError> {
        let Worker { queue, .. } = &*self.worker;
        let (key, artifacts) = (row.key.clone(), [row]);
        let prefix = intermediates.as_deref();
        let replaced = match prefix {
            Some(prefix) => self.persist(|| queue.artifacts_with_prefix(prefix)).await?,
            None => Vec::new(),
        };
        let finish = || queue.finish_replacing(&self.lease, &artifacts, prefix);
        let is_held = self.persist(finish).await?;
        if is_held {
            for Artifact { key, token, .. } in replaced {
                self.remove(key, token).await;
            }
        } else {
            self.remove(key, self.lease.token).await;
        }
        Ok(is_held)
    }

    /// Removes an artifact without a row. If that fails, housekeeping removes it later.
    async fn remove(&self, key: String, token: i64) {
        if let Some(key) = Key::new(key) {
            let _ = self.worker.artifacts.remove(&key, token).await;
        }
    }

    /// Repeats an idempotent call of the queue until it succeeds, or the lease may have expired: a database
    /// that is busy or restarts must not cost the result of the job.
    async fn persist<T, F>(&self, call: impl Fn() -> F) -> Result<T, QueueError>
    where
        F: Future<Output = Result<T, QueueError>>,
    {
        let lost_at = Instant::now() + self.worker.lease;
        loop {
            match call().await {
                Err(error) if Instant::now() < lost_at => {
                    tracing::warn!(job = %self.job.id, %error, "could not update job, retrying");
                    sleep(RETRY_INTERVAL).await;
                }
                result => return result,
            }
        }
    }
}

/// Runs a call that may block on the disk of the artifacts.
async fn run_blocking<T: Send + 'static, E: fmt::Display + Send + 'static>(
    call: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(call).await.map_err(Failure::transient)?.map_err(Failure::unavailable)
}
