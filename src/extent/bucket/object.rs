//! An object of a bucket as a file: its bytes come from the cache, and what is missing there from the bucket.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd as _, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::future::BoxFuture;
use rustix::io::Errno;
use tokio::runtime::Handle;

use super::{CachedObject, FetchError, Fetcher, Need, Opened, Piece, chunks::FLIGHT_BYTES_MAX};
use crate::{
    extent::{
        ReadError, Validator,
        disk::{BUFFER_BYTES, Buffers, DiskPool, Identity, Unavailable},
    },
    sys::file::{self, Wait},
};

/// The most attempts to find bytes in the cache that were just fetched: under pressure it may evict them at
/// once. Then they are read through memory.
const ATTEMPTS_MAX: usize = 3;

/// What the objects of a bucket are read with.
#[derive(Debug)]
pub(super) struct Access {
    pub fetcher: Arc<Fetcher>,
    pub runtime: Handle,
    /// The threads that wait for the bucket.
    pub pool: Arc<DiskPool>,
    pub compute: Arc<DiskPool>,
    pub buffers: Buffers,
    /// The bytes to fetch ahead of a reader.
    pub ahead_bytes: u64,
}

/// An object in one state. Its bytes do not change under its ETag.
#[derive(Debug)]
pub struct Object {
    opened: Opened,
    identity: Identity,
    validator: Validator,
    cached: Arc<CachedObject>,
    access: Arc<Access>,
    /// Whether the bucket has another object under the key by now.
    is_replaced: AtomicBool,
    /// Whether a part of it in the cache cannot be read.
    is_unreadable: AtomicBool,
}

impl Object {
    pub(super) fn new(
        opened: Opened,
        identity: Identity,
        cached: Arc<CachedObject>,
        access: Arc<Access>,
    ) -> Self {
        let validator = identity.version().validator();
        let (is_replaced, is_unreadable) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { opened, identity, validator, cached, access, is_replaced, is_unreadable }
    }

    /// The validator of the object's bytes.
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// The identity of the object in this state.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The state of the object.
    pub(super) fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Whether the kernel may send what is present.
    pub fn is_sendable(&self) -> bool {
        self.cached.is_sendable() && !self.is_unreadable.load(Ordering::Relaxed)
    }

    /// Makes the object not [sendable](Self::is_sendable), because a part of it in the cache cannot be read.
    pub fn stop_sending(&self) {
        self.is_unreadable.store(true, Ordering::Relaxed);
    }

