//! An open file of a library, whatever kind of root it is in.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;

use super::{
    ReadAt, ReadError, Source, Validator,
    disk::{self, DiskPool, Identity, Unavailable},
};
use crate::shares::ClientKey;

/// An open file in one state: an immutable source that the kernel can send.
#[derive(Clone, Debug)]
pub enum File {
    /// A file on a disk.
    Disk(Arc<disk::File>),
}

/// Bytes of a file that are behind one descriptor, for calls of the kernel.
#[derive(Debug)]
pub struct Piece<'f> {
    fd: BorrowedFd<'f>,
    /// The offset of the first byte behind the descriptor.
    pub offset: u64,
    /// The number of bytes.
    pub len: u64,
}

impl AsFd for Piece<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

impl Piece<'_> {
    /// The first `len` bytes, as a range behind the descriptor.
    pub fn front(&self, len: u64) -> Range<u64> {
        self.offset..self.offset + len
    }
}

impl From<Arc<disk::File>> for File {
    fn from(file: Arc<disk::File>) -> Self {
        Self::Disk(file)
    }
}

impl File {
    /// The validator of the file's bytes.
    pub fn validator(&self) -> &Validator {
        match self {
            Self::Disk(file) => file.validator(),
        }
    }

    /// The identity of the file in this state.
    pub fn identity(&self) -> &Identity {
        match self {
            Self::Disk(file) => file.identity(),
        }
    }

    /// Whether the file grew within this time.
    pub fn has_grown_within(&self, time: Duration) -> bool {
        match self {
            Self::Disk(file) => file.has_grown_within(time),
        }
    }

    /// Whether a program has the file open for writing, or has changed it since it was found in this state;
    /// `None` if the system does not tell.
    pub fn has_writer(&self) -> Option<bool> {
        match self {
            Self::Disk(file) => file.has_writer(),
        }
    }

    /// Whether the kernel may send the file's bytes from the page cache without our reading them, a
    /// [piece](Self::piece) at a time. Pages of a [changeable](Self::changeable) file are sent under a lease.
    pub fn is_sendable(&self) -> bool {
        match self {
            Self::Disk(file) => file.is_sendable(),
        }
    }

    /// Makes the file not [sendable](Self::is_sendable) until it is opened again, because a part of it
    /// cannot be read.
    pub fn stop_sending(&self) {
        match self {
            Self::Disk(file) => file.stop_sending(),
        }
    }

    /// The file on a disk, whose pages a writer may change while they are sent.
    pub fn changeable(&self) -> Option<&disk::File> {
        match self {
            Self::Disk(file) => Some(file),
        }
    }

