//! Removes the workspaces of jobs that were lost, with whatever they had written.

use std::time::Duration;

use tokio::{task::spawn_blocking, time::interval};

use super::round_error::RoundError;
use crate::{queue::Queue, store::artifacts::ArtifactStore};

/// Interval between two looks of a worker at the workspaces of its data folder.
const INTERVAL: Duration = Duration::from_secs(30);

/// Removes lost workspaces forever: those of a worker with a data folder of its own, where no server does it.
pub async fn keep_sweeping(queue: Queue, artifacts: ArtifactStore) {
    let mut ticks = interval(INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&queue, &artifacts).await {
            tracing::warn!(%error, "could not remove workspaces, retrying");
        }
    }
}

/// Removes the workspaces of jobs that are not running.
pub(super) async fn sweep(queue: &Queue, artifacts: &ArtifactStore) -> Result<(), RoundError> {
    let listed = artifacts.clone();
    let workspaces = spawn_blocking(move || listed.in_progress()).await??;
    if workspaces.is_empty() {
        return Ok(());
    }
    // After the list of folders: a job with a folder in it is still running, or has ended.
    let running = queue.running_tokens().await?;
    for token in workspaces.into_iter().filter(|token| !running.contains(token)) {
        tracing::info!(token, "removing the workspace of a lost job");
        let artifacts = artifacts.clone();
        spawn_blocking(move || artifacts.remove_in_progress(token)).await??;
    }
    Ok(())
}
