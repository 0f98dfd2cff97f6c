//! Checks the objects that events are about.

use std::sync::{Arc, atomic::Ordering};

use futures::future::join_all;
use tokio::time::sleep;
use tracing::debug;

use super::{
    ListedBucket,
    follower::RETRY_INTERVAL,
    rows::{Observation, Rows},
};
use crate::{extent::bucket::ObjectChange, store::DatabaseError};

/// The objects of a bucket that are checked at the same time.
const CHECKS_MAX: usize = 16;

/// How often objects are checked again because their rows have changed meanwhile.
const ATTEMPTS_MAX: usize = 5;

impl ListedBucket {
    /// Checks each object that an event is about.
    pub(super) async fn keep_checking(self: Arc<Self>) {
        loop {
            let keys = self.events.take(CHECKS_MAX).await;
            for _ in 0..ATTEMPTS_MAX {
                if self.check(&keys).await {
                    break;
                }
            }
        }
    }

    /// Writes the present states of objects. Returns `false` if a row has changed between the requests and the
    /// write: which of the two states is newer is then unknown.
    async fn check(&self, keys: &[Arc<str>]) -> bool {
        let database = self.database();
        let rows = database.as_deref().map(|database| Rows { database, root: &self.id });
        // Before the requests.
        let seen = match rows {
            Some(rows) => rows.state().await.map(|state| state.last),
            None => Ok(0),
        };
        let states = join_all(keys.iter().map(|key| self.place.confirm(key))).await;
        let checked = |state: Result<ObjectChange, _>| {
            // The next listing finds it.
            state.inspect_err(|error| debug!(%error, "an event is not checked")).ok()
        };
        let objects: Vec<_> = states.into_iter().filter_map(checked).collect();
        if let (Some(rows), Ok(seen)) = (rows, seen) {
            match self.write(rows, &objects, seen).await {
                Ok(is_newest) => return is_newest,
                Err(error) => debug!(%error, "the state of objects is not stored"),
            }
        }
        // This origin at least knows.
        self.apply(&objects).await;
        if rows.is_some() {
            // The others shall, once the database responds. If there is no room, the next listing says it.
            self.is_ahead.store(true, Ordering::Release);
            self.events.push(keys.iter().map(|key| &**key)).ok();
            sleep(RETRY_INTERVAL).await;
        }
        true
    }

    async fn write(
        &self,
        rows: Rows<'_>,
        objects: &[ObjectChange],
        seen: i64,
    ) -> Result<bool, DatabaseError> {
        let merged = rows.merge(&Observation { page: None, objects, seen }).await?;
        if merged.written > 0 {
            self.shared.signal.wake();
        }
        Ok(merged.newer == 0)
    }
}
