//! What a connection needs of the pool that lends it.

use std::time::Duration;

use super::DatabaseError;

/// Timeout for a connection from a pool, and for SQLite's lock.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that a pool lends.
pub trait Pooled {
    /// The database.
    type Database: sqlx::Database;

    /// The driver's connection.
    fn connection(
        &mut self,
    ) -> Result<&mut <Self::Database as sqlx::Database>::Connection, DatabaseError>;

    /// Its drop closes it, and does not return it.
    fn close_on_drop(&mut self);
}
