//! Log, metrics, request identifiers, and the hook that counts panics.

use std::{
    fmt::Write as _,
    io::IsTerminal as _,
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
use tracing_subscriber::{
    EnvFilter, Registry as LogRegistry, fmt, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

/// Panics since the start of the process. Global, because the hook is.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// actix logs each aborted connection as an error; `http::pipeline` has logged the reason already.
const QUIET: &str = "actix_http=off";

/// A handle that changes the filter of the log while the process runs.
pub struct LogFilter(reload::Handle<EnvFilter, LogRegistry>);

/// Starts logging to standard error, as JSON or text; standard output is for results.
///
/// Returns `None` if the process logs already, as in tests.
pub fn start_log(filter: &str, is_json: bool) -> Option<LogFilter> {
    let (filter, handle) = reload::Layer::new(parse_filter(filter));
    let registry = tracing_subscriber::registry().with(filter);
    let is_terminal = std::io::stderr().is_terminal();
    let to_stderr = fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal);
    let started = if is_json {
        registry.with(to_stderr.json()).try_init()
    } else {
        registry.with(to_stderr.with_target(false)).try_init()
    };
    started.ok().map(|()| LogFilter(handle))
}

fn parse_filter(filter: &str) -> EnvFilter {
    EnvFilter::builder().parse_lossy(format!("{QUIET},{filter}"))
}

impl LogFilter {
    /// Replaces the filter.
    pub fn set(&self, filter: &str) {
        if let Err(error) = self.0.reload(parse_filter(filter)) {
            tracing::warn!(%error, "could not change the log filter");
        }
    }
}

/// Counts panics, in front of the hook that prints them.
pub fn count_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        print(panic);
    }));
}

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

    /// All metrics in the text format of Prometheus.
    pub fn render(&self, titles: usize) -> String {
        self.titles.set(i64::try_from(titles).unwrap_or(i64::MAX));
        let panics = Counter::<u64>::default();
        panics.inc_by(PANICS.load(Ordering::Relaxed));
        let disk_refusals = Counter::<u64>::default();
        disk_refusals.inc_by(self.disk_refusals.load(Ordering::Relaxed));
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
        registry.register("titles", "Titles in the catalog", self.titles.clone());
        registry.register("panics", "Panics since the start", panics);
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

/// Generates identifiers for requests without one: 16 hex digits that differ between processes.
#[derive(Clone, Debug)]
pub struct RequestIds(Arc<AtomicU64>);

impl Default for RequestIds {
    fn default() -> Self {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() << 30 ^ u64::from(since.subsec_nanos()));
        Self(Arc::new(AtomicU64::new(nanos ^ u64::from(std::process::id()) << 40)))
    }
}

impl RequestIds {
    /// The next identifier. The multiplication by an odd number makes neighbours look unlike.
    pub fn next(&self) -> [u8; 16] {
        let count = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = count.to_be_bytes();
        std::array::from_fn(|place| {
            let byte = bytes[place / 2];
            let digit = if place % 2 == 0 { byte >> 4 } else { byte & 15 };
            b"0123456789abcdef"[usize::from(digit)]
        })
    }
}
