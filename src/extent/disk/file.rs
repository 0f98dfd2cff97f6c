//! One open file: a source that notices when its contract is broken.

use std::{
    fmt, io,
    ops::Range,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use rustix::{
    fs::{self, FileType, OFlags, Stat},
    io::Errno,
};
use tokio::sync::Semaphore;

use super::{Buffers, DiskPool, PIECE_BYTES, Root, Unavailable, buffers::Buffer};
use crate::extent::{ReadError, Source, Validator};
use crate::sys::file::{self, Wait};

/// Which file, in which state, this is on this machine. Keys caches and never leaves the process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// The length in bytes.
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// How many names the file has, its mode and its owners: what moves ctime without a write.
    attributes: (u64, u32, u32, u32),
}

/// For how long a file that has settled is taken to be unchanged since it was last looked at, in
/// milliseconds. A look for each of ten thousand requests a second is a fifth of their system calls,
/// and cannot see what is overwritten while the bytes are on their way either.
const SEEN_TRUST_MS: u64 = 10;

/// Calls that bring pages of one file into the page cache at a time.
const FILLS_MAX: usize = 2;

/// The last second of the year 9999, since 1970.
const END_OF_9999_S: u64 = 253_402_300_799;

/// The state of a file as every node sees it that holds the same copy: a hash of its size and its
/// modification time in nanoseconds, and of nothing that differs between machines.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Version(u64);

impl Identity {
    /// From what `fstat` says. Fields have other types on other architectures, hence the casts.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn of(status: &Stat) -> Self {
        Self {
            device: status.st_dev as u64,
            inode: status.st_ino as u64,
            size: status.st_size as u64,
            modified: (status.st_mtime as i64, status.st_mtime_nsec as i64),
            changed: (status.st_ctime as i64, status.st_ctime_nsec as i64),
            attributes: (
                status.st_nlink as u64,
                status.st_mode as u32,
                status.st_uid,
                status.st_gid,
            ),
        }
    }

    /// When the file was last written to. Times before 1970 count as 1970, and those after 9999,
    /// which neither HTTP nor RFC 3339 can tell, as the end of 9999.
    pub fn modified(&self) -> SystemTime {
        let (seconds, nanos) = self.modified;
        let since_epoch = match (u64::try_from(seconds), u32::try_from(nanos)) {
            (Ok(seconds), Ok(nanos)) => Duration::new(seconds.min(END_OF_9999_S), nanos),
            _ => Duration::ZERO,
        };
        SystemTime::UNIX_EPOCH + since_epoch
    }

    /// The version that this state of the file is.
    pub fn version(&self) -> Version {
        Version::of(self.size, self.modified)
    }

    /// Whether the file, its names and its attributes have been left alone for so long. The time of
    /// the last change cannot be set by programs, other than that of the last write; one that lies
    /// in the future counts as now.
    pub(super) fn is_settled(&self, settle: Duration) -> bool {
        if settle.is_zero() {
            return true;
        }
        let (seconds, nanos) = self.changed;
        let since_epoch = match (u64::try_from(seconds), u32::try_from(nanos)) {
            (Ok(seconds), Ok(nanos)) => Duration::new(seconds, nanos),
            _ => Duration::ZERO,
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(since_epoch) >= settle
    }

    /// A number that hardly another file has: for tables that may be wrong at times.
    pub fn key(&self) -> u64 {
        mix(self.device ^ mix(self.inode))
    }

    /// Whether both are the same file, in whatever state.
    pub fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether the file still has the bytes that it had in this state, going by what it is `now`.
    ///
    /// A file that another is renamed over, or that is deleted, loses a name, which moves its ctime
    /// too; whoever is being sent it gets it whole. So it is with links, modes and owners. Otherwise
    /// ctime tells of writers that put mtime back.
    fn still_holds(&self, now: &Self) -> bool {
        let is_untouched = self.changed == now.changed || self.attributes != now.attributes;
        is_untouched && (self.size, self.modified) == (now.size, now.modified)
    }
}

