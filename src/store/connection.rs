//! A connection that goes back to its pool only while its state is certain.
//!
//! After an error it is not: SQLite rolls back automatically when the disk is full, and on some other errors;
//! PostgreSQL may still be about to respond to a statement whose caller gave up. A driver that counts
//! transactions counts wrongly from then on: a disk that was full for a moment once cost all jobs and images
//! until a restart. So a connection is closed, which rolls back, unless all that it did is known to have
//! succeeded. A new one costs a few milliseconds.

use std::{mem::replace, time::Duration};

use futures::future::BoxFuture;
use sqlx::{Pool, pool::PoolConnection};
use tokio::time::timeout;

use super::DatabaseError;

/// Timeout of a statement. Without one, a server that vanishes from the network would block callers
/// until the kernel gives up, for hours.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection of a pool. Its drop closes it within a transaction, and after a statement that failed or
/// whose caller did not wait for its end.
#[derive(Debug)]
pub struct Connection<D: sqlx::Database> {
    pooled: PoolConnection<D>,
    /// Whether every statement so far has succeeded.
    is_certain: bool,
    /// Whether a transaction may have begun and is not known to be committed.
    pub(super) is_in_transaction: bool,
}

impl<D: sqlx::Database> Connection<D> {
    /// Takes a connection from a pool, or opens one.
    pub(super) async fn acquire(pool: &Pool<D>) -> Result<Self, DatabaseError> {
        let pooled = pool.acquire().await?;
        Ok(Self { pooled, is_certain: true, is_in_transaction: false })
    }

    /// Runs a statement. None runs after one that failed: SQLite would run it outside of the transaction
    /// that it has rolled back.
    pub(super) async fn run<T>(
        &mut self,
        statement: impl for<'c> FnOnce(&'c mut D::Connection) -> BoxFuture<'c, sqlx::Result<T>>,
    ) -> Result<T, DatabaseError> {
        if !replace(&mut self.is_certain, false) {
            return Err(DatabaseError::uncertain());
        }
        let running = timeout(STATEMENT_TIMEOUT, statement(&mut self.pooled));
        let result = running.await.map_err(|_| DatabaseError::timed_out())??;
        self.is_certain = true;
        Ok(result)
    }
}

impl<D: sqlx::Database> Drop for Connection<D> {
    fn drop(&mut self) {
        if self.is_in_transaction || !self.is_certain {
            self.pooled.close_on_drop();
        }
    }
}
