//! The file to whose pages a socket may refer.

use std::{
    fmt,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use slab::Slab;

use super::file::{Descriptor, File};
use crate::sys::net;

/// A socket, and the file to whose pages the bytes in it refer. Keeps the file open, and with it the
/// lease (`file_lease`) on the file, until the client has taken these bytes.
pub struct PageReferences {
    socket: Arc<dyn AsFd + Send + Sync>,
    /// The place among those of all connections.
    key: usize,
    /// Locked during each send, so that no writer may go on in the middle of one.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<Arc<Descriptor>>,
    is_aborted: bool,
}

impl State {
    fn refers_to(&self, file: &Arc<Descriptor>) -> bool {
        self.file.as_ref().is_some_and(|current| Arc::ptr_eq(current, file))
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
        let references = Arc::new(Self { socket, key, state: Mutex::default() });
        entry.insert(Arc::downgrade(&references));
        references
    }

    /// Prepares to send a file by reference, before the head of the response is sent. Returns whether that is
    /// possible: not while the socket may refer to another file.
    pub fn prepare(&self, file: &File) -> bool {
        let descriptor = file.descriptor();
        let mut state = self.lock();
        if !state.refers_to(descriptor) {
            // A client that asks for another file has usually acknowledged all of the former one.
            let is_acknowledged =
                || net::unacknowledged_bytes(&*self.socket).is_ok_and(|bytes| bytes == 0);
            if state.file.is_some() && !is_acknowledged() {
                return false;
            }
            state.file = Some(Arc::clone(descriptor));
        }
        true
    }

    /// Calls `send`, after which the socket may refer to pages of the [prepared](Self::prepare) file. `None`,
    /// without a call: the file must be copied, because a writer waits for it.
    pub fn send_by_reference<T>(&self, file: &File, send: impl FnOnce() -> T) -> Option<T> {
        let descriptor = file.descriptor();
        let state = self.lock();
        (state.refers_to(descriptor) && descriptor.lease.is_held()).then(send)
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
        if !state.refers_to(file) {
            return true;
        }
        if net::unacknowledged_bytes(&*self.socket).is_ok_and(|bytes| bytes > 0) {
            if !may_abort {
                return false;
            }
            tracing::debug!("a writer opens a file that is being sent; connection aborted");
            // An error means that the connection has ended.
            let _ = net::abort(&*self.socket);
            state.is_aborted = true;
        } else if self.is_unread_here() {
            return false;
        }
        state.file = None;
        true
    }

    /// Whether a program on this machine has still to read bytes that its socket has received.
    fn is_unread_here(&self) -> bool {
        net::unread_by_local_peer(&*self.socket).is_ok_and(|bytes| bytes > 0)
    }

    /// Those of all connections.
    pub(super) fn of_all_connections() -> Vec<Weak<Self>> {
        connections().iter().map(|(_, references)| Weak::clone(references)).collect()
    }

    /// Releases the files that the cache has dropped, if their clients have taken all bytes.
    pub(super) fn release_dropped_files() {
        for references in Self::of_all_connections() {
            let Some(references) = references.upgrade() else { continue };
            let file = references.lock().file.clone();
            if let Some(file) = file.filter(|file| file.is_forgotten()) {
                references.release(&file, false);
            }
        }
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
