//! A proxy in front of PostgreSQL: with the latency of a network, and with its failures.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// The pause between two looks at whether a connection is frozen.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A proxy; dropping it ends its connections.
pub struct DatabaseProxy {
    /// The URL of the database behind it.
    pub url: String,
    state: Arc<State>,
}

struct State {
    address: SocketAddr,
    /// The socket of the server.
    server: PathBuf,
    latency: Duration,
    /// Connections so far.
    accepted: AtomicUsize,
    /// Connections with lower numbers forward nothing.
    frozen_below: AtomicUsize,
    /// The proxy closes connections as soon as it has accepted them.
    refuses: AtomicBool,
    ends: AtomicBool,
}

impl DatabaseProxy {
    /// A proxy in front of a database of a test's cluster. What a client sends arrives late by `latency`.
    pub fn start(url: &str, latency: Duration) -> Self {
        let (name, folder) = url.rsplit_once("?host=").expect("a URL of a cluster");
        let name = name.rsplit('/').next().expect("a name");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            address,
            server: PathBuf::from(folder).join(".s.PGSQL.5432"),
            latency,
            accepted: AtomicUsize::new(0),
            frozen_below: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || accepting.accept(&listener));
        let url = format!("postgres://headwater@{address}/{name}?sslmode=disable");
        Self { url, state }
    }

    /// Forwards nothing more, as if the server had frozen.
    pub fn freeze(&self) {
        self.state.frozen_below.store(usize::MAX, Ordering::SeqCst);
    }

    /// Forwards new connections; those so far stay silent for ever, as when another server has taken over the
    /// address.
    pub fn fail_over(&self) {
        self.state.frozen_below.store(self.accepted(), Ordering::SeqCst);
    }

    /// Forwards everything again.
    pub fn thaw(&self) {
        self.state.frozen_below.store(0, Ordering::SeqCst);
    }

    /// Closes new connections at once, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    /// The number of connections so far.
    pub fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for DatabaseProxy {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.state.address);
    }
}

impl State {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().flatten() {
            if self.ends.load(Ordering::SeqCst) {
                return;
            }
            let number = self.accepted.fetch_add(1, Ordering::SeqCst);
            let server = UnixStream::connect(&self.server);
            let (false, Ok(server)) = (self.refuses.load(Ordering::SeqCst), server) else {
                continue;
            };
            client.set_nodelay(true).expect("a socket");
            let (from, to) = (client.try_clone(), server.try_clone());
            self.forward(number, from.expect("a socket"), to.expect("a socket"), self.latency);
            self.forward(number, server, client, Duration::ZERO);
        }
    }

    /// Forwards one direction of a connection, in threads.
    fn forward(
        self: &Arc<Self>,
        number: usize,
        mut from: impl Read + Send + 'static,
        to: impl Write + Closing + Send + 'static,
        latency: Duration,
    ) {
        let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
        let state = Arc::clone(self);
        let mut writer = Writer { state, number, to };
        if latency.is_zero() {
            thread::spawn(move || read(&mut from, |bytes| writer.write(bytes)));
            return;
        }
        thread::spawn(move || {
            read(&mut from, |bytes| {
                sender.send((Instant::now() + latency, bytes.to_vec())).is_ok()
            });
        });
        thread::spawn(move || {
            for (due, bytes) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if !writer.write(&bytes) {
                    return;
                }
            }
        });
    }
}

fn read(from: &mut impl Read, mut write: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !write(&buffer[..length]) {
            return;
        }
    }
}

/// Writes to one end of a connection, and closes it with the other one.
struct Writer<T: Closing> {
    state: Arc<State>,
    number: usize,
    to: T,
}

impl<T: Write + Closing> Writer<T> {
    /// Writes, once the connection is not frozen; `false` if it has ended.
    fn write(&mut self, bytes: &[u8]) -> bool {
        while self.number < self.state.frozen_below.load(Ordering::SeqCst) {
            if self.state.ends.load(Ordering::SeqCst) {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.to.write_all(bytes).is_ok()
    }
}

impl<T: Closing> Drop for Writer<T> {
    fn drop(&mut self) {
        self.to.close();
    }
}

trait Closing {
    fn close(&self);
}

impl Closing for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Closing for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}
