//! Frequent changes of one job, each in one statement.
//!
//! On PostgreSQL that is one round trip: the statement takes the next number, and with it the queue's lock,
//! changes the job and notifies. The lock is held while the server runs it, and not for the time that a
//! process far away needs to send several statements. On SQLite it is a [`Change`](super::Change).
//!
//! Such a statement sees the rows that existed when it began, before it waited for the lock. An UPDATE looks at
//! its row once more after the wait, so what it requires of a job holds; what it requires of other rows, only an
//! index can guarantee.

use super::{Queue, QueueError};
use crate::store::{Dialect, Row, Value};

/// A change of one job. The value of $1 is the [known time](super::Clock::known_ms), those of the caller begin
/// with $2.
#[derive(Debug)]
pub(super) struct OneStatement {
    /// Whether there is anything to change, on SQLite; read before the lock, for which others may wait.
    pub(super) check: &'static str,
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

/// Changes one job `if` a query finds a row; else no number is used, and nothing is locked. The query may use
/// the table `clock` (`now_ms`); the change takes `last` and `now_ms` from the table `number`, and returns the
/// job.
macro_rules! one_statement {
    (if $query:expr; $change:expr) => {
        one_statement!(if $query; sqlite $change; postgres $change)
    };
    (if $query:expr; sqlite $sqlite:expr; postgres $postgres:expr) => {
        OneStatement {
            check: concat!(
                "WITH clock AS (SELECT $1 AS now_ms) SELECT 1 WHERE EXISTS (", $query, ")"
            ),
            sqlite: concat!(
                "WITH number AS (SELECT last + 1 AS last, $1 AS now_ms FROM sequence) ", $sqlite
            ),
            postgres: postgres_statement!(if $query; $postgres; ""),
        }
    };
}
pub(super) use one_statement;

/// The statement for PostgreSQL, with more parts after the change, which is the table `changed` for them.
macro_rules! postgres_statement {
    (if $query:expr; $change:expr; $more:expr) => {
        concat!(
            "WITH clock AS MATERIALIZED (SELECT COALESCE($1, ",
            postgres_now_sql!(),
            ") AS now_ms),
             number AS (UPDATE sequence SET last = last + 1 WHERE EXISTS (",
            $query,
            ")
                RETURNING last, COALESCE($1, ",
            postgres_now_sql!(),
            ") AS now_ms),
             changed AS (",
            $change,
            ")",
            $more,
            "
             SELECT changed.*, ",
            notify_sql!(),
            " FROM changed"
        )
    };
}
pub(super) use postgres_statement;

impl Queue {
    /// Changes one job; returns what the statement returns of it. `None` if nothing changed.
    pub(super) async fn change_one(
        &self,
        statement: &OneStatement,
        more_values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<Row>, QueueError> {
        let mut values = vec![Value::from(self.clock.known_ms(&self.database))];
        values.extend(more_values);
        if self.database.dialect() == Dialect::Postgres {
            return self.write_one(statement.postgres, &values).await;
        }
        if self.database.row(statement.check, &values).await?.is_none() {
            return Ok(None);
        }
        let mut change = self.begin().await?;
        let row = change.transaction().row(statement.sqlite, &values).await?;
        if row.is_some() {
            change.advance();
        }
        change.commit().await?;
        Ok(row)
    }

    /// Runs a statement of PostgreSQL that changes one job.
    pub(super) async fn write_one(
        &self,
        statement: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, QueueError> {
        let row = self.database.write(statement, values).await?;
        if row.is_some() {
            self.changes.wake();
        }
        Ok(row)
    }
}
