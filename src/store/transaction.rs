//! Transactions and queries on either database. Dropping a transaction rolls it back.

use sqlx::{Postgres, Sqlite};

use super::{
    Database, DatabaseError, Dialect, Row, Value, connection::Connection, statement::arguments,
};

/// A transaction that may write.
#[derive(Debug)]
pub enum Transaction {
    /// On SQLite: the only writer from its beginning (`BEGIN IMMEDIATE`).
    Sqlite(Connection<Sqlite>),
    /// On PostgreSQL: each statement sees all earlier commits (READ COMMITTED).
    Postgres(Connection<Postgres>),
}

/// Runs a statement on a connection to one of the databases.
macro_rules! query {
    ($connection:expr, $of:ty, $method:ident, $sql:expr, $values:expr) => {{
        let query = sqlx::query_with::<$of, _>($sql, arguments::<$of>($values)?);
        $connection.run(|connection| Box::pin(query.$method(connection))).await
    }};
}

/// Runs statements without parameters.
macro_rules! script {
    ($connection:expr, $sql:expr) => {
        $connection
            .run(|connection| Box::pin(sqlx::raw_sql($sql).execute(connection)))
            .await
            .map(drop)
    };
}

impl Transaction {
    /// Begins a transaction.
    pub(super) async fn begin(database: &Database) -> Result<Self, DatabaseError> {
        Ok(match database {
            Database::Sqlite(pools) => {
                let mut connection = Connection::acquire(&pools.writer).await?;
                connection.is_in_transaction = true;
                script!(connection, "BEGIN IMMEDIATE")?;
                Self::Sqlite(connection)
            }
            Database::Postgres(pool) => {
                let mut connection = Connection::acquire(pool).await?;
                connection.is_in_transaction = true;
                script!(connection, "BEGIN ISOLATION LEVEL READ COMMITTED")?;
                Self::Postgres(connection)
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
            Self::Sqlite(open) => script!(open, sql),
            Self::Postgres(open) => script!(open, sql),
        }
    }

    /// Commits. After an error the outcome is unknown: check.
    pub async fn commit(mut self) -> Result<(), DatabaseError> {
        self.script("COMMIT").await?;
        match &mut self {
            Self::Sqlite(open) => open.is_in_transaction = false,
            Self::Postgres(open) => open.is_in_transaction = false,
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
                let mut reader = Connection::acquire(&pools.readers).await?;
                let rows = query!(reader, Sqlite, fetch_all, sql, values)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let mut reader = Connection::acquire(pool).await?;
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
}
