//! The files to whose pages a socket may refer.

use std::{
    fmt,
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use slab::Slab;

use super::file::{self, Descriptor, File};
use crate::sys::net;

/// The most files beside the present one to which a socket may refer before the kernel is asked whether the
/// client has taken their bytes. Asking at each change of file cost a range of 4 KiB 5 % of its CPU time.
const FORMER_FILES_MAX: usize = 7;

/// The number of open files from which on connections keep none beside the present one.
static OPEN_FILES_MAX: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets the number of open files from which on connections keep none beside the one that they send.
pub fn keep_open_at_most(files: usize) {
    OPEN_FILES_MAX.store(files, Ordering::Relaxed);
}

/// A socket, and the files to whose pages the bytes in it refer. Keeps these files open, and with them the
/// leases (`file_lease`) on them, until the client has taken these bytes.
pub struct PageReferences {
    socket: Arc<dyn AsFd + Send + Sync>,
    /// The place among those of all connections.
    key: usize,
    /// The bytes that the socket has accepted, or a few less: a write is counted after it.
    written: AtomicU64,
    /// Locked during each send, so that no writer may go on in the middle of one.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Descriptor>>,
    /// Files that were sent before. No two are the same, and none is the current one.
    former: Vec<FormerFile>,
    is_aborted: bool,
}

/// A file that was sent before.
struct FormerFile {
    file: Arc<Descriptor>,
    /// Its bytes are before this position in the stream of all written bytes.
    end: u64,
}

impl State {
    fn is_current(&self, file: &Arc<Descriptor>) -> bool {
        self.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, file))
    }

    /// Makes the current file a former one, whose bytes are before this position.
    fn end_current(&mut self, end: u64) {
        self.former.extend(self.current.take().map(|file| FormerFile { file, end }));
    }

    fn remove(&mut self, file: &Arc<Descriptor>) {
        self.current.take_if(|current| Arc::ptr_eq(current, file));
        self.former.retain(|former| !Arc::ptr_eq(&former.file, file));
    }
}

static CONNECTIONS: Mutex<Slab<Weak<PageReferences>>> = Mutex::new(Slab::new());

