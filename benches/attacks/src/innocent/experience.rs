//! What innocents waited, and what they did not get.

use serde::Serialize;

use super::{Kind, Visit};
use crate::latency::Latency;

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
    /// What some requests experienced.
    pub fn of<'a>(visits: impl Iterator<Item = &'a Visit> + Clone) -> Self {
        let mut experience = Experience::default();
        for kind in Kind::ALL {
            let of_kind = visits.clone().filter(|visit| visit.kind == kind);
            let times = of_kind.map(Visit::took);
            experience.latencies.push((kind, Latency::of(times.collect())));
        }
        for visit in visits {
            experience.add_outcome(visit);
        }
        experience
    }

    fn add_outcome(&mut self, visit: &Visit) {
        let outcome = visit.end.as_ref().map(|end| &end.outcome);
        let why = match outcome {
            Some(Ok(200 | 206)) => return,
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => error.clone(),
            None => "still waits".to_owned(),
        };
        match outcome {
            Some(Ok(500..)) => self.server_errors += 1,
            _ => self.failures += 1,
        }
        let complaint = format!("{}: {why}", visit.kind.name());
        match self.complaints.iter_mut().find(|(known, _)| *known == complaint) {
            Some((_, count)) => *count += 1,
            None => self.complaints.push((complaint, 1)),
        }
    }

    /// What requests of a kind waited.
    pub fn latency(&self, kind: Kind) -> Latency {
        let found = self.latencies.iter().find(|(of, _)| *of == kind);
        found.map_or_else(Latency::default, |(_, latency)| *latency)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::innocent::visitor::End;

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
