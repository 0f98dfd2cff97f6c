//! Queries of jobs.

use std::collections::HashSet;

use super::{
    Class, Job, JobId, Queue, QueueError, State,
    row::{jobs_sql, number, parsed},
};
use crate::store::Row;

/// Selects jobs; by default all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// Only jobs in this state.
    pub state: Option<State>,
    /// Only jobs of this class.
    pub class: Option<Class>,
    /// Only jobs of other classes.
    pub not_class: Option<Class>,
    /// Only jobs of this kind.
    pub kind: Option<String>,
    /// Only jobs of this title.
    pub title: Option<String>,
    /// Only jobs without a parent.
    pub only_parents: bool,
}

const LIST: &str = jobs_sql!(
    SELECT "WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR class = $2)
        AND ($3 IS NULL OR kind = $3) AND ($4 IS NULL OR title = $4)
        AND ($5 = 0 OR parent IS NULL) AND ($6 IS NULL OR id < $6)
        AND ($8 IS NULL OR class <> $8) ORDER BY id DESC LIMIT $7"
);

/// The state must be that of the partial index, word by word, or the database does not use it.
macro_rules! running_sql {
    () => {
        "SELECT lease_token FROM jobs WHERE state = 'running'"
    };
}

impl Queue {
    /// The job of an identifier.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        let row = self.database.row(jobs_sql!(SELECT "WHERE id = $1"), &[id.into()]).await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    /// The last job of a key, in whatever state.
    pub async fn latest(&self, dedupe_key: &str) -> Result<Option<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE dedupe_key = $1 ORDER BY id DESC LIMIT 1");
        let row = self.database.row(sql, &[dedupe_key.into()]).await?;
        row.as_ref().map(Job::from_row).transpose()
    }

    /// Whether more than `more_than` jobs of a class are queued.
    pub async fn are_queued(&self, class: Class, more_than: u32) -> Result<bool, QueueError> {
        let sql = "SELECT 1 FROM jobs WHERE state = 'queued' AND class = $1 LIMIT 1 OFFSET $2";
        let values = [class.as_str().into(), i64::from(more_than).into()];
        Ok(self.database.row(sql, &values).await?.is_some())
    }

    /// The children of a job, in the order of their submission.
    pub async fn children(&self, id: JobId) -> Result<Vec<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE parent = $1 ORDER BY id");
        Job::from_rows(&self.database.rows(sql, &[id.into()]).await?)
    }

    /// The tokens of all running jobs.
    pub async fn running_tokens(&self) -> Result<HashSet<i64>, QueueError> {
        let rows = self.database.rows(running_sql!(), &[]).await?;
        Ok(rows.iter().map(|row| row.get("lease_token")).collect::<Result<_, _>>()?)
    }

    /// At most `limit` jobs, newest first, submitted before the job `before`.
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
        Job::from_rows(&self.database.rows(LIST, &values).await?)
    }

    /// The number of jobs by class and state, without zeros.
    pub async fn counts(&self) -> Result<Vec<(Class, State, u64)>, QueueError> {
        let sql = "SELECT class, state, COUNT(*) AS count FROM jobs GROUP BY class, state";
        let rows = self.database.rows(sql, &[]).await?;
        let count = |row| Ok((parsed(row, "class")?, parsed(row, "state")?, number(row, "count")?));
        rows.iter().map(count).collect()
    }

    /// The number of unfinished jobs by kind and state, without zeros.
    pub async fn depths(&self) -> Result<Vec<(String, State, u64)>, QueueError> {
        let sql = concat!(
            "SELECT kind, state, COUNT(*) AS count FROM jobs",
            " WHERE state IN ('queued', 'running', 'waiting') GROUP BY kind, state"
        );
        let rows = self.database.rows(sql, &[]).await?;
        let depth =
            |row: &Row| Ok((row.get("kind")?, parsed(row, "state")?, number(row, "count")?));
        rows.iter().map(depth).collect()
    }

    /// At most `limit` jobs that changed after the change of this number, in the order of changes.
    /// Calls with the last job's [`changed`](Job::changed) miss no job; one that changes twice in
    /// between appears once, in its latest state.
    pub async fn changed_since(&self, changed: i64, limit: u32) -> Result<Vec<Job>, QueueError> {
        let sql = jobs_sql!(SELECT "WHERE changed > $1 ORDER BY changed LIMIT $2");
        Job::from_rows(&self.database.rows(sql, &[changed.into(), i64::from(limit).into()]).await?)
    }

    /// Number of the last change.
    pub async fn last_change(&self) -> Result<i64, QueueError> {
        let row = self.database.row("SELECT last FROM sequence", &[]).await?;
        Ok(row.ok_or(QueueError::LockLost)?.get("last")?)
    }
}

#[cfg(test)]
mod tests {
    use crate::store::Database;

    #[tokio::test]
    async fn the_list_of_running_jobs_comes_from_an_index() {
        let data = tempfile::tempdir().expect("a folder");
        let database = Database::open(None, data.path()).await.expect("a database");
        let query = concat!("EXPLAIN QUERY PLAN ", running_sql!());
        let plan = database.row(query, &[]).await.expect("a plan").expect("a row");
        let detail: String = plan.get("detail").expect("text");
        assert!(detail.contains("USING COVERING INDEX jobs_running"), "{detail}");
    }
}
