//! All metrics as text.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _,
        NoLabelSet, text::encode,
    },
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::{
    Histogram, ProcessUse, SentBy, Values,
    buckets::{BucketCacheUse, BucketUse},
    histogram::Counted,
};
use crate::telemetry::{build, log, panics};

/// What parts of the server other than the metrics know at the moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Titles in the catalog.
    pub titles: usize,
    /// The disk pools of all roots.
    pub disk_pools: Vec<DiskPoolUse>,
    /// The caches.
    pub caches: Vec<CacheUse>,
    /// The buckets.
    pub buckets: Vec<BucketUse>,
    /// Their cache; `None` without a bucket.
    pub bucket_cache: Option<BucketCacheUse>,
    /// What all responses in progress hold, in bytes.
    pub response_memory_bytes: u64,
    /// Segments that were gathered into memory, in bytes.
    pub gathered_cache_bytes: u64,
    /// Layouts of clips that were computed.
    pub clip_layouts: u64,
    /// Whether the local worker runs; `None` if the server has none.
    pub worker_is_up: Option<bool>,
    /// Whether the database responds.
    pub database_is_up: bool,
    /// Unfinished jobs.
    pub queue: Vec<QueueDepth>,
    /// Jobs that have ended.
    pub jobs_ended: JobsEnded,
    /// The use of resources.
    pub process: ProcessUse,
}

/// The use of a disk pool since the start.
#[derive(Debug)]
pub struct DiskPoolUse {
    /// The name of the root; empty for the only one.
    pub root: String,
    /// What its threads do: disk, or compute.
    pub pool: &'static str,
    /// Calls that wait now.
    pub waiting: usize,
    /// Calls that began.
    pub calls: u64,
    /// The time that these waited, all together.
    pub waited: Duration,
    /// Calls that were refused because too many waited.
    pub refused: u64,
}

/// The use of a cache since the start.
#[derive(Debug)]
pub struct CacheUse {
    /// What it holds.
    pub cache: &'static str,
    /// Look-ups that found something.
    pub hits: u64,
    /// Those that did not.
    pub misses: u64,
}

/// The number of unfinished jobs of a kind and state.
#[derive(Debug)]
pub struct QueueDepth {
    /// The kind.
    pub kind: String,
    /// queued, waiting or running.
    pub state: &'static str,
    /// The number.
    pub jobs: u64,
}

/// The jobs that have ended since the server started.
#[derive(Debug, Default)]
pub struct JobsEnded {
    /// Their number by kind and outcome.
    pub counts: Vec<(String, &'static str, u64)>,
    /// The times for which those that ran were queued before, by kind.
    pub waits: Vec<(String, Arc<Histogram>)>,
    /// The durations of those that ran, by kind.
    pub durations: Vec<(String, Arc<Histogram>)>,
}

/// Renders all metrics.
pub(super) fn render(values: &Arc<Values>, snapshot: Snapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All { values: Arc::clone(values), snapshot }));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        let _ = writeln!(text, "# encoding failed");
    }
    text
}

#[derive(Debug)]
pub(super) struct All {
    values: Arc<Values>,
    pub(super) snapshot: Snapshot,
}

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut text = Text(&mut encoder);
        self.requests(&mut text)?;
        self.bodies(&mut text)?;
        self.disks(&mut text)?;
        self.caches_and_memory(&mut text)?;
        self.buckets(&mut text)?;
        self.jobs(&mut text)?;
        self.server(&mut text)?;
        self.process(&mut text)
    }
}

