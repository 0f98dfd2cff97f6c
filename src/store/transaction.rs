//! A transaction on either database. Dropped without a commit, it never happened.

use std::{future::Future, time::Duration};

use sqlx::{Postgres, Sqlite};
use tokio::time::timeout;

use super::{Database, DatabaseError, Dialect, Row, Value, statement::arguments};

/// How long a statement may take. A server that has vanished from the network would be waited for
/// until the kernel gives up, for hours.
const DEADLINE: Duration = Duration::from_secs(10);

/// A transaction that may write.
#[derive(Debug)]
pub enum Transaction {
    /// On SQLite: the only one at a time that writes, from its beginning (`BEGIN IMMEDIATE`).
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    /// On PostgreSQL: each statement sees what was committed before that statement.
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// Says one thing to whichever database it is.
macro_rules! ask {
    ($executor:expr, $of:ty, $method:ident, $sql:expr, $values:expr) => {
        in_time(async {
            let values = arguments::<$of>($values)?;
            Ok(sqlx::query_with::<$of, _>($sql, values).$method($executor).await?)
        })
    };
}

impl Transaction {
    /// Begins one.
    pub(super) async fn begin(database: &Database) -> Result<Self, DatabaseError> {
        in_time(async {
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

    /// Which database it is on.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// All rows of an answer.
    pub async fn rows(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, DatabaseError> {
        Ok(match self {
            Self::Sqlite(open) => {
                let rows = ask!(&mut **open, Sqlite, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(open) => {
                let rows = ask!(&mut **open, Postgres, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The only row of an answer, if there is one.
    pub async fn row(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(sql, values).await?.pop())
    }

    /// Changes something; returns in how many rows.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<u64, DatabaseError> {
        Ok(match self {
            Self::Sqlite(open) => {
                ask!(&mut **open, Sqlite, execute, sql, values).await?.rows_affected()
            }
            Self::Postgres(open) => {
                ask!(&mut **open, Postgres, execute, sql, values).await?.rows_affected()
            }
        })
    }

    /// Several statements without values, as a migration has them.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(open) => sqlx::raw_sql(sql).execute(&mut **open).await.map(drop),
            Self::Postgres(open) => sqlx::raw_sql(sql).execute(&mut **open).await.map(drop),
        }
        .map_err(DatabaseError::from)
    }

    /// Makes it true. After an error nobody knows whether it is: ask.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        in_time(async {
            Ok(match self {
                Self::Sqlite(open) => open.commit().await?,
                Self::Postgres(open) => open.commit().await?,
            })
        })
        .await
    }
}

impl Database {
    /// Rows that are read outside of any transaction.
    pub async fn rows(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, DatabaseError> {
        Ok(match self {
            Self::Sqlite(pools) => {
                let rows = ask!(&pools.readers, Sqlite, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let rows = ask!(pool, Postgres, fetch_all, sql, values).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The only row of an answer, if there is one.
    pub async fn row(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(sql, values).await?.pop())
    }
}

async fn in_time<T>(
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    timeout(DEADLINE, work).await.unwrap_or_else(|_| Err(DatabaseError::late()))
}
