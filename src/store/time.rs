//! Times in statements: milliseconds since 1970, and durations in milliseconds.

use std::time::Duration;

/// The clock of PostgreSQL, in SQL: the clocks of several machines differ.
macro_rules! postgres_now_sql {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}
pub(crate) use postgres_now_sql;

/// A duration in milliseconds, the unit of the columns.
pub fn millis(time: Duration) -> i64 {
    // Small enough to add it to any time.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 4)
}
