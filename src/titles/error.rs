//! Why a title, or a part of it, cannot be had. `http::Error` maps each to a status, in one place.

use crate::{
    background::BackgroundError,
    extent::{ReadError, disk::OpenError, disk::Unavailable},
    package::stills::StillsError,
    queue::{JobId, QueueError},
};

/// Every way in which a request for a title fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such title, or no such part of it.
    #[error("not found")]
    NotFound,
    /// A parameter does not fit this title; why.
    #[error("{0}")]
    InvalidParameter(String),
    /// The title's file is still being written.
    #[error("the file is still growing")]
    Growing,
    /// This cannot be made of that title; why.
    #[error("{0}")]
    Unprocessable(String),
    /// The job that makes the title playable has not ended.
    #[error("transcoding to a playable movie: {} %", permille / 10)]
    Pending {
        /// The job.
        job: JobId,
        /// Its progress.
        permille: u16,
    },
    /// It cannot be made now, and the title is not the reason; what is missing.
    #[error("{0}")]
    Unavailable(String),
    /// Not now, but soon; why.
    #[error("{0}")]
    NotReady(&'static str),
    /// Too many jobs or requests wait.
    #[error("server busy, retry later")]
    Busy,
    /// There is no database; what does not work without.
    #[error("{0}")]
    DatabaseUnavailable(&'static str),
    /// The disk does not respond, or not in time.
    #[error("the storage does not respond")]
    StorageUnavailable(#[source] Unavailable),
    /// A file could not be read.
    #[error(transparent)]
    Read(ReadError),
    /// The database failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A fault of the server.
    #[error(transparent)]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::NotFound,
            OpenError::Unavailable(cause) => Self::StorageUnavailable(cause),
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
            BackgroundError::Aborted(cause) => Self::Internal(Box::new(cause)),
        }
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
