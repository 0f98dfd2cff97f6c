//! Enqueues jobs.

use super::{
    Change, Job, JobId, JobSubmission, Queue, QueueError,
    clock::postgres_now_sql,
    one_statement::{OneStatement, one_statement, postgres_statement},
    row::{jobs_sql, number},
    wait::notify_sql,
};
use crate::store::{Row, Value};

/// The states must be those of the partial index, word by word, or the database does not use it.
const LIVE: &str =
    jobs_sql!(SELECT "WHERE dedupe_key = $1 AND state IN ('queued', 'running', 'waiting')");

const INSERT: &str = jobs_sql!(
    "INSERT INTO jobs (id, class, kind, title, payload, priority, state, dedupe_key, attempts,
        max_attempts, run_at_ms, lease_token, permille, stage, note, cancel_requested, parent,
        created_ms, changed, client)
     VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, 0, $8, $9, 0, 0, '', '', 0, $10, $9, $11, $12)";
    RETURNING
);

/// A job without parent and client, unless one of its key is live. The index of live keys decides between two
/// that are enqueued at once.
const INSERT_NEW: OneStatement = one_statement!(
    if "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM jobs
        WHERE dedupe_key = $8 AND state IN ('queued', 'running', 'waiting'))";
    jobs_sql!(
        "INSERT INTO jobs (id, class, kind, title, payload, priority, state, dedupe_key, attempts,
            max_attempts, run_at_ms, lease_token, permille, stage, note, cancel_requested, created_ms,
            changed)
         SELECT $2, $3, $4, $5, $6, $7, 'queued', $8, 0, $9, number.now_ms, 0, 0, '', '', 0,
            number.now_ms, number.last
         FROM number WHERE number.last > 0 ON CONFLICT DO NOTHING";
        RETURNING
    )
);

/// The queued jobs of a class: all of them, and those of a client. From the index `jobs_queued` alone.
const COUNT_QUEUED: &str =
    "SELECT COUNT(*) AS count, COUNT(CASE WHEN client = $2 THEN 1 END) AS own
    FROM jobs WHERE state = 'queued' AND class = $1";

/// The most that the priority of a client's job is lowered behind its earlier ones: less than the distance
/// between the priorities of job specs.
const TURNS_MAX: i64 = 40;

/// The number of queued jobs of a class.
#[derive(Clone, Copy, Debug)]
struct Queued {
    count: u32,
    /// Those of one client.
    own: u32,
}

impl Queued {
    fn from_row(row: Option<Row>) -> Result<Self, QueueError> {
        let row = row.ok_or(QueueError::LockLost)?;
        Ok(Self { count: number(&row, "count")?, own: number(&row, "own")? })
    }

    /// Whether the client may have one more, of `places` in all: as many as there are free places. So one
    /// client alone gets half of them, and a place stays free for the next one.
    fn has_place(self, places: u32) -> bool {
        self.own < places.saturating_sub(self.count)
    }
}

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
        if let Some(row) = self.change_one(&INSERT_NEW, job.values()).await? {
            return Ok((Job::from_row(&row)?, true));
        }
        let mut change = self.begin().await?;
        let enqueued = change.enqueue(job).await?;
        change.commit().await?;
        Ok(enqueued)
    }

    /// Enqueues a job on the account of a client, like [`enqueue`](Self::enqueue). `None` if the client has
    /// its share of the `places` that the queue has for this class, or all are taken; a live job needs no
    /// place.
    ///
    /// Clients take turns: each further job that a client has in the queue has a lower priority, so that
    /// the first job of another client runs before it.
    pub async fn enqueue_for(
        &self,
        client: &str,
        places: u32,
        job: JobSubmission,
    ) -> Result<Option<Job>, QueueError> {
        let key = job.dedupe_key.clone().unwrap_or_default();
        let values = [job.class.as_str().into(), client.into()];
        let turn = |queued: Queued| job.priority - i64::from(queued.own).min(TURNS_MAX);
        // First without the lock, which all writers need.
        let queued = Queued::from_row(self.database.row(COUNT_QUEUED, &values).await?)?;
        match self.database.row(LIVE, &[key.as_str().into()]).await? {
            Some(row) => {
                let live = Job::from_row(&row)?;
                if live.priority >= turn(queued) {
                    return Ok(Some(live));
                }
            }
            None if !queued.has_place(places) => return Ok(None),
            None => {}
        }
        let mut change = self.begin().await?;
        let queued = Queued::from_row(change.transaction().row(COUNT_QUEUED, &values).await?)?;
        let priority = turn(queued);
        let job = match change.live_job(&key).await? {
            Some(live) => {
                let priority = priority.max(live.priority);
                change.prioritize(live, priority).await?
            }
            None if !queued.has_place(places) => return Ok(None),
            None => change.insert(JobSubmission { priority, ..job }, None, Some(client)).await?,
        };
        change.commit().await?;
        Ok(Some(job))
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
        Ok((self.insert(job, None, None).await?, true))
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
        client: Option<&str>,
    ) -> Result<Job, QueueError> {
        let dedupe_key = job.dedupe_key.filter(|_| parent.is_none());
        let mut values = Vec::from(JobSubmission { dedupe_key, ..job }.values());
        values.extend([self.now_ms().into(), parent.into(), self.next().into(), client.into()]);
        let row = self.transaction().row(INSERT, &values).await?.ok_or(QueueError::LockLost)?;
        self.advance();
        Job::from_row(&row)
    }
}

impl JobSubmission {
    /// A new identifier, and what the columns of a new job get from its submission.
    fn values(&self) -> [Value; 8] {
        [
            JobId::new().into(),
            self.class.as_str().into(),
            self.kind.as_str().into(),
            self.title.as_str().into(),
            self.payload.as_str().into(),
            self.priority.into(),
            self.dedupe_key.as_deref().into(),
            i64::from(self.max_attempts.max(1)).into(),
        ]
    }
}
