//! Innocent clients: what visitors do, at an address of their own, and what they wait.
//!
//! A request is due at a fixed time, whatever became of the one before it: one that had to wait for
//! its predecessor counts from the moment when it was due, so that a server that hangs for a second
//! delays a hundred ranges and not one.

mod experience;
mod visitor;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde::Serialize;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

pub use self::experience::Experience;
pub use self::visitor::TIMEOUT;
use self::visitor::{Visit, Visitor};
use crate::library::Library;
use crate::thread;

/// What an innocent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// 64 KiB of a film, somewhere.
    Range,
    /// The page.
    Page,
    /// A poster that has been rendered.
    Poster,
    /// A poster that was never requested before.
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
        let visitor = Visitor::new(server, library, Arc::clone(&visits));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_a_hundred_a_second() {
        let (_, lanes, interval) = HABITS[0];
        assert_eq!(lanes as f64 / interval.as_secs_f64(), 100.0);
    }
}