    /// Whether the bucket is known to have another object under the key.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::Relaxed)
    }

    /// The threads for calls that may wait for the bucket.
    pub fn pool(&self) -> &Arc<DiskPool> {
        &self.access.pool
    }

    /// The threads for calls that read the object and compute much from it.
    pub fn compute_pool(&self) -> &Arc<DiskPool> {
        &self.access.compute
    }

    /// The bytes that are present from an offset on. Only looks into memory.
    pub fn piece(&self, offset: u64) -> Option<Piece> {
        self.cached.piece(offset)
    }

    /// Counts bytes that were sent from the cache.
    pub fn record_hit(&self, bytes: u64) {
        self.cached.record_hit(bytes);
    }

    /// Announces the next read of a viewer who reads in order: fetches its front ahead, unless the bucket is
    /// busy. While half of that front is present or on its way, only looks into memory.
    pub fn expect(self: &Arc<Self>, range: &Range<u64>) {
        let end = range.end.min(range.start.saturating_add(self.access.ahead_bytes));
        if range.start >= end || self.cached.refuses() {
            return;
        }
        let fetcher = &self.access.fetcher;
        let is_coming =
            |offset| self.piece(offset).is_some() || fetcher.is_coming(&self.opened, offset);
        if !(is_coming(range.start) && is_coming(range.start + (end - range.start) / 2)) {
            fetcher.read_ahead(&self.opened, range.start..end, &self.cached);
        }
    }

    /// Fetches all of a range, by requests of at most 8 MiB, because the caller reads it next, in any order.
    /// Waits for its first missing byte alone. Blocks: for threads of the bucket's disk pool.
    pub fn fetch_whole(self: &Arc<Self>, range: Range<u64>) {
        if self.cached.refuses() {
            return;
        }
        let Some(first) = self.cached.missing(range.clone()).first().map(|first| first.start)
        else {
            return;
        };
        // The read that follows has the error, if there is one.
        let front = self.fetch_flight(first..range.end);
        let next = self.access.runtime.block_on(front).unwrap_or(range.end);
        if next < range.end {
            // What is dropped for viewers, the reads fetch.
            self.access.fetcher.read_ahead(&self.opened, next..range.end, &self.cached);
        }
    }

    /// Fetches what one request fetches of a range, waits for its first bytes, and returns its end.
    async fn fetch_flight(&self, range: Range<u64>) -> Result<u64, FetchError> {
        let end = range.end.min(range.start.saturating_add(FLIGHT_BYTES_MAX));
        let fetcher = &self.access.fetcher;
        fetcher.fetch(&self.opened, range.start..end, &self.cached, Need::Awaited).await?;
        Ok(end)
    }

    /// Waits until the byte at an offset is present, or until it is known that the cache cannot hold it.
    pub fn begin(self: &Arc<Self>, offset: u64) -> BoxFuture<'static, Result<(), ReadError>> {
        let object = Arc::clone(self);
        Box::pin(async move { object.bring(&(offset..offset + 1)).await.map(drop) })
    }

    /// Waits until the front of a range can be sent, starts to fetch the rest, and calls `call` in the disk
    /// pool of the cache for the pieces that are present: with a descriptor, a range behind it, and the end of
    /// what is present there.
    pub fn fill(
        self: &Arc<Self>,
        range: Range<u64>,
        call: impl Fn(BorrowedFd<'_>, &Range<u64>, u64) -> io::Result<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ReadError>> {
        let object = Arc::clone(self);
        Box::pin(async move {
            // Bytes that the cache cannot hold are read through memory.
            if !object.bring(&range).await? {
                return Ok(());
            }
            let fill = move |cached: &CachedObject| {
                let mut at = range.start;
                while at < range.end
                    && let Some(Piece { shelf, offset, bytes }) = cached.piece(at)
                {
                    let len = bytes.min(range.end - at);
                    call(shelf.as_fd(), &(offset..offset + len), offset + bytes)?;
                    at += len;
                }
                Ok::<_, io::Error>(())
            };
            Ok(object.cached.in_pool(fill).await??)
        })
    }

    /// Waits until the first byte of a range is in the cache, and starts to fetch the rest of it. False: the
    /// cache cannot hold it.
    async fn bring(&self, range: &Range<u64>) -> Result<bool, ReadError> {
        let fetcher = &self.access.fetcher;
        for _ in 0..ATTEMPTS_MAX {
            let wanted = range.clone();
            let missing = self.cached.in_pool(move |cached| cached.missing(wanted)).await?;
            let Some(first) = missing.first() else { return Ok(true) };
            let rest = first.start..range.end;
            if first.start > range.start {
                let ahead = fetcher.fetch(&self.opened, rest, &self.cached, Need::ReadAhead).await;
                if let Err(error) = ahead {
                    tracing::debug!(%error, "nothing read ahead");
                }
                return Ok(true);
            }
            if self.cached.refuses() {
                return Ok(false);
            }
            match fetcher.fetch(&self.opened, rest, &self.cached, Need::Awaited).await {
                Ok(()) if self.cached.piece(range.start).is_some() => return Ok(true),
                Ok(()) => {}
                Err(FetchError::Cache(_)) => return Ok(false),
                Err(error) => return Err(self.read_error(error)),
            }
        }
        Ok(false)
    }

    /// Reads bytes from the front of a range that are present and in the page cache; `None` if there are
    /// none. For I/O threads.
    pub fn read_now(&self, range: &Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let Some(mut buffer) = self.access.buffers.try_take() else { return Ok(None) };
        let into = buffer.front(buffer_len(range));
        match self.read_piece(range.start, into, Wait::Never)? {
            0 => Ok(None),
            read => Ok(Some(buffer.freeze(read))),
        }
    }

    /// Reads bytes from the front of a range, and waits for them: at least one.
    pub fn read(
        self: &Arc<Self>,
        range: Range<u64>,
    ) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let object = Arc::clone(self);
        Box::pin(async move {
            let front = range.start..range.start + buffer_len(&range) as u64;
            if object.bring(&front).await? {
                let (reader, front) = (Arc::clone(&object), front.clone());
                let read = move |_: &CachedObject| reader.read_present(&front);
                match object.cached.in_pool(read).await? {
                    Ok(Some(bytes)) => return Ok(bytes),
                    Ok(None) => {}
                    Err(ReadError::Io(error)) => {
                        tracing::warn!(%error, "part of the cache is unreadable; check its disk");
                    }
                    Err(error) => return Err(error),
                }
            }
            object.read_through_memory(&front).await
        })
    }

    /// Reads bytes that are present. Blocks: for disk threads only.
    fn read_present(&self, range: &Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let Access { buffers, pool, .. } = &*self.access;
        let mut buffer = buffers.take_within(pool.deadline()).ok_or(Unavailable::Busy)?;
        match self.read_piece(range.start, buffer.front(buffer_len(range)), Wait::Allowed)? {
            0 => Ok(None),
            read => Ok(Some(buffer.freeze(read))),
        }
    }

    /// Fetches a range of at most a buffer without the cache, which has no room.
    async fn read_through_memory(&self, range: &Range<u64>) -> Result<Bytes, ReadError> {
        let Access { fetcher, buffers, .. } = &*self.access;
        match fetcher.read(&self.opened, range.clone(), buffers).await {
            Ok(bytes) if bytes.is_empty() => Err(ReadError::Truncated),
            Ok(bytes) => Ok(bytes),
            // No buffer was free.
            Err(FetchError::Cache(_)) => Err(Unavailable::Busy.into()),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// Fills all of `into` with the bytes from `offset` on, without waiting.
    pub fn read_exact_now(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        self.end_of(offset, into)?;
        let mut filled = 0;
        while filled < into.len() {
            match self.read_piece(offset + filled as u64, &mut into[filled..], Wait::Never)? {
                0 => return Err(ReadError::Io(Errno::WOULDBLOCK.into())),
                read => filled += read,
            }
        }
        Ok(())
    }

    /// Fills all of `into` with the bytes from `offset` on, and fetches what is missing. Blocks: for threads
    /// of the bucket's disk pool.
    pub fn read_exact(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let end = self.end_of(offset, into)?;
        let (mut filled, mut attempts) = (0, 0);
        while filled < into.len() {
            let at = offset + filled as u64;
            let rest = &mut into[filled..];
            let read = match self.read_piece(at, rest, Wait::Allowed) {
                Err(ReadError::Io(error)) => {
                    tracing::warn!(%error, "part of the cache is unreadable; check its disk");
                    attempts = ATTEMPTS_MAX;
                    0
                }
                read => read?,
            };
            match read {
                0 if attempts >= ATTEMPTS_MAX => {
                    let bytes = self.access.runtime.block_on(
                        self.read_through_memory(&(at..end.min(at + BUFFER_BYTES as u64))),
                    )?;
                    rest[..bytes.len()].copy_from_slice(&bytes);
                    filled += bytes.len();
                }
                0 => {
                    attempts += 1;
                    if !self.fetch_blocking(at..end)? {
                        attempts = ATTEMPTS_MAX;
                    }
                }
                read => (filled, attempts) = (filled + read, 0),
            }
        }
        Ok(())
    }

    /// Fetches what is missing of a range. False: the cache cannot hold it.
    fn fetch_blocking(&self, range: Range<u64>) -> Result<bool, ReadError> {
        let Access { fetcher, runtime, .. } = &*self.access;
        for missing in self.cached.missing(range) {
            if self.cached.refuses() {
                return Ok(false);
            }
            match runtime.block_on(fetcher.fetch_all(&self.opened, missing, &self.cached)) {
                Ok(()) => {}
                Err(FetchError::Cache(_)) => return Ok(false),
                Err(error) => return Err(self.read_error(error)),
            }
        }
        Ok(true)
    }

    /// The end of a read, which must be in the object.
    fn end_of(&self, offset: u64, into: &[u8]) -> Result<u64, ReadError> {
        let end = offset.checked_add(into.len() as u64);
        end.filter(|end| *end <= self.opened.size).ok_or(ReadError::Truncated)
    }

    /// Reads bytes of the piece at an offset; 0 if there is none, or if they would have to be waited for.
    fn read_piece(&self, offset: u64, into: &mut [u8], wait: Wait) -> Result<usize, ReadError> {
        let Some(piece) = self.cached.piece(offset) else { return Ok(0) };
        let present = usize::try_from(piece.bytes).unwrap_or(usize::MAX);
        let len = into.len().min(present);
        loop {
            match file::read_at(piece.shelf.as_fd(), &mut into[..len], piece.offset, wait) {
                Err(Errno::INTR) => {}
                // A file system without such reads waits for none of them.
                Err(Errno::AGAIN | Errno::OPNOTSUPP) if matches!(wait, Wait::Never) => {
                    return Ok(0);
                }
                Ok(0) => return Err(ReadError::Truncated),
                Ok(read) => {
                    self.cached.record_hit(read as u64);
                    return Ok(read);
                }
                Err(error) => return Err(ReadError::Io(error.into())),
            }
        }
    }

    /// The error of a read, which also notes that the object was replaced.
    fn read_error(&self, error: FetchError) -> ReadError {
        match error {
            FetchError::NotFound | FetchError::Changed => {
                self.is_replaced.store(true, Ordering::Relaxed);
                ReadError::Changed
            }
            error => match unavailable(&error) {
                Some(unavailable) => unavailable.into(),
                None => ReadError::Io(io::Error::other(error)),
            },
        }
    }
}

/// What an error says of the bucket; `None` if it is about the object.
pub(super) fn unavailable(error: &FetchError) -> Option<Unavailable> {
    match error {
        FetchError::Unavailable { .. } | FetchError::Broken(_) => {
            let retry_after = error.retry_after().unwrap_or_default();
            Some(Unavailable::BucketDown { retry_after })
        }
        FetchError::Credentials { .. } => Some(Unavailable::BucketRefused),
        FetchError::Changed => Some(Unavailable::Busy),
        FetchError::Cache(_) => Some(Unavailable::Offline),
        FetchError::NotFound | FetchError::Refused(_) => None,
    }
}

/// The length of a range, at most that of a buffer.
fn buffer_len(range: &Range<u64>) -> usize {
    let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
    len.min(BUFFER_BYTES)
}