impl Version {
    fn of(size: u64, (seconds, nanos): (i64, i64)) -> Self {
        let words = [size, seconds.cast_unsigned(), nanos.cast_unsigned()];
        Self(words.into_iter().fold(0, |state, word| mix(state ^ word)))
    }

    /// The version of what is made of the file in this version with a parameter.
    #[must_use]
    pub fn with(self, parameter: u64) -> Self {
        Self(mix(self.0 ^ mix(parameter)))
    }

    /// The version of what is made of two files in these versions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.with(other.0)
    }

    /// The validator of the file's bytes in this version.
    pub fn validator(self) -> Validator {
        Validator::new(&self.to_string())
    }
}

/// The finalizer of `SplitMix64` with its increment: a bijection that spreads every bit. Versions are
/// published, so this must never change; a test pins it.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl fmt::Display for Version {
    /// 16 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An open file in one state. Several may share one descriptor, each in the state that it was
/// opened in.
#[derive(Clone, Debug)]
pub struct File {
    descriptor: Arc<Descriptor>,
    identity: Identity,
    /// Kept, because every answer has it.
    validator: Validator,
    /// Whether the file had been left alone for long enough when it was found in this state.
    is_settled: bool,
    /// When it was last seen to be longer than before.
    grew: Option<Instant>,
}

/// What is remembered of a file that is not kept open any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    identity: Identity,
    grew: Option<Instant>,
}

#[derive(Debug)]
struct Descriptor {
    /// `None` only while it is being dropped.
    fd: Option<OwnedFd>,
    lane: Arc<DiskPool>,
    buffers: Buffers,
    settle: Option<Duration>,
    opened: Instant,
    /// When the file was last found under its name, in milliseconds since it was opened.
    looked_up_ms: AtomicU64,
    /// Somebody is looking its name up.
    is_looked_up: AtomicBool,
    /// When the file was last found unchanged, in milliseconds since it was opened.
    seen_ms: AtomicU64,
    /// Places for calls that bring pages in: one file must not have all threads of its disk.
    fills: Arc<Semaphore>,
    /// Whether the file system keeps its promise that a status and a read of the page cache need
    /// no waiting. Cleared when it turns out not to know reads that may not block.
    in_place: AtomicBool,
}

impl Drop for Descriptor {
    /// Closing can wait: for the server of a network file system, or for the blocks of a large file
    /// that was deleted and is now really given up.
    fn drop(&mut self) {
        let fd = self.fd.take();
        self.lane.run_detached(move || drop(fd));
    }
}

