//! Innocent clients: what visitors do, at an address of their own, and what they wait.
//!
//! A request is due at a fixed time, whatever became of the one before it: one that had to wait for
//! its predecessor counts from the moment when it was due, so that a server that hangs for a second
//! delays a hundred ranges and not one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde::Serialize;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use crate::latency::Latency;
use crate::library::{self, Library};
use crate::{http1, thread};

/// The address of all innocent clients.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Longest response; a poster that nobody has asked for yet takes ten seconds at most.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// Length of a range, in bytes.
const RANGE: u64 = 64 << 10;

/// Requests over one connection; then comes a new one, as of a new visitor.
const REQUESTS_OF_CONNECTION: usize = 25;

/// What an innocent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// 64 KiB of a film, somewhere.
    Range,
    /// The page.
    Page,
    /// A poster that has been rendered.
    Poster,
    /// A poster that nobody has asked for yet.
    NewPoster,
    /// Two seconds of a film.
    Clip,
    /// The beginning of the events.
    Events,
}

/// Who asks for what, and how often: 100 ranges a second over four connections, and some of the rest.
const HABITS: [(Kind, usize, Duration); 6] = [
    (Kind::Range, 4, Duration::from_millis(40)),
    (Kind::Page, 1, Duration::from_millis(200)),
    (Kind::Poster, 1, Duration::from_millis(200)),
    (Kind::NewPoster, 1, Duration::from_millis(2_000)),
    (Kind::Clip, 1, Duration::from_millis(200)),
    (Kind::Events, 1, Duration::from_millis(1_000)),
];

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Range, Kind::Page, Kind::Poster, Kind::NewPoster, Kind::Clip, Kind::Events];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Range => "range",
            Kind::Page => "page",
            Kind::Poster => "poster",
            Kind::NewPoster => "new poster",
            Kind::Clip => "clip",
            Kind::Events => "events",
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
struct Visit {
    kind: Kind,
    begun: Instant,
    /// `None` while it lasts.
    end: Option<End>,
}

impl Visit {
    /// How long it took, or has taken so far.
    fn took(&self) -> Duration {
        self.end.as_ref().map_or_else(|| self.begun.elapsed(), |end| end.took)
    }
}

/// How a request ended.
#[derive(Clone, Debug)]
struct End {
    took: Duration,
    /// The status, or why there is none or no complete response.
    outcome: Result<u16, String>,
}

/// Running innocents; dropping them ends them.
#[derive(Debug)]
pub struct Innocents {
    visits: Arc<Mutex<Vec<Visit>>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Innocents {
    /// Lets innocents visit a server of `library`.
    pub fn start(server: SocketAddr, library: &Library) -> Result<Self> {
        let visits = Arc::<Mutex<Vec<Visit>>>::default();
        let visitor = Visitor {
            server,
            film_bytes: library.film_bytes,
            posters: Arc::default(),
            visits: Arc::clone(&visits),
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("innocents".into()).spawn(move || {
            if !thread::run_first() {
                eprintln!("! innocents have no real-time priority: attackers delay them, too");
            }
            runtime.block_on(async move {
                for (kind, lanes, interval) in HABITS {
                    for lane in 0..lanes {
                        let offset = interval * u32::try_from(lane).unwrap_or(0) / lanes as u32;
                        tokio::spawn(visitor.clone().visit_often(kind, interval, offset));
                    }
                }
                let _ = ended.await;
            });
        })?;
        Ok(Innocents { visits, end: Some(end), thread: Some(thread) })
    }

    /// Whether all who began before a moment have their response, or have given up.
    pub fn have_ended(&self, moment: Instant) -> bool {
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        visits.iter().all(|visit| visit.end.is_some() || visit.begun >= moment)
    }

    /// What innocents experienced who began between two moments. Who began just before may still wait,
    /// and does not count.
    pub fn experience(&self, from: Instant, to: Instant) -> Experience {
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |visit: &&Visit| visit.end.is_some() || visit.took() > TIMEOUT;
        let begun = visits.iter().filter(|visit| (from..to).contains(&visit.begun));
        let of_phase = begun.filter(counts);
        Experience::of(of_phase)
    }

    fn join(&mut self) -> Result<()> {
        drop(self.end.take());
        let ended = self.thread.take().map_or(Ok(()), JoinHandle::join);
        ended.map_err(|_| anyhow!("the innocents panicked"))
    }
}

impl Drop for Innocents {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

/// What innocents experienced in one phase.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Experience {
    pub latencies: Vec<(Kind, Latency)>,
    /// Responses with a status of 500 or more.
    pub server_errors: usize,
    /// Requests without a complete response, or with an unexpected status.
    pub failures: usize,
    /// Each of both, and how often.
    pub complaints: Vec<(String, usize)>,
}

impl Experience {
    fn of<'a>(visits: impl Iterator<Item = &'a Visit> + Clone) -> Self {
        let mut experience = Experience::default();
        for kind in Kind::ALL {
            let of_kind = visits.clone().filter(|visit| visit.kind == kind);
            let times = of_kind.map(Visit::took);
            experience.latencies.push((kind, Latency::of(times.collect())));
        }
        for visit in visits {
            let outcome = visit.end.as_ref().map(|end| &end.outcome);
            let why = match outcome {
                Some(Ok(200 | 206)) => continue,
                Some(Ok(status)) => {
                    match status {
                        500.. => experience.server_errors += 1,
                        _ => experience.failures += 1,
                    }
                    format!("{}: {status}", visit.kind.name())
                }
                Some(Err(error)) => {
                    experience.failures += 1;
                    format!("{}: {error}", visit.kind.name())
                }
                None => {
                    experience.failures += 1;
                    format!("{}: still waits", visit.kind.name())
                }
            };
            match experience.complaints.iter_mut().find(|(complaint, _)| *complaint == why) {
                Some((_, count)) => *count += 1,
                None => experience.complaints.push((why, 1)),
            }
        }
        experience
    }

    /// What requests of a kind waited.
    pub fn latency(&self, kind: Kind) -> Latency {
        let found = self.latencies.iter().find(|(of, _)| *of == kind);
        found.map_or_else(Latency::default, |(_, latency)| *latency)
    }
}

#[derive(Clone, Debug)]
struct Visitor {
    server: SocketAddr,
    film_bytes: u64,
    /// How many new posters have been asked for.
    posters: Arc<AtomicUsize>,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl Visitor {
    /// Makes a request of a kind at each interval, for ever.
    async fn visit_often(self, kind: Kind, interval: Duration, offset: Duration) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_a_hundred_a_second() {
        let (_, lanes, interval) = HABITS[0];
        assert_eq!(lanes as f64 / interval.as_secs_f64(), 100.0);
    }

    #[test]
    fn errors_of_the_server_are_told_from_others() {
        let visit = |outcome| Visit {
            kind: Kind::Page,
            begun: Instant::now(),
            end: Some(End { took: Duration::from_millis(7), outcome }),
        };
        let visits = [visit(Ok(200)), visit(Ok(503)), visit(Ok(429)), visit(Err("reset".into()))];
        let experience = Experience::of(visits.iter());
        assert_eq!((experience.server_errors, experience.failures), (1, 2));
        assert_eq!(experience.latency(Kind::Page).requests, 4);
        assert_eq!(experience.complaints.len(), 3);
    }
}
