//! Transactions and queries on either database. Dropping a transaction rolls it back.

use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use super::{
    Database, DatabaseError, Dialect, Row, Value,
    connection::{ToPostgres, ToSqlite},
    statement::arguments,
};

/// A transaction that may write.
#[derive(Debug)]
pub enum Transaction {
    /// On SQLite: the only writer from its beginning (`BEGIN IMMEDIATE`).
    Sqlite(ToSqlite),
    /// On PostgreSQL: each statement sees all earlier commits (READ COMMITTED).
    Postgres(ToPostgres),
}

/// Runs a statement on a connection to one of the databases.
macro_rules! query {
    ($connection:expr, $of:ty, $method:ident, $sql:expr, $values:expr) => {{
        let query = sqlx::query_with::<$of, _>($sql, arguments::<$of>($values)?);
        $connection.run(|connection| Box::pin(query.$method(connection))).await
    }};
}

/// Runs statements without parameters, in one round trip; returns the rows of all.
macro_rules! script {
    ($connection:expr, $sql:expr) => {{
        // Each is a constant, or contains numbers only.
        let script = sqlx::raw_sql(AssertSqlSafe($sql));
        $connection.run(|connection| script.fetch_all(connection)).await
    }};
}

const BEGIN_SQLITE: &str = "BEGIN IMMEDIATE";
const BEGIN_POSTGRES: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

impl Transaction {
    /// Begins a transaction.
    pub(super) async fn begin(database: &Database) -> Result<Self, DatabaseError> {
        Ok(Self::begin_with(database, "").await?.0)
    }

    /// Begins a transaction with a query in the same round trip. Returns its only row.
    pub(super) async fn begin_with(
        database: &Database,
        query: &'static str,
    ) -> Result<(Self, Option<Row>), DatabaseError> {
        Ok(match database {
            Database::Sqlite(pools) => {
                let mut connection = ToSqlite::acquire(&pools.writer).await?;
                connection.is_in_transaction = true;
                let mut rows = script!(connection, format!("{BEGIN_SQLITE}; {query}"))?;
                (Self::Sqlite(connection), rows.pop().map(Row::Sqlite))
            }
            Database::Postgres(pool) => {
                let mut connection = ToPostgres::acquire(pool).await?;
                connection.is_in_transaction = true;
                let mut rows = script!(connection, format!("{BEGIN_POSTGRES}; {query}"))?;
                (Self::Postgres(connection), rows.pop().map(Row::Postgres))
            }
        })
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
                let rows = query!(open, Sqlite, fetch_all, sql, values)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(open) => {
                let rows = query!(open, Postgres, fetch_all, sql, values)?;
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
            Self::Sqlite(open) => query!(open, Sqlite, execute, sql, values)?.rows_affected(),
            Self::Postgres(open) => query!(open, Postgres, execute, sql, values)?.rows_affected(),
        })
    }

    /// Executes several statements without parameters.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(open) => script!(open, sql).map(drop),
            Self::Postgres(open) => script!(open, sql).map(drop),
        }
    }

    /// Commits. After an error the outcome is unknown: check.
    pub async fn commit(self) -> Result<(), DatabaseError> {
        self.end("COMMIT".to_owned()).await
    }

    /// Runs statements without parameters, and commits, in one round trip. The caller vouches that nothing
    /// in them comes from outside the program.
    pub async fn commit_with(self, statements: &str) -> Result<(), DatabaseError> {
        self.end(format!("{statements}; COMMIT")).await
    }

    async fn end(mut self, script: String) -> Result<(), DatabaseError> {
        match &mut self {
            Self::Sqlite(open) => {
                script!(open, script)?;
                open.is_in_transaction = false;
            }
            Self::Postgres(open) => {
                script!(open, script)?;
                open.is_in_transaction = false;
            }
        }
        Ok(())
    }
}

impl Database {
    /// All rows of a result, outside of a transaction.
    pub async fn rows(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Vec<Row>, DatabaseError> {
        self.check_file().await?;
        Ok(match self {
            Self::Sqlite(pools) => {
                let mut reader = ToSqlite::acquire(&pools.readers).await?;
                let rows = query!(reader, Sqlite, fetch_all, sql, values)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let mut reader = ToPostgres::acquire(pool).await?;
                let rows = query!(reader, Postgres, fetch_all, sql, values)?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The only row of a result, outside of a transaction, if there is one.
    pub async fn row(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, DatabaseError> {
        Ok(self.rows(sql, values).await?.pop())
    }

    /// Runs one statement that may write, as a transaction of its own; returns its only row.
    pub async fn write(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<Option<Row>, DatabaseError> {
        self.check_file().await?;
        Ok(match self {
            Self::Sqlite(pools) => {
                let mut writer = ToSqlite::acquire(&pools.writer).await?;
                query!(writer, Sqlite, fetch_all, sql, values)?.pop().map(Row::Sqlite)
            }
            Self::Postgres(pool) => {
                let mut writer = ToPostgres::acquire(pool).await?;
                query!(writer, Postgres, fetch_all, sql, values)?.pop().map(Row::Postgres)
            }
        })
    }
}
