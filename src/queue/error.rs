//! What can go wrong with the queue.

use thiserror::Error;

use crate::store::DatabaseError;

/// The queue cannot answer.
#[derive(Debug, Error)]
pub enum QueueError {
    /// Because of the database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A row says what no program of this version has written.
    #[error("the queue has a job whose {column} is {value:?}")]
    Row {
        /// The column.
        column: &'static str,
        /// What it says.
        value: String,
    },
    /// A row is not as it was when it was read, although nobody else may write.
    #[error("somebody changes the queue's tables without its lock")]
    LockLost,
}

impl QueueError {
    /// Whether the same may work later, without anybody's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Database(DatabaseError::Unavailable(_)))
    }
}
