//! Jobs to look at.

use super::{
    Class, Job, JobId, Queue, QueueError, State,
    row::{jobs_sql, number, parsed},
};

/// Which jobs are asked for; by default all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this class.
    pub class: Option<Class>,
    /// Only those of another class.
    pub not_class: Option<Class>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those for this title.
    pub title: Option<String>,
    /// Only those that are nobody's children.
    pub only_parents: bool,
}

const LIST: &str = jobs_sql!(
    SELECT "WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR class = $2)
        AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR title = $4)
        AND ($5 = 0 OR parent IS NULL) AND ($6 IS NULL OR id < $6)
        AND ($8 IS NULL OR class <> $8) ORDER BY id DESC LIMIT $7"
);

impl Queue {
    /// A job.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let row = self.database.row(jobs_sql!(SELECT "WHERE id = $1"), &[id.into()]).await?;
        row.as_ref().map(Job::of).transpose()
    }

    /// The last job that had this key, whatever became of it.
    pub async fn latest(&self, dedupe_key: &str) -> Result<Option<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE dedupe_key = $1 ORDER BY id DESC LIMIT 1");
        let row = self.database.row(sql, &[dedupe_key.into()]).await?;
        row.as_ref().map(Job::of).transpose()
    }

    /// Whether more jobs of a class than these wait to be claimed.
    pub async fn are_queued(&self, class: Class, more_than: u32) -> Result<bool, QueueError> {
        let sql = "SELECT 1 FROM jobs WHERE state = 'queued' AND class = $1 LIMIT 1 OFFSET $2";
        let values = [class.as_str().into(), i64::from(more_than).into()];
        Ok(self.database.row(sql, &values).await?.is_some())
    }

    /// The pieces of a job, in the order in which they were given.
    pub async fn children(&self, id: JobId) -> Result<Vec<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE parent = $1 ORDER BY id");
        Job::all(&self.database.rows(sql, &[id.into()]).await?)
    }

    /// At most `limit` jobs, newest first, that were enqueued before the job `before`.
    pub async fn jobs(
        &self,
        filter: &Filter,
        limit: u32,
        before: Option<JobId>,
    ) -> Result<Vec<Job>, QueueError> {
        let values = [
            filter.state.map(State::as_str).into(),
            filter.class.map(Class::as_str).into(),
            filter.kind.as_deref().into(),
            filter.title.as_deref().into(),
            i64::from(filter.only_parents).into(),
            before.into(),
            i64::from(limit).into(),
            filter.not_class.map(Class::as_str).into(),
        ];
        Job::all(&self.database.rows(LIST, &values).await?)
    }

    /// How many jobs of each class are in each state; what there is none of is left out.
    pub async fn counts(&self) -> Result<Vec<(Class, State, u64)>, QueueError> {
        let sql = "SELECT class, state, COUNT(*) AS count FROM jobs GROUP BY class, state";
        let rows = self.database.rows(sql, &[]).await?;
        let of = |row| Ok((parsed(row, "class")?, parsed(row, "state")?, number(row, "count")?));
        rows.iter().map(of).collect()
    }

    /// At most `limit` jobs that have changed after the change of this number, in the order of
    /// their changes. Asked again with the last one's [`changed`](Job::changed) it misses none; a
    /// job that changes twice in between is met once, as it is then.
    pub async fn changed_since(&self, changed: i64, limit: u32) -> Result<Vec<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE changed > $1 ORDER BY changed LIMIT $2");
        Job::all(&self.database.rows(sql, &[changed.into(), i64::from(limit).into()]).await?)
    }

    /// The number of the last change.
    pub async fn last_change(&self) -> Result<i64, QueueError> {
        let row = self.database.row("SELECT last FROM sequence", &[]).await?;
        Ok(row.ok_or(QueueError::LockLost)?.get("last")?)
    }
}
