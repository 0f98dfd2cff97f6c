//! Errors of the queue.

use thiserror::Error;

use crate::store::DatabaseError;

/// An error of the queue.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A row has a value that this version does not write.
    #[error("invalid job in the database: {column} is {value:?}")]
    Row {
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// A row has changed since it was read, although this process holds the lock.
    #[error("another process changes the queue's tables without its lock")]
    LockLost,
}

impl QueueError {
    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Database(error) if error.is_transient())
    }
}