impl File {
    /// Opens a regular file below the root. Blocks: for disk threads only.
    ///
    /// `O_NONBLOCK` keeps a FIFO or a device from holding the call up, `O_NOCTTY` a terminal from
    /// becoming ours; they are then refused.
    pub(super) fn open(root: &Root, relative: &Path) -> io::Result<Self> {
        let opened = Instant::now();
        let fd = root.open_beneath(relative, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let status = fs::fstat(&fd)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::NotFound.into());
        }
        let in_place = AtomicBool::new(file::answers_in_place(&fd)?);
        let descriptor = Descriptor {
            fd: Some(fd),
            lane: Arc::clone(&root.lane),
            buffers: root.buffers.clone(),
            settle: root.settle,
            opened,
            looked_up_ms: AtomicU64::new(0),
            is_looked_up: AtomicBool::new(false),
            seen_ms: AtomicU64::new(0),
            fills: Arc::new(Semaphore::new(FILLS_MAX)),
            in_place,
        };
        Ok(Self::new(Arc::new(descriptor), Identity::of(&status)))
    }

    fn new(descriptor: Arc<Descriptor>, identity: Identity) -> Self {
        let validator = identity.version().validator();
        let is_settled = descriptor.settle.is_some_and(|settle| identity.is_settled(settle));
        Self { descriptor, identity, validator, is_settled, grew: None }
    }

    /// Names the file's bytes in the state that it was opened in.
    pub fn validator(&self) -> &Validator {
        &self.validator
    }

    /// The state that the file was opened in.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The same open file in a state that it was found in.
    pub(super) fn in_state(&self, identity: Identity) -> Self {
        let has_grown = identity.size > self.identity.size;
        let grew = if has_grown { Some(Instant::now()) } else { self.grew };
        Self { grew, ..Self::new(Arc::clone(&self.descriptor), identity) }
    }

    /// In which state it is known, and since when it is known to have grown.
    pub(super) fn seen_as(&self) -> Seen {
        Seen { identity: self.identity, grew: self.grew }
    }

    /// The file, if it was seen before in another state.
    pub(super) fn seen_before(mut self, former: &Seen) -> Self {
        if self.identity.same_file(&former.identity) {
            let has_grown = self.identity.size > former.identity.size;
            self.grew = if has_grown { Some(Instant::now()) } else { former.grew };
        }
        self
    }

    /// Whether the file was seen to become longer within this time. That it was written to lately says
    /// less: a file that was copied here just now is whole.
    pub fn has_grown_within(&self, time: Duration) -> bool {
        self.grew.is_some_and(|grew| grew.elapsed() < time)
    }

    /// Whether the file's status is answered from memory, so that it may be asked for anywhere.
    pub(super) fn answers_in_place(&self) -> bool {
        self.descriptor.in_place.load(Ordering::Relaxed)
    }

    /// The state that the file is in now. Only where [`answers_in_place`](Self::answers_in_place)
    /// this needs no waiting.
    pub(super) fn current_identity(&self) -> io::Result<Identity> {
        Ok(Identity::of(&fs::fstat(self.descriptor.as_fd())?))
    }

    /// Whether its bytes may be sent from the page cache without being read by us.
    ///
    /// They are sent by reference: a write that comes later is seen by whoever has not received the
    /// page yet. So a file that was changed just now, and may be changed again, is read instead, and
    /// checked after each read.
    pub fn is_sendable(&self) -> bool {
        let has_settled = || {
            let settle = self.descriptor.settle;
            self.is_settled || settle.is_some_and(|settle| self.identity.is_settled(settle))
        };
        self.answers_in_place() && has_settled()
    }

    /// Makes the file not [sendable](Self::is_sendable) until it is opened again: a part of it cannot be read.
    /// After a failed read the kernel keeps the page, and counts it as cached; a send of it would wait for
    /// the disk once more, on an I/O thread.
    pub fn stop_sending(&self) {
        self.descriptor.in_place.store(false, Ordering::Relaxed);
    }

    /// How long ago the file was found under its name.
    pub(super) fn looked_up_age(&self, now: Instant) -> Duration {
        let looked_up_ms = self.descriptor.looked_up_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.descriptor.ms_at(now).saturating_sub(looked_up_ms))
    }

    /// The file was found under its name.
    pub(super) fn looked_up(&self, at: Instant) {
        self.descriptor.looked_up_ms.store(self.descriptor.ms_at(at), Ordering::Relaxed);
    }

    /// Whether the file's name is to be looked up by whoever asks: by one at a time.
    pub(super) fn begin_look_up(&self) -> bool {
        !self.descriptor.is_looked_up.swap(true, Ordering::Relaxed)
    }

    /// Who was to look the name up has done so.
    pub(super) fn end_look_up(&self) {
        self.descriptor.is_looked_up.store(false, Ordering::Relaxed);
    }

    /// Whether a file that had settled was found unchanged within the last [`SEEN_TRUST_MS`].
    pub(super) fn was_seen(&self, now: Instant) -> bool {
        let seen_ms = self.descriptor.seen_ms.load(Ordering::Relaxed);
        self.is_settled && self.descriptor.ms_at(now).saturating_sub(seen_ms) < SEEN_TRUST_MS
    }

    /// The file was found unchanged.
    pub(super) fn seen(&self, at: Instant) {
        self.descriptor.seen_ms.store(self.descriptor.ms_at(at), Ordering::Relaxed);
    }

    /// Whether the file still has the bytes that it had when it was opened. Does not wait, for a
    /// file that [is sendable](Self::is_sendable).
    pub fn check(&self) -> Result<(), ReadError> {
        let now = self.current_identity()?;
        if now.size < self.identity.size {
            return Err(ReadError::Truncated);
        }
        if !self.identity.still_holds(&now) {
            return Err(ReadError::Changed);
        }
        Ok(())
    }

    /// Brings bytes into the page cache, or does whatever else takes the disk's time: the call is
    /// made in the lane, and few for one file at a time.
    pub fn fill(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<()> + Send + 'static,
    ) -> BoxFuture<'static, Result<(), ReadError>> {
        let descriptor = Arc::clone(&self.descriptor);
        async move {
            // The semaphore is never closed.
            let _place = descriptor.fills.acquire().await;
            let open = Arc::clone(&descriptor);
            Ok(descriptor.lane.run_progressing(move || call(open.as_fd())).await??)
        }
        .boxed()
    }

    /// Makes a call on a thread of the file's disk, where it may read.
    pub fn in_lane<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Unavailable>> {
        let file = Arc::clone(self);
        let lane = Arc::clone(&self.descriptor.lane);
        async move { lane.run(move || call(&file)).await }.boxed()
    }

    /// The same open file in the state that it is in now.
    pub async fn now(&self) -> Result<Self, ReadError> {
        if self.answers_in_place() {
            return Ok(self.current()?);
        }
        let file = self.clone();
        Ok(self.descriptor.lane.run(move || file.current()).await??)
    }

    /// Bytes of a file that is still growing, waiting for them off the I/O worker: those that are
    /// there may be read although more have come since. At least one byte, perhaps fewer than asked.
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
        self.descriptor.lane.run_progressing(call).await?
    }

    fn current(&self) -> io::Result<Self> {
        Ok(self.in_state(self.current_identity()?))
    }

    /// Reads, and then makes sure that what was read is of this version: a change that could have been
    /// seen has moved size, mtime or ctime before its first byte was written.
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
        let into = buffer.front(wanted.min(PIECE_BYTES));
        loop {
            match file::read_at(self.descriptor.as_fd(), into, range.start, wait) {
                Err(Errno::INTR) => {}
                read => return Ok(read?),
            }
        }
    }
}

