//! Where the bytes of an extent come from.

use std::{fmt, io, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::disk::File;

/// An open byte source that is immutable by contract: *every read of the same range returns the
/// same bytes, those of the version whose length was told first, or an error.*
///
/// A file on a disk cannot promise that, so whoever implements this must check: after the bytes
/// have been read and before they are handed out, the source must still be what it was when it was
/// opened, else [`ReadError::Changed`]. What has been handed out then never mixes two versions.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// The length in bytes, fixed when the source was opened.
    fn len(&self) -> u64;

    /// Whether the source has no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes from the front of `range` that need no waiting, or `None` if all of them would wait.
    ///
    /// Called on an I/O worker: must not touch a disk. At least one byte, perhaps fewer than asked.
    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError>;

    /// Bytes from the front of `range`, waiting for them off the I/O worker.
    ///
    /// At least one byte, perhaps fewer than asked. Dropping the future abandons the read; nothing
    /// else depends on it.
    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>>;

    /// The open file that this source is, if it is one: its bytes may then go from the page cache to
    /// a socket without being read by us, as far as it [allows](File::is_sendable) that.
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// Why bytes that were promised cannot be had.
///
/// By the time one of these occurs the status line has usually gone, so that all it can do is to
/// cut the connection; the reason is for the log and the counters.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source is no longer the version that was opened.
    #[error("the file was changed in place while it was being sent")]
    Changed,
    /// The source ended before the length that it was opened with.
    #[error("the file became shorter while it was being sent")]
    Truncated,
    /// The disk did not answer within its deadline.
    #[error(transparent)]
    Unavailable(#[from] super::disk::Unavailable),
    /// The disk answered with an error.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// Whether the bytes are there, but not without waiting for them.
    pub fn would_wait(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// A short word for a metric's label: the list is closed, so the label is bounded.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Truncated => "truncated",
            Self::Unavailable(_) => "unavailable",
            Self::Io(_) => "io",
        }
    }
}
