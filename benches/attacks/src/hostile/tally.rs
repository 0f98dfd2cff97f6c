//! What the server did to its attackers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Counters of all clients of an attack.
#[derive(Debug, Default)]
pub struct Tally {
    open: AtomicU64,
    most_open: AtomicU64,
    connected: AtomicU64,
    failed: AtomicU64,
    closed: AtomicU64,
    sent_bytes: AtomicU64,
    /// By the first digit of the status.
    responses: [AtomicU64; 6],
}

/// The counts of a [`Tally`] at its end.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Count {
    /// Connections that were established, and the most at one time.
    pub connected: u64,
    pub most_open: u64,
    /// Connections that were not established.
    pub failed: u64,
    /// Connections that the server closed.
    pub closed: u64,
    pub sent_bytes: u64,
    /// HTTP/1.1 responses by the first digit of their status.
    pub responses: [u64; 6],
}

impl Tally {
    pub fn add_connected(&self) {
        self.connected.fetch_add(1, Relaxed);
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.most_open.fetch_max(open, Relaxed);
    }

    pub fn add_failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub fn add_closed(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    /// A connection is gone; client or server closed it.
    pub fn add_gone(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub fn add_sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub fn add_response(&self, status: u16) {
        self.responses[usize::from(status / 100).min(5)].fetch_add(1, Relaxed);
    }

    pub fn count(&self) -> Count {
        Count {
            connected: self.connected.load(Relaxed),
            most_open: self.most_open.load(Relaxed),
            failed: self.failed.load(Relaxed),
            closed: self.closed.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
            responses: std::array::from_fn(|class| self.responses[class].load(Relaxed)),
        }
    }
}

impl fmt::Display for Count {
    /// `400 open, 1000 connected, 600 closed by the server, 3.1 MB sent; 97 × 2xx, 303 × 5xx`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} open at most, {} connected", self.most_open, self.connected)?;
        for (count, what) in [(self.failed, "not connected"), (self.closed, "closed by the server")]
        {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        write!(out, ", {:.1} MB sent", self.sent_bytes as f64 / 1e6)?;
        for (class, count) in self.responses.iter().enumerate().filter(|(_, count)| **count > 0) {
            write!(out, ", {count} × {class}xx")?;
        }
        Ok(())
    }
}
