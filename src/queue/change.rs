//! A change of the queue: one transaction at a time, which numbers each changed job.

use std::sync::Arc;

use super::{
    Clock, Job, JobId, Queue, QueueError, clock::postgres_now_sql, row::jobs_sql, wait::NOTIFY,
};
use crate::store::{ChangeSignal, Dialect, Transaction, Value};

/// A transaction that holds the lock of the queue. Its drop rolls it back.
#[derive(Debug)]
pub struct Change {
    transaction: Transaction,
    signal: Arc<ChangeSignal>,
    now_ms: i64,
    /// Number of the last change before this transaction.
    before: i64,
    /// Number of the last change in it.
    last: i64,
}

/// On SQLite the transaction is the lock. On PostgreSQL this row is; reads after the lock see what the
/// previous holder committed.
const LOCK: [&str; 2] = [
    "SELECT last, 0 AS now_ms FROM sequence",
    concat!("SELECT last, ", postgres_now_sql!(), " AS now_ms FROM sequence FOR UPDATE"),
];

/// Updates all columns that change during a job's life. A heartbeat takes no lock, and may have renewed the
/// lease since the row was read.
const SAVE: &str = "UPDATE jobs SET priority = $3, state = $4, attempts = $5, run_at_ms = $6,
    lease_owner = $7, lease_until_ms = CASE WHEN $4 = 'running' THEN lease_until_ms END,
    permille = $8, stage = $9, note = $10, cancel_requested = $11, last_error = $12, unavailable = $13,
    started_ms = $14, finished_ms = $15, changed = $16, client = CASE WHEN $4 = 'queued' THEN client END
    WHERE id = $1 AND changed = $2";

impl Queue {
    /// Begins a change. The caller may write more in its transaction, which commits with it.
    pub async fn begin(&self) -> Result<Change, QueueError> {
        let lock = self.database.dialect().choose(LOCK[0], LOCK[1]);
        let (transaction, row) = self.database.begin_with(lock).await?;
        let row = row.ok_or(QueueError::LockLost)?;
        let (last, theirs) = (row.get("last")?, row.get("now_ms")?);
        let now_ms = Clock::read(&self.clock, theirs);
        Ok(Change { transaction, signal: Arc::clone(&self.changes), now_ms, before: last, last })
    }
}

impl Change {
    /// The transaction, for writes that belong to the change.
    pub fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    /// Time of the change.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Commits the change and wakes waiters.
    pub async fn commit(self) -> Result<(), QueueError> {
        if self.last == self.before {
            return Ok(self.transaction.commit().await?);
        }
        let mut statements = format!("UPDATE sequence SET last = {}", self.last);
        if self.transaction.dialect() == Dialect::Postgres {
            statements += NOTIFY;
        }
        self.transaction.commit_with(&statements).await?;
        self.signal.wake();
        Ok(())
    }

    /// Number of the next change of a job.
    pub(super) fn next(&self) -> i64 {
        self.last.saturating_add(1)
    }

    /// Marks the next number as used.
    pub(super) fn advance(&mut self) {
        self.last = self.next();
    }

    pub(super) async fn job(&mut self, id: JobId) -> Result<Option<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE id = $1");
        let row = self.transaction.row(sql, &[id.into()]).await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    pub(super) async fn children(&mut self, id: JobId) -> Result<Vec<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE parent = $1 ORDER BY id");
        Job::from_rows(&self.transaction.rows(sql, &[id.into()]).await?)
    }

    /// Writes a job that was read in this transaction, under the next number.
    pub(super) async fn save(&mut self, job: &mut Job) -> Result<(), QueueError> {
        let changed = self.next();
        let values = [
            job.id.into(),
            job.changed.into(),
            job.priority.into(),
            job.state.as_str().into(),
            i64::from(job.attempts).into(),
            job.run_at_ms.into(),
            job.lease_owner.as_deref().into(),
            i64::from(job.progress.permille).into(),
            job.progress.stage.as_str().into(),
            job.progress.note.as_str().into(),
            i64::from(job.cancel_requested).into(),
            job.last_error.as_deref().into(),
            i64::from(job.unavailable).into(),
            job.started_ms.into(),
            job.finished_ms.into(),
            changed.into(),
        ];
        if self.transaction.execute(SAVE, &values).await? != 1 {
            return Err(QueueError::LockLost);
        }
        self.advance();
        job.changed = changed;
        Ok(())
    }
}

impl From<JobId> for Value {
    fn from(id: JobId) -> Self {
        Self::Text(Some(id.to_string()))
    }
}

impl From<Option<JobId>> for Value {
    fn from(id: Option<JobId>) -> Self {
        Self::Text(id.map(|id| id.to_string()))
    }
}
