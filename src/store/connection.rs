//! A connection that goes back to its pool only while its state is certain.
//!
//! After an error it is not: SQLite rolls back automatically when the disk is full, and on some other errors;
//! PostgreSQL may still be about to respond to a statement whose caller gave up. A driver that counts
//! transactions counts wrongly from then on: a disk that was full for a moment once cost all jobs and images
//! until a restart. So a connection is closed, which rolls back, unless all that it did is known to have
//! succeeded. A new one costs a few milliseconds.

use std::{mem::replace, sync::Arc, time::Duration};

use futures::{TryFutureExt as _, future::BoxFuture};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::time::timeout;

use super::{
    DatabaseError,
    breaker::Breaker,
    pooled::Pooled,
    postgres::{PostgresConnection, PostgresPool},
};

/// Timeout of a statement. Without one, a server that vanishes from the network would block callers
/// until the kernel gives up, for hours.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

impl Pooled for PoolConnection<Sqlite> {
    type Database = Sqlite;

    fn connection(&mut self) -> Result<&mut SqliteConnection, DatabaseError> {
        Ok(self)
    }

    fn close_on_drop(&mut self) {
        PoolConnection::close_on_drop(self);
    }
}

/// A connection of a pool. Its drop closes it within a transaction, and after a statement that failed or
/// whose caller did not wait for its end.
#[derive(Debug)]
pub struct Connection<P: Pooled> {
    pooled: P,
    /// Ends statements once the server is known not to respond.
    breaker: Option<Arc<Breaker>>,
    /// Whether every statement so far has succeeded.
    is_certain: bool,
    /// Whether a transaction may have begun and is not known to be committed.
    pub(super) is_in_transaction: bool,
}

/// A connection to SQLite.
pub type ToSqlite = Connection<PoolConnection<Sqlite>>;

/// A connection to PostgreSQL.
pub type ToPostgres = Connection<PostgresConnection>;

impl ToSqlite {
    /// Takes a connection from a pool, or opens one.
    pub(super) async fn acquire(pool: &SqlitePool) -> Result<Self, DatabaseError> {
        Ok(Self::new(pool.acquire().await?, None))
    }
}

impl ToPostgres {
    /// Takes a connection from a pool, or opens one.
    pub(super) async fn acquire(pool: &Arc<PostgresPool>) -> Result<Self, DatabaseError> {
        Ok(Self::new(pool.acquire().await?, Some(Arc::clone(&pool.breaker))))
    }
}

impl<P: Pooled> Connection<P> {
    fn new(pooled: P, breaker: Option<Arc<Breaker>>) -> Self {
        Self { pooled, breaker, is_certain: true, is_in_transaction: false }
    }

    /// Runs a statement. None runs after one that failed: SQLite would run it outside of the transaction
    /// that it has rolled back.
    pub(super) async fn run<T>(
        &mut self,
        statement: impl for<'c> FnOnce(
            &'c mut <P::Database as sqlx::Database>::Connection,
        ) -> BoxFuture<'c, sqlx::Result<T>>,
    ) -> Result<T, DatabaseError> {
        if !replace(&mut self.is_certain, false) {
            return Err(DatabaseError::uncertain());
        }
        let statement = statement(self.pooled.connection()?);
        let result = match &self.breaker {
            Some(breaker) => timeout(STATEMENT_TIMEOUT, breaker.guard(statement)).await,
            None => timeout(STATEMENT_TIMEOUT, statement.map_err(DatabaseError::from)).await,
        };
        let result = result.map_err(|_| DatabaseError::timed_out())??;
        self.is_certain = true;
        if let Some(breaker) = &self.breaker {
            breaker.note_response();
        }
        Ok(result)
    }
}

impl<P: Pooled> Drop for Connection<P> {
    fn drop(&mut self) {
        if self.is_in_transaction || !self.is_certain {
            self.pooled.close_on_drop();
        }
    }
}