fn connections() -> MutexGuard<'static, Slab<Weak<PageReferences>>> {
    CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PageReferences {
    /// Of a socket that refers to no file yet.
    pub fn new(socket: Arc<dyn AsFd + Send + Sync>) -> Arc<Self> {
        let mut connections = connections();
        let entry = connections.vacant_entry();
        let key = entry.key();
        let references =
            Arc::new(Self { socket, key, written: AtomicU64::new(0), state: Mutex::default() });
        entry.insert(Arc::downgrade(&references));
        references
    }

    /// Counts bytes that the socket has accepted: all of them, since it may refer to a file.
    pub fn count_written(&self, bytes: usize) {
        // Only the thread of the connection writes, so that no addition is lost.
        let written = self.written.load(Ordering::Relaxed) + bytes as u64;
        self.written.store(written, Ordering::Release);
    }

    /// Prepares to send a file by reference, before the head of the response is sent. Returns whether that is
    /// possible: not while the socket may refer to too many other files.
    pub fn prepare(&self, file: &File) -> bool {
        let descriptor = file.descriptor();
        let mut state = self.lock();
        if state.is_current(descriptor) {
            return true;
        }
        state.end_current(self.written.load(Ordering::Relaxed));
        state.remove(descriptor);
        let former_max = match file::open_files() < OPEN_FILES_MAX.load(Ordering::Relaxed) {
            true => FORMER_FILES_MAX,
            false => 0,
        };
        if state.former.len() > former_max {
            // A client that asks for another file has usually acknowledged all of the former ones.
            let acknowledged = self.acknowledged();
            state.former.retain(|former| former.end > acknowledged);
            if state.former.len() > former_max {
                return false;
            }
        }
        state.current = Some(Arc::clone(descriptor));
        true
    }

    /// The position up to which the client has acknowledged what was written, or one before it.
    fn acknowledged(&self) -> u64 {
        // Before the kernel is asked: what is written meanwhile must not count as acknowledged.
        let written = self.written.load(Ordering::Acquire);
        match net::unacknowledged_bytes(&*self.socket) {
            Ok(unacknowledged) => written.saturating_sub(unacknowledged as u64),
            Err(_) => 0,
        }
    }

    /// Calls `send`, after which the socket may refer to pages of the [prepared](Self::prepare) file. `None`,
    /// without a call: the file must be copied, because a writer waits for it.
    pub fn send_by_reference<T>(&self, file: &File, send: impl FnOnce() -> T) -> Option<T> {
        let descriptor = file.descriptor();
        let state = self.lock();
        (state.is_current(descriptor) && descriptor.lease.is_held()).then(send)
    }

    /// Calls `send`, which copies bytes of the file, while no writer can change them. `None`, without a call:
    /// a writer waits for the file.
    pub fn send_copied<T>(&self, file: &File, send: impl FnOnce() -> T) -> Option<T> {
        let _state = self.lock();
        file.descriptor().lease.is_held().then(send)
    }

    /// Whether the connection was aborted in favour of a writer.
    pub fn is_aborted(&self) -> bool {
        self.lock().is_aborted
    }

    /// Releases a file, and returns true, unless the client has still to take bytes of it. `may_abort`: the
    /// connection of a client that has not acknowledged them is aborted.
    pub(super) fn release(&self, file: &Arc<Descriptor>, may_abort: bool) -> bool {
        let mut state = self.lock();
        let former = state.former.iter().find(|former| Arc::ptr_eq(&former.file, file));
        let end = match former {
            Some(former) => former.end,
            // All that was written, counted or not.
            None if state.is_current(file) => u64::MAX,
            None => return true,
        };
        let written = self.written.load(Ordering::Acquire);
        // Bytes behind the file's own are of no concern.
        let behind = usize::try_from(written.saturating_sub(end)).unwrap_or(usize::MAX);
        // An error means that the connection has ended.
        let unacknowledged = net::unacknowledged_bytes(&*self.socket).unwrap_or(0);
        if unacknowledged > behind {
            if !may_abort {
                return false;
            }
            tracing::debug!("a writer opens a file that is being sent; connection aborted");
            // An error means that the connection has ended.
            let _ = net::abort(&*self.socket);
            state.is_aborted = true;
        } else if self.unread_here().saturating_add(unacknowledged) > behind {
            return false;
        }
        state.remove(file);
        true
    }

    /// The bytes that a program on this machine has still to read, and its socket has received.
    fn unread_here(&self) -> usize {
        net::unread_by_local_peer(&*self.socket).unwrap_or(0)
    }

    /// Those of all connections.
    pub(super) fn of_all_connections() -> Vec<Weak<Self>> {
        connections().iter().map(|(_, references)| Weak::clone(references)).collect()
    }

    /// Releases the files that the cache has dropped, if their clients have taken all bytes.
    pub(super) fn release_dropped_files() {
        for references in Self::of_all_connections() {
            let Some(references) = references.upgrade() else { continue };
            for file in references.dropped_files() {
                references.release(&file, false);
            }
        }
    }

    /// The files that the cache has dropped, or that only this connection keeps open.
    fn dropped_files(&self) -> Vec<Arc<Descriptor>> {
        let state = self.lock();
        let files = state.current.iter().chain(state.former.iter().map(|former| &former.file));
        let is_dropped =
            |file: &&Arc<Descriptor>| file.is_forgotten() || Arc::strong_count(file) == 1;
        files.filter(is_dropped).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PageReferences {
    fn drop(&mut self) {
        connections().remove(self.key);
    }
}

impl fmt::Debug for PageReferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageReferences").field("key", &self.key).finish_non_exhaustive()
    }
}
