//! An open file: a source that detects changes of its bytes.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use rustix::{
    fs::{self, FileType, OFlags},
    io::Errno,
};

use super::{
    BUFFER_BYTES, Buffers, DiskPool, Identity, Root, Unavailable,
    buffers::Buffer,
    file_lease::{self, FileLease},
};
use crate::{
    extent::{ReadError, Source, Validator},
    shares::{ClientKey, FairPermits},
    sys::file::{self, Links, Wait},
};

/// The time after a status check for which the name of a file under a lease counts as unchanged, in milliseconds.
/// A check for each of ten thousand requests a second would be a fifth of their system calls.
const STATUS_TTL_MS: u64 = 10;

/// The same for a name that is watched, and for the bytes of a running response: the watch reports renames and
/// removals, and the lease reports writers, but not those of the layer below an overlayfs.
const REPORTED_STATUS_TTL_MS: u64 = 100;

/// The most attempts to find a file in a state in which no write is in progress.
const SETTLE_TRIES: usize = 4;

/// The most concurrent calls that read pages of one file into the page cache.
const FILLS_MAX: usize = 2;

/// The number of open files.
static OPEN_FILES: AtomicUsize = AtomicUsize::new(0);

/// The number of files that are open, in the caches or for a response.
pub(super) fn open_files() -> usize {
    OPEN_FILES.load(Ordering::Relaxed)
}

/// [`Descriptor::looked_up_ms`] of a file whose name must be looked up before its next use.
const EXPIRED: u64 = u64::MAX;

/// [`Descriptor::watch_epoch`] of a file whose name no watch covers.
const UNWATCHED: u64 = 0;

/// An open file in one state. Several may share one descriptor, each with the state of its time.
#[derive(Clone, Debug)]
pub struct File {
    descriptor: Arc<Descriptor>,
    identity: Identity,
    /// Computed once, because every response has it.
    validator: Validator,
    /// Whether the quiet period had passed when the file was found in this state.
    is_quiet: bool,
    /// The time of the last growth that was noticed.
    grew: Option<Instant>,
    /// Whether the file was found in this state under the lease, which keeps it in this state.
    is_verified: Arc<AtomicBool>,
    /// The time of the last check that found the bytes in this state, in milliseconds since the file was opened.
    verified_ms: Arc<AtomicU64>,
}

/// The state of a closed file, which the cache keeps to detect growth.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormerState {
    identity: Identity,
    grew: Option<Instant>,
}

/// An open file. Closed when nothing refers to it, the kernel's sockets included.
#[derive(Debug)]
pub(super) struct Descriptor {
    /// `None` only during the drop.
    fd: Option<OwnedFd>,
    pool: Arc<DiskPool>,
    compute: Arc<DiskPool>,
    buffers: Buffers,
    quiet_period: Option<Duration>,
    opened: Instant,
    /// The time of the last look-up that found the file under its name, in milliseconds since it was opened.
    looked_up_ms: AtomicU64,
    /// Whether a look-up of the name is under way.
    is_looked_up: AtomicBool,
    /// The epoch of the [watch](super::watched_directories) that covers the name, or [`UNWATCHED`].
    watch_epoch: AtomicU64,
    /// Whether the cache dropped the file after a change: the descriptor must not be used again.
    is_forgotten: AtomicBool,
    /// The time of the last check that found the status unchanged, in milliseconds since the file was
    /// opened.
    checked_ms: AtomicU64,
    /// Permits for calls that read pages in: one file must not occupy all threads of its disk.
    fills: FairPermits,
    /// Whether status calls and reads of the page cache never block on this file system. Cleared when
    /// such a read turns out to be unsupported.
    is_nonblocking: AtomicBool,
    /// Keeps writers away while the file is sent by reference.
    pub(super) lease: FileLease,
}

