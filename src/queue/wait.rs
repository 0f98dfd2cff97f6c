//! Waits for changes without constant polling.

use std::time::Duration;

use tokio::time::timeout;

use super::{Queue, QueueError};

/// Channel of LISTEN and NOTIFY.
pub(super) const CHANNEL: &str = "headwater_jobs";

/// Notifies all processes, with PostgreSQL, once the transaction commits.
macro_rules! notify_sql {
    () => {
        "pg_notify('headwater_jobs', '')"
    };
}
pub(super) use notify_sql;

/// As one more statement.
pub(super) const NOTIFY: &str = concat!("; SELECT ", notify_sql!());

/// Poll interval with SQLite, which notifies no other process of a change. A poll costs some 50 µs.
const SQLITE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Poll interval with PostgreSQL: a lost connection may lose a notification.
const POSTGRES_POLL_INTERVAL: Duration = Duration::from_secs(5);

impl Queue {
    /// Waits until the number of the last change differs from `seen`; returns it.
    ///
    /// Time makes no change: jobs that become due and leases that expire wake no waiter. A database that
    /// is down is an error at once; pause before the next call.
    pub async fn wait_for_change(&self, seen: i64) -> Result<i64, QueueError> {
        let poll = self.database.dialect().choose(SQLITE_POLL_INTERVAL, POSTGRES_POLL_INTERVAL);
        let mut changes = self.changes.subscribe(&self.database);
        loop {
            // Before the query, so that no signal during it is missed.
            changes.mark_unchanged();
            let last = self.last_change().await?;
            if last != seen {
                return Ok(last);
            }
            // After a signal or the interval, query again.
            timeout(poll, changes.changed()).await.ok();
        }
    }
}
