//! Deletes the rows of buckets that are in no configuration any more.
//!
//! Which buckets other processes have cannot be known, but each that is configured somewhere is listed at least once
//! in `rescan_s`, or its listing is tried.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, interval_at};
use tracing::{debug, info};

use super::{
    Shared,
    statements::{ABANDONED, DELETE_LISTING, DELETE_SOME, LOCK_ABANDONED},
};
use crate::store::{Database, DatabaseError, time::millis};

/// The rows of a bucket that no process has listed for so long are deleted: more than any `rescan_s`, which is a
/// week at most.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(30 * 86_400);

/// The interval between looks for such buckets.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);

/// The objects that one transaction deletes: writers of other objects wait for it.
const PIECE: i64 = 2000;

impl Shared {
    /// Deletes the rows of abandoned buckets, for as long as the runtime lives.
    pub(super) async fn keep_deleting_abandoned(self: Arc<Self>) {
        // Listers come first: after a month without any process, each bucket of this one looks abandoned.
        let mut looks = interval_at(Instant::now() + LOOK_INTERVAL, LOOK_INTERVAL);
        loop {
            looks.tick().await;
            let Some(database) = self.database.load_full() else { continue };
            if let Err(error) = delete_abandoned(&database).await {
                debug!(%error, "the rows of abandoned buckets are not deleted, retrying");
            }
        }
    }
}

/// Deletes the rows of all buckets that no process has listed for [`ABANDONED_AFTER`].
///
/// # Errors
/// If the database does not respond. Some rows are deleted then, and the bucket counts as not listed.
pub async fn delete_abandoned(database: &Database) -> Result<(), DatabaseError> {
    let statement = ABANDONED.for_dialect(database.dialect());
    let values = ["".into(), millis(ABANDONED_AFTER).into()];
    while let Some(row) = database.row(statement, &values).await? {
        let (root, url): (String, String) = (row.get("root")?, row.get("url")?);
        let mut objects = 0;
        while let Some(deleted) = delete_piece(database, &root).await? {
            objects += deleted;
            if deleted == 0 {
                info!(url, objects, "deleted the rows of a bucket that no process lists any more");
                break;
            }
        }
    }
    Ok(())
}

/// Deletes some objects of a bucket, or its listing when none is left. Returns how many objects; `None` if a
/// process has begun to list it.
async fn delete_piece(database: &Database, root: &str) -> Result<Option<u64>, DatabaseError> {
    let mut transaction = database.begin().await?;
    let lock = LOCK_ABANDONED.for_dialect(database.dialect());
    if transaction.execute(lock, &[root.into(), millis(ABANDONED_AFTER).into()]).await? == 0 {
        return Ok(None);
    }
    let deleted = transaction.execute(DELETE_SOME, &[root.into(), PIECE.into()]).await?;
    if deleted == 0 {
        transaction.execute(DELETE_LISTING, &[root.into()]).await?;
    }
    transaction.commit().await?;
    Ok(Some(deleted))
}
