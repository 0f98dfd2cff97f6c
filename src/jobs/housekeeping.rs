//! Periodic work of a server: ends lost jobs, deletes old ones, keeps artifacts within their maximum
//! size, and removes folders and objects without a row.
//!
//! Artifacts over the maximum size are evicted in the order of
//! [`Queue::artifacts_to_evict`]: what is soon made again goes first.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::interval};

use super::{object_sweep::ObjectSweep, round_error::RoundError, workspaces};
use crate::queue::{Artifact, Queue};
use crate::store::artifacts::{ArtifactStore, Key};

/// Interval between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_secs(10);

/// Rounds between two comparisons of all published folders with their rows; the first is at the start.
const ROUNDS_PER_FOLDER_SWEEP: u32 = 30;

/// Artifacts that one query for eviction returns. The query reads all rows.
const EVICTION_BATCH: u32 = 1000;

/// Housekeeping of the queue and the artifacts.
#[derive(Clone, Debug)]
pub struct Housekeeping {
    /// The queue.
    pub queue: Queue,
    /// The storage of artifacts.
    pub artifacts: ArtifactStore,
    /// Maximum size of all artifacts, in bytes.
    pub max_bytes: u64,
    /// Retention of ended jobs.
    pub job_retention: Duration,
}

/// The caches of artifacts in the process that runs housekeeping.
pub trait ArtifactCaches: Send + Sync {
    /// The keys of artifacts that were used since the last call.
    fn take_used(&self) -> Vec<String>;

    /// An artifact was removed: its files must be closed, or they occupy the disk.
    fn forget(&self, key: &str, token: i64);

    /// Closes all files that were removed, also by other processes.
    fn forget_removed(&self);
}

/// Result of a comparison of folders with rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum FolderSweep {
    /// Each folder has a row.
    Complete,
    /// A folder belongs to a job that is running or lost; the end of its lease shows which.
    Incomplete,
}

impl Housekeeping {
    /// Runs rounds forever.
    pub async fn run(self, caches: impl ArtifactCaches) {
        if let Err(error) = self.remove_old_layout().await {
            tracing::warn!(%error, "could not remove folders of an older version");
        }
        let mut rounds = interval(ROUND_INTERVAL);
        let mut rounds_to_sweep = 0_u32;
        if self.artifacts.bucket().is_some() {
            let objects = ObjectSweep::new(self.queue.clone(), self.artifacts.clone());
            // A task of its own: a bucket that does not respond must not keep the queue from being swept.
            tokio::spawn(objects.run(ROUND_INTERVAL));
        }
        loop {
            rounds.tick().await;
            if let Err(error) = self.round(&caches).await {
                tracing::warn!(%error, "housekeeping failed, retrying");
            }
            caches.forget_removed();
            if self.artifacts.bucket().is_some() {
                continue;
            }
            rounds_to_sweep = rounds_to_sweep.saturating_sub(1);
            if rounds_to_sweep == 0 {
                rounds_to_sweep = match self.sweep_published().await {
                    Ok(FolderSweep::Complete) => ROUNDS_PER_FOLDER_SWEEP,
                    Ok(FolderSweep::Incomplete) => 1,
                    Err(error) => {
                        tracing::warn!(%error, "could not sweep artifacts, retrying");
                        1
                    }
                };
            }
        }
    }

    async fn round(&self, caches: &impl ArtifactCaches) -> Result<(), RoundError> {
        // First, because it frees space, and all others write to a disk that may be full.
        workspaces::sweep(&self.queue, &self.artifacts).await?;
        let used = caches.take_used();
        let swept = self.queue.sweep(self.job_retention).await?;
        tracing::debug!(?swept, "swept jobs");
        if !used.is_empty() {
            self.queue.touch_artifacts(&used).await?;
        }
        let mut bytes = self.queue.artifacts_bytes().await?;
        while bytes > self.max_bytes {
            let candidates =
                self.queue.artifacts_to_evict(EVICTION_BATCH, self.max_bytes / 8).await?;
            if candidates.is_empty() {
                break;
            }
            for artifact in candidates {
                if bytes <= self.max_bytes {
                    break;
                }
                bytes = bytes.saturating_sub(artifact.bytes);
                self.evict(artifact, caches).await?;
            }
        }
        Ok(())
    }

    /// Removes an artifact: its row first, so that no row names a half-removed folder, and its open files
    /// last, so that no request opens them again.
    async fn evict(
        &self,
        artifact: Artifact,
        caches: &impl ArtifactCaches,
    ) -> Result<(), RoundError> {
        let Artifact { key, token, bytes, work_ms, .. } = artifact;
        if self.queue.delete_artifact(&key, token).await?
            && let Some(removed) = Key::new(key.as_str())
        {
            tracing::info!(key, bytes, work_ms, "artifact evicted");
            let removed = self.artifacts.remove(&removed, token).await;
            caches.forget(&key, token);
            removed?;
        }
        Ok(())
    }

    async fn remove_old_layout(&self) -> Result<(), RoundError> {
        let artifacts = self.artifacts.clone();
        Ok(spawn_blocking(move || artifacts.remove_old_layout()).await??)
    }

    /// Removes published folders that have neither a row nor a running job.
    async fn sweep_published(&self) -> Result<FolderSweep, RoundError> {
        let artifacts = self.artifacts.clone();
        let folders = spawn_blocking(move || artifacts.published()).await??;
        // In this order: a folder published meanwhile belongs to a running job, or has its row.
        let running = self.queue.running_tokens().await?;
        let mut sweep = FolderSweep::Complete;
        for (key, token) in folders {
            let row = self.queue.artifact(key.as_str()).await?;
            if row.is_some_and(|row| row.token == token) {
                continue;
            }
            if running.contains(&token) {
                sweep = FolderSweep::Incomplete;
                continue;
            }
            tracing::info!(%key, token, "removing a folder without a row");
            self.artifacts.remove(&key, token).await?;
        }
        Ok(sweep)
    }
}
