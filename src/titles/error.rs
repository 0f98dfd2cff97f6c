//! Errors of titles. `http::Error` maps each to a status, in one place.

use crate::{
    background::BackgroundError,
    extent::{Exhausted, ReadError, disk::OpenError, disk::Unavailable},
    package::stills::StillsError,
    queue::{JobId, QueueError},
};

/// The error of a request for a title.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The title, or the part of it, does not exist.
    #[error("not found")]
    NotFound,
    /// A parameter does not fit this title; with the reason.
    #[error("{0}")]
    InvalidParameter(String),
    /// Something still writes the title's file.
    #[error("the file is still growing")]
    Growing,
    /// The title does not support the request; with the reason.
    #[error("{0}")]
    Unprocessable(String),
    /// The job that makes the title playable has not ended.
    #[error("a job is preparing this title: {} %", permille / 10)]
    Pending {
        /// The job.
        job: JobId,
        /// The progress of the job.
        permille: u16,
    },
    /// A resource is missing now, and the title is not at fault; with the missing resource.
    #[error("{0}")]
    Unavailable(String),
    /// The result will be ready soon; with the reason.
    #[error("{0}")]
    NotReady(&'static str),
    /// Too many jobs or requests wait.
    #[error("server busy, retry later")]
    Busy,
    /// The responses in progress hold all memory that they may.
    #[error("too many responses in progress, retry later")]
    TooManyResponses,
    /// The server has no database; with the consequence.
    #[error("{0}")]
    DatabaseUnavailable(&'static str),
    /// The disk does not respond in time.
    #[error("the storage does not respond")]
    StorageUnavailable(#[source] Unavailable),
    /// A file could not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The database failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A defect of the server.
    #[error(transparent)]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::NotFound,
            OpenError::Unavailable(cause) => Self::StorageUnavailable(cause),
            OpenError::Refused(why) => Self::Unprocessable(why),
            OpenError::Io(cause) => Self::Internal(Box::new(cause)),
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => Self::StorageUnavailable(cause),
            error => Self::Read(error),
        }
    }
}

impl From<BackgroundError> for Error {
    fn from(error: BackgroundError) -> Self {
        match error {
            BackgroundError::Busy => Self::Busy,
            BackgroundError::Aborted => Self::Internal(Box::new(error)),
        }
    }
}

impl From<Exhausted> for Error {
    fn from(_: Exhausted) -> Self {
        Self::TooManyResponses
    }
}

impl From<Unavailable> for Error {
    fn from(cause: Unavailable) -> Self {
        Self::StorageUnavailable(cause)
    }
}

impl From<StillsError> for Error {
    fn from(refused: StillsError) -> Self {
        match refused {
            StillsError::Read(error) => error.into(),
            refused => Self::Unprocessable(refused.to_string()),
        }
    }
}
