//! What all routes share, and which route answers what.

use std::sync::Arc;

use actix_web::web;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{runtime::Handle, sync::Semaphore};

use super::{
    Error,
    authorization::Token,
    events::Jobs,
    routes::{api, events, files, jobs, openapi, operations, page, streams},
};
use crate::titles::{artifacts::Artifacts, manifest_cache::ManifestCache};
use crate::{
    config::Settings,
    library::Library,
    queue::Queue,
    telemetry::Metrics,
    webhooks::{self, Webhook},
    wire::drain::Drain,
};

/// Calls that may wait to be made beside the I/O workers before more are refused.
const PLACES_BESIDE: usize = 256;

const BUSY: Error = Error::NotReady("there is too much to do at the moment; try again soon");

/// What a request may need to know. One for the process, shared by all I/O workers.
pub struct Site {
    /// The titles and their files.
    pub library: Arc<Library>,
    /// The configuration, as of the last reload.
    pub settings: ArcSwap<Settings>,
    /// What whoever changes something must show, as of the last reload.
    pub token: ArcSwapOption<Token>,
    /// What jobs made of titles, if there is a queue: nothing that plays depends on it.
    pub artifacts: ArcSwapOption<Artifacts>,
    /// The queue of jobs, if there is one: nothing that plays depends on it.
    pub jobs: ArcSwapOption<Jobs>,
    /// What was made of titles.
    pub made: ManifestCache,
    /// What is counted.
    pub metrics: Metrics,
    /// The runtime beside the I/O workers.
    beside: Handle,
    /// Places for what is waited for there.
    places: Semaphore,
    /// Begins when the server is about to go down.
    drain: Drain,
}

impl Site {
    /// Puts together what routes need.
    pub fn new(
        library: Arc<Library>,
        settings: Settings,
        metrics: Metrics,
        beside: Handle,
    ) -> Arc<Self> {
        let made = ManifestCache::new(settings.manifest_cache_mib.get() << 20);
        let settings = ArcSwap::from_pointee(settings);
        let places = Semaphore::new(PLACES_BESIDE);
        Arc::new(Self {
            library,
            settings,
            token: ArcSwapOption::empty(),
            artifacts: ArcSwapOption::empty(),
            jobs: ArcSwapOption::empty(),
            made,
            metrics,
            beside,
            places,
            drain: Drain::default(),
        })
    }

    /// Makes a call beside the I/O workers, because it takes longer than a millisecond. Refused when
    /// too many wait already.
    pub async fn spawn_blocking_limited<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let _place = self.places.try_acquire().map_err(|_| BUSY)?;
        let made = self.beside.spawn_blocking(call).await;
        made.map_err(|error| Error::Internal(Box::new(error)))
    }

    /// Awaits something beside the I/O workers, because it needs another runtime than theirs: what
    /// comes over a database's connections. It goes on when nobody waits for it any more.
    pub async fn spawn_limited<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let _place = self.places.try_acquire().map_err(|_| BUSY)?;
        let made = self.beside.spawn(future).await;
        made.map_err(|error| Error::Internal(Box::new(error)))
    }

    /// From now on there is a queue, of which these are told.
    pub async fn open_queue(
        &self,
        queue: Queue,
        artifacts: Arc<Artifacts>,
        webhooks: Vec<Webhook>,
    ) {
        webhooks::start(&queue, webhooks, &self.beside, &self.drain).await;
        let library = Arc::clone(&self.library);
        let jobs = Jobs::new(queue, library, self.beside.clone(), self.drain.clone());
        self.jobs.store(Some(Arc::new(jobs)));
        self.artifacts.store(Some(artifacts));
    }

    /// From now on the server is not ready any more, so that balancers send nobody new.
    pub fn start_draining(&self) {
        self.drain.begin();
    }

    /// Whether the server is about to go down.
    pub fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }
}

/// Adds all routes. Each takes any method and answers those that it does not know itself, so that
/// what exists is 405 and what does not is 404.
pub fn configure(config: &mut web::ServiceConfig, site: &Arc<Site>) {
    config.app_data(web::Data::from(Arc::clone(site)));
    config
        .service(web::resource("/media/{path:.*}").to(files::serve))
        .service(web::resource("/v/{path:.*}").to(streams::serve))
        .service(web::resource("/api/titles").to(api::titles))
        .service(web::resource("/api/titles/{path:.*}").to(api::title))
        .service(web::resource("/api/jobs").to(jobs::all))
        .service(web::resource("/api/jobs/{id}").to(jobs::one))
        .service(web::resource("/api/jobs/{id}/cancel").to(jobs::cancel))
        .service(web::resource("/api/jobs/{id}/retry").to(jobs::retry))
        .service(web::resource("/api/events").to(events::events))
        .service(web::resource("/api/status").to(operations::status))
        .service(web::resource("/api/openapi.json").to(openapi::description))
        .service(web::resource("/healthz").to(operations::alive))
        .service(web::resource("/readyz").to(operations::ready))
        .service(web::resource("/metrics").to(operations::metrics))
        .service(web::resource(["/", "/watch/{path:.*}"]).to(page::page));
    match &site.settings.load().ui_dir {
        Some(sources) => config.service(actix_files::Files::new("/assets", sources)),
        None => config.service(web::resource("/assets/{name}").to(page::asset)),
    };
    config.default_service(web::to(operations::nothing));
}
