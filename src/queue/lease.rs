//! Leases: a worker reports on its job for as long as it holds the lease.

use std::time::Duration;

use super::{
    Change, Job, JobId, NewArtifact, Progress, Queue, QueueError, State,
    artifacts::record_sql,
    clock::{millis, postgres_now_sql},
    one_statement::{OneStatement, one_statement, postgres_statement},
    wait::notify_sql,
};
use crate::store::{Dialect, Row, Value};

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

/// Whether the lease $3 of the job $2 holds at a time.
macro_rules! is_held {
    ($now_ms:expr) => {
        concat!("id = $2 AND lease_token = $3 AND state = 'running' AND lease_until_ms > ", $now_ms)
    };
}

macro_rules! renew {
    ($now_ms:expr) => {
        concat!(
            "UPDATE jobs SET lease_until_ms = ",
            $now_ms,
            " + $4 WHERE ",
            is_held!($now_ms),
            " RETURNING cancel_requested"
        )
    };
}

/// A heartbeat is no change: it takes neither the lock nor a number.
const RENEW: [&str; 2] = [renew!("$1"), renew!(concat!("COALESCE($1, ", postgres_now_sql!(), ")"))];

/// Of a job without a parent, whose progress would change too.
const REPORT_ALONE: OneStatement = one_statement!(
    if concat!(
        "SELECT 1 FROM jobs WHERE ", is_held!("(SELECT now_ms FROM clock)"),
        " AND parent IS NULL AND (permille <> $5 OR stage <> $6 OR note <> $7)"
    );
    concat!(
        "UPDATE jobs SET lease_until_ms = number.now_ms + $4, permille = $5, stage = $6, note = $7,
            changed = number.last
         FROM number WHERE ", is_held!("number.now_ms"), " RETURNING cancel_requested"
    )
);

/// Of any job.
const REPORT: &str = concat!(
    "UPDATE jobs SET lease_until_ms = $1 + $4, permille = $5, stage = $6, note = $7,
        changed = CASE WHEN permille = $5 AND stage = $6 AND note = $7 THEN changed ELSE $8 END
     WHERE ",
    is_held!("$1"),
    " RETURNING cancel_requested, parent, changed"
);

/// Ends a job without a parent as done, on PostgreSQL; with an artifact, if $4 is one's key.
const FINISH_ALONE: &str = postgres_statement!(
    if concat!(
        "SELECT 1 FROM jobs WHERE ", is_held!("(SELECT now_ms FROM clock)"), " AND parent IS NULL"
    );
    concat!(
        "UPDATE jobs SET state = 'done', lease_owner = NULL, lease_until_ms = NULL,
            finished_ms = number.now_ms, permille = 1000, stage = '', note = '', last_error = NULL,
            unavailable = 0, changed = number.last
         FROM number WHERE ", is_held!("number.now_ms"), " RETURNING id"
    );
    concat!(
        ", recorded AS (", record_sql!(
            "SELECT $4, $3, $5, $6, $7, $8, number.now_ms, number.now_ms FROM number, changed
             WHERE $4 IS NOT NULL"
        ), ")"
    )
);

impl Queue {
    /// Renews the lease for `time` from now, and returns whether to continue.
    pub async fn renew(&self, lease: &Lease, time: Duration) -> Result<Heartbeat, QueueError> {
        let known_ms = self.clock.known_ms(&self.database);
        let values = [known_ms.into(), lease.job.into(), lease.token.into(), millis(time).into()];
        let renew = self.database.dialect().choose(RENEW[0], RENEW[1]);
        match self.database.write(renew, &values).await? {
            Some(row) => Heartbeat::from_row(&row),
            None => Ok(Heartbeat::Lost),
        }
    }

    /// Reports progress, renews the lease for `time` from now, and returns whether to continue.
    pub async fn report(
        &self,
        lease: &Lease,
        progress: &Progress,
        time: Duration,
    ) -> Result<Heartbeat, QueueError> {
        let values: [Value; 6] = [
            lease.job.into(),
            lease.token.into(),
            millis(time).into(),
            i64::from(progress.permille.min(1000)).into(),
            truncate(&progress.stage).into(),
            truncate(&progress.note).into(),
        ];
        if let Some(row) = self.change_one(&REPORT_ALONE, values.clone()).await? {
            return Heartbeat::from_row(&row);
        }
        let mut change = self.begin().await?;
        let number = change.next();
        let mut all = vec![Value::from(change.now_ms())];
        all.extend(values);
        all.push(number.into());
        let Some(row) = change.transaction().row(REPORT, &all).await? else {
            return Ok(Heartbeat::Lost);
        };
        if row.get::<i64>("changed")? == number {
            change.advance();
            let parent: Option<String> = row.get("parent")?;
            change.update_ancestors(parent.and_then(|id| id.parse().ok())).await?;
        }
        change.commit().await?;
        Heartbeat::from_row(&row)
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
        if intermediates.is_none() && self.finish_alone(lease, artifacts).await? {
            return Ok(true);
        }
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

    /// On PostgreSQL, ends a job without a parent in one statement, with at most one artifact. `false` if
    /// nothing changed.
    async fn finish_alone(
        &self,
        lease: &Lease,
        artifacts: &[NewArtifact],
    ) -> Result<bool, QueueError> {
        if self.database.dialect() != Dialect::Postgres || artifacts.len() > 1 {
            return Ok(false);
        }
        let mut values: Vec<Value> =
            vec![self.clock.known_ms(&self.database).into(), lease.job.into(), lease.token.into()];
        let (text, number) = (Value::Text(None), Value::Integer(None));
        let none = || [text.clone(), number.clone(), number, text.clone(), text];
        values.extend(artifacts.first().map_or_else(none, NewArtifact::values));
        Ok(self.write_one(FINISH_ALONE, &values).await?.is_some())
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

impl Heartbeat {
    fn from_row(row: &Row) -> Result<Self, QueueError> {
        let stops = row.get::<i64>("cancel_requested")? != 0;
        Ok(if stops { Self::Cancel } else { Self::Go })
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
