//! Conversion of rows to jobs.

use std::str::FromStr;

use super::{Job, Progress, QueueError};
use crate::store::Row;

/// A statement that selects or returns all columns of jobs, by name and not by `*`: a column that a later
/// version adds must not break a statement that a connection has prepared.
macro_rules! jobs_sql {
    (SELECT $($rest:expr),+) => {
        concat!("SELECT ", jobs_sql!(), " FROM jobs ", $($rest),+)
    };
    ($($change:expr),+; RETURNING) => {
        concat!($($change),+, " RETURNING ", jobs_sql!())
    };
    () => {
        "id, class, kind, title, payload, priority, state, dedupe_key, attempts, max_attempts, \
         run_at_ms, lease_token, lease_owner, lease_until_ms, permille, stage, note, \
         cancel_requested, last_error, unavailable, parent, created_ms, started_ms, finished_ms, changed"
    };
}
pub(super) use jobs_sql;

impl Job {
    /// Reads a job from a row.
    pub(super) fn from_row(row: &Row) -> Result<Self, QueueError> {
        Ok(Self {
            id: parsed(row, "id")?,
            class: parsed(row, "class")?,
            kind: row.get("kind")?,
            title: row.get("title")?,
            payload: row.get("payload")?,
            priority: row.get("priority")?,
            state: parsed(row, "state")?,
            dedupe_key: row.get("dedupe_key")?,
            attempts: number(row, "attempts")?,
            max_attempts: number(row, "max_attempts")?,
            run_at_ms: row.get("run_at_ms")?,
            lease_token: row.get("lease_token")?,
            lease_owner: row.get("lease_owner")?,
            lease_until_ms: row.get("lease_until_ms")?,
            progress: Progress {
                permille: number(row, "permille")?,
                stage: row.get("stage")?,
                note: row.get("note")?,
            },
            cancel_requested: row.get::<i64>("cancel_requested")? != 0,
            last_error: row.get("last_error")?,
            unavailable: row.get::<i64>("unavailable")? != 0,
            parent: row
                .get::<Option<String>>("parent")?
                .map(|id| parse("parent", id))
                .transpose()?,
            created_ms: row.get("created_ms")?,
            started_ms: row.get("started_ms")?,
            finished_ms: row.get("finished_ms")?,
            changed: row.get("changed")?,
        })
    }

    /// Reads jobs from rows.
    pub(super) fn from_rows(rows: &[Row]) -> Result<Vec<Self>, QueueError> {
        rows.iter().map(Self::from_row).collect()
    }
}

/// A value that is stored by its name.
pub(super) fn parsed<T: FromStr>(row: &Row, column: &'static str) -> Result<T, QueueError> {
    parse(column, row.get(column)?)
}

fn parse<T: FromStr>(column: &'static str, value: String) -> Result<T, QueueError> {
    value.parse().map_err(|_| QueueError::Row { column, value })
}

/// A number that is not negative.
pub(super) fn number<T: TryFrom<i64>>(row: &Row, column: &'static str) -> Result<T, QueueError> {
    let value: i64 = row.get(column)?;
    T::try_from(value).map_err(|_| QueueError::Row { column, value: value.to_string() })
}
