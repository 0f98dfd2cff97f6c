//! One innocent: a request at each interval.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep_until, timeout};

use super::Kind;
use crate::http1;
use crate::library::{self, Library};

/// The address of all innocent clients.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Longest response; a poster that was never requested before takes ten seconds at most.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// Length of a range, in bytes.
const RANGE: u64 = 64 << 10;

/// Requests over one connection; then comes a new one, as of a new visitor.
const REQUESTS_OF_CONNECTION: usize = 25;

/// One request.
#[derive(Clone, Debug)]
pub struct Visit {
    pub kind: Kind,
    pub begun: Instant,
    /// `None` while it lasts.
    pub end: Option<End>,
}

impl Visit {
    /// How long it took, or has taken so far.
    pub fn took(&self) -> Duration {
        self.end.as_ref().map_or_else(|| self.begun.elapsed(), |end| end.took)
    }
}

/// How a request ended.
#[derive(Clone, Debug)]
pub struct End {
    pub took: Duration,
    /// The status, or why there is none or no complete response.
    pub outcome: Result<u16, String>,
}

/// A client of a server.
#[derive(Clone, Debug)]
pub struct Visitor {
    server: SocketAddr,
    film_bytes: u64,
    /// How many new posters have been asked for.
    posters: Arc<AtomicUsize>,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Visitor {
    /// Notes what it experiences in `visits`.
    pub fn new(server: SocketAddr, library: &Library, visits: Arc<Mutex<Vec<Visit>>>) -> Self {
        Visitor { server, film_bytes: library.film_bytes, posters: Arc::default(), visits }
    }

    /// Makes a request of a kind at each interval, for ever.
    pub async fn visit_often(self, kind: Kind, interval: Duration, offset: Duration) {
        let mut due = Instant::now() + offset;
        let mut connection = None;
        let mut requests = 0;
        loop {
            let is_late = Instant::now() > due;
            sleep_until(due.into()).await;
            // The timer's own delay is not the server's.
            let begun = if is_late { due } else { Instant::now() };
            if requests % REQUESTS_OF_CONNECTION == 0 {
                connection = None;
            }
            requests += 1;
            let place = self.begin(kind, begun);
            let visiting = timeout(TIMEOUT, self.visit(kind, &mut connection)).await;
            let outcome = match visiting {
                Ok(outcome) => outcome.map_err(|error| error.kind().to_string()),
                Err(_) => Err("no response in time".to_owned()),
            };
            if outcome.is_err() {
                connection = None;
            }
            self.end(place, End { took: begun.elapsed(), outcome });
            due += interval;
        }
    }

    /// Notes that a request begins; returns its place.
    fn begin(&self, kind: Kind, begun: Instant) -> usize {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.push(Visit { kind, begun, end: None });
        visits.len() - 1
    }

    fn end(&self, place: usize, end: End) {
        let mut visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits[place].end = Some(end);
    }

    /// Makes a request, and receives its response; over the connection, if there is one.
    async fn visit(&self, kind: Kind, connection: &mut Option<TcpStream>) -> io::Result<u16> {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let (path, fields) = self.request(kind);
        http1::send_get(&mut stream, &path, &fields).await?;
        let head = http1::read_head(&mut stream).await?;
        if kind == Kind::Events {
            // It has no end.
            return Ok(head.status);
        }
        http1::discard_body(&mut stream, &head).await?;
        *connection = (!head.closes).then_some(stream);
        Ok(head.status)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((ADDRESS, 0).into())?;
        let stream = socket.connect(self.server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Path and further fields of a request.
    fn request(&self, kind: Kind) -> (String, String) {
        let film = library::FILM;
        let path = match kind {
            Kind::Range => {
                let start = RANGE * fastrand::u64(..self.film_bytes / RANGE);
                let fields = format!("Range: bytes={start}-{}\r\n", start + RANGE - 1);
                return (format!("/media/{film}"), fields);
            }
            Kind::Page => "/".to_owned(),
            Kind::Poster => format!("/v/{film}/poster.jpg"),
            Kind::NewPoster => {
                let number = self.posters.fetch_add(1, Relaxed);
                format!("/v/{}/poster.jpg", library::new_title(number))
            }
            Kind::Clip => {
                let start = fastrand::u32(..55);
                format!("/v/{film}/play.mp4?start={start}&end={}", start + 2)
            }
            Kind::Events => "/api/events".to_owned(),
        };
        (path, String::new())
    }
}
