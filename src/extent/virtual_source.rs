//! Sources that are lists of extents themselves, too long to be kept by each response.

use std::{fmt, ops::Range};

use futures::future::BoxFuture;

use super::{Extents, ReadError};

/// A source whose bytes are those of other extents, such as a clip: two hours of one track are a hundred
/// thousand ranges of its file, ten MiB if every viewer held them.
///
/// A response holds the source and the extents of its present window, which are some kilobytes. When they
/// are sent it asks for the next window. The whole list is in a cache that all viewers share, and may be
/// evicted and computed again in between: it is a pure function of the source's file and parameters.
pub trait VirtualSource: fmt::Debug + Send + Sync {
    /// The extents of the first bytes of `range`: at least one byte; `None` if the list has to be computed
    /// first. I/O threads call this function, so it takes some microseconds.
    fn window_now(&self, range: Range<u64>) -> Result<Option<Extents>, ReadError>;

    /// The extents of the first bytes of `range`: at least one byte. Computes the list off the I/O thread.
    ///
    /// Dropping the future abandons the result and has no other effect.
    fn window(&self, range: Range<u64>) -> BoxFuture<'static, Result<Extents, ReadError>>;

    /// The size of the whole list.
    fn totals(&self) -> Totals;
}

/// The size of a list of extents.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// The number of extents.
    pub extents: u64,
    /// The bytes that are in memory.
    pub in_memory: u64,
    /// The bytes that are ranges of a file.
    pub in_file: u64,
}
