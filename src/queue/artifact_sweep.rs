//! The walk over artifacts in a bucket, which one process does at a time, a page after the other.

use std::time::Duration;

use super::{Queue, QueueError, clock::millis};

/// Takes the walk for $1 until $2, or keeps it, if a page is due at $3 and no other process has it.
const TAKE: &str = "INSERT INTO artifact_sweep (one, owner, lease_until_ms, after_object, due_ms)
    VALUES (1, $1, $2, '', $3)
    ON CONFLICT (one) DO UPDATE SET owner = excluded.owner, lease_until_ms = excluded.lease_until_ms
    WHERE artifact_sweep.due_ms <= $3
        AND (artifact_sweep.owner = excluded.owner OR artifact_sweep.lease_until_ms <= $3)
    RETURNING after_object";

/// Ends the lease, too: any process may do the next page.
const ADVANCE: &str = "UPDATE artifact_sweep
    SET after_object = $2, due_ms = $3, lease_until_ms = 0
    WHERE one = 1 AND owner = $1";

/// The keys and tokens of artifacts whose keys are not less than $1, and not greater than $2.
const BETWEEN: &str = "SELECT key, token FROM artifacts WHERE key >= $1 AND key <= $2";

impl Queue {
    /// Takes the next page of the walk for `lease`. Returns the object behind which it begins, an empty text
    /// at the beginning; `None` if no page is due, or another process has the walk.
    pub async fn take_artifact_sweep(
        &self,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<String>, QueueError> {
        let now_ms = self.clock.now_ms(&self.database).await?;
        let values = [owner.into(), (now_ms + millis(lease)).into(), now_ms.into()];
        let row = self.database.write(TAKE, &values).await?;
        Ok(row.map(|row| row.get("after_object")).transpose()?)
    }

    /// Notes that the page is done, and where and when the next one begins.
    pub async fn advance_artifact_sweep(
        &self,
        owner: &str,
        after: &str,
        due_in: Duration,
    ) -> Result<(), QueueError> {
        let now_ms = self.clock.now_ms(&self.database).await?;
        let values = [owner.into(), after.into(), (now_ms + millis(due_in)).into()];
        self.database.write(ADVANCE, &values).await?;
        Ok(())
    }

    /// The keys and tokens of artifacts from one key to another, both included.
    pub async fn artifacts_between(
        &self,
        first: &str,
        last: &str,
    ) -> Result<Vec<(String, i64)>, QueueError> {
        let rows = self.database.rows(BETWEEN, &[first.into(), last.into()]).await?;
        let rows = rows.iter().map(|row| Ok((row.get("key")?, row.get("token")?)));
        rows.collect()
    }
}
