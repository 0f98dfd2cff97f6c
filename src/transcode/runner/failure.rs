//! Why a job failed, and whether a retry can succeed.

use std::fmt;

use crate::{
    extent::{ReadError, disk::OpenError},
    package::stills::StillsError,
    queue::{QueueError, Retry},
    transcode::{
        ffmpeg::{FfmpegError, ProbeError},
        images::RenderError,
        renditions::join::RenditionError,
    },
};

/// Why a job failed.
#[derive(Debug)]
pub struct Failure {
    /// The reason, for people. Contains no path of the server.
    pub reason: String,
    /// Whether and when to retry.
    pub retry: Retry,
}

impl Failure {
    /// A retry would fail, too.
    pub fn permanent(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), retry: Retry::Never }
    }

    /// A retry may succeed.
    pub fn transient(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), retry: Retry::Backoff }
    }

    /// A resource of the server is unavailable: a retry may succeed, and the title is not the cause.
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), retry: Retry::Unavailable }
    }

    /// The version that the job was submitted for no longer exists.
    pub(super) fn replaced() -> Self {
        Self::permanent("the file was replaced or changed since this job was submitted")
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::permanent("the title no longer exists"),
            error => Self::unavailable(error),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => Self::unavailable(error),
            // A bad sector is a fault of this file, as an invalid index is.
            ReadError::Changed | ReadError::Truncated | ReadError::Io(_) => Self::transient(error),
        }
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Self::unavailable(error)
    }
}

impl From<StillsError> for Failure {
    fn from(error: StillsError) -> Self {
        match error {
            StillsError::Read(error) => error.into(),
            error => Self::permanent(error),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        Self::permanent(error)
    }
}

impl From<RenditionError> for Failure {
    fn from(error: RenditionError) -> Self {
        match error {
            // Chunks and renditions are in the artifact storage.
            RenditionError::Io(_) | RenditionError::Read(_) => Self::unavailable(error),
            error => Self::permanent(error),
        }
    }
}

impl From<FfmpegError> for Failure {
    fn from(error: FfmpegError) -> Self {
        match error {
            error if error.is_permanent() => Self::permanent(error),
            error if error.is_host_failure() => Self::unavailable(error),
            error => Self::transient(error),
        }
    }
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Ffmpeg(error) => error.into(),
            ProbeError::Report(error) => Self::permanent(error),
        }
    }
}
