//! The files to whose pages a socket may refer.

use std::{
    fmt, io,
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use slab::Slab;

use super::file::{self, Descriptor, File};
use crate::sys::net;

/// The most files to which a socket may refer before the kernel is asked whether the client has taken their
/// bytes. Asking at each change of file cost a range of 4 KiB 5 % of its CPU time.
const FILES_MAX: usize = 16;

/// The number of open files from which on a connection keeps only the one that it sends.
static OPEN_FILES_MAX: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets the number of open files from which on a connection keeps only the one that it sends.
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
    /// No two are the same.
    files: Vec<SentFile>,
    is_aborted: bool,
}

/// A file that was sent by reference.
struct SentFile {
    file: Arc<Descriptor>,
    /// Its bytes are before this position in the stream of all written bytes.
    end: u64,
}

impl State {
    fn find(&mut self, file: &Arc<Descriptor>) -> Option<&mut SentFile> {
        // Usually the last one.
        self.files.iter_mut().rev().find(|sent| Arc::ptr_eq(&sent.file, file))
    }

    fn remove(&mut self, file: &Arc<Descriptor>) {
        self.files.retain(|sent| !Arc::ptr_eq(&sent.file, file));
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
        if state.find(descriptor).is_some() {
            return true;
        }
        let files_max = match file::open_files() < OPEN_FILES_MAX.load(Ordering::Relaxed) {
            true => FILES_MAX,
            false => 1,
        };
        if state.files.len() >= files_max {
            // A client that asks for another file has usually acknowledged all of the former ones.
            let acknowledged = self.acknowledged();
            state.files.retain(|sent| sent.end > acknowledged);
            if state.files.len() >= files_max {
                return false;
            }
        }
        state.files.push(SentFile { file: Arc::clone(descriptor), end: 0 });
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

    /// Calls `send`, which returns a number of bytes, and after which the socket may refer to pages of the
    /// [prepared](Self::prepare) file. `None`, without a call: the file must be copied, because a writer waits
    /// for it.
    pub fn send_by_reference(
        &self,
        file: &File,
        send: impl FnOnce() -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let descriptor = file.descriptor();
        let mut state = self.lock();
        let current = state.find(descriptor).filter(|_| descriptor.lease.is_held())?;
        let sent = send();
        if let Ok(bytes) = sent {
            // They are counted later, and so are the last of the stream.
            current.end = self.written.load(Ordering::Relaxed) + bytes as u64;
        }
        Some(sent)
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
        let Some(end) = state.find(file).map(|sent| sent.end) else { return true };
        // Bytes behind the file's own are of no concern. What is not counted yet counts as the file's.
        let written = self.written.load(Ordering::Acquire);
        let behind = usize::try_from(written.saturating_sub(end)).unwrap_or(usize::MAX);
        // An error means that the connection has ended.
        let unacknowledged = net::unacknowledged_bytes(&*self.socket).unwrap_or(0);
        let unread_here = || net::unread_by_local_peer(&*self.socket).ok().flatten();
        if unacknowledged > behind {
            // A program on this machine reads what its socket has received, although the connection was
            // aborted. Only what was never sent makes its response incomplete.
            let is_final = || {
                net::unsent_bytes(&*self.socket).is_ok_and(|unsent| unsent > behind)
                    || unread_here().is_none()
            };
            if !may_abort || !is_final() {
                return false;
            }
            tracing::debug!("a writer opens a file that is being sent; connection aborted");
            // An error means that the connection has ended.
            let _ = net::abort(&*self.socket);
            state.is_aborted = true;
        } else if unread_here().unwrap_or(0).saturating_add(unacknowledged) > behind {
            return false;
        }
        state.remove(file);
        true
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
        let files = state.files.iter().map(|sent| &sent.file);
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

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Read as _,
        net::{TcpListener, TcpStream},
        path::Path,
        time::Duration,
    };

    use socket2::SockRef;
    use tempfile::TempDir;

    use super::{super::*, *};
    use crate::extent::disk::testing::{block_on, until};

    /// More than two sockets hold.
    const LONG: usize = 32 << 20;

    /// A connection, and files to send.
    struct Sending {
        client: TcpStream,
        socket: Arc<TcpStream>,
        references: Arc<PageReferences>,
        folder: TempDir,
        root: Arc<Root>,
    }

    impl Sending {
        fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let client = TcpStream::connect(listener.local_addr().expect("an address"));
            let (socket, _) = listener.accept().expect("a connection");
            socket.set_nonblocking(true).expect("set");
            let socket = Arc::new(socket);
            let folder = tempfile::tempdir().expect("a folder");
            let pool =
                DiskPoolSettings { threads: 2, queue: 16, deadline: Duration::from_secs(60) };
            let settings = RootSettings {
                pool,
                open_files: 100,
                revalidate_after: Duration::from_secs(60),
                quiet_period: Some(Duration::ZERO),
            };
            let opening = Root::open("test", folder.path(), Buffers::new(1 << 20), settings);
            Self {
                client: client.expect("a connection"),
                references: PageReferences::new(Arc::clone(&socket) as _),
                socket,
                root: block_on(opening).expect("a root"),
                folder,
            }
        }

        /// Sends as much of a new file as the socket takes, by reference.
        fn send(&self, name: &str, length: usize) -> Arc<File> {
            fs::write(self.folder.path().join(name), vec![7; length]).expect("a file");
            let file = block_on(self.root.open_file(Path::new(name))).expect("a file");
            assert!(file.is_sendable() && self.references.prepare(&file));
            let mut at = 0;
            while at < length {
                let sendfile =
                    || net::sendfile(self.socket.as_fd(), file.as_fd(), at as u64, length - at);
                match self.references.send_by_reference(&file, sendfile).expect("a lease") {
                    Ok(sent) => {
                        self.references.count_written(sent);
                        at += sent;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            file
        }

        fn release(&self, file: &File, may_abort: bool) -> bool {
            self.references.release(file.descriptor(), may_abort)
        }
    }

    #[test]
    fn what_the_socket_of_a_program_here_has_received_keeps_the_writer_waiting() {
        let mut sending = Sending::start();
        // The acknowledgement comes late, as under load.
        SockRef::from(&sending.client).set_tcp_quickack(false).expect("set");
        let file = sending.send("a.mp4", 1000);
        assert!(!sending.release(&file, true), "it would read what the writer writes");
        assert!(!sending.references.is_aborted());
        sending.client.read_exact(&mut [0; 1000]).expect("all of it");
        until("it is released", || sending.release(&file, false));
    }

    #[test]
    fn a_client_to_which_a_part_was_never_sent_loses_its_connection() {
        let sending = Sending::start();
        let file = sending.send("a.mp4", LONG);
        assert!(!sending.release(&file, false));
        until("the client has no window", || sending.release(&file, true));
        assert!(sending.references.is_aborted());
    }

    #[test]
    fn bytes_of_another_file_keep_no_writer_waiting() {
        let mut sending = Sending::start();
        let first = sending.send("a.mp4", 1000);
        let second = sending.send("b.mp4", LONG);
        assert!(!sending.release(&first, false), "nothing is read");
        sending.client.read_exact(&mut [0; 1000]).expect("all of it");
        until("the first is released", || sending.release(&first, true));
        assert!(!sending.references.is_aborted());
        assert!(!sending.release(&second, false));
    }

    #[test]
    fn the_kernel_is_asked_before_a_connection_keeps_one_more_file() {
        let sending = Sending::start();
        for number in 0..FILES_MAX {
            sending.send(&format!("{number}.mp4"), 10);
        }
        let kept = || sending.references.lock().files.len();
        assert_eq!(kept(), FILES_MAX);
        until("all is acknowledged", || {
            net::unacknowledged_bytes(&*sending.socket).is_ok_and(|bytes| bytes == 0)
        });
        sending.send("last.mp4", 10);
        assert_eq!(kept(), 1);
    }
}
