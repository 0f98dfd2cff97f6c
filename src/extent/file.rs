//! An open file of a library, whatever kind of root it is in.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::future::{self, BoxFuture};

use super::{
    ReadAt, ReadError, Source, Validator,
    bucket::{Object, Shelf},
    disk::{self, DiskPool, Identity, Unavailable},
};
use crate::shares::ClientKey;

/// An open file in one state: an immutable source that the kernel can send.
#[derive(Clone, Debug)]
pub enum File {
    /// A file on a disk.
    Disk(Arc<disk::File>),
    /// An object of a bucket.
    Object(Arc<Object>),
}

/// Bytes of a file that are behind one descriptor, for calls of the kernel.
#[derive(Debug)]
pub struct Piece<'f> {
    holder: Holder<'f>,
    /// The offset of the first byte behind the descriptor.
    pub offset: u64,
    /// The number of bytes.
    pub len: u64,
}

/// What has the descriptor of a piece.
#[derive(Debug)]
enum Holder<'f> {
    File(BorrowedFd<'f>),
    /// Evicted or not, it has the bytes.
    Shelf(Arc<Shelf>),
}

impl AsFd for Piece<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.holder {
            Holder::File(fd) => *fd,
            Holder::Shelf(shelf) => shelf.as_fd(),
        }
    }
}

impl Piece<'_> {
    /// The first `len` bytes, as a range behind the descriptor.
    pub fn front(&self, len: u64) -> Range<u64> {
        self.offset..self.offset + len
    }
}

