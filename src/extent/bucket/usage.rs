//! Counters of the requests to a bucket, for metrics and the status.

use std::{
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
    time::Duration,
};

use super::{
    breaker::BreakerState,
    error::{AttemptError, FetchError},
};

/// The limits of the histogram of first bytes, in milliseconds.
pub const FIRST_BYTE_LIMITS_MS: [u64; 10] = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// Bytes of an object.
    Get,
    /// The state of an object.
    Head,
    /// A page of the listing.
    List,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// With the response that was wanted.
    Ok,
    /// There is no such object, or the range lies outside of it.
    NotFound,
    /// The object was replaced.
    Changed,
    /// With a refusal of the credentials, or of the object.
    Refused,
    /// With a 5xx status or 429.
    Unavailable,
    /// With a broken connection or a wrong response.
    Broken,
    /// Without a response, or a further byte, in time.
    Timeout,
    /// Because another response came first, or no request needed it any more.
    Abandoned,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Get, Self::Head, Self::List];

    /// The label for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
        }
    }
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::NotFound,
        Self::Changed,
        Self::Refused,
        Self::Unavailable,
        Self::Broken,
        Self::Timeout,
        Self::Abandoned,
    ];

    /// The label for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }
}

impl From<&AttemptError> for Outcome {
    fn from(error: &AttemptError) -> Self {
        match error {
            AttemptError::Final(FetchError::NotFound) | AttemptError::Unsatisfiable => {
                Self::NotFound
            }
            AttemptError::Final(FetchError::Changed) => Self::Changed,
            AttemptError::Final(_) => Self::Refused,
            AttemptError::Status { .. } => Self::Unavailable,
            AttemptError::Connection(_) | AttemptError::Wrong(_) => Self::Broken,
            AttemptError::Silent => Self::Timeout,
        }
    }
}

/// The counters at one moment.
#[derive(Clone, Debug)]
pub struct FetchUsage {
    requests: [[u64; Outcome::ALL.len()]; Operation::ALL.len()],
    /// Bytes of objects that were received.
    pub bytes: u64,
    /// Hedges whose response came first, and those whose did not.
    pub hedges_won: u64,
    /// See `hedges_won`.
    pub hedges_lost: u64,
    /// For each of [`FIRST_BYTE_LIMITS_MS`] the responses that began within it.
    pub first_bytes: [u64; FIRST_BYTE_LIMITS_MS.len()],
    /// All responses that began.
    pub first_bytes_count: u64,
    /// The sum of the times to their first bytes.
    pub first_bytes_sum: Duration,
    /// The breaker.
    pub breaker: BreakerState,
    /// The status with which the bucket refused the credentials last, until it accepts them.
    pub refused_status: Option<u16>,
}

impl FetchUsage {
    /// The requests for an operation that ended so.
    pub fn requests(&self, operation: Operation, outcome: Outcome) -> u64 {
        self.requests[operation as usize][outcome as usize]
    }

    /// All requests for an operation.
    pub fn all_requests(&self, operation: Operation) -> u64 {
        self.requests[operation as usize].iter().sum()
    }
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    requests: [[AtomicU64; Outcome::ALL.len()]; Operation::ALL.len()],
    bytes: AtomicU64,
    hedges_won: AtomicU64,
    hedges_lost: AtomicU64,
    first_bytes: [AtomicU64; FIRST_BYTE_LIMITS_MS.len()],
    first_bytes_count: AtomicU64,
    first_bytes_us: AtomicU64,
    /// 0 for none.
    refused_status: AtomicU16,
}

impl Counters {
    pub(super) fn request(&self, operation: Operation, outcome: Outcome) {
        self.requests[operation as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn hedge(&self, has_won: bool) {
        let counter = if has_won { &self.hedges_won } else { &self.hedges_lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn first_byte(&self, time: Duration) {
        for (limit_ms, count) in FIRST_BYTE_LIMITS_MS.iter().zip(&self.first_bytes) {
            if time <= Duration::from_millis(*limit_ms) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.first_bytes_count.fetch_add(1, Ordering::Relaxed);
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.first_bytes_us.fetch_add(time_us, Ordering::Relaxed);
    }

    /// Remembers whether the bucket accepts the credentials. Returns whether that is news.
    pub(super) fn credentials(&self, refused_status: Option<u16>) -> bool {
        let status = refused_status.unwrap_or(0);
        self.refused_status.swap(status, Ordering::Relaxed) != status
    }

    pub(super) fn usage(&self, breaker: BreakerState) -> FetchUsage {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let status = self.refused_status.load(Ordering::Relaxed);
        FetchUsage {
            requests: std::array::from_fn(|operation| {
                std::array::from_fn(|outcome| load(&self.requests[operation][outcome]))
            }),
            bytes: load(&self.bytes),
            hedges_won: load(&self.hedges_won),
            hedges_lost: load(&self.hedges_lost),
            first_bytes: std::array::from_fn(|limit| load(&self.first_bytes[limit])),
            first_bytes_count: load(&self.first_bytes_count),
            first_bytes_sum: Duration::from_micros(load(&self.first_bytes_us)),
            breaker,
            refused_status: (status != 0).then_some(status),
        }
    }
}