    /// The bytes from `offset` on that are behind one descriptor; `None` if none are at present.
    pub fn piece(&self, offset: u64) -> Option<Piece<'_>> {
        match self {
            Self::Disk(file) => {
                let len = file.identity().size.saturating_sub(offset);
                Some(Piece { fd: file.as_fd(), offset, len })
            }
        }
    }

    /// The piece that holds all bytes of a range; `None` if no descriptor does at present.
    pub fn whole_piece(&self, range: &Range<u64>) -> Option<Piece<'_>> {
        match self {
            // What is behind the end of a file that became shorter, the kernel reports.
            Self::Disk(file) => {
                let len = range.end.saturating_sub(range.start);
                Some(Piece { fd: file.as_fd(), offset: range.start, len })
            }
        }
    }

    /// Whether one descriptor holds all bytes of a range.
    pub fn holds(&self, _range: &Range<u64>) -> bool {
        match self {
            Self::Disk(_) => true,
        }
    }

    /// Fails if the file no longer has the bytes that it had when it was opened. Does not wait if the
    /// file [is sendable](Self::is_sendable).
    pub fn check(&self) -> Result<(), ReadError> {
        match self {
            Self::Disk(file) => file.check(),
        }
    }

    /// Runs a call in the disk pool that reads a range into the page cache: with a descriptor, the range
    /// behind it, and the end of what can be read there. At most a few of one file run at a time.
    pub fn fill(
        &self,
        range: Range<u64>,
        call: impl Fn(BorrowedFd<'_>, &Range<u64>, u64) -> io::Result<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ReadError>> {
        match self {
            Self::Disk(file) => {
                let end = file.identity().size;
                file.fill(move |fd| call(fd, &range, end))
            }
        }
    }

    /// Runs a call on a thread of the file's disk pool, where it may read.
    pub fn run_in_pool<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Unavailable>> {
        self.run_in(self.pool(), call)
    }

    /// As [`run_in_pool`](Self::run_in_pool), for a call that computes more than it reads: it may take some
    /// ten milliseconds of the processor, and must not keep reads waiting for so long.
    pub fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Unavailable>> {
        self.run_in(self.compute_pool(), call)
    }

    /// As [`compute`](Self::compute), for a result of this state of the file that others may wait for
    /// too: those [join](Self::join_computation).
    pub fn compute_joinable<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Unavailable>> {
        let (file, client) = (Arc::clone(self), ClientKey::current());
        let (pool, key) = (Arc::clone(self.compute_pool()), *self.identity());
        Box::pin(async move { pool.run_joinable(client, &key, move || call(&file)).await })
    }

    /// Lets the [joinable](Self::compute_joinable) computation of this state of the file, if one waits, run
    /// at a turn of the present client too.
    pub fn join_computation(&self) {
        self.compute_pool().join(ClientKey::current(), self.identity());
    }

    fn run_in<T: Send + 'static>(
        self: &Arc<Self>,
        pool: &Arc<DiskPool>,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Unavailable>> {
        let (file, pool, client) = (Arc::clone(self), Arc::clone(pool), ClientKey::current());
        Box::pin(async move { pool.run(client, move || call(&file)).await })
    }

    fn pool(&self) -> &Arc<DiskPool> {
        match self {
            Self::Disk(file) => file.pool(),
        }
    }

    fn compute_pool(&self) -> &Arc<DiskPool> {
        match self {
            Self::Disk(file) => file.compute_pool(),
        }
    }

    /// The same open file in its present state.
    pub async fn refreshed(&self) -> Result<Self, ReadError> {
        match self {
            Self::Disk(file) => Ok(Self::Disk(Arc::new(file.refreshed().await?))),
        }
    }

    /// Reads bytes of a growing file in the disk pool, although more were appended since: at least one byte,
    /// perhaps fewer than `range`.
    pub async fn read_appended(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        match self {
            Self::Disk(file) => file.read_appended(range).await,
        }
    }

    /// A reader that never blocks.
    pub fn nonblocking_reader(&self) -> NonblockingReader<'_> {
        NonblockingReader(self)
    }

    /// A reader that waits for the bytes.
    pub fn blocking_reader(&self) -> BlockingReader<'_> {
        BlockingReader(self)
    }
}

impl Source for File {
    fn len(&self) -> u64 {
        self.identity().size
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        match self {
            Self::Disk(file) => file.read_now(range),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        match &*self {
            Self::Disk(file) => Arc::clone(file).read(range),
        }
    }

    fn as_file(&self) -> Option<&File> {
        Some(self)
    }
}

/// Reads what is in memory only, and never blocks: for I/O threads.
#[derive(Clone, Copy, Debug)]
pub struct NonblockingReader<'f>(&'f File);

/// Waits for the bytes, and blocks: for threads of the disk pool.
#[derive(Clone, Copy, Debug)]
pub struct BlockingReader<'f>(&'f File);

impl ReadAt for NonblockingReader<'_> {
    fn len(&self) -> u64 {
        self.0.identity().size
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        match self.0 {
            File::Disk(file) => file.nonblocking_reader().read_exact_at(offset, into),
        }
    }
}

impl ReadAt for BlockingReader<'_> {
    fn len(&self) -> u64 {
        self.0.identity().size
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        match self.0 {
            File::Disk(file) => file.blocking_reader().read_exact_at(offset, into),
        }
    }
}