impl From<Arc<Object>> for File {
    fn from(object: Arc<Object>) -> Self {
        Self::Object(object)
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
            Self::Object(object) => object.validator(),
        }
    }

    /// The identity of the file in this state.
    pub fn identity(&self) -> &Identity {
        match self {
            Self::Disk(file) => file.identity(),
            Self::Object(object) => object.identity(),
        }
    }

    /// Whether the file grew within this time.
    pub fn has_grown_within(&self, time: Duration) -> bool {
        match self {
            Self::Disk(file) => file.has_grown_within(time),
            Self::Object(_) => false,
        }
    }

    /// Whether a program has the file open for writing, or has changed it since it was found in this state;
    /// `None` if the system does not tell.
    pub fn has_writer(&self) -> Option<bool> {
        match self {
            Self::Disk(file) => file.has_writer(),
            Self::Object(_) => Some(false),
        }
    }

    /// Whether the kernel may send the file's bytes from the page cache without our reading them, a
    /// [piece](Self::piece) at a time. Pages of a [changeable](Self::changeable) file are sent under a lease.
    pub fn is_sendable(&self) -> bool {
        match self {
            Self::Disk(file) => file.is_sendable(),
            Self::Object(object) => object.is_sendable(),
        }
    }

    /// Makes the file not [sendable](Self::is_sendable) until it is opened again, because a part of it
    /// cannot be read.
    pub fn stop_sending(&self) {
        match self {
            Self::Disk(file) => file.stop_sending(),
            Self::Object(object) => object.stop_sending(),
        }
    }

    /// The file on a disk, whose pages a writer may change while they are sent.
    pub fn changeable(&self) -> Option<&disk::File> {
        match self {
            Self::Disk(file) => Some(file),
            Self::Object(_) => None,
        }
    }

    /// The bytes from `offset` on that are behind one descriptor; `None` if none are at present.
    pub fn piece(&self, offset: u64) -> Option<Piece<'_>> {
        match self {
            Self::Disk(file) => {
                let len = file.identity().size.saturating_sub(offset);
                Some(Piece { holder: Holder::File(file.as_fd()), offset, len })
            }
            Self::Object(object) => {
                let piece = object.piece(offset)?;
                let holder = Holder::Shelf(piece.shelf);
                Some(Piece { holder, offset: piece.offset, len: piece.bytes })
            }
        }
    }

    /// The piece that holds all bytes of a range; `None` if no descriptor does at present.
    pub fn whole_piece(&self, range: &Range<u64>) -> Option<Piece<'_>> {
        match self {
            // What is behind the end of a file that became shorter, the kernel reports.
            Self::Disk(file) => {
                let len = range.end.saturating_sub(range.start);
                Some(Piece { holder: Holder::File(file.as_fd()), offset: range.start, len })
            }
            Self::Object(_) => {
                let piece = self.piece(range.start)?;
                (piece.len >= range.end.saturating_sub(range.start)).then_some(piece)
            }
        }
    }

    /// Whether one descriptor holds all bytes of a range.
    pub fn holds(&self, range: &Range<u64>) -> bool {
        match self {
            Self::Disk(_) => true,
            Self::Object(_) => self.whole_piece(range).is_some(),
        }
    }

    /// A range that one descriptor holds, from an offset on or also before it; empty if none does.
    pub fn held_from(&self, offset: u64) -> Range<u64> {
        match self {
            Self::Disk(_) => 0..u64::MAX,
            Self::Object(object) => {
                let bytes = object.piece(offset).map_or(0, |piece| piece.bytes);
                offset..offset + bytes
            }
        }
    }

    /// Fails if the file no longer has the bytes that it had when it was opened. Does not wait if the
    /// file [is sendable](Self::is_sendable).
    pub fn check(&self) -> Result<(), ReadError> {
        match self {
            Self::Disk(file) => file.check(),
            Self::Object(_) => Ok(()),
        }
    }

    /// Announces the next read of a viewer who reads in order: an object fetches its front ahead. Only looks
    /// into memory if that is there.
    pub fn expect(&self, range: &Range<u64>) {
        match self {
            Self::Disk(_) => {}
            Self::Object(object) => object.expect(range),
        }
    }

    /// Whether a response of these bytes can begin: an object may have to fetch the first one. Only looks into
    /// memory.
    pub fn can_begin(&self, offset: u64) -> bool {
        match self {
            Self::Disk(_) => true,
            Self::Object(object) => object.piece(offset).is_some(),
        }
    }

    /// Waits until a response that begins with the byte at an offset [can begin](Self::can_begin), or, where
    /// nothing is cached, can be read past the cache.
    pub fn begin(&self, offset: u64) -> BoxFuture<'static, Result<(), ReadError>> {
        match self {
            Self::Disk(_) => Box::pin(future::ready(Ok(()))),
            Self::Object(object) => object.begin(offset),
        }
    }

    /// Counts bytes that were sent of a piece.
    pub fn record_sent(&self, bytes: u64) {
        match self {
            Self::Disk(_) => {}
            Self::Object(object) => object.record_hit(bytes),
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
            Self::Object(object) => object.fill(range, call),
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
            Self::Object(object) => object.pool(),
        }
    }

    fn compute_pool(&self) -> &Arc<DiskPool> {
        match self {
            Self::Disk(file) => file.compute_pool(),
            Self::Object(object) => object.compute_pool(),
        }
    }

    /// The same open file in its present state.
    pub async fn refreshed(&self) -> Result<Self, ReadError> {
        match self {
            Self::Disk(file) => Ok(Self::Disk(Arc::new(file.refreshed().await?))),
            Self::Object(_) => Ok(self.clone()),
        }
    }

    /// Reads bytes of a growing file in the disk pool, although more were appended since: at least one byte,
    /// perhaps fewer than `range`.
    pub async fn read_appended(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        match self {
            Self::Disk(file) => file.read_appended(range).await,
            Self::Object(object) => object.read(range).await,
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
            Self::Object(object) => object.read_now(&range),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        match &*self {
            Self::Disk(file) => Arc::clone(file).read(range),
            Self::Object(object) => object.read(range),
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
            File::Object(object) => object.read_exact_now(offset, into),
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
            File::Object(object) => object.read_exact(offset, into),
        }
    }

    fn expect(&self, range: Range<u64>) {
        match self.0 {
            File::Disk(_) => {}
            File::Object(object) => object.fetch_whole(range),
        }
    }
}
