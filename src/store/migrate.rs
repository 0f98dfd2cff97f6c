//! The tables, and how they get from one version to the next.
//!
//! sqlx has migrations too. Its locks do not hold between two processes that open one SQLite file
//! for the first time at once, which a server and its worker do.

use super::{Database, DatabaseError, Dialect, Transaction};

/// What leads from each version to the next; the first makes version 1. Never change one that was
/// released.
const STEPS: &[&str] = &[
    include_str!("migrations/1_queue.sql"),
    include_str!("migrations/2_webhooks.sql"),
    include_str!("migrations/3_lacked.sql"),
];

/// Two processes that open a server's database at once take turns by this number.
const TURN: i64 = 0x6865_6164_7761_7465;

/// Text that is compared byte by byte has the collation "binary" in the tables. SQLite has it by
/// this name; a server, which would compare as the administrator's language does, is given it.
const BINARY: &str = r#"CREATE COLLATION IF NOT EXISTS "binary" FROM "C""#;

/// Brings the tables up to date.
pub(super) async fn run(database: &Database) -> Result<(), DatabaseError> {
    let mut transaction = database.begin().await?;
    if transaction.dialect() == Dialect::Postgres {
        transaction.rows("SELECT 1 FROM pg_advisory_xact_lock($1)", &[TURN.into()]).await?;
    }
    let found = version(&mut transaction).await?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(DatabaseError::TooNew { found, known });
    }
    if found == known {
        return Ok(());
    }
    if transaction.dialect() == Dialect::Postgres {
        transaction.script(BINARY).await?;
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.script(step).await?;
    }
    transaction.execute("UPDATE schema_version SET version = $1", &[known.into()]).await?;
    transaction.commit().await
}

/// The version of the tables that are there; 0 when there are none.
async fn version(transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    let is_there = transaction.dialect().choose(
        "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'",
        "SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL",
    );
    if transaction.row(is_there, &[]).await?.is_none() {
        return Ok(0);
    }
    match transaction.row("SELECT version FROM schema_version", &[]).await? {
        Some(row) => row.get("version"),
        None => Ok(0),
    }
}
