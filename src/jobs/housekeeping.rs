//! What has to be done now and then: lost jobs are ended, old ones forgotten, artifacts kept within
//! their budget, and folders removed that no row names.

use std::{collections::HashSet, time::Duration};

use tokio::{task::spawn_blocking, time::interval};

use crate::queue::{Artifact, Filter, Queue, QueueError, State};
use crate::store::artifacts::{ArtifactStore, Key};

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// How often all that was published is held against the rows, in rounds of the above; at the start too.
const ROUNDS_TO_SWEEP: u32 = 30;

/// Artifacts that are looked at for what goes first, at a time.
const OLDEST: u32 = 100;

/// Jobs that can be running at a time, of all workers.
const RUNNING_MAX: u32 = 10_000;

/// Keeps house for the queue and for what its jobs have made.
#[derive(Clone, Debug)]
pub struct Housekeeping {
    /// The queue.
    pub queue: Queue,
    /// Where artifacts are.
    pub artifacts: ArtifactStore,
    /// What they may take on disk together, in bytes.
    pub budget_bytes: u64,
    /// For how long ended jobs are remembered.
    pub keep_jobs: Duration,
}

/// Why something was left for the next round.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the folder of artifacts: {0}")]
    Disk(#[from] std::io::Error),
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sweep {
    /// Each folder has its row.
    Over,
    /// One has none yet, or its worker is gone: that is known when the lease has run out.
    Unsure,
}

impl Housekeeping {
    /// Does it again and again. `used` tells the keys that were asked for since it was called last;
    /// `forget` is told those that are about to be removed.
    pub async fn run(self, used: impl Fn() -> Vec<String> + Send, forget: impl Fn(&str) + Send) {
        let mut rounds = interval(EVERY);
        let mut rounds_to_sweep = 0_u32;
        loop {
            rounds.tick().await;
            if let Err(error) = self.round(&used(), &forget).await {
                tracing::warn!(%error, "housekeeping was put off");
            }
            rounds_to_sweep = rounds_to_sweep.saturating_sub(1);
            if rounds_to_sweep == 0 {
                rounds_to_sweep = match self.sweep_published().await {
                    Ok(Sweep::Over) => ROUNDS_TO_SWEEP,
                    Ok(Sweep::Unsure) => 1,
                    Err(error) => {
                        tracing::warn!(%error, "what may be left behind was not looked for");
                        1
                    }
                };
            }
        }
    }

    async fn round(&self, used: &[String], forget: &(impl Fn(&str) + Send)) -> Result<(), Left> {
        let swept = self.queue.sweep(self.keep_jobs).await?;
        tracing::debug!(?swept, "swept");
        if !used.is_empty() {
            self.queue.touch_artifacts(used).await?;
        }
        self.sweep_unfinished().await?;
        let mut bytes = self.queue.artifacts_bytes().await?;
        while bytes > self.budget_bytes {
            let oldest = self.queue.artifacts_by_age(OLDEST).await?;
            if oldest.is_empty() {
                break;
            }
            for artifact in oldest {
                if bytes <= self.budget_bytes {
                    break;
                }
                bytes = bytes.saturating_sub(artifact.bytes);
                forget(&artifact.key);
                self.remove(artifact).await?;
            }
        }
        Ok(())
    }

    /// Removes an artifact: its row first, so that nobody is told of what is half removed.
    async fn remove(&self, artifact: Artifact) -> Result<(), Left> {
        let Artifact { key, token, bytes, .. } = artifact;
        if self.queue.forget_artifact(&key, token).await?
            && let Some(key) = Key::new(key)
        {
            tracing::info!(%key, bytes, "evicted");
            let artifacts = self.artifacts.clone();
            spawn_blocking(move || artifacts.remove(&key, token)).await??;
        }
        Ok(())
    }

    /// Removes what is made by nobody any more.
    async fn sweep_unfinished(&self) -> Result<(), Left> {
        let artifacts = self.artifacts.clone();
        let folders = spawn_blocking(move || artifacts.unfinished()).await??;
        if folders.is_empty() {
            return Ok(());
        }
        // Asked after the folders: whoever made one before is still running, or has let it go.
        let held = self.held().await?;
        for token in folders.into_iter().filter(|token| !held.contains(token)) {
            tracing::info!(token, "removing what was left half made");
            let artifacts = self.artifacts.clone();
            spawn_blocking(move || artifacts.remove_unfinished(token)).await??;
        }
        Ok(())
    }

    /// Removes the published folders that neither a row names nor a job that is running.
    async fn sweep_published(&self) -> Result<Sweep, Left> {
        let artifacts = self.artifacts.clone();
        let folders = spawn_blocking(move || artifacts.published()).await??;
        // Asked in this order: what is published while we look is either still running, or has its row.
        let held = self.held().await?;
        let mut sweep = Sweep::Over;
        for (key, token) in folders {
            let row = self.queue.artifact(key.as_str()).await?;
            if row.is_some_and(|row| row.token == token) {
                continue;
            }
            if held.contains(&token) {
                sweep = Sweep::Unsure;
                continue;
            }
            tracing::info!(%key, token, "removing what no row names");
            let artifacts = self.artifacts.clone();
            spawn_blocking(move || artifacts.remove(&key, token)).await??;
        }
        Ok(sweep)
    }

    /// The tokens of the jobs that are running.
    async fn held(&self) -> Result<HashSet<i64>, QueueError> {
        let running = Filter { state: Some(State::Running), ..Filter::default() };
        let running = self.queue.jobs(&running, RUNNING_MAX, None).await?;
        Ok(running.iter().map(|job| job.lease_token).collect())
    }
}
