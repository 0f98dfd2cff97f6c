//! The job system of a server: the queue, the artifacts, and a supervised worker.
//!
//! Playback depends on none of it. If the database is unavailable, the server retries in the background;
//! until then there are no jobs and no images.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::policy;
use crate::{
    extent::bucket::BucketPlace,
    http::Site,
    jobs::{
        housekeeping::{ArtifactCaches, Housekeeping},
        supervisor::{Supervisor, WorkerCommand},
    },
    queue::Queue,
    serve::{artifact_storage, buckets::CacheOf},
    store::{Database, identity},
    titles::artifacts::Artifacts,
    transcode::program::find_program,
    webhooks::Webhook,
};

/// Delay before an unavailable database is opened again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// How long a start waits for the database and the artifacts.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

const NO_FFMPEG: &str = "ffmpeg is not installed on the server";

/// The running job system.
pub struct JobSystem {
    supervisor: Supervisor,
}

impl JobSystem {
    /// Opens the queue, and starts a worker if there is a command for one.
    pub fn start(
        site: &Arc<Site>,
        data: &Path,
        worker: Option<WorkerCommand>,
        webhooks: Vec<Webhook>,
        background: &Handle,
    ) -> Self {
        let supervisor = Supervisor::default();
        // Without a local worker, others may have ffmpeg; a local one without it would leave clients
        // waiting.
        let unavailable =
            (worker.is_some() && find_program("ffmpeg").is_none()).then_some(NO_FFMPEG);
        let opener = Opener {
            site: Arc::clone(site),
            data: data.to_owned(),
            supervisor: supervisor.clone(),
            webhooks,
            unavailable,
        };
        // If possible, before the first request.
        let first = background.block_on(async {
            let opened = timeout(OPEN_TIMEOUT, opener.open(background)).await;
            opened.unwrap_or_else(|_elapsed| Err("they did not respond in time".into()))
        });
        if let Err(error) = first {
            warn!(%error, "jobs and images unavailable, retrying; files play without them");
            let handle = background.clone();
            background.spawn(async move {
                loop {
                    sleep(RETRY_INTERVAL).await;
                    if opener.open(&handle).await.is_ok() {
                        info!("jobs and images available");
                        return;
                    }
                }
            });
        }
        if let (Some(command), None) = (worker, unavailable) {
            background.spawn(supervisor.clone().keep_running(command));
        }
        Self { supervisor }
    }

    /// Stops the worker.
    pub async fn stop(&self) {
        self.supervisor.stop().await;
    }
}

/// All that opening the queue needs.
struct Opener {
    site: Arc<Site>,
    data: PathBuf,
    supervisor: Supervisor,
    webhooks: Vec<Webhook>,
    /// Why no job can run here.
    unavailable: Option<&'static str>,
}

impl Opener {
    async fn open(
        &self,
        background: &Handle,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let settings = self.site.settings.load_full();
        let database = Database::open(settings.database.as_deref(), &self.data).await?;
        let store = artifact_storage::open(&settings, &self.data)?;
        identity::check(&database, &store).await?;
        let queue = Queue::new(database);
        let library = &self.site.titles.library;
        let artifacts = Artifacts::new(
            queue.clone(),
            artifact_storage::open_for_reading(&store, &settings, library, CacheOf::Server).await?,
            self.supervisor.clone(),
            background.clone(),
            self.unavailable,
        );
        let housekeeping = Housekeeping {
            queue: queue.clone(),
            artifacts: store,
            max_bytes: settings.artifacts_max_mib.get() << 20,
            job_retention: Duration::from_secs(settings.job_keep_days.get() * 86_400),
        };
        let caches = Caches(Arc::clone(&artifacts));
        background.spawn(housekeeping.run(caches));
        if let Some(bucket) = artifacts.bucket() {
            background.spawn(BucketPlace::keep_reopening(Arc::downgrade(bucket)));
        }
        background.spawn(policy::run(Arc::clone(&self.site), queue.clone()));
        self.site.open_queue(queue, artifacts, self.webhooks.clone()).await;
        Ok(())
    }
}

/// The caches of artifacts in a server.
struct Caches(Arc<Artifacts>);

impl ArtifactCaches for Caches {
    fn take_used(&self) -> Vec<String> {
        self.0.take_used()
    }

    fn forget(&self, key: &str, token: i64) {
        self.0.forget(key, token);
    }

    fn forget_removed(&self) {
        self.0.forget_removed();
    }
}
