//! Removes objects of artifacts that no row names.
//!
//! A worker that is killed leaves the objects that it had put, and one that lost its lease may still put some.
//! One server at a time walks over the bucket, a page in each round, so that the work of a round is bounded
//! however many artifacts there are.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use tokio::time::interval;
use uuid::Uuid;

use super::round_error::RoundError;
use crate::{
    queue::Queue,
    store::{ArtifactBucket, artifacts::ArtifactStore},
};

/// The time that a page may take before another server takes the walk over.
const LEASE: Duration = Duration::from_secs(600);

/// The time between two walks.
const WALK_INTERVAL: Duration = Duration::from_secs(3600);

/// An object is left alone for so long, whatever the rows say: its upload may just have ended.
const YOUNG: Duration = Duration::from_secs(600);

/// The walk over the objects of artifacts, as one process takes part in it.
#[derive(Clone, Debug)]
pub struct ObjectSweep {
    queue: Queue,
    artifacts: ArtifactStore,
    owner: String,
    young: Duration,
}

impl ObjectSweep {
    /// A part in the walk.
    pub fn new(queue: Queue, artifacts: ArtifactStore) -> Self {
        Self { queue, artifacts, owner: Uuid::now_v7().to_string(), young: YOUNG }
    }

    /// The same, with another age up to which objects are left alone.
    #[must_use]
    pub fn sparing(self, young: Duration) -> Self {
        Self { young, ..self }
    }

    /// Takes part in the walk forever, and looks for a page that is due at these intervals.
    pub async fn run(self, every: Duration) {
        let mut ticks = interval(every);
        loop {
            ticks.tick().await;
            if let Err(error) = self.next_page().await {
                tracing::warn!(%error, "could not sweep artifacts, retrying");
            }
        }
    }

    /// Removes what no row names from the next page, if one is due and no other process walks. Returns the
    /// number of objects that were removed; `None` if there was nothing to do.
    ///
    /// # Errors
    /// If the bucket or the database does not respond: the page stays due.
    pub async fn next_page(&self) -> Result<Option<usize>, RoundError> {
        let Some(bucket) = self.artifacts.bucket() else { return Ok(None) };
        let Some(after) = self.queue.take_artifact_sweep(&self.owner, LEASE).await? else {
            return Ok(None);
        };
        let after = Some(&*after).filter(|after| !after.is_empty());
        let (removed, next) = self.sweep(bucket, after).await?;
        let due_in = if next.is_some() { Duration::ZERO } else { WALK_INTERVAL };
        let next = next.as_deref().unwrap_or_default();
        self.queue.advance_artifact_sweep(&self.owner, next, due_in).await?;
        Ok(Some(removed))
    }

    /// Removes what no row names from the page behind an object, due or not. Returns the number of objects that
    /// were removed, and where the next page begins.
    ///
    /// # Errors
    /// As those of [`next_page`](Self::next_page).
    pub async fn sweep_now(
        &self,
        after: Option<&str>,
    ) -> Result<(usize, Option<String>), RoundError> {
        match self.artifacts.bucket() {
            Some(bucket) => self.sweep(bucket, after).await,
            None => Ok((0, None)),
        }
    }

    /// Sweeps a page. Returns the number of objects that were removed, and where the next page begins.
    async fn sweep(
        &self,
        bucket: &ArtifactBucket,
        after: Option<&str>,
    ) -> Result<(usize, Option<String>), RoundError> {
        let page = bucket.page(after).await?;
        let keys = || page.objects.iter().map(|object| object.key.as_str());
        let (Some(first), Some(last)) = (keys().min(), keys().max()) else {
            return Ok((0, page.next));
        };
        // In this order: an object that was put before the listing belongs to a running job, or has its row.
        let running = self.queue.running_tokens().await?;
        let rows: HashSet<_> =
            self.queue.artifacts_between(first, last).await?.into_iter().collect();
        let now = SystemTime::now();
        let mut removed = 0;
        for object in &page.objects {
            let is_named = rows.contains(&(object.key.to_string(), object.token));
            let age = object.modified.and_then(|modified| now.duration_since(modified).ok());
            let is_young = age.unwrap_or_default() < self.young;
            if is_named || is_young || running.contains(&object.token) {
                continue;
            }
            tracing::info!(object = object.name, "removing an object without a row");
            bucket.remove_object(object).await?;
            removed += 1;
        }
        Ok((removed, page.next))
    }
}
