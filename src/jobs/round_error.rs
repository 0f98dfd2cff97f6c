//! Why a round of housekeeping failed.

use std::io;

use tokio::task::JoinError;

use crate::queue::QueueError;

/// Why a round failed; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The database failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The folder or the bucket of artifacts failed.
    #[error("artifact storage: {0}")]
    Storage(#[from] io::Error),
    /// A call panicked.
    #[error(transparent)]
    Task(#[from] JoinError),
}
