//! What a worker may say of the job that it has, for as long as it has it.

use std::time::Duration;

use super::{Change, Job, JobId, NewArtifact, Progress, Queue, QueueError, State, clock::millis};

/// The right to work on a job, and the fence round it. It also names what is made under it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// A number that no other lease of any job has.
    pub token: i64,
}

/// What a worker is told when it reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heartbeat {
    /// Go on.
    Go,
    /// Stop, and say so by [`Queue::fail`]: the job will be `Cancelled`.
    Cancel,
    /// The job is not yours any more. Stop, drop what you made, say nothing.
    Lost,
}

/// What becomes of a job that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// Another attempt, later and later, while it has attempts left.
    Backoff,
    /// The same. Something was lacking here, such as room on the disk: nothing is wrong with what is to
    /// be done.
    Lacking,
}

/// The pause after the first failed attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Texts for people are cut after so many characters; the whole is in the worker's log.
const TEXT_LENGTH: usize = 4000;

const BEAT: &str = "UPDATE jobs SET lease_until_ms = $4, permille = $5, stage = $6, note = $7,
    changed = CASE WHEN permille = $5 AND stage = $6 AND note = $7 THEN changed ELSE $8 END
    WHERE id = $1 AND lease_token = $2 AND state = 'running' AND lease_until_ms > $3
    RETURNING cancel_requested, parent, changed";

impl Queue {
    /// Reports progress, prolongs the lease to `time` from now, and asks whether to go on.
    pub async fn beat(
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
            cut(&progress.stage).into(),
            cut(&progress.note).into(),
            number.into(),
        ];
        let Some(row) = change.transaction().row(BEAT, &values).await? else {
            return Ok(Heartbeat::Lost);
        };
        if row.get::<i64>("changed")? == number {
            change.took_next();
            let parent: Option<String> = row.get("parent")?;
            change.settle(parent.and_then(|id| id.parse().ok())).await?;
        }
        change.commit().await?;
        let stops = row.get::<i64>("cancel_requested")? != 0;
        Ok(if stops { Heartbeat::Cancel } else { Heartbeat::Go })
    }

    /// The job is done and has made this. `false`: the lease is lost, and nothing has changed.
    ///
    /// After an error it may have been done or not: say it again, it is done once.
    pub async fn finish(&self, lease: &Lease, made: &[NewArtifact]) -> Result<bool, QueueError> {
        self.finish_instead_of(lease, made, None).await
    }

    /// As [`finish`](Self::finish), where what was made takes the place of its parts: the artifacts
    /// whose keys begin so are forgotten in the same moment.
    pub async fn finish_instead_of(
        &self,
        lease: &Lease,
        made: &[NewArtifact],
        parts: Option<&str>,
    ) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else {
            let job = change.job(lease.job).await?;
            let is_this = |job: Job| job.state == State::Done && job.lease_token == lease.token;
            return Ok(job.is_some_and(is_this));
        };
        if let Some(parts) = parts {
            change.forget_artifacts(parts).await?;
        }
        for artifact in made {
            change.note_artifact(artifact, lease.token).await?;
        }
        job.progress = Progress { permille: 1000, ..Progress::default() };
        job.last_error = None;
        job.lacked = false;
        change.end(&mut job, State::Done).await?;
        change.settle(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }

    /// This attempt failed, or was stopped because the job is to be cancelled; then that is how it
    /// ends. `false`: the lease is lost, and nothing has changed.
    pub async fn fail(&self, lease: &Lease, why: &str, retry: Retry) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else { return Ok(false) };
        if job.cancel_requested {
            change.end(&mut job, State::Cancelled).await?;
        } else {
            job.last_error = Some(cut(why).to_owned());
            job.lacked = retry == Retry::Lacking;
            if retry == Retry::Never || job.attempts >= job.max_attempts {
                change.end(&mut job, State::Failed).await?;
            } else {
                let pause = pause_after(job.attempts);
                job.queue_again(change.now_ms() + millis(pause));
                change.save(&mut job).await?;
            }
        }
        change.settle(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }

    /// The worker goes away: the job is queued again, and the attempt does not count. `false`: the
    /// lease is lost, and nothing has changed.
    pub async fn release(&self, lease: &Lease) -> Result<bool, QueueError> {
        let mut change = self.begin().await?;
        let Some(mut job) = change.held(lease).await? else { return Ok(false) };
        if job.cancel_requested {
            change.end(&mut job, State::Cancelled).await?;
        } else {
            job.attempts = job.attempts.saturating_sub(1);
            job.queue_again(change.now_ms());
            change.save(&mut job).await?;
        }
        change.settle(job.parent).await?;
        change.commit().await?;
        Ok(true)
    }
}

impl Change {
    /// The job of a lease that is not lost.
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
    /// Back into the queue, as if it had not been begun.
    pub(super) fn queue_again(&mut self, run_at_ms: i64) {
        self.state = State::Queued;
        self.run_at_ms = run_at_ms;
        self.lease_owner = None;
        self.lease_until_ms = None;
        self.progress = Progress::default();
    }
}

fn pause_after(attempts: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// The beginning of a text, of a length that may be shown.
fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_LENGTH).map_or(text, |(end, _)| &text[..end])
}
