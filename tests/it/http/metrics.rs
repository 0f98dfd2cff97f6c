//! The metrics: their rules, their values, and the dashboard and alerts that use them.

use std::{collections::BTreeSet, fs};

use headwater::queue::Retry;

use crate::support::{
    exposition::Exposition,
    folder::{Folder, pattern},
    http2,
    jobs::{claim, post_job, queue},
    program::Program,
    server::{Serving, serve, serve_with},
    streams::{CLOCK, put_sample},
    wait::{block_on, until, until_slowly},
    webhook_receiver::{WebhookReceiver, configured},
};

const DASHBOARD: &str = include_str!("../../../docs/operations/dashboard.json");
const ALERTS: &str = include_str!("../../../docs/operations/alerts.yaml");

fn scrape(serving: &Serving) -> Exposition {
    let response = serving.get("/metrics", &[]);
    assert_eq!(response.status, 200);
    Exposition::parse(&String::from_utf8(response.body).expect("text"))
}

fn clock() -> (Folder, Serving) {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "a.mp4");
    let serving = serve(&folder);
    (folder, serving)
}

#[test]
fn metrics_keep_the_rules_of_prometheus() {
    let (_folder, serving) = clock();
    for target in ["/", "/media/a.mp4", "/v/a.mp4/index.m3u8", "/v/a.mp4/inspect", "/nothing"] {
        serving.get(target, &[]);
    }
    let metrics = scrape(&serving);
    metrics.lint();
    let build = &metrics.families["headwater_build"].samples[0];
    assert_eq!(build.labels["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(metrics.sum("headwater_titles", &[]), Some(1.0));
    if cfg!(target_os = "linux") {
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_start_time_seconds",
        ] {
            assert!(metrics.sum(name, &[]).is_some_and(|value| value >= 0.0), "{name}");
        }
    }
}

#[test]
fn requests_count_by_route_and_status_class_with_their_duration() {
    let (_folder, serving) = clock();
    let playlist = serving.get("/v/a.mp4/index.m3u8", &[]);
    assert_eq!(playlist.status, 200);
    for _ in 0..3 {
        assert_eq!(serving.get("/media/a.mp4", &["Range: bytes=0-9"]).status, 206);
    }
    assert_eq!(serving.get("/v/b.mp4/index.m3u8", &[]).status, 404);
    let labels = |route, status| [("route", route), ("status", status)];
    until("all responses have ended", || {
        let metrics = scrape(&serving);
        ["headwater_http_request_duration_seconds_count", "headwater_http_first_byte_seconds_count"]
            .iter()
            .all(|name| {
                metrics.sum(name, &labels("file", "2xx")) == Some(3.0)
                    && metrics.sum(name, &labels("manifest", "2xx")) == Some(1.0)
                    && metrics.sum(name, &labels("manifest", "4xx")) == Some(1.0)
            })
    });
    let metrics = scrape(&serving);
    let requests = "headwater_http_requests_total";
    assert_eq!(metrics.sum(requests, &labels("file", "2xx")), Some(3.0));
    // The request for the metrics itself.
    assert_eq!(metrics.sum("headwater_http_requests_in_flight", &[]), Some(1.0));
}

#[test]
fn bytes_count_by_the_way_of_sending() {
    const LENGTH: usize = 300_000;
    let folder = Folder::new();
    folder.put("a.mp4", pattern(LENGTH));
    for (configuration, way) in
        [("write_quiet_ms = 0", "sendfile"), ("write_quiet_ms = 3600000", "copied")]
    {
        let serving = serve_with(&[folder.path("")], configuration);
        serving.until_scanned();
        let sent = |way| scrape(&serving).sum("headwater_body_bytes_total", &[("sent_by", way)]);
        assert_eq!(serving.get("/media/a.mp4", &[]).body.len(), LENGTH);
        until("the bytes are counted", || sent(way) == Some(LENGTH as f64));
        let other = if way == "copied" { "sendfile" } else { "copied" };
        assert_eq!(sent(other), Some(0.0), "{configuration}");
    }
    let serving = serve_with(&[folder.path("")], "write_quiet_ms = 0");
    let mut client = http2::Client::connect(serving.address);
    let response = client.request("GET", "/media/a.mp4", &[]);
    assert_eq!(response.body.len(), LENGTH);
    let sent = |way| scrape(&serving).sum("headwater_body_bytes_total", &[("sent_by", way)]);
    until("nearly all go from the page cache into frames", || {
        let by_sendfile = sent("sendfile").unwrap_or(0.0);
        by_sendfile + sent("copied").unwrap_or(0.0) == LENGTH as f64
            && by_sendfile > LENGTH as f64 * 0.9
    });
}

#[test]
fn strangers_cannot_add_time_series() {
    let (_folder, serving) = clock();
    let ask = |number: usize| {
        for target in [
            format!("/media/{number}.mp4"),
            format!("/v/{number}.mp4/index.m3u8"),
            format!("/v/a.mp4/~{number:016x}/video-1/1.m4s"),
            format!("/{number}"),
            format!("/watch/{number}"),
        ] {
            let agent = format!("User-Agent: {number}");
            serving.get(&target, &[&agent, &format!("X-Request-Id: {number}")]);
            serving.request(&format!("METHOD{number}"), &target, &[]);
        }
    };
    ask(0);
    let settled = || {
        scrape(&serving);
        scrape(&serving).series()
    };
    let before = settled();
    (1..20).for_each(ask);
    let added: Vec<_> = settled().difference(&before).cloned().collect();
    assert_eq!(added, Vec::<String>::new());
}

#[test]
fn caches_and_disk_pools_count_what_they_do() {
    let (_folder, serving) = clock();
    for _ in 0..3 {
        assert_eq!(serving.get("/v/a.mp4/index.m3u8", &[]).status, 200);
    }
    let metrics = scrape(&serving);
    for cache in ["index", "manifest"] {
        let lookups = |result| {
            metrics.sum("headwater_cache_lookups_total", &[("cache", cache), ("result", result)])
        };
        assert_eq!(lookups("miss"), Some(1.0), "{cache}");
        assert!(lookups("hit") >= Some(2.0), "{cache}: {:?}", lookups("hit"));
    }
    assert!(metrics.sum("headwater_disk_calls_total", &[("pool", "disk")]) > Some(0.0));
    assert!(metrics.sum("headwater_disk_wait_seconds_total", &[]).is_some());
    assert_eq!(metrics.sum("headwater_disk_refusals_total", &[]), Some(0.0));
}

#[test]
fn jobs_count_by_kind_state_and_outcome() {
    let (_folder, serving) = clock();
    let queue = queue(&serving);
    let storyboard = r#"{"kind":"storyboard","title":"a.mp4"}"#;
    post_job(&serving, storyboard);
    let of = |metric, label, value| {
        scrape(&serving).sum(metric, &[("kind", "storyboard"), (label, value)])
    };
    assert_eq!(of("headwater_jobs", "state", "queued"), Some(1.0));
    let lease = claim(&queue);
    assert_eq!(of("headwater_jobs", "state", "running"), Some(1.0));
    assert!(block_on(queue.fail(&lease, "it broke", Retry::Never)).expect("a database"));
    assert_eq!(of("headwater_jobs", "state", "running"), None);
    assert_eq!(of("headwater_jobs_ended_total", "outcome", "failed"), Some(1.0));
    post_job(&serving, storyboard);
    assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
    assert_eq!(of("headwater_jobs_ended_total", "outcome", "done"), Some(1.0));
    assert_eq!(of("headwater_jobs_ended_total", "outcome", "failed"), Some(1.0), "counted once");
    let durations = scrape(&serving).sum("headwater_job_duration_seconds_count", &[]);
    assert_eq!(durations, Some(2.0));
    let waits = scrape(&serving).sum("headwater_queue_wait_seconds_count", &[]);
    assert_eq!(waits, Some(2.0));
    assert_eq!(scrape(&serving).sum("headwater_database_up", &[]), Some(1.0));
    // A server in this process has no worker.
    assert_eq!(scrape(&serving).sum("headwater_worker_up", &[]), None);
}

#[test]
fn attempts_to_deliver_to_webhooks_count_by_outcome() {
    const RENDITION: &str = r#"{"kind":"rendition","title":"a.mp4","height":240,"codec":"h264"}"#;
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "films/a.mp4");
    let receiver = WebhookReceiver::responding(&["204 No Content", "410 Gone"]);
    let lines = configured(&folder, &receiver.url, r#""rendition.ready""#);
    let serving = serve_with(&[folder.path("films")], &lines);
    let queue = queue(&serving);
    for outcome in ["delivered", "refused"] {
        post_job(&serving, RENDITION);
        assert!(block_on(queue.finish(&claim(&queue), &[])).expect("a database"));
        until("the attempt is counted", || {
            let labels = [("outcome", outcome)];
            scrape(&serving).sum("headwater_webhook_deliveries_total", &labels) == Some(1.0)
        });
    }
}

#[test]
fn a_local_worker_is_reported_as_up() {
    if !crate::support::ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let program = Program::serve(&[folder.path("")], &[]);
    until_slowly("the worker runs", || program.metric("headwater_worker_up") == Some(1));
}

/// The names of metrics in a text.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("headwater_") || word.starts_with("process_")).collect()
}

