//! The load generators: wrk for many small responses, h2load for those over HTTP/2, curl for whole files.
//!
//! Well-known clients need no proof of their own. Two are ours: [`drain`], because no known client
//! discards bodies in the kernel, and [`viewers`], because none stops in the middle. All run on the
//! client's core, and are bounded in time.

pub mod cold;
pub mod curl;
pub mod drain;
pub mod h2load;
pub mod viewers;
pub mod wrk;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a client received during one turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Complete responses.
    pub requests: u64,
    /// Bytes of their bodies, without heads.
    pub body_bytes: u64,
    /// From the first request to the last response.
    pub elapsed: Duration,
    /// Times of responses, if the client measures them.
    pub latency: Option<Latency>,
}

/// Time from a request to the last byte of its response.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub median: Duration,
    pub p99: Duration,
    pub p999: Duration,
}

impl Latency {
    /// The percentiles of some times; `None` if there are none.
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let last = times.len().checked_sub(1)?;
        let [median, p99, p999] = [500, 990, 999].map(|part| times[last * part / 1000]);
        Some(Latency { median, p99, p999 })
    }
}
