//! Leases: a worker reports on its job for as long as it holds the lease.

use std::time::Duration;

use super::{Change, Job, JobId, NewArtifact, Progress, Queue, QueueError, State, clock::millis};

/// The right to run a job. Its token fences reports, and names the folder of the artifact.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// A number unique among all leases of all jobs.
    pub token: i64,
}

/// Response to a renewed lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heartbeat {
    /// Continue.
    Go,
    /// Stop, and call [`Queue::fail`]: the job becomes `Cancelled`.
    Cancel,
    /// The lease is lost. Stop, discard the results, report nothing.
    Lost,
}

/// Whether a failed job runs again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// No: it would fail again.
    Never,
    /// Yes, with exponential backoff, while it has attempts left.
    Backoff,
    /// Like `Backoff`; the error is about this machine, such as a full disk, and not about the job.
    Unavailable,
}

/// Backoff after the first failed attempt; it doubles with each.
const BACKOFF_MIN: Duration = Duration::from_secs(5);

/// Maximum backoff.
const BACKOFF_MAX: Duration = Duration::from_secs(600);

/// Maximum length of text for people, in characters; the worker's log has the whole.
const TEXT_CHARS_MAX: usize = 4000;

const RENEW: &str = "UPDATE jobs SET lease_until_ms = $4, permille = $5, stage = $6, note = $7,
    changed = CASE WHEN permille = $5 AND stage = $6 AND note = $7 THEN changed ELSE $8 END
    WHERE id = $1 AND lease_token = $2 AND state = 'running' AND lease_until_ms > $3
    RETURNING cancel_requested, parent, changed";

impl Queue {
    /// Reports progress, renews the lease for `time` from now, and returns whether to continue.
    pub async fn renew(
        &self,
        lease: &Lease,
        progress: &Progress,
        time: Duration,
    ) -> Result<Heartbeat, QueueError> {
        let mut change = self.begin().await?;
        let (now_ms, number) = (change.now_ms(), change.next());
        let values = [
            lease.job.into(),
            lease.token.into(),
            now_ms.into(),
            (now_ms + millis(time)).into(),
            i64::from(progress.permille.min(1000)).into(),
            truncate(&progress.stage).into(),
            truncate(&progress.note).into(),
            number.into(),
        ];
        let Some(row) = change.transaction().row(RENEW, &values).await? else {
            return Ok(Heartbeat::Lost);
        };
        if row.get::<i64>("changed")? == number {
            change.advance();
            let parent: Option<String> = row.get("parent")?;
            change.update_ancestors(parent.and_then(|id| id.parse().ok())).await?;
        }
        change.commit().await?;
        let stops = row.get::<i64>("cancel_requested")? != 0;
        Ok(if stops { Heartbeat::Cancel } else { Heartbeat::Go })
    }

    /// Ends a job as done, and records its artifacts. `false`: the lease is lost, and nothing changed.
    ///
    /// After an error the outcome is unknown; a second call is safe.
    pub async fn finish(
        &self,
        lease: &Lease,
        artifacts: &[NewArtifact],
    ) -> Result<bool, QueueError> {
        self.finish_replacing(lease, artifacts, None).await
    }

    /// Like [`finish`](Self::finish), and deletes in the same transaction the rows of the intermediate
    /// artifacts, by the prefix of their keys. Their work counts as work of the artifacts.
    pub async fn finish_replacing(
        &self,
        lease: &Lease,
        artifacts: &[NewArtifact],
        intermediates: Option<&str>,
    ) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else {
            let job = change.job(lease.job).await?;
            let is_done = |job: Job| job.state == State::Done && job.lease_token == lease.token;
            return Ok(job.is_some_and(is_done));
        };
        let earlier_work_ms = match intermediates {
            Some(prefix) => change.delete_artifacts(prefix).await?,
            None => 0,
        };
        for artifact in artifacts {
            let work_ms = artifact.work_ms.saturating_add(earlier_work_ms);
            let artifact = NewArtifact { work_ms, ..artifact.clone() };
            change.record_artifact(&artifact, lease.token).await?;
        }
        job.progress = Progress { permille: 1000, ..Progress::default() };
        job.last_error = None;
        job.unavailable = false;
        change.end(&mut job, State::Done).await?;
        change.update_ancestors(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Reports a failed attempt, or one that stopped because the job was cancelled, which then ends as
    /// cancelled. `false`: the lease is lost, and nothing changed.
    pub async fn fail(&self, lease: &Lease, why: &str, retry: Retry) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else { return Ok(false) };
        if job.cancel_requested {
            change.end(&mut job, State::Cancelled).await?;
        } else {
            job.last_error = Some(truncate(why).to_owned());
            job.unavailable = retry == Retry::Unavailable;
            if retry == Retry::Never || job.attempts >= job.max_attempts {
                change.end(&mut job, State::Failed).await?;
            } else {
                job.requeue(change.now_ms() + millis(backoff(job.attempts)));
                change.save(&mut job).await?;
            }
        }
        change.update_ancestors(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Queues the job again because its worker stops; the attempt does not count. `false`: the lease is
    /// lost, and nothing changed.
    pub async fn release(&self, lease: &Lease) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else { return Ok(false) };
        if job.cancel_requested {
            change.end(&mut job, State::Cancelled).await?;
        } else {
            job.attempts = job.attempts.saturating_sub(1);
            job.requeue(change.now_ms());
            change.save(&mut job).await?;
        }
        change.update_ancestors(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }
}

impl Change {
    /// The job of a lease, unless it is lost.
    pub(super) async fn held(&mut self, lease: &Lease) -> Result<Option<Job>, QueueError> {
        let now_ms = self.now_ms();
        let is_held = |job: &Job| {
            job.state == State::Running
                && job.lease_token == lease.token
                && job.lease_until_ms.is_some_and(|until_ms| until_ms > now_ms)
        };
        Ok(self.job(lease.job).await?.filter(is_held))
    }

    /// Ends a job.
    pub(super) async fn end(&mut self, job: &mut Job, state: State) -> Result<(), QueueError> {
        job.state = state;
        job.lease_owner = None;
        job.lease_until_ms = None;
        job.finished_ms = Some(self.now_ms());
        self.save(job).await
    }
}

impl Job {
    /// Returns a job to the queue.
    pub(super) fn requeue(&mut self, run_at_ms: i64) {
        self.state = State::Queued;
        self.run_at_ms = run_at_ms;
        self.lease_owner = None;
        self.lease_until_ms = None;
        self.progress = Progress::default();
    }
}

fn backoff(attempts: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX)
}

/// Truncates text for people.
fn truncate(text: &str) -> &str {
    text.char_indices().nth(TEXT_CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}
