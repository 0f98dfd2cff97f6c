//! The server's side of what is made by jobs: the queue, what they have made, and a worker beside it.
//!
//! Nothing that plays depends on any of it. A database that does not answer is tried again and again,
//! and until it does there are no jobs and no pictures.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{runtime::Handle, time::sleep};
use tracing::{info, warn};

use super::policy;
use crate::{
    http::Site,
    jobs::{
        housekeeping::Housekeeping,
        supervisor::{Supervisor, WorkerCommand},
    },
    queue::Queue,
    serve::start,
    store::{Database, artifacts::ArtifactStore},
    titles::artifacts::Artifacts,
    transcode::program::find_program,
    webhooks::Webhook,
};

/// How long to wait before a database that does not answer is tried again.
const PAUSE: Duration = Duration::from_secs(5);

const NO_FFMPEG: &str = "this cannot be made here, because ffmpeg is not installed";

/// What was started.
pub struct Making {
    supervisor: Supervisor,
}

impl Making {
    /// Opens the queue, and starts a worker if there is to be one.
    pub fn start(
        site: &Arc<Site>,
        data: &Path,
        worker: Option<WorkerCommand>,
        webhooks: Vec<Webhook>,
        beside: &Handle,
    ) -> Self {
        let supervisor = Supervisor::default();
        // Other workers may have it; but if ours is the only one, nobody is to wait in vain.
        let lacks = (worker.is_some() && find_program("ffmpeg").is_none()).then_some(NO_FFMPEG);
        let opening = Opening {
            site: Arc::clone(site),
            data: data.to_owned(),
            supervisor: supervisor.clone(),
            webhooks,
            lacks,
        };
        // At best before the first request is answered.
        if let Err(error) = beside.block_on(opening.open(beside)) {
            warn!(%error, "there are no jobs and no pictures for now; files play without");
            let handle = beside.clone();
            beside.spawn(async move {
                loop {
                    sleep(PAUSE).await;
                    if opening.open(&handle).await.is_ok() {
                        info!("the queue is open now");
                        return;
                    }
                }
            });
        }
        if let (Some(command), None) = (worker, lacks) {
            beside.spawn(supervisor.clone().keep_running(command));
        }
        Self { supervisor }
    }

    /// Ends the worker.
    pub async fn stop(&self) {
        self.supervisor.stop().await;
    }
}

/// What it takes to open the queue.
struct Opening {
    site: Arc<Site>,
    data: std::path::PathBuf,
    supervisor: Supervisor,
    webhooks: Vec<Webhook>,
    lacks: Option<&'static str>,
}

impl Opening {
    async fn open(&self, beside: &Handle) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let settings = self.site.settings.load_full();
        let database = Database::open(settings.database.as_deref(), &self.data).await?;
        let queue = Queue::new(database);
        let store = ArtifactStore::open(&self.data, settings.min_free_disk_mib.get() << 20)?;
        let artifacts = Artifacts::new(
            queue.clone(),
            start::open_made(&store, &settings).await?,
            self.supervisor.clone(),
            beside.clone(),
            self.lacks,
        );
        let housekeeping = Housekeeping {
            queue: queue.clone(),
            artifacts: store,
            budget_bytes: settings.artifacts_max_mib.get() << 20,
            keep_jobs: Duration::from_secs(settings.job_keep_days.get() * 86_400),
        };
        let (used, forgotten) = (Arc::clone(&artifacts), Arc::clone(&artifacts));
        beside.spawn(
            housekeeping.run(move || used.take_used(), move |key: &str| forgotten.forget(key)),
        );
        beside.spawn(policy::follow(Arc::clone(&self.site), queue.clone()));
        self.site.open_queue(queue, artifacts, self.webhooks.clone()).await;
        Ok(())
    }
}
