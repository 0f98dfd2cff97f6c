//! Leases on the files that are sent by reference, so that no byte changes between the check and the client.
//!
//! `sendfile` hands the pages of the page cache to the socket, and returns long before the client has read
//! them: a write in between changes bytes of a response that was checked. No later check can undo that. The
//! acknowledgement does not help either: over loopback, and between containers of one machine, the pages are
//! referred to until the client's program has read them.
//!
//! So a file is sent by reference only under a [read lease](crate::sys::file::take_lease), which the kernel
//! gives while no program has the file open for writing. A writer that opens the file waits, and one thread
//! of this process hears of it. From then on the file's bytes are copied. The writer may go on as soon as no
//! socket [refers to the file's pages](PageReferences) any more: usually at once, and after [`PATIENCE`] at
//! the latest, because then the connections whose clients have not taken their bytes are aborted. That does
//! not reach what the socket of a program on this machine has received: unless a part was never sent, so that
//! the response is incomplete, the writer waits until the program has read. A file without a lease is copied,
//! each read checked.

use std::{
    sync::{
        Arc, LazyLock, Mutex, Once, PoisonError, Weak,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::{file::Descriptor, page_references::PageReferences};
use crate::sys::file::{self, LeaseReports, ReportReceiver};

/// The time for which a writer waits for clients that are slow to acknowledge; then their connections are
/// aborted, which discards the bytes that refer to the file.
const PATIENCE: Duration = Duration::from_millis(100);

/// The time for which a writer waits for a program on this machine to read what its socket has received,
/// which nothing can discard. The kernel's own limit is 45 s (`lease-break-time`).
const LOCAL_PATIENCE: Duration = Duration::from_secs(30);

/// The interval between two looks at the sockets while a writer waits.
const WRITER_INTERVAL: Duration = Duration::from_millis(2);

/// The interval between two looks at the sockets for files that the cache has dropped, so that an idle
/// connection does not keep a deleted file on the disk.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

/// The time after which a lease is tried again, in milliseconds.
const RETRY_MS: u64 = 1000;

/// The lease of an open file.
#[derive(Debug, Default)]
pub(super) struct FileLease {
    state: AtomicU8,
    /// The time of the next attempt, in milliseconds since the file was opened.
    retry_ms: AtomicU64,
}

/// There is no lease; perhaps later.
const NONE: u8 = 0;
/// A thread takes the lease.
const TAKING: u8 = 1;
/// The lease is held: no writer has the file open.
const HELD: u8 = 2;
/// A writer waits, or has been here: the descriptor is never sent by reference again.
const BROKEN: u8 = 3;
/// The kernel gives no lease on this file.
const REFUSED: u8 = 4;

impl FileLease {
    /// Whether the lease is held.
    pub(super) fn is_held(&self) -> bool {
        self.state.load(Ordering::Acquire) == HELD
    }

    /// Whether the kernel gives no lease on this file, so that it tells nothing about writers.
    pub(super) fn is_refused(&self) -> bool {
        self.state.load(Ordering::Acquire) == REFUSED
    }

    /// Whether the lease is held, after an attempt to take it if it was not tried a moment ago. Never blocks
    /// on a local file system.
    pub(super) fn hold(descriptor: &Arc<Descriptor>) -> bool {
        let lease = &descriptor.lease;
        match lease.state.load(Ordering::Acquire) {
            HELD => true,
            NONE => {
                let now_ms = descriptor.ms_at(Instant::now());
                now_ms >= lease.retry_ms.load(Ordering::Relaxed) && Self::take(descriptor, now_ms)
            }
            _ => false,
        }
    }

    fn take(descriptor: &Arc<Descriptor>, now_ms: u64) -> bool {
        let lease = &descriptor.lease;
        let exchanged =
            lease.state.compare_exchange(NONE, TAKING, Ordering::AcqRel, Ordering::Acquire);
        if exchanged.is_err() {
            // Another thread takes it, which is one system call.
            while lease.state.load(Ordering::Acquire) == TAKING {
                thread::yield_now();
            }
            return lease.is_held();
        }
        let taken = match WATCH.receiver {
            Some(receiver) => {
                // Before it is taken, so that the report of a writer finds it.
                WATCH.add(descriptor);
                file::take_lease(&**descriptor, receiver)
            }
            None => Err(Errno::NOSYS),
        };
        let state = match taken {
            Ok(()) => HELD,
            Err(Errno::AGAIN) => {
                lease.retry_ms.store(now_ms.saturating_add(RETRY_MS), Ordering::Relaxed);
                NONE
            }
            Err(error) => {
                warn_once(error);
                REFUSED
            }
        };
        lease.state.store(state, Ordering::Release);
        state == HELD
    }
}

/// Tells the operator why files are copied.
fn warn_once(error: Errno) {
    static WARNED: Once = Once::new();
    if matches!(error, Errno::ACCESS | Errno::PERM) {
        WARNED.call_once(|| {
            tracing::warn!(
                "files of another user are sent by copy, which costs more CPU; run as their owner, or \
                 with the capability CAP_LEASE"
            );
        });
    }
}

/// The thread that hears of writers, and the files with a lease. One for the process, as its signals are.
struct Watch {
    /// `None` if this system has no leases.
    receiver: Option<ReportReceiver>,
    /// Perhaps more than once each.
    files: Mutex<Vec<Weak<Descriptor>>>,
}

static WATCH: LazyLock<Watch> = LazyLock::new(|| {
    let (started, receiver) = mpsc::sync_channel(1);
    let watch = move || match LeaseReports::receive_here() {
        Ok(reports) => {
            let _ = started.send(reports.receiver());
            WATCH.run(&reports);
        }
        Err(error) => tracing::debug!(%error, "no leases on files, sending them by copy"),
    };
    let spawned = thread::Builder::new().name("file-lease".into()).spawn(watch);
    // If the thread has no reports or did not start, the channel is closed.
    let receiver = spawned.ok().and_then(|_| receiver.recv().ok());
    Watch { receiver, files: Mutex::default() }
});

/// Starts the thread that hears of writers, on a thread that may block.
pub(super) fn start() {
    LazyLock::force(&WATCH);
}

/// A file whose writer waits.
struct Writer {
    file: Arc<Descriptor>,
    since: Instant,
    /// The connections that may still refer to its pages.
    holders: Vec<Weak<PageReferences>>,
}

impl Watch {
    fn add(&self, descriptor: &Arc<Descriptor>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() == files.capacity() {
            files.retain(|file| file.strong_count() > 0);
        }
        files.push(Arc::downgrade(descriptor));
    }

    fn run(&self, reports: &LeaseReports) {
        let mut writers: Vec<Writer> = Vec::new();
        let mut look_again = false;
        loop {
            let is_busy = look_again || !writers.is_empty();
            let is_reported = reports.wait(if is_busy { WRITER_INTERVAL } else { IDLE_INTERVAL });
            if is_reported || look_again {
                look_again = self.find_writers(&mut writers);
            }
            let now = Instant::now();
            writers.retain_mut(|writer| !writer.may_go_on(now));
            if !is_busy {
                PageReferences::release_dropped_files();
            }
        }
    }

    /// Finds the files whose writers wait: a report names none. Returns whether a lease was just being taken,
    /// so that a writer of that file may have been missed.
    fn find_writers(&self, writers: &mut Vec<Writer>) -> bool {
        let files: Vec<Arc<Descriptor>> = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.retain(|file| {
                file.upgrade().is_some_and(|file| {
                    !matches!(file.lease.state.load(Ordering::Acquire), BROKEN | REFUSED)
                })
            });
            files.iter().filter_map(Weak::upgrade).collect()
        };
        let mut is_any_taken = false;
        for file in files {
            match file.lease.state.load(Ordering::Acquire) {
                TAKING => is_any_taken = true,
                HELD if !file::is_lease_intact(&*file) => {
                    file.lease.state.store(BROKEN, Ordering::SeqCst);
                    // The next request opens the file again, and may get a lease again.
                    file.forget();
                    let holders = PageReferences::of_all_connections();
                    writers.push(Writer { file, since: Instant::now(), holders });
                }
                _ => {}
            }
        }
        is_any_taken
    }
}

impl Writer {
    /// Lets the writer go on once no connection refers to the file's pages.
    fn may_go_on(&mut self, now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.since);
        self.holders.retain(|holder| {
            holder.upgrade().is_some_and(|holder| !holder.release(&self.file, waited >= PATIENCE))
        });
        if !self.holders.is_empty() && waited < LOCAL_PATIENCE {
            return false;
        }
        if !self.holders.is_empty() {
            let connections = self.holders.len();
            tracing::warn!(
                connections,
                "a writer changes a file although a program on this machine has not read all of it; \
                 what that program reads may mix versions"
            );
        }
        file::end_lease(&*self.file);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::UNIX_EPOCH};

    use super::{super::*, *};
    use crate::extent::{
        ReadError, Source as _,
        disk::testing::{block_on, until},
    };

    #[test]
    fn a_read_under_a_lease_is_checked_once_a_writer_has_broken_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.mp4");
        fs::write(&path, [b'o'; 1000]).expect("a file");
        let long_ago = fs::File::open(&path).and_then(|file| file.set_modified(UNIX_EPOCH));
        long_ago.expect("a time");
        let settings = RootSettings {
            pool: DiskPoolSettings { threads: 2, queue: 16, deadline: Duration::from_secs(60) },
            open_files: 10,
            revalidate_after: Duration::from_secs(60),
            quiet_period: Some(Duration::ZERO),
        };
        let opening = Root::open("test", folder.path(), Buffers::new(1 << 20), settings);
        let root = block_on(opening).expect("a root");
        let file = block_on(root.open_file(Path::new("a.mp4"))).expect("a file");
        until("the file is read without a wait", || {
            file.read_now(0..1000)
                .is_ok_and(|read| read.is_some_and(|bytes| bytes == [b'o'; 1000][..]))
        });
        assert!(file.descriptor().lease.is_held(), "the read took no lease");
        // Waits for the lease to end.
        fs::write(&path, [b'n'; 1000]).expect("overwritten");
        assert!(!file.descriptor().lease.is_held());
        assert!(matches!(file.read_now(0..1000), Err(ReadError::Changed)));
    }
}