impl All {
    fn requests(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let requests = &self.values.requests;
        let counted = requests.counted();
        text.counter(
            "headwater_http_requests",
            "Requests by route and class of the response's status",
            None,
            counted
                .iter()
                .map(|(labels, responses)| (*labels, responses.begun.load(Ordering::Relaxed))),
        )?;
        text.histogram(
            "headwater_http_request_duration",
            "Time from the head of a request to the end of its response",
            counted.iter().map(|(labels, responses)| (*labels, responses.duration.counted())),
        )?;
        text.histogram(
            "headwater_http_first_byte",
            "Time from the head of a request to the first byte of the response's body",
            counted.iter().map(|(labels, responses)| (*labels, responses.first_byte.counted())),
        )?;
        let in_flight = requests.in_flight.load(Ordering::Relaxed);
        text.gauge(
            "headwater_http_requests_in_flight",
            "Requests without a complete response",
            None,
            in_flight,
        )?;
        text.gauge(
            "headwater_connections",
            "Open connections",
            None,
            self.values.connections.get(),
        )?;
        let help = "Places of a resource that clients did not get or lost to others, by resource and reason";
        let refusals = MetricType::Counter;
        let encoder = text.0.encode_descriptor("headwater_refusals", help, None, refusals)?;
        self.values.refusals.encode(encoder)
    }

    fn bodies(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        text.counter(
            "headwater_body",
            "Bytes of response bodies that connections accepted, by the way of sending",
            Some(Unit::Bytes),
            SentBy::ALL.map(|by| {
                let bytes = self.values.body_bytes[by as usize].load(Ordering::Relaxed);
                ([("sent_by", by.as_str())], bytes)
            }),
        )?;
        let help = "Responses aborted, by reason";
        let counter = MetricType::Counter;
        let encoder = text.0.encode_descriptor("headwater_body_cuts", help, None, counter)?;
        self.values.cuts.encode(encoder)
    }

    fn disks(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let pools = &self.snapshot.disk_pools;
        let labels =
            |pool: &DiskPoolUse| [("root", pool.root.clone()), ("pool", pool.pool.to_owned())];
        text.gauges(
            "headwater_disk_waiting",
            "Calls that wait for a thread of a disk pool",
            pools.iter().map(|pool| (labels(pool), signed(pool.waiting as u64))),
        )?;
        text.counter(
            "headwater_disk_calls",
            "Calls that a disk pool began",
            None,
            pools.iter().map(|pool| (labels(pool), pool.calls)),
        )?;
        text.counter(
            "headwater_disk_wait",
            "Time that these calls waited for a thread, all together",
            Some(Unit::Seconds),
            pools.iter().map(|pool| (labels(pool), pool.waited.as_secs_f64())),
        )?;
        text.counter(
            "headwater_disk_refusals",
            "Calls that a disk pool refused because too many waited",
            None,
            pools.iter().map(|pool| (labels(pool), pool.refused)),
        )
    }

    fn caches_and_memory(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let lookups = self.snapshot.caches.iter().flat_map(|cache| {
            [("hit", cache.hits), ("miss", cache.misses)]
                .map(|(result, count)| ([("cache", cache.cache), ("result", result)], count))
        });
        text.counter("headwater_cache_lookups", "Look-ups in caches, by result", None, lookups)?;
        text.gauge(
            "headwater_response_memory",
            "Memory that responses in progress hold, of response_memory_mib",
            Some(Unit::Bytes),
            signed(self.snapshot.response_memory_bytes),
        )?;
        text.gauge(
            "headwater_gathered_cache",
            "Memory of segments whose samples were gathered, of gathered_cache_mib",
            Some(Unit::Bytes),
            signed(self.snapshot.gathered_cache_bytes),
        )?;
        text.counter(
            "headwater_clip_layouts",
            "Layouts of clips computed, again if the cache had evicted them",
            None,
            [(NO_LABELS, self.snapshot.clip_layouts)],
        )?;
        let titles = signed(self.snapshot.titles as u64);
        text.gauge("headwater_titles", "Titles in the catalog", None, titles)
    }

