//! The shared state of all routes, and the table of routes.

use std::{sync::Arc, time::Duration};

use actix_web::web;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;

use super::{
    Error,
    authorization::Token,
    events::Jobs,
    job_counts::JobCounts,
    routes::{events, files, jobs, library_events, openapi, operations, page, streams, titles},
};
use crate::{
    background::Background,
    bucket_catalog::BucketCatalog,
    config::Settings,
    extent::{
        ResponseMemory,
        bucket::{BucketPlace, Cache},
    },
    library::Library,
    queue::Queue,
    shares::Shares,
    telemetry::Metrics,
    titles::{CacheBytes, Titles, artifacts::Artifacts, growth::IdleLimit},
    webhooks::{self, Webhook},
    wire::drain::Drain,
};

/// The most calls that wait or run in the background; more are refused.
const BACKGROUND_CALLS_MAX: usize = 256;

/// The shared state of all requests: one for the process and all its I/O threads.
pub struct Site {
    /// The titles, with their artifacts and caches.
    pub titles: Titles,
    /// The configuration, as of the last reload.
    pub settings: ArcSwap<Settings>,
    /// The token that mutations need, as of the last reload.
    pub token: ArcSwapOption<Token>,
    /// The queue of jobs, once it is open: no playback depends on it.
    pub jobs: ArcSwapOption<Jobs>,
    /// The catalog of the roots that are buckets.
    pub bucket_catalog: BucketCatalog,
    /// The metrics.
    pub metrics: Metrics,
    /// The jobs that have ended, for metrics.
    pub job_counts: Arc<JobCounts>,
    /// What the responses in progress hold.
    pub response_memory: ResponseMemory,
    /// The responses that follow a growing file: as many as connections. They have no end, and an HTTP/2
    /// connection may ask for a hundred.
    pub followers: Shares,
    background: Background,
    drain: Drain,
}

impl Site {
    /// A site without a queue. `background` is the runtime beside the I/O threads.
    pub fn new(
        library: Arc<Library>,
        settings: Settings,
        metrics: Metrics,
        background: Handle,
    ) -> Arc<Self> {
        let background = Background::new(background, BACKGROUND_CALLS_MAX);
        let followers = Shares::new(settings.max_connections.count(), 0);
        let cache_bytes = CacheBytes {
            manifests: settings.manifest_cache_mib.get() << 20,
            gathered: settings.gathered_cache_mib.get() << 20,
            clips: settings.clip_cache_bytes(),
            walks: settings.walks_mib.get() << 20,
        };
        let idle_limit = IdleLimit::new(settings.follow_idle_s.get());
        let response_memory = ResponseMemory::new(settings.response_memory_mib.get() << 20);
        let memory = response_memory.clone();
        let bucket_catalog = BucketCatalog::new(
            Arc::clone(&library),
            Duration::from_secs(settings.rescan_s.get()),
            Duration::from_millis(settings.bucket_deadline_ms.get()),
        );
        Arc::new(Self {
            bucket_catalog,
            titles: Titles::new(library, cache_bytes, idle_limit, background.clone(), memory),
            response_memory,
            settings: ArcSwap::from_pointee(settings),
            token: ArcSwapOption::empty(),
            jobs: ArcSwapOption::empty(),
            metrics,
            job_counts: Arc::default(),
            followers,
            background,
            drain: Drain::default(),
        })
    }

    /// Runs a call that takes longer than 1 ms in the background. See
    /// [`Background::spawn_blocking_limited`].
    pub async fn spawn_blocking_limited<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.background.spawn_blocking_limited(call).await?)
    }

    /// Awaits a future in the background, such as a query of the database. See
    /// [`Background::spawn_limited`].
    pub async fn spawn_limited<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.background.spawn_limited(future).await?)
    }

    /// Connects the queue, once it is open.
    pub async fn open_queue(
        &self,
        queue: Queue,
        artifacts: Arc<Artifacts>,
        webhooks: Vec<Webhook>,
    ) {
        self.bucket_catalog.use_database(queue.database().clone());
        let runtime = self.background.runtime();
        webhooks::start(&queue, webhooks, runtime, &self.drain, &self.metrics).await;
        self.job_counts.begin(&queue).await;
        let library = Arc::clone(&self.titles.library);
        let (drain, metrics) = (self.drain.clone(), self.metrics.clone());
        let jobs = Jobs::new(queue, library, runtime.clone(), drain, metrics);
        self.jobs.store(Some(Arc::new(jobs)));
        self.titles.artifacts.store(Some(artifacts));
    }

    /// The bucket of artifacts, once the queue is open; `None` if they are in a folder.
    pub fn artifacts_bucket(&self) -> Option<Arc<BucketPlace>> {
        self.titles.artifacts.load().as_ref()?.bucket().cloned()
    }

    /// The cache of all buckets; `None` without one.
    pub fn bucket_cache(&self) -> Option<Arc<Cache>> {
        let of_artifacts = || Some(Arc::clone(self.artifacts_bucket()?.cache()));
        self.titles.library.bucket_cache().or_else(of_artifacts)
    }

    /// Makes the server not ready, so that load balancers send no new clients.
    pub fn start_draining(&self) {
        self.drain.begin();
    }

    /// Whether the server is shutting down.
    pub fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }
}

/// Adds all routes. Each accepts any method and refuses unsupported ones itself, so that the response to an
/// unsupported method is 405 for a resource that exists, else 404.
pub fn configure(config: &mut web::ServiceConfig, site: &Arc<Site>) {
    config.app_data(web::Data::from(Arc::clone(site)));
    config
        .service(web::resource("/media/{path:.*}").to(files::serve))
        .service(web::resource("/v/{path:.*}").to(streams::serve))
        .service(web::resource("/api/titles").to(titles::list))
        .service(web::resource("/api/titles/{path:.*}").to(titles::show))
        .service(web::resource("/api/jobs").to(jobs::list_or_create))
        .service(web::resource("/api/jobs/{id}").to(jobs::show_or_update))
        .service(web::resource("/api/jobs/{id}/cancel").to(jobs::cancel))
        .service(web::resource("/api/jobs/{id}/retry").to(jobs::retry))
        .service(web::resource("/api/library/events").to(library_events::receive))
        .service(web::resource("/api/events").to(events::stream))
        .service(web::resource("/api/status").to(operations::status))
        .service(web::resource("/api/openapi.json").to(openapi::describe))
        .service(web::resource("/healthz").to(operations::alive))
        .service(web::resource("/readyz").to(operations::ready))
        .service(web::resource("/metrics").to(operations::metrics))
        .service(web::resource("/library").to(page::library::redirect))
        .service(web::resource(["/", "/library/{path:.*}"]).to(page::library::serve))
        .service(web::resource("/watch/{path:.*}").to(page::watch::serve))
        .service(web::resource("/embed/{path:.*}").to(page::embed::serve))
        .service(web::resource("/oembed").to(page::oembed::serve))
        .service(web::resource("/headwater-player.js").to(page::component::serve))
        .service(web::resource("/assets/{path:.*}").to(page::assets::serve))
        .default_service(web::to(operations::not_found));
}
