//! Operations: liveness, readiness, status and metrics. Cheap, and never cached.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    },
    web::Data,
};
use serde::Serialize;
use tokio::time::timeout;

use super::{Read, read_method};
use crate::{
    http::{
        Error, Site,
        bucket_status::{self, ArtifactsStatus, BucketStatus, CacheStatus},
        bucket_use, cors,
    },
    jobs::supervisor::WorkerState,
    library::{CacheLookups, Library, RootStatus},
    telemetry::{CacheUse, DiskPoolUse, JobsEnded, ProcessUse, QueueDepth, Snapshot},
};

/// The most time that metrics wait for the database; later, those of jobs are left out.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// `/healthz`: the process responds.
pub async fn alive(request: HttpRequest) -> HttpResponse {
    respond(&request, "text/plain; charset=utf-8", "alive\n".into())
}

/// `/readyz`: the server accepts new requests: at least one root responds, and the server is not draining.
/// The text lists the state of each root and of the worker; playback does not depend on the worker.
pub async fn ready(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    if !matches!(read_method(request.method()), Ok(Read::Respond)) {
        return respond(&request, "text/plain; charset=utf-8", String::new());
    }
    if site.is_draining() {
        return Error::NotReady("the server is shutting down").error_response();
    }
    let roots = site.titles.library.root_statuses().await;
    if roots.iter().all(|root| root.error.is_some()) {
        return Error::NotReady("no root of the library responds; check the mounts")
            .error_response();
    }
    let mut text = "ready\n".to_owned();
    for RootStatus { name, error } in roots {
        let name = name.map(|name| format!(" {name}")).unwrap_or_default();
        let status = error.map_or("ready".to_owned(), |error| format!("not available: {error}"));
        text += &format!("root{name}: {status}\n");
    }
    text += &format!("worker: {}\n", worker(&site));
    respond(&request, "text/plain; charset=utf-8", text)
}

/// `/api/status`: whether jobs can run, for the page, and the state of buckets.
pub async fn status(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let artifacts = site.titles.artifacts.load();
    let status = Status {
        worker: worker(&site),
        queue: artifacts.is_some(),
        unavailable: artifacts.as_ref().and_then(|artifacts| artifacts.unavailable),
        buckets: bucket_status::buckets(&site),
        artifacts: bucket_status::artifacts(&site),
        cache: bucket_status::cache(&site),
    };
    let json = serde_json::to_string(&status).unwrap_or_default() + "\n";
    respond(&request, "application/json", json)
}

#[derive(Serialize)]
struct Status {
    /// The state of the local worker.
    worker: String,
    /// Whether the server has a queue.
    queue: bool,
    /// The reason why no job can run.
    unavailable: Option<&'static str>,
    /// The roots that are buckets.
    buckets: Vec<BucketStatus>,
    /// The bucket of artifacts; `None` if they are in a folder.
    artifacts: Option<ArtifactsStatus>,
    /// The cache of buckets; `None` without one.
    cache: Option<CacheStatus>,
}

fn worker(site: &Site) -> String {
    match &*site.titles.artifacts.load() {
        Some(artifacts) => artifacts.worker().to_string(),
        None => "no queue".to_owned(),
    }
}

/// `/metrics`: counters, gauges and histograms, for Prometheus.
pub async fn metrics(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let jobs = jobs(&site).await;
    let database_is_up = jobs.is_some();
    let (queue, jobs_ended) = jobs.unwrap_or_default();
    let process = site.spawn_blocking_limited(ProcessUse::read).await.unwrap_or_default();
    let snapshot = Snapshot {
        titles: site.titles.library.catalog.len(),
        disk_pools: disk_pools(&site.titles.library),
        caches: caches(&site),
        response_memory_bytes: site.response_memory.used_bytes(),
        gathered_cache_bytes: site.titles.gathered.used_bytes(),
        clip_layouts: site.titles.clips.computed(),
        buckets: bucket_use::buckets(&site),
        bucket_cache: bucket_use::cache(&site),
        worker_is_up: worker_is_up(&site),
        database_is_up,
        queue,
        jobs_ended,
        process,
    };
    let text = site.metrics.render(snapshot);
    respond(&request, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
}

/// The unfinished jobs and those that have ended; `None` without a database that responds.
async fn jobs(site: &Site) -> Option<(Vec<QueueDepth>, JobsEnded)> {
    let queue = site.jobs.load_full()?.queue.clone();
    let counts = Arc::clone(&site.job_counts);
    let reading = site.spawn_limited(async move {
        let read = timeout(QUEUE_TIMEOUT, counts.read(&queue)).await;
        read.ok()?.ok()
    });
    reading.await.ok().flatten()
}

fn disk_pools(library: &Library) -> Vec<DiskPoolUse> {
    let roots = library.roots().iter();
    let pools = roots.flat_map(|named| {
        let root = named.name.as_deref().unwrap_or_default();
        [(root, "disk", named.root.pool()), (root, "compute", named.root.compute_pool())]
    });
    pools
        .map(|(root, pool, disk_pool)| {
            let used = disk_pool.usage();
            DiskPoolUse {
                root: root.to_owned(),
                pool,
                waiting: used.waiting,
                calls: used.calls,
                waited: used.waited,
                refused: used.refused,
            }
        })
        .collect()
}

fn caches(site: &Site) -> Vec<CacheUse> {
    let used = |cache, lookups: &CacheLookups| {
        let (hits, misses) = lookups.counts();
        CacheUse { cache, hits, misses }
    };
    let titles = &site.titles;
    let artifacts = titles.artifacts.load();
    let artifacts = artifacts.as_ref().map(|artifacts| used("artifact", &artifacts.lookups));
    let caches = [
        used("index", &titles.library.indices.lookups),
        used("manifest", &titles.cache.lookups),
        used("gathered", &titles.gathered.lookups),
        used("walk", &titles.walked.lookups),
    ];
    caches.into_iter().chain(artifacts).collect()
}

/// Whether the local worker runs; `None` if the server has none.
fn worker_is_up(site: &Site) -> Option<bool> {
    match site.titles.artifacts.load().as_ref()?.worker() {
        WorkerState::Off => None,
        WorkerState::Running(_) => Some(true),
        WorkerState::Restarting(_) => Some(false),
    }
}

/// Every other target: 404, except for OPTIONS.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    match *request.method() {
        Method::OPTIONS => cors::options(&request),
        _ => Error::NotFound.error_response(),
    }
}

fn respond(request: &HttpRequest, media_type: &'static str, text: String) -> HttpResponse {
    match read_method(request.method()) {
        Ok(Read::Respond) => HttpResponse::build(StatusCode::OK)
            .insert_header((CONTENT_TYPE, HeaderValue::from_static(media_type)))
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body(text),
        Ok(Read::Options) => cors::options(request),
        Err(error) => error.error_response(),
    }
}
