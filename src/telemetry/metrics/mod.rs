//! Metrics, in the text format of Prometheus.
//!
//! I/O threads count with atomic additions, and wait for no lock. Labels have closed lists of values: none
//! comes from a path, a title or a client.

mod buckets;
mod histogram;
mod process;
mod render;
mod requests;

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge},
};

use self::requests::Requests;
pub use self::{
    buckets::{BucketCacheUse, BucketUse},
    histogram::Histogram,
    process::ProcessUse,
    render::{CacheUse, DiskPoolUse, JobsEnded, QueueDepth, Snapshot},
    requests::{RequestTimer, Route},
};

/// The metrics of the process. Clones share the values.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Values>);

#[derive(Debug, Default)]
struct Values {
    requests: Requests,
    body_bytes: [AtomicU64; SentBy::ALL.len()],
    cuts: Family<CutReason, Counter>,
    refusals: Family<Refusal, Counter>,
    webhook_deliveries: Family<Outcome, Counter>,
    connections: gauge::Gauge,
    access_log_lines_dropped: Counter,
}

/// How bytes of a body reach the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SentBy {
    /// From the page cache, by sendfile(2).
    Sendfile,
    /// From the page cache, gathered from several places by sendmsg(2).
    Gathered,
    /// Read from a file by the process, and written.
    Copied,
    /// Made or kept by the process: documents, heads of segments, gathered segments.
    Memory,
}

impl SentBy {
    const ALL: [Self; 4] = [Self::Sendfile, Self::Gathered, Self::Copied, Self::Memory];

    fn as_str(self) -> &'static str {
        match self {
            Self::Sendfile => "sendfile",
            Self::Gathered => "gathered",
            Self::Copied => "copied",
            Self::Memory => "memory",
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CutReason {
    reason: Label,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refusal {
    resource: Label,
    reason: Label,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Outcome {
    outcome: Label,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Label(&'static str);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.0)
    }
}

impl Metrics {
    /// Begins to measure a request. The drop of the result ends it.
    pub fn begin_request(&self, route: Route) -> RequestTimer {
        RequestTimer::start(self.clone(), route)
    }

    /// Counts bytes of bodies that a connection has accepted.
    pub fn sent(&self, bytes: u64, by: SentBy) {
        self.0.body_bytes[by as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a response that was aborted, by reason.
    pub fn cut(&self, reason: &'static str) {
        self.0.cuts.get_or_create(&CutReason { reason: Label(reason) }).inc();
    }

    /// Counts a client that got no place of a resource, or lost it to another client, by reason.
    pub fn refused(&self, resource: &'static str, reason: &'static str) {
        let refusal = Refusal { resource: Label(resource), reason: Label(reason) };
        self.0.refusals.get_or_create(&refusal).inc();
    }

    /// Counts an attempt to deliver an event to a webhook, by outcome.
    pub fn webhook_delivery(&self, outcome: &'static str) {
        self.0.webhook_deliveries.get_or_create(&Outcome { outcome: Label(outcome) }).inc();
    }

    /// Counts an open connection until the result is dropped.
    pub fn connection(&self) -> Gauge {
        self.0.connections.inc();
        Gauge(self.0.connections.clone())
    }

    /// The number of open connections.
    pub fn open_connections(&self) -> i64 {
        self.0.connections.get()
    }

    /// The counter of lines of the access log that were dropped.
    pub fn access_log_lines_dropped(&self) -> Counter {
        self.0.access_log_lines_dropped.clone()
    }

    /// All metrics in the text format of Prometheus, with those that other parts of the server know.
    pub fn render(&self, snapshot: Snapshot) -> String {
        render::render(&self.0, snapshot)
    }
}

/// One unit of a gauge; its drop decrements the gauge.
#[derive(Debug)]
pub struct Gauge(gauge::Gauge);

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.dec();
    }
}
