//! Metrics, in the text format of Prometheus.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge},
    registry::Registry,
};

use super::{log, panics};

/// The metrics of the process. Clones share the values.
///
/// Labels have closed lists of values: none comes from a path, a title or a client.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    responses: Family<StatusClass, Counter>,
    body_bytes: Counter,
    copied_bytes: Counter,
    cuts: Family<CutReason, Counter>,
    refusals: Family<Refusal, Counter>,
    disk_refusals: Arc<AtomicU64>,
    disk_waiting: gauge::Gauge,
    connections: gauge::Gauge,
    titles: gauge::Gauge,
    response_memory: gauge::Gauge,
    clip_layouts: Counter,
    access_log_lines_dropped: Counter,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StatusClass {
    status: u16,
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
struct LogName {
    log: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Label(&'static str);

impl EncodeLabelValue for Label {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> std::fmt::Result {
        encoder.write_str(self.0)
    }
}

impl Metrics {
    /// Counts a response.
    pub fn response(&self, status: u16) {
        self.responses.get_or_create(&StatusClass { status }).inc();
    }

    /// Counts bytes of bodies that were written to a connection.
    pub fn sent(&self, bytes: u64) {
        self.body_bytes.inc_by(bytes);
    }

    /// Counts those of them that this process copied, instead of sending them from the page cache.
    pub fn copied(&self, bytes: u64) {
        self.copied_bytes.inc_by(bytes);
    }

    /// Counts a response that was aborted, by reason.
    pub fn cut(&self, reason: &'static str) {
        self.cuts.get_or_create(&CutReason { reason: Label(reason) }).inc();
    }

    /// Counts a client that got no place of a resource, or lost it to another client, by reason.
    pub fn refused(&self, resource: &'static str, reason: &'static str) {
        let refusal = Refusal { resource: Label(resource), reason: Label(reason) };
        self.refusals.get_or_create(&refusal).inc();
    }

    /// Sets the calls that all disk pools have refused so far, and those that wait there now.
    pub fn set_disk_calls(&self, refused: u64, waiting: usize) {
        self.disk_refusals.store(refused, Ordering::Relaxed);
        self.disk_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Counts an open connection until the result is dropped.
    pub fn connection(&self) -> Gauge {
        self.connections.inc();
        Gauge(self.connections.clone())
    }

    /// The number of open connections.
    pub fn open_connections(&self) -> i64 {
        self.connections.get()
    }

    /// Sets what all responses in progress hold, in bytes.
    pub fn set_response_memory(&self, bytes: u64) {
        self.response_memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the number of layouts of clips that were computed.
    pub fn set_clip_layouts(&self, computed: u64) {
        self.clip_layouts.inner().store(computed, Ordering::Relaxed);
    }

    /// The counter of lines of the access log that were dropped.
    pub fn access_log_lines_dropped(&self) -> Counter {
        self.access_log_lines_dropped.clone()
    }

    /// All metrics in the text format of Prometheus.
    pub fn render(&self, titles: usize) -> String {
        self.titles.set(i64::try_from(titles).unwrap_or(i64::MAX));
        let panic_count = Counter::<u64>::default();
        panic_count.inc_by(panics::since_start());
        let disk_refusals = Counter::<u64>::default();
        disk_refusals.inc_by(self.disk_refusals.load(Ordering::Relaxed));
        let lines_dropped = Family::<LogName, Counter>::default();
        let access = self.access_log_lines_dropped.get();
        for (log, lines) in [("server", log::lines_dropped()), ("access", access)] {
            lines_dropped.get_or_create(&LogName { log }).inc_by(lines);
        }
        let mut registry = Registry::with_prefix("headwater");
        registry.register("responses", "Responses by status", self.responses.clone());
        registry.register("body_bytes", "Bytes of response bodies sent", self.body_bytes.clone());
        let copied = self.copied_bytes.clone();
        registry.register(
            "body_copied_bytes",
            "Bytes of response bodies copied by the process instead of sent from the page cache",
            copied,
        );
        registry.register("body_cuts", "Responses aborted, by reason", self.cuts.clone());
        registry.register(
            "refusals",
            "Places of a resource that clients did not get or lost to others, by resource and reason",
            self.refusals.clone(),
        );
        registry.register(
            "disk_refusals",
            "Calls that the disk pools refused because too many waited",
            disk_refusals,
        );
        let disk_waiting = self.disk_waiting.clone();
        registry.register("disk_waiting", "Calls that wait for a disk thread", disk_waiting);
        registry.register("connections", "Open connections", self.connections.clone());
        let memory = self.response_memory.clone();
        registry.register(
            "response_memory_bytes",
            "Memory that responses in progress hold, of response_memory_mib",
            memory,
        );
        registry.register(
            "clip_layouts",
            "Layouts of clips computed, again if the cache had evicted them",
            self.clip_layouts.clone(),
        );
        registry.register("titles", "Titles in the catalog", self.titles.clone());
        registry.register("panics", "Panics since the start", panic_count);
        registry.register(
            "log_lines_dropped",
            "Lines that were dropped because a log could not be written in time, by log",
            lines_dropped,
        );
        let mut text = String::new();
        if encode(&mut text, &registry).is_err() {
            let _ = writeln!(text, "# encoding failed");
        }
        text
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
