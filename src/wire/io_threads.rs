//! The I/O threads: each accepts connections and serves them to their end.
//!
//! All accept from one socket, so that an idle thread takes the next connection. A thread that distributes
//! connections, as in actix-server, costs CPU time for each; one socket per thread (`SO_REUSEPORT`)
//! distributes by a hash, so that of a few large downloads one thread may get several and another none, and
//! connections that wait at a thread that stops are lost.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{self, TcpStream},
    runtime::{self, LocalOptions},
    sync::watch,
    task::spawn_local,
    time::{sleep, timeout},
};
use tracing::warn;

use super::admission::{self, Admission, InUse};

/// The pause after a failed accept, of which the usual cause is too many open files.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Serves the connections of one I/O thread.
pub trait ConnectionHandler: 'static {
    /// Serves a connection to its end.
    fn serve(
        self: Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + 'static;
}

/// The I/O threads of a server.
#[derive(Debug)]
pub struct IoThreads {
    threads: Vec<JoinHandle<()>>,
    admission: Arc<Admission>,
    phase: watch::Sender<Phase>,
}

/// The phase of the threads.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Phase {
    /// Accepting and serving connections.
    Accepting,
    /// Serving the remaining connections.
    Draining,
    /// Dropping the remaining connections.
    Stopped,
}

impl IoThreads {
    /// Starts `count` threads, which serve the connections that `admission` takes. When this returns, all of
    /// them accept.
    ///
    /// # Errors
    /// If a thread cannot start, or `create_handler` fails on it.
    pub fn start<H, F>(
        socket: &TcpListener,
        count: usize,
        admission: Arc<Admission>,
        create_handler: impl Fn() -> F + Clone + Send + 'static,
    ) -> io::Result<Self>
    where
        H: ConnectionHandler,
        F: Future<Output = io::Result<H>>,
    {
        let (phase, _) = watch::channel(Phase::Accepting);
        let mut io_threads = Self { threads: Vec::new(), admission, phase };
        let (started, starts) = mpsc::channel();
        for number in 0..count {
            let acceptor = Acceptor {
                socket: socket.try_clone()?,
                admission: Arc::clone(&io_threads.admission),
                accepting: io_threads.admission.in_use(),
                phase: io_threads.phase.subscribe(),
            };
            let (create_handler, started) = (create_handler.clone(), started.clone());
            let thread = thread::Builder::new().name(format!("io-{number}"));
            io_threads.threads.push(thread.spawn(move || acceptor.run(create_handler, &started))?);
        }
        for _ in 0..count {
            starts.recv().unwrap_or_else(|_| Err(io::Error::other("an I/O thread panicked")))?;
        }
        Ok(io_threads)
    }

    /// Stops accepting, waits at most `grace_period` for the connections to end, and drops the remaining
    /// ones.
    pub async fn stop(&self, grace_period: Option<Duration>) {
        self.phase.send_replace(Phase::Draining);
        if let Some(grace_period) = grace_period {
            let _ = timeout(grace_period, self.admission.ended()).await;
        }
        self.phase.send_replace(Phase::Stopped);
    }
}

impl Drop for IoThreads {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Stopped);
        for thread in self.threads.drain(..) {
            // The panic hook has reported a panic.
            let _ = thread.join();
        }
    }
}

/// The listening socket of one I/O thread.
struct Acceptor {
    socket: TcpListener,
    admission: Arc<Admission>,
    /// Dropped when the thread accepts no more.
    accepting: InUse,
    phase: watch::Receiver<Phase>,
}

