//! The programs that ask: wrk for many small answers, curl for whole files.
//!
//! Well-known clients, so that nobody needs to believe ours; only a viewer who pauses is none
//! of theirs. All inherit the client's core from this program, and are bounded in time.

pub mod cold;
pub mod curl;
pub mod viewers;
pub mod wrk;

use std::time::Duration;

/// What a client got during one turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Complete answers.
    pub requests: u64,
    /// Bytes of their bodies; heads are not counted.
    pub body_bytes: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// How long answers took, if the client measures that.
    pub latency: Option<Latency>,
}

/// Time from a request to the last byte of its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    pub median: Duration,
    /// 99 of 100 answers were faster.
    pub p99: Duration,
    /// 999 of 1,000 were.
    pub p999: Duration,
}
