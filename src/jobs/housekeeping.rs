//! What has to be done now and then: lost jobs are ended, old ones forgotten, artifacts kept within
//! their budget, and folders removed that no row names.

use std::{collections::HashSet, time::Duration};

use tokio::{task::spawn_blocking, time::interval};

use super::queue::{Artifact, Filter, Queue, QueueError, State};
use crate::store::artifacts::{Artifacts, Key};

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// How often the folders on disk are held against the rows, in rounds of the above; at the start too.
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
    pub artifacts: Artifacts,
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

impl Housekeeping {
    /// Does it again and again. `used` tells the keys that were asked for since it was called last;
    /// `forget` is told those that are about to be removed.
    pub async fn run(self, used: impl Fn() -> Vec<String> + Send, forget: impl Fn(&str) + Send) {
        let mut rounds = interval(EVERY);
        let mut round = 0_u32;
        loop {
            rounds.tick().await;
            if let Err(error) = self.round(&used(), &forget).await {
                tracing::warn!(%error, "housekeeping was put off");
            }
            if round.is_multiple_of(ROUNDS_TO_SWEEP)
                && let Err(error) = self.sweep_folders().await
            {
                tracing::warn!(%error, "what may be left behind was not looked for");
            }
            round = round.wrapping_add(1);
        }
    }

    async fn round(&self, used: &[String], forget: &(impl Fn(&str) + Send)) -> Result<(), Left> {
        let swept = self.queue.sweep(self.keep_jobs).await?;
        tracing::debug!(?swept, "swept");
        if !used.is_empty() {
            self.queue.touch_artifacts(used).await?;
        }
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

    /// Removes the folders that neither a row names nor a job that is running.
    async fn sweep_folders(&self) -> Result<(), Left> {
        let artifacts = self.artifacts.clone();
        let folders = spawn_blocking(move || artifacts.folders()).await??;
        // Asked in this order: what is published while we look is either still running, or has its row.
        let running = Filter { state: Some(State::Running), ..Filter::default() };
        let running = self.queue.jobs(&running, RUNNING_MAX, None).await?;
        let held: HashSet<i64> = running.iter().map(|job| job.lease_token).collect();
        for (key, token) in folders.into_iter().filter(|(_, token)| !held.contains(token)) {
            let row = match &key {
                Some(key) => self.queue.artifact(key.as_str()).await?,
                None => None,
            };
            if row.is_some_and(|row| row.token == token) {
                continue;
            }
            tracing::info!(token, "removing what was left behind");
            let artifacts = self.artifacts.clone();
            let remove = move || match key {
                Some(key) => artifacts.remove(&key, token),
                None => artifacts.remove_unfinished(token),
            };
            spawn_blocking(remove).await??;
        }
        Ok(())
    }
}