#[test]
fn the_dashboard_and_the_alerts_use_metrics_that_exist() {
    let (_folder, serving) = clock();
    let metrics = scrape(&serving);
    let samples: BTreeSet<String> = metrics
        .families
        .iter()
        .flat_map(|(name, family)| {
            let suffixes: &[&str] = match &*family.kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                "info" => &["_info"],
                _ => &[""],
            };
            suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
        })
        .collect();
    serde_json::from_str::<serde_json::Value>(DASHBOARD).expect("JSON");
    for (file, text) in [("dashboard.json", DASHBOARD), ("alerts.yaml", ALERTS)] {
        let names = mentioned(text);
        assert!(names.len() > 5, "{file}: {names:?}");
        let unknown: Vec<_> = names.iter().filter(|name| !samples.contains(**name)).collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}");
    }
    // And the other way: an operator sees each metric of the server on the dashboard.
    let shown = mentioned(DASHBOARD);
    let is_shown = |name: &String| shown.iter().any(|shown| shown.starts_with(name.as_str()));
    let hidden: Vec<_> = metrics.families.keys().filter(|name| !is_shown(name)).collect();
    let unseen = ["process_max_fds", "process_virtual_memory_bytes"];
    assert!(hidden.iter().all(|name| unseen.contains(&name.as_str())), "{hidden:?}");
}

#[test]
fn the_reference_of_metrics_names_each() {
    let (_folder, serving) = clock();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/metrics.md");
    let reference = fs::read_to_string(path).expect("a reference");
    for name in scrape(&serving).families.keys() {
        assert!(reference.contains(&format!("`{name}")), "docs/operations/metrics.md lacks {name}");
    }
}
