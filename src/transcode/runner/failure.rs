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
        Self::new(reason, Retry::Never)
    }

    /// A retry may succeed.
    pub fn transient(reason: impl fmt::Display) -> Self {
        Self::new(reason, Retry::Backoff)
    }

    /// A resource of the server is unavailable: a retry may succeed, and the title is not the cause.
    pub fn unavailable(reason: impl fmt::Display) -> Self {
        Self::new(reason, Retry::Unavailable)
    }

    /// The reason goes to clients, and comes from the system, the database, or ffmpeg and its libraries.
    fn new(reason: impl fmt::Display, retry: Retry) -> Self {
        Self { reason: hide_paths(&reason.to_string()), retry }
    }

    /// The version that the job was submitted for no longer exists.
    pub(super) fn replaced() -> Self {
        Self::permanent("the file was replaced or changed since this job was submitted")
    }
}

/// Replaces each absolute path by its last name.
fn hide_paths(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(hide_path).collect()
}

/// Replaces the absolute path in a word, if there is one: `(/usr/bin/ffmpeg:` becomes `(ffmpeg:`.
fn hide_path(word: &str) -> String {
    let is_before_path = |byte: u8| b"('\"=:[<,".contains(&byte);
    let begins = |at: &usize| {
        let bytes = word.as_bytes();
        bytes[*at] == b'/'
            && bytes.get(at + 1) != Some(&b'/')
            && (*at == 0 || is_before_path(bytes[at - 1]))
    };
    match (0..word.len()).find(begins).zip(word.rfind('/')) {
        Some((first, last)) => format!("{}{}", &word[..first], &word[last + 1..]),
        None => word.to_owned(),
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::permanent("the title no longer exists"),
            OpenError::Refused(why) => Self::permanent(why),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_contains_no_path_of_the_server() {
        for (reason, shown) in [
            (
                "ffmpeg ended with exit status: 1: a.mp4: bad",
                "ffmpeg ended with exit status: 1: a.mp4: bad",
            ),
            (
                "/usr/bin/ffmpeg: Permission denied (os error 13)",
                "ffmpeg: Permission denied (os error 13)",
            ),
            ("libx264.so (required by /opt/ffmpeg/bin/ffmpeg)", "libx264.so (required by ffmpeg)"),
            ("file:/srv/films/a.mkv: bad", "file:a.mkv: bad"),
            ("'/srv/é/b.mkv'\n\"/srv/c\"", "'b.mkv'\n\"c\""),
            ("see https://ffmpeg.org/a, and/or 1/2", "see https://ffmpeg.org/a, and/or 1/2"),
            ("/", ""),
        ] {
            assert_eq!(Failure::permanent(reason).reason, shown);
        }
    }
}