    fn jobs(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        text.gauge(
            "headwater_database_up",
            "Whether the database responds; without it there are no jobs and no new images",
            None,
            i64::from(self.snapshot.database_is_up),
        )?;
        let queue = self.snapshot.queue.iter();
        text.gauges(
            "headwater_jobs",
            "Unfinished jobs by kind and state, of all servers of the database",
            queue.map(|depth| {
                let labels = [("kind", depth.kind.clone()), ("state", depth.state.to_owned())];
                (labels, signed(depth.jobs))
            }),
        )?;
        let JobsEnded { counts, waits, durations } = &self.snapshot.jobs_ended;
        text.counter(
            "headwater_jobs_ended",
            "Jobs that ended while this server ran, of all servers of the database",
            None,
            counts.iter().map(|(kind, outcome, count)| {
                ([("kind", kind.clone()), ("outcome", (*outcome).to_owned())], *count)
            }),
        )?;
        let by_kind =
            |(kind, times): &(String, Arc<Histogram>)| ([("kind", kind.clone())], times.counted());
        text.histogram(
            "headwater_queue_wait",
            "Time from the submission of these jobs to their start",
            waits.iter().map(by_kind),
        )?;
        text.histogram(
            "headwater_job_duration",
            "Time from the start of these jobs to their end",
            durations.iter().map(by_kind),
        )?;
        text.gauges(
            "headwater_worker_up",
            "Whether the local worker runs; absent without one",
            self.snapshot.worker_is_up.map(|is_up| (NO_LABELS, i64::from(is_up))),
        )?;
        let help = "Attempts to deliver an event to a webhook, by outcome";
        let (name, counter) = ("headwater_webhook_deliveries", MetricType::Counter);
        let encoder = text.0.encode_descriptor(name, help, None, counter)?;
        self.values.webhook_deliveries.encode(encoder)
    }

    fn server(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let lines = [
            ("server", log::lines_dropped()),
            ("access", self.values.access_log_lines_dropped.get()),
        ];
        text.counter(
            "headwater_log_lines_dropped",
            "Lines that were dropped because a log could not be written in time, by log",
            None,
            lines.map(|(log, lines)| ([("log", log)], lines)),
        )?;
        text.counter(
            "headwater_panics",
            "Panics since the start",
            None,
            [(NO_LABELS, panics::since_start())],
        )?;
        let (name, help) = ("headwater_build", "The version of the program");
        let mut encoder = text.0.encode_descriptor(name, help, None, MetricType::Info)?;
        let commit = build::COMMIT.unwrap_or_default();
        encoder.encode_info(&[("version", build::VERSION), ("commit", commit)])
    }

    fn process(&self, text: &mut Text<'_, '_>) -> fmt::Result {
        let used = &self.snapshot.process;
        text.counter(
            "process_cpu",
            "User and system CPU time",
            Some(Unit::Seconds),
            used.cpu_s.map(|cpu_s| (NO_LABELS, cpu_s)),
        )?;
        for (name, help, unit, value) in [
            ("process_resident_memory", "Resident memory", Some(Unit::Bytes), used.resident_bytes),
            ("process_virtual_memory", "Virtual memory", Some(Unit::Bytes), used.virtual_bytes),
            ("process_open_fds", "Open file descriptors", None, used.open_fds),
            ("process_max_fds", "The most open file descriptors", None, used.max_fds),
        ] {
            if let Some(value) = value {
                text.gauge(name, help, unit, signed(value))?;
            }
        }
        let help = "Start of the process since the Unix epoch";
        match used.start_time_s {
            Some(start) => text.gauge("process_start_time", help, Some(Unit::Seconds), start),
            None => Ok(()),
        }
    }
}

pub(super) const NO_LABELS: [(&str, &str); 0] = [];

/// Gauges are signed.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The text, metric by metric. Units are a part of the name, which the encoder appends.
pub(super) struct Text<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Text<'_, '_> {
    pub(super) fn counter<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let kind = MetricType::Counter;
        let mut encoder = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            let mut encoder = encoder.encode_family(&labels)?;
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        self.0.encode_descriptor(name, help, unit.as_ref(), kind)?.encode_gauge(&value)
    }

    pub(super) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        self.gauges_of_unit(name, help, None, samples)
    }

    pub(super) fn gauges_of_unit<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        samples: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut encoder = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            encoder.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn histogram<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, Counted)>,
    ) -> fmt::Result {
        let (unit, kind) = (Unit::Seconds, MetricType::Histogram);
        let mut encoder = self.0.encode_descriptor(name, help, Some(&unit), kind)?;
        for (labels, Counted { buckets, count, sum_s }) in samples {
            let mut encoder = encoder.encode_family(&labels)?;
            encoder.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)?;
        }
        Ok(())
    }
}
