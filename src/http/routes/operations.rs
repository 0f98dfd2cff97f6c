//! Operations: liveness, readiness, status and metrics. Cheap, and never cached.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    },
    web::Data,
};
use serde::Serialize;

use super::{Read, read_method};
use crate::{
    http::{Error, Site, cors},
    library::RootStatus,
};

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

/// `/api/status`: whether jobs can run, for the page.
pub async fn status(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let artifacts = site.titles.artifacts.load();
    let status = Status {
        worker: worker(&site),
        queue: artifacts.is_some(),
        unavailable: artifacts.as_ref().and_then(|artifacts| artifacts.unavailable),
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
}

fn worker(site: &Site) -> String {
    match &*site.titles.artifacts.load() {
        Some(artifacts) => artifacts.worker().to_string(),
        None => "no queue".to_owned(),
    }
}

/// `/metrics`: counters and gauges, for Prometheus.
pub async fn metrics(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let library = &site.titles.library;
    let roots = library.roots().iter().map(|named| &named.root);
    let pools: Vec<_> = roots.flat_map(|root| [root.pool(), root.compute_pool()]).collect();
    let refused = pools.iter().map(|pool| pool.refused()).sum();
    let waiting = pools.iter().map(|pool| pool.waiting()).sum();
    site.metrics.set_disk_calls(refused, waiting);
    site.metrics.set_response_memory(site.response_memory.used_bytes());
    site.metrics.set_clip_layouts(site.titles.clips.computed());
    let text = site.metrics.render(library.catalog.len());
    respond(&request, "application/openmetrics-text; version=1.0.0; charset=utf-8", text)
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
