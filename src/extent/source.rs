//! Sources: where the bytes of an extent come from.

use std::{fmt, io, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{File, Gathered, virtual_source::VirtualSource};

/// An open byte source that is immutable by contract: *every read of the same range returns the same
/// bytes, those of the version that was opened, or an error.*
///
/// A file on a disk cannot guarantee that, so implementations must check, after a read and before the
/// bytes go out, that the source is unchanged since it was opened; else the read fails with
/// [`ReadError::Changed`]. So a response never mixes two versions.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// The length in bytes, fixed when the source was opened.
    fn len(&self) -> u64;

    /// Whether the length is 0.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads bytes from the front of `range` without waiting: at least one, perhaps fewer than `range`;
    /// `None` if the first byte would wait.
    ///
    /// I/O threads call this function, so it must not touch a disk.
    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError>;

    /// Reads bytes from the front of `range`, and waits for them off the I/O thread: at least one, perhaps
    /// fewer than `range`.
    ///
    /// Dropping the future abandons the read and has no other effect.
    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>>;

    /// The open file behind this source, if there is one. The kernel can then send its bytes from the
    /// page cache, provided that the file [is sendable](File::is_sendable).
    fn as_file(&self) -> Option<&File> {
        None
    }

    /// The gathered bytes of this source, if it is in memory.
    fn as_gathered(&self) -> Option<&Gathered> {
        None
    }

    /// This source as a list of extents that is computed a window at a time, if it is one. A connection
    /// that sends extents by reference can then send these.
    fn as_virtual(&self) -> Option<&dyn VirtualSource> {
        None
    }
}

/// The error of a read.
///
/// The status line has usually been sent by then, so that such an error can only cut the connection; the
/// log and the metrics get the reason.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source has changed since it was opened.
    #[error("the file was changed in place while it was being sent")]
    Changed,
    /// The source is shorter than when it was opened.
    #[error("the file became shorter while it was being sent")]
    Truncated,
    /// The disk did not respond within its deadline.
    #[error(transparent)]
    Unavailable(super::disk::Unavailable),
    /// The disk reported an error.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
}

impl From<super::disk::Unavailable> for ReadError {
    fn from(unavailable: super::disk::Unavailable) -> Self {
        match unavailable {
            super::disk::Unavailable::Panicked => Self::Io(io::Error::other(unavailable)),
            unavailable => Self::Unavailable(unavailable),
        }
    }
}

impl ReadError {
    /// Whether the bytes exist but the read would have to wait.
    pub fn would_wait(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The label for metrics, from a closed list.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Truncated => "truncated",
            Self::Unavailable(_) => "unavailable",
            Self::Io(_) => "io",
        }
    }
}