impl Drop for Descriptor {
    /// Closing can block: on the server of a network file system, or while the kernel frees the blocks
    /// of a large deleted file.
    fn drop(&mut self) {
        let fd = self.fd.take();
        OPEN_FILES.fetch_sub(1, Ordering::Relaxed);
        self.pool.run_detached(ClientKey::current(), move || drop(fd));
    }
}

impl File {
    /// Opens a regular file below the root. Blocks: for disk threads only.
    ///
    /// `O_NONBLOCK` keeps a FIFO or a device from blocking the call, `O_NOCTTY` keeps a terminal from
    /// becoming the controlling one; both are then refused.
    pub(super) fn open(root: &Root, relative: &Path, links: Links) -> io::Result<Self> {
        let opened = Instant::now();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = root.open_beneath(relative, flags, links)?;
        let status = fs::fstat(&fd)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::NotFound.into());
        }
        let is_nonblocking = AtomicBool::new(file::is_nonblocking(&fd)?);
        let identity = settled_identity(fd.as_fd(), Identity::from_stat(&status))?;
        if root.quiet_period.is_some() {
            file_lease::start();
        }
        let descriptor = Descriptor {
            fd: Some(fd),
            pool: Arc::clone(&root.pool),
            compute: Arc::clone(&root.compute),
            buffers: root.buffers.clone(),
            quiet_period: root.quiet_period,
            opened,
            looked_up_ms: AtomicU64::new(0),
            is_looked_up: AtomicBool::new(false),
            watch_epoch: AtomicU64::new(UNWATCHED),
            is_forgotten: AtomicBool::new(false),
            checked_ms: AtomicU64::new(0),
            fills: FairPermits::new(FILLS_MAX),
            is_nonblocking,
            lease: FileLease::default(),
        };
        OPEN_FILES.fetch_add(1, Ordering::Relaxed);
        Ok(Self::new(Arc::new(descriptor), identity))
    }

    fn new(descriptor: Arc<Descriptor>, identity: Identity) -> Self {
        let validator = identity.version().validator();
        let is_quiet = descriptor.quiet_period.is_some_and(|period| identity.is_quiet_for(period));
        let (is_verified, verified_ms) = (Arc::default(), Arc::default());
        Self { descriptor, identity, validator, is_quiet, grew: None, is_verified, verified_ms }
    }

    /// The validator of the file's bytes.
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// The identity of the file in this state.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The same open file in another state.
    pub(super) fn in_state(&self, identity: Identity) -> Self {
        let has_grown = identity.size > self.identity.size;
        let grew = if has_grown { Some(Instant::now()) } else { self.grew };
        Self { grew, ..Self::new(Arc::clone(&self.descriptor), identity) }
    }

    /// The same open file in its present state. Blocks: for disk threads only.
    pub(super) fn in_settled_state(&self) -> io::Result<Self> {
        let found = settled_identity(self.descriptor.as_fd(), self.current_identity()?)?;
        Ok(if found == self.identity { self.clone() } else { self.in_state(found) })
    }

    /// The state to keep when the file is closed.
    pub(super) fn former_state(&self) -> FormerState {
        FormerState { identity: self.identity, grew: self.grew }
    }

    /// Takes the time of growth over from a former state of the same file.
    pub(super) fn with_former_state(mut self, former: &FormerState) -> Self {
        if self.identity.same_file(&former.identity) {
            let has_grown = self.identity.size > former.identity.size;
            self.grew = if has_grown { Some(Instant::now()) } else { former.grew };
        }
        self
    }

    /// Whether the file grew within this time. A recent mtime proves less: a file that was just copied
    /// here is complete.
    pub fn has_grown_within(&self, time: Duration) -> bool {
        self.grew.is_some_and(|grew| grew.elapsed() < time)
    }

    /// Whether `fstat` of the file never blocks, so that any thread may call it.
    pub(super) fn is_nonblocking(&self) -> bool {
        self.descriptor.is_nonblocking.load(Ordering::Relaxed)
    }

    /// The present state of the file. Blocks unless the file [is nonblocking](Self::is_nonblocking).
    pub(super) fn current_identity(&self) -> io::Result<Identity> {
        Ok(Identity::from_stat(&fs::fstat(self.descriptor.as_fd())?))
    }

    /// Whether the file has lost its last name, so that its disk space is free as soon as no program has it
    /// open. `false` on file systems where the answer may take time.
    pub fn is_removed(&self) -> bool {
        self.is_nonblocking() && self.current_identity().is_ok_and(|found| found.is_removed())
    }

    /// Whether the kernel may send the file's bytes from the page cache without our reading them.
    ///
    /// The kernel sends them by reference: clients that have not received a page yet would see a later
    /// write. So this needs a lease (`file_lease`), which keeps writers away. A file without one, or
    /// one that changed lately and may change again, is read instead, and checked after each read.
    ///
    /// A lease may end at any time: each send goes through [`PageReferences`](super::PageReferences).
    pub fn is_sendable(&self) -> bool {
        let is_quiet = || {
            let quiet_period = self.descriptor.quiet_period;
            self.is_quiet || quiet_period.is_some_and(|period| self.identity.is_quiet_for(period))
        };
        self.is_nonblocking() && is_quiet() && self.is_leased()
    }

    /// Whether a program has the file open for writing, or has changed it since it was found in this state;
    /// `None` if the system does not tell.
    pub fn has_writer(&self) -> Option<bool> {
        let is_known = self.is_nonblocking() && self.descriptor.quiet_period.is_some();
        if is_known && FileLease::hold(&self.descriptor) {
            return Some(self.check().is_err());
        }
        (is_known && !self.descriptor.lease.is_refused()).then_some(true)
    }

    /// Whether the file is kept in this state by a lease.
    fn is_leased(&self) -> bool {
        // The file may have changed between the time of this state and the lease.
        let verify = || {
            let is_same = self.check().is_ok();
            self.is_verified.store(is_same, Ordering::Relaxed);
            is_same
        };
        FileLease::hold(&self.descriptor) && (self.is_verified.load(Ordering::Relaxed) || verify())
    }

    /// The open file behind this state.
    pub(super) fn descriptor(&self) -> &Arc<Descriptor> {
        &self.descriptor
    }

    /// Makes the file not [sendable](Self::is_sendable) until it is opened again, because a part of it
    /// cannot be read. After a failed read the kernel keeps the page, and counts it as cached; a send of it
    /// would wait for the disk once more, on an I/O thread.
    pub fn stop_sending(&self) {
        self.descriptor.is_nonblocking.store(false, Ordering::Relaxed);
    }

    /// The time since a look-up found the file under its name.
    pub(super) fn look_up_age(&self, now: Instant) -> Duration {
        match self.descriptor.looked_up_ms.load(Ordering::Relaxed) {
            EXPIRED => Duration::MAX,
            looked_up_ms => {
                Duration::from_millis(self.descriptor.ms_at(now).saturating_sub(looked_up_ms))
            }
        }
    }

    /// Notes that a look-up found the file under its name.
    pub(super) fn note_look_up(&self, at: Instant) {
        self.descriptor.looked_up_ms.store(self.descriptor.ms_at(at), Ordering::Relaxed);
    }

    /// Requires a look-up of the name before the next use.
    pub(super) fn expire(&self) {
        self.descriptor.looked_up_ms.store(EXPIRED, Ordering::Relaxed);
    }

    /// Starts a look-up of the name, unless one is under way.
    pub(super) fn begin_look_up(&self) -> bool {
        !self.descriptor.is_looked_up.swap(true, Ordering::Relaxed)
    }

    /// Ends the look-up.
    pub(super) fn end_look_up(&self) {
        self.descriptor.is_looked_up.store(false, Ordering::Relaxed);
    }

    /// Notes that a watch of this epoch covers the file's name.
    pub(super) fn note_watched(&self, epoch: u64) {
        self.descriptor.watch_epoch.store(epoch, Ordering::Release);
    }

    /// Notes that the name may have changed without an event.
    pub(super) fn note_unwatched(&self) {
        self.descriptor.watch_epoch.store(UNWATCHED, Ordering::Release);
    }

    /// Whether the watch of this epoch covers the file's name.
    pub(super) fn is_watched(&self, epoch: u64) -> bool {
        self.descriptor.watch_epoch.load(Ordering::Acquire) == epoch
    }

    /// Bars the descriptor from further requests. There is no way back, so that a request which
    /// found the file before the change cannot put it into the cache again.
    pub(super) fn forget(&self) {
        self.descriptor.forget();
    }

    /// Whether the descriptor is barred from further requests.
    pub(super) fn is_forgotten(&self) -> bool {
        self.descriptor.is_forgotten()
    }

    /// Whether both share one descriptor.
    pub(super) fn same_descriptor(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.descriptor, &other.descriptor)
    }

    /// Whether the status of a file under a lease was checked within the last [`STATUS_TTL_MS`], or longer ago
    /// if its name is watched. Any other file may have been written since.
    pub(super) fn was_checked(&self, now: Instant, is_watched: bool) -> bool {
        let checked_ms = self.descriptor.checked_ms.load(Ordering::Relaxed);
        let ttl_ms = if is_watched { REPORTED_STATUS_TTL_MS } else { STATUS_TTL_MS };
        self.descriptor.lease.is_held()
            && self.descriptor.ms_at(now).saturating_sub(checked_ms) < ttl_ms
    }

    /// Notes that the status was found unchanged.
    pub(super) fn note_checked(&self, at: Instant) {
        self.descriptor.checked_ms.store(self.descriptor.ms_at(at), Ordering::Relaxed);
    }

    /// Fails if the file no longer has the bytes that it had when it was opened. Does not wait if the
    /// file [is sendable](Self::is_sendable).
    pub fn check(&self) -> Result<(), ReadError> {
        let now_ms = self.descriptor.ms_at(Instant::now());
        // A lease that was broken is never taken again: one that is held has kept the bytes since then.
        let is_kept = self.is_verified.load(Ordering::Relaxed) && self.descriptor.lease.is_held();
        let age_ms = now_ms.saturating_sub(self.verified_ms.load(Ordering::Relaxed));
        if is_kept && age_ms < REPORTED_STATUS_TTL_MS {
            return Ok(());
        }
        let found = self.current_identity()?;
        if found.size < self.identity.size {
            return Err(ReadError::Truncated);
        }
        if !self.identity.still_holds(&found) {
            return Err(ReadError::Changed);
        }
        self.verified_ms.store(now_ms, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a call in the disk pool that reads into the page cache or keeps the disk busy otherwise, at
    /// most `FILLS_MAX` at a time for one file.
    pub fn fill(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ReadError>> {
        let (descriptor, client) = (Arc::clone(&self.descriptor), ClientKey::current());
        async move {
            let _permit = descriptor.fills.acquire(client).await;
            let open = Arc::clone(&descriptor);
            Ok(descriptor.pool.run_progressing(client, move || call(open.as_fd())).await??)
        }
        .boxed()
    }

    /// The threads for calls that may wait for the file's disk.
    pub fn pool(&self) -> &Arc<DiskPool> {
        &self.descriptor.pool
    }

    /// The threads for calls that read the file and compute much from it.
    pub fn compute_pool(&self) -> &Arc<DiskPool> {
        &self.descriptor.compute
    }

    /// The same open file in its present state.
    pub async fn refreshed(&self) -> Result<Self, ReadError> {
        if self.is_nonblocking() {
            return Ok(self.refreshed_blocking()?);
        }
        let (file, client) = (self.clone(), ClientKey::current());
        Ok(self.descriptor.pool.run(client, move || file.refreshed_blocking()).await??)
    }

    /// Reads bytes of a growing file in the disk pool, although more were appended since: at least one byte,
    /// perhaps fewer than `range`.
    pub async fn read_appended(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        let file = self.clone();
        let call = move || {
            let mut buffer = file.descriptor.buffer()?;
            let read = file.read_into(&mut buffer, &range, Wait::Allowed)?;
            match read {
                0 => Err(ReadError::Truncated),
                read => Ok(buffer.freeze(read)),
            }
        };
        self.descriptor.pool.run_progressing(ClientKey::current(), call).await?
    }

    fn refreshed_blocking(&self) -> io::Result<Self> {
        Ok(self.in_state(self.current_identity()?))
    }

    /// Reads, and then verifies that the bytes are of this version: a detectable change moves size, mtime
    /// or ctime before it writes its first byte.
    fn read_checked(
        &self,
        buffer: &mut Buffer,
        range: &Range<u64>,
        wait: Wait,
    ) -> Result<usize, ReadError> {
        let read = self.read_into(buffer, range, wait)?;
        self.check()?;
        if read == 0 { Err(ReadError::Truncated) } else { Ok(read) }
    }

    fn read_into(&self, buffer: &mut Buffer, range: &Range<u64>, wait: Wait) -> io::Result<usize> {
        let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let into = buffer.front(wanted.min(BUFFER_BYTES));
        loop {
            match file::read_at(self.descriptor.as_fd(), into, range.start, wait) {
                Err(Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
    }
}

/// The state of a file, last `found` in that state, in which no write is in progress. Blocks.
///
/// A write sets mtime before it changes a byte, but a file that is found in the middle of it has its new mtime
/// and some old bytes. A file that is written without a pause has no such state; its responses are cut.
fn settled_identity(fd: BorrowedFd<'_>, mut found: Identity) -> io::Result<Identity> {
    for _ in 0..SETTLE_TRIES {
        file::wait_for_writes(fd);
        let now = Identity::from_stat(&fs::fstat(fd)?);
        if now == found {
            break;
        }
        found = now;
    }
    Ok(found)
}

impl Descriptor {
    /// Bars the descriptor from further requests.
    pub(super) fn forget(&self) {
        self.is_forgotten.store(true, Ordering::Release);
    }

    /// Whether the descriptor is barred from further requests.
    pub(super) fn is_forgotten(&self) -> bool {
        self.is_forgotten.load(Ordering::Acquire)
    }

    /// A time, in milliseconds since the file was opened.
    pub(super) fn ms_at(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.opened);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// A buffer to read into. The wait has a deadline, so that a lack of buffers cannot occupy the disk's
    /// threads for good.
    fn buffer(&self) -> Result<Buffer, Unavailable> {
        self.buffers.take_within(self.pool.deadline()).ok_or(Unavailable::Busy)
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("open until it is dropped").as_fd()
    }
}

impl Source for File {
    fn len(&self) -> u64 {
        self.identity.size
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        if !self.is_nonblocking() {
            return Ok(None);
        }
        let Some(mut buffer) = self.descriptor.buffers.try_take() else {
            return Ok(None);
        };
        // Under a lease, the check after the read is no system call.
        let _ = self.is_sendable();
        match self.read_checked(&mut buffer, &range, Wait::Never) {
            Ok(read) => Ok(Some(buffer.freeze(read))),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::Unsupported => {
                self.descriptor.is_nonblocking.store(false, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let (pool, client) = (Arc::clone(&self.descriptor.pool), ClientKey::current());
        let call = move || {
            // Taken here and not before: a queued read holds no memory.
            let mut buffer = self.descriptor.buffer()?;
            let read = self.read_checked(&mut buffer, &range, Wait::Allowed)?;
            Ok(buffer.freeze(read))
        };
        async move { pool.run_progressing(client, call).await? }.boxed()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
