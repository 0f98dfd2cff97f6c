//! Transactions and queries on either database. Dropping a transaction rolls it back.

use std::{future::Future, time::Duration};

use sqlx::{Postgres, Sqlite};
use tokio::time::timeout;

use super::{Database, DatabaseError, Dialect, Row, Value, statement::arguments};

/// Timeout of a statement. Without one, a server that vanishes from the network would block callers
/// until the kernel gives up, for hours.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// A transaction that may write.
#[derive(Debug)]
pub enum Transaction {
    /// On SQLite: the only writer from its beginning (`BEGIN IMMEDIATE`).
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On PostgreSQL: each statement sees all earlier commits (READ COMMITTED).
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// Runs a statement on one of the databases.
macro_rules! query {
    ($executor:expr, $of:ty, $method:ident, $sql:expr, $values:expr) => {
        with_timeout(async {
            let values = arguments::<$of>($values)?;
            Ok(sqlx::query_with::<$of, _>($sql, values).$method($executor).await?)
        })
    };
}

impl Transaction {
    /// Begins a transaction.
    pub(super) async fn begin(database: &Database) -> Result<Self, DatabaseError> {
        with_timeout(async {
            Ok(match database {
                Database::Sqlite(pools) => {
                    Self::Sqlite(pools.writer.begin_with("BEGIN IMMEDIATE").await?)
                }
                Database::Postgres(pool) => {
                    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
                    Self::Postgres(pool.begin_with(begin).await?)
                }
            })
        })
        .await
    }

    /// The dialect of its SQL.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// All rows of a result.
    pub async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, DatabaseError> {
        Ok(match self {
            Self::Sqlite(open) => {
                let rows = query!(&mut **open, Sqlite, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(open) => {
                let rows = query!(&mut **open, Postgres, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The only row of a result, if there is one.
    pub async fn row(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(sql, values).await?.pop())
    }

    /// Executes a statement; returns the number of affected rows.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<u64, DatabaseError> {
        Ok(match self {
            Self::Sqlite(open) => {
                query!(&mut **open, Sqlite, execute, sql, values).await?.rows_affected()
            }
            Self::Postgres(open) => {
                query!(&mut **open, Postgres, execute, sql, values).await?.rows_affected()
            }
        })
    }

    /// Executes several statements without parameters.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(open) => sqlx::raw_sql(sql).execute(&mut **open).await.map(drop),
            Self::Postgres(open) => sqlx::raw_sql(sql).execute(&mut **open).await.map(drop),
        }
        .map_err(DatabaseError::from)
    }

    /// Commits. After an error the outcome is unknown: check.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        with_timeout(async {
            match self {
                Self::Sqlite(open) => open.commit().await,
                Self::Postgres(open) => open.commit().await,
            }
            .map_err(DatabaseError::from)
        })
        .await
    }
}

impl Database {
    /// All rows of a result, outside of a transaction.
    pub async fn rows(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, DatabaseError> {
        Ok(match self {
            Self::Sqlite(pools) => {
                let rows = query!(&pools.readers, Sqlite, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let rows = query!(pool, Postgres, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The only row of a result, if there is one.
    pub async fn row(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(sql, values).await?.pop())
    }
}

async fn with_timeout<T>(
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    timeout(STATEMENT_TIMEOUT, work).await.unwrap_or_else(|_| Err(DatabaseError::timed_out()))
}
