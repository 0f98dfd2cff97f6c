//! The clock of leases and due times.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::store::{Database, DatabaseError};

pub(super) use crate::store::time::{millis, postgres_now_sql};

/// A clock, in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// PostgreSQL's, since the clocks of several machines differ; with SQLite this machine's.
    #[default]
    Database,
    /// A clock for tests, which the caller advances.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A manual clock that shows `now_ms`.
    pub fn manual(now_ms: i64) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now_ms)))
    }

    /// Advances a manual clock.
    pub fn advance(&self, time: Duration) {
        if let Self::Manual(now_ms) = self {
            now_ms.fetch_add(millis(time), Ordering::SeqCst);
        }
    }

    /// The time, from that of the database (`theirs`; 0 if it has no clock).
    pub(super) fn read(&self, theirs: i64) -> i64 {
        match self {
            Self::Manual(now_ms) => now_ms.load(Ordering::SeqCst),
            Self::Database if theirs != 0 => theirs,
            Self::Database => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
        }
    }

    /// The time, for statements that else read the database's clock themselves: the value of their
    /// parameter $1.
    pub(super) fn known_ms(&self, database: &Database) -> Option<i64> {
        match (self, database) {
            (Self::Database, Database::Postgres(_)) => None,
            _ => Some(self.read(0)),
        }
    }

    /// The time, outside of a transaction.
    pub(super) async fn now_ms(&self, database: &Database) -> Result<i64, DatabaseError> {
        if let Some(known_ms) = self.known_ms(database) {
            return Ok(known_ms);
        }
        let sql = concat!("SELECT ", postgres_now_sql!(), " AS now_ms");
        match database.row(sql, &[]).await? {
            Some(row) => Ok(self.read(row.get("now_ms")?)),
            None => Ok(self.read(0)),
        }
    }
}