impl Descriptor {
    /// A time, in milliseconds since the file was opened.
    fn ms_at(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.opened);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    /// A buffer to read into. That none comes back within the deadline cannot be seen from here;
    /// but if it ever happened, it must not hold the disk's threads for good.
    fn buffer(&self) -> Result<Buffer, Unavailable> {
        self.buffers.take_within(self.lane.deadline()).ok_or(Unavailable::Busy)
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
        if !self.answers_in_place() {
            return Ok(None);
        }
        let Some(mut buffer) = self.descriptor.buffers.try_take() else {
            return Ok(None);
        };
        match self.read_checked(&mut buffer, &range, Wait::Never) {
            Ok(read) => Ok(Some(buffer.freeze(read))),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::Unsupported => {
                self.descriptor.in_place.store(false, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let lane = Arc::clone(&self.descriptor.lane);
        let call = move || {
            // Taken here and not before: a read that waits for its turn holds no memory.
            let mut buffer = self.descriptor.buffer()?;
            let read = self.read_checked(&mut buffer, &range, Wait::Allowed)?;
            Ok(buffer.freeze(read))
        };
        async move { lane.run_progressing(call).await? }.boxed()
    }

    fn as_file(&self) -> Option<&File> {
        Some(self)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_once_published_never_changes() {
        let golden = Version::of(1_234_567, (1_700_000_000, 123_456_789));
        assert_eq!(golden.to_string(), "2cb989f8817e1c77");
        assert_eq!(golden.validator().as_bytes(), "\"2cb989f8817e1c77\"");
    }

    #[test]
    fn size_seconds_and_nanoseconds_each_make_another_version() {
        let version = Version::of(10, (20, 30));
        assert_ne!(version, Version::of(11, (20, 30)));
        assert_ne!(version, Version::of(10, (21, 30)));
        assert_ne!(version, Version::of(10, (20, 31)));
    }
}