impl Acceptor {
    fn run<H, F>(mut self, create_handler: impl Fn() -> F, started: &mpsc::Sender<io::Result<()>>)
    where
        H: ConnectionHandler,
        F: Future<Output = io::Result<H>>,
    {
        let built = runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        let runtime = match built {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let created = create_handler().await.and_then(|handler| {
                Ok((Rc::new(handler), net::TcpListener::from_std(self.socket)?))
            });
            match created {
                Ok((handler, socket)) => {
                    let _ = started.send(Ok(()));
                    tokio::select! {
                        never = accept(&handler, &socket, &self.admission) => match never {},
                        () = wait_for_phase(&mut self.phase, Phase::Draining) => {}
                    }
                    drop((socket, self.accepting));
                    wait_for_phase(&mut self.phase, Phase::Stopped).await;
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        // Drops the remaining connections without waiting for them.
        runtime.shutdown_background();
    }
}

/// Accepts connections. Each is taken or refused before its first byte: a connection that waits to be taken
/// would keep others waiting.
async fn accept<H: ConnectionHandler>(
    handler: &Rc<H>,
    socket: &net::TcpListener,
    admission: &Arc<Admission>,
) -> Infallible {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Ok(admitted) => {
                    // Boxed, because each future around it would hold it twice.
                    let serving = Box::pin(Rc::clone(handler).serve(stream, peer));
                    spawn_local(admitted.serve(serving));
                }
                Err(_) => admission::refuse(&stream),
            },
            Err(error) if is_client_error(&error) => {}
            Err(error) => {
                warn!(%error, "could not accept a connection, retrying");
                sleep(ACCEPT_RETRY_INTERVAL).await;
            }
        }
    }
}

/// Whether the client closed the connection before it was accepted.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn wait_for_phase(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // An error means that the sender is dropped, and with it the server.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream as Client,
    };

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::telemetry::Metrics;

    /// Sends each byte back.
    struct Echo;

    impl ConnectionHandler for Echo {
        async fn serve(self: Rc<Self>, mut stream: TcpStream, _peer: SocketAddr) {
            while let Ok(byte) = stream.read_u8().await {
                let _ = stream.write_u8(byte).await;
            }
        }
    }

    fn start(count: usize, limit: usize) -> (IoThreads, SocketAddr) {
        let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        let address = socket.local_addr().expect("an address");
        let create_handler = || async { Ok(Echo) };
        let admission = Admission::new(limit, 0, Metrics::default());
        (IoThreads::start(&socket, count, admission, create_handler).expect("threads"), address)
    }

    fn is_served(client: &mut Client) -> io::Result<bool> {
        client.write_all(b"a")?;
        let mut echo = [0];
        Ok(client.read(&mut echo)? == 1 && echo == *b"a")
    }

    #[test]
    fn a_connection_above_the_limit_is_closed_with_a_response_and_holds_no_place() {
        let (_io_threads, address) = start(2, 1);
        let mut first = Client::connect(address).expect("connected");
        assert!(is_served(&mut first).expect("an echo"));
        for _ in 0..100 {
            let mut refused = Client::connect(address).expect("the kernel connects");
            let mut response = String::new();
            refused.read_to_string(&mut response).expect("the end");
            assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
            assert!(response.contains("\r\nRetry-After: "), "{response}");
        }
        assert!(is_served(&mut first).expect("an echo"), "it is still the only one");
        drop(first);
        while !Client::connect(address).is_ok_and(|mut next| is_served(&mut next).unwrap_or(false))
        {
        }
    }

    #[test]
    fn a_stop_waits_for_connections_and_accepts_no_more() {
        let (io_threads, address) = start(2, 10);
        let mut client = Client::connect(address).expect("connected");
        assert!(is_served(&mut client).expect("an echo"));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("one");
        runtime.block_on(async {
            let mut stopping = Box::pin(io_threads.stop(Some(Duration::from_secs(3600))));
            assert!((&mut stopping).now_or_never().is_none());
            while Client::connect(address).is_ok_and(|mut late| is_served(&mut late).is_ok()) {}
            assert!(is_served(&mut client).expect("an echo"));
            drop(client);
            stopping.await;
        });
    }

    #[test]
    fn a_stop_without_a_grace_period_drops_connections() {
        let (io_threads, address) = start(1, 10);
        let mut client = Client::connect(address).expect("connected");
        assert!(is_served(&mut client).expect("an echo"));
        io_threads.stop(None).now_or_never().expect("it does not wait");
        drop(io_threads);
        assert!(!is_served(&mut client).unwrap_or(false));
    }
}
