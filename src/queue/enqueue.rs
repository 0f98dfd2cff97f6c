//! Enqueues jobs.

use super::{Change, Job, JobId, JobSubmission, Queue, QueueError, row::jobs_sql};

/// The states must be those of the partial index, word by word, or the database does not use it.
const LIVE: &str =
    jobs_sql!(SELECT "WHERE dedupe_key = $1 AND state IN ('queued', 'running', 'waiting')");

const INSERT: &str = jobs_sql!(
    "INSERT INTO jobs (id, class, kind, title, payload, priority, state, dedupe_key, attempts,
        max_attempts, run_at_ms, lease_token, permille, stage, note, cancel_requested, parent,
        created_ms, changed)
     VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, 0, $8, $9, 0, 0, '', '', 0, $10, $9, $11)";
    RETURNING
);

impl Queue {
    /// Enqueues a job. If a live job has the same `dedupe_key`, returns that one, with the higher of
    /// both priorities, and `false`: it is not new.
    ///
    /// That job may be about to end, because it was [cancelled](Job::cancel_requested).
    pub async fn enqueue(&self, job: JobSubmission) -> Result<(Job, bool), QueueError> {
        // A hundred viewers of a title request the same image: mostly there is nothing to change, and
        // so nothing to lock.
        if let Some(key) = &job.dedupe_key
            && let Some(row) = self.database.row(LIVE, &[key.as_str().into()]).await?
        {
            let live = Job::from_row(&row)?;
            if live.priority >= job.priority {
                return Ok((live, false));
            }
        }
        let mut change = self.begin().await?;
        let enqueued = change.enqueue(job).await?;
        change.commit().await?;
        Ok(enqueued)
    }
}

impl Change {
    /// Like [`Queue::enqueue`], as a part of this change.
    pub async fn enqueue(&mut self, job: JobSubmission) -> Result<(Job, bool), QueueError> {
        if let Some(key) = &job.dedupe_key
            && let Some(live) = self.live_job(key).await?
        {
            let priority = job.priority.max(live.priority);
            return Ok((self.prioritize(live, priority).await?, false));
        }
        Ok((self.insert(job, None).await?, true))
    }

    /// The live job of a key.
    pub(super) async fn live_job(&mut self, key: &str) -> Result<Option<Job>, QueueError> {
        let row = self.transaction().row(LIVE, &[key.into()]).await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    pub(super) async fn insert(
        &mut self,
        job: JobSubmission,
        parent: Option<JobId>,
    ) -> Result<Job, QueueError> {
        let values = [
            JobId::new().into(),
            job.class.as_str().into(),
            job.kind.as_str().into(),
            job.title.as_str().into(),
            job.payload.as_str().into(),
            job.priority.into(),
            job.dedupe_key.as_deref().filter(|_| parent.is_none()).into(),
            i64::from(job.max_attempts.max(1)).into(),
            self.now_ms().into(),
            parent.into(),
            self.next().into(),
        ];
        let row = self.transaction().row(INSERT, &values).await?.ok_or(QueueError::LockLost)?;
        self.advance();
        Job::from_row(&row)
    }
}
