//! The I/O workers: threads of which each accepts connections by itself, and serves them to their end.
//!
//! All accept from one socket, so that whoever has nothing to do takes the next connection. A thread that
//! hands connections out, as actix-server has one, costs CPU time for each; a socket for each worker
//! (`SO_REUSEPORT`) deals them out by a hash, which gives one worker several of a few large downloads and
//! another none, and what waits at a worker that goes down is lost.

use std::{
    convert::Infallible,
    io,
    net::TcpListener,
    rc::Rc,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{self, TcpStream},
    runtime::{self, LocalOptions},
    sync::{Semaphore, watch},
    task::spawn_local,
    time::{sleep, timeout},
};
use tracing::warn;

/// How long to wait when a connection cannot be accepted, most likely for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// What serves the connections of one worker.
pub trait Serve: 'static {
    /// Serves a connection, until it ends.
    fn serve(self: Rc<Self>, stream: TcpStream) -> impl Future<Output = ()> + 'static;
}

/// The workers of a server.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    /// Connections at most, all together.
    limit: u32,
    /// Those that there may be yet.
    places: Arc<Semaphore>,
    stage: watch::Sender<Stage>,
}

/// How far the workers are.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    /// They accept connections.
    Accepting,
    /// They serve those that they have.
    Serving,
    /// They let them go.
    Ended,
}

impl Workers {
    /// Starts `count` workers, which have `limit` connections at most together; more wait to be accepted.
    /// When this returns, all of them accept.
    ///
    /// # Errors
    /// If there can be no such thread, or what `make` makes is not there.
    pub fn start<S, F>(
        socket: &TcpListener,
        count: usize,
        limit: usize,
        make: impl Fn() -> F + Clone + Send + 'static,
    ) -> io::Result<Self>
    where
        S: Serve,
        F: Future<Output = io::Result<S>>,
    {
        let limit = u32::try_from(limit.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let places = Arc::new(Semaphore::new(limit as usize));
        let (stage, _) = watch::channel(Stage::Accepting);
        let mut workers = Self { threads: Vec::new(), limit, places, stage };
        let (started, starts) = mpsc::channel();
        for number in 0..count {
            let worker = Worker {
                socket: socket.try_clone()?,
                places: Arc::clone(&workers.places),
                stage: workers.stage.subscribe(),
            };
            let (make, started) = (make.clone(), started.clone());
            let thread = thread::Builder::new().name(format!("io-{number}"));
            workers.threads.push(thread.spawn(move || worker.run(make, &started))?);
        }
        for _ in 0..count {
            starts.recv().unwrap_or_else(|_| Err(io::Error::other("an I/O worker ended")))?;
        }
        Ok(workers)
    }

    /// Accepts no more, waits until all connections have ended if there is `patience`, and lets go of those
    /// that have not.
    pub async fn stop(&self, patience: Option<Duration>) {
        self.stage.send_replace(Stage::Serving);
        if let Some(patience) = patience {
            // Whoever is served holds a place.
            let _ = timeout(patience, self.places.acquire_many(self.limit)).await;
        }
        self.stage.send_replace(Stage::Ended);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stage.send_replace(Stage::Ended);
        for thread in self.threads.drain(..) {
            // What panics has said so.
            let _ = thread.join();
        }
    }
}

/// What a worker's thread is given.
struct Worker {
    socket: TcpListener,
    places: Arc<Semaphore>,
    stage: watch::Receiver<Stage>,
}

impl Worker {
    fn run<S, F>(self, make: impl Fn() -> F, started: &mpsc::Sender<io::Result<()>>)
    where
        S: Serve,
        F: Future<Output = io::Result<S>>,
    {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = started.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let prepared = make().await;
            let prepared = prepared
                .and_then(|serve| Ok((Rc::new(serve), net::TcpListener::from_std(self.socket)?)));
            match prepared {
                Ok((serve, socket)) => {
                    let _ = started.send(Ok(()));
                    let mut stage = self.stage;
                    tokio::select! {
                        never = accept(&serve, &socket, &self.places) => match never {},
                        () = reaches(&mut stage, Stage::Serving) => {}
                    }
                    drop(socket);
                    reaches(&mut stage, Stage::Ended).await;
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        // What is still being served goes with it, and nothing in it may hold the process up.
        runtime.shutdown_background();
    }
}

/// Accepts connections as long as there are places.
async fn accept<S: Serve>(
    serve: &Rc<S>,
    socket: &net::TcpListener,
    places: &Arc<Semaphore>,
) -> Infallible {
    loop {
        let place = Arc::clone(places).acquire_owned().await.expect("it is never closed");
        match socket.accept().await {
            Ok((stream, _)) => {
                let served = Rc::clone(serve).serve(stream);
                spawn_local(async move {
                    served.await;
                    drop(place);
                });
            }
            // Nobody's fault but the client's.
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn reaches(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    // Without a sender there is nobody to serve for.
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{SocketAddr, TcpStream as Client},
    };

    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Says each byte back.
    struct Echo;

    impl Serve for Echo {
        async fn serve(self: Rc<Self>, mut stream: TcpStream) {
            while let Ok(byte) = stream.read_u8().await {
                let _ = stream.write_u8(byte).await;
            }
        }
    }

    fn start(count: usize, limit: usize) -> (Workers, SocketAddr) {
        let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        let address = socket.local_addr().expect("an address");
        let make = || async { Ok(Echo) };
        (Workers::start(&socket, count, limit, make).expect("workers"), address)
    }

    fn is_answered(client: &mut Client) -> io::Result<bool> {
        client.write_all(b"a")?;
        let mut answer = [0];
        Ok(client.read(&mut answer)? == 1)
    }

    #[test]
    fn whoever_finds_no_place_waits_until_there_is_one() {
        let (workers, address) = start(2, 1);
        let mut first = Client::connect(address).expect("connected");
        assert!(is_answered(&mut first).expect("an answer"));
        let mut second = Client::connect(address).expect("the kernel connects");
        second.write_all(b"b").expect("the kernel takes it");
        assert_eq!(workers.places.available_permits(), 0);
        assert!(is_answered(&mut first).expect("an answer"), "it is still the only one");
        drop(first);
        let mut answer = [0];
        second.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, *b"b");
    }

    #[test]
    fn going_down_waits_for_those_who_are_served_and_takes_nobody_else() {
        let (workers, address) = start(2, 10);
        let mut client = Client::connect(address).expect("connected");
        assert!(is_answered(&mut client).expect("an answer"));
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("one");
        runtime.block_on(async {
            let mut stopping = Box::pin(workers.stop(Some(Duration::from_secs(3600))));
            assert!((&mut stopping).now_or_never().is_none());
            while Client::connect(address).is_ok_and(|mut late| is_answered(&mut late).is_ok()) {}
            assert!(is_answered(&mut client).expect("an answer"));
            drop(client);
            stopping.await;
        });
    }

    #[test]
    fn without_patience_connections_are_let_go() {
        let (workers, address) = start(1, 10);
        let mut client = Client::connect(address).expect("connected");
        assert!(is_answered(&mut client).expect("an answer"));
        let stop = workers.stop(None);
        stop.now_or_never().expect("it waits for nobody");
        drop(workers);
        assert!(!is_answered(&mut client).unwrap_or(false));
    }
}
