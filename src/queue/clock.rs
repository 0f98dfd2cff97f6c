//! The time by which leases run out and jobs become due.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::store::{Database, DatabaseError};

/// What tells the time, in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// PostgreSQL's own, since workers on several machines disagree; with SQLite this machine's.
    #[default]
    Database,
    /// One that stands still until it is set.
    Hand(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now_ms`.
    pub fn hand(now_ms: i64) -> Self {
        Self::Hand(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Sets a clock that stands still forward; others go by themselves.
    pub fn advance(&self, time: Duration) {
        if let Self::Hand(now_ms) = self {
            now_ms.fetch_add(millis(time), Ordering::SeqCst);
        }
    }

    /// The time, where the database has said `theirs` (0: it has no clock).
    pub(super) fn read(&self, theirs: i64) -> i64 {
        match self {
            Self::Hand(now_ms) => now_ms.load(Ordering::SeqCst),
            Self::Database if theirs != 0 => theirs,
            Self::Database => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
        }
    }

    /// The time, outside of a transaction.
    pub(super) async fn now_ms(&self, database: &Database) -> Result<i64, DatabaseError> {
        let (Self::Database, Database::Postgres(_)) = (self, database) else {
            return Ok(self.read(0));
        };
        let asked = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now_ms";
        match database.row(asked, &[]).await? {
            Some(row) => Ok(self.read(row.get("now_ms")?)),
            None => Ok(self.read(0)),
        }
    }
}

/// A duration in the unit of the columns.
pub(super) fn millis(time: Duration) -> i64 {
    // So much that any time may be added to it.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
