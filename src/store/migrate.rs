//! Creates the tables, and replaces those of an older program.
//!
//! sqlx has migrations too. Its locks do not hold between two processes that open one SQLite file
//! for the first time at once, which a server and its worker do.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Database, DatabaseError, Dialect, Transaction};

/// The tables of this version.
const SCHEMA: &str = include_str!("schema.sql");

/// Version of the tables. Raise it with each change of the schema; 1 to 7 were earlier ones.
const VERSION: i64 = 8;

/// The id of the store, see `identity`: one row, once a server has started. It stays when the other tables are
/// replaced, and programs without it work beside those with it, so it is in no version.
const IDENTITY: &str =
    "CREATE TABLE store_identity (one BIGINT NOT NULL PRIMARY KEY, id TEXT NOT NULL)";

/// All tables of this and earlier versions, children before parents.
const DROP: &str = "DROP TABLE IF EXISTS objects;
    DROP TABLE IF EXISTS listings;
    DROP TABLE IF EXISTS objects_sequence;
    DROP TABLE IF EXISTS facts;
    DROP TABLE IF EXISTS announced;
    DROP TABLE IF EXISTS webhooks_sequence;
    DROP TABLE IF EXISTS artifact_sweep;
    DROP TABLE IF EXISTS artifacts;
    DROP TABLE IF EXISTS jobs;
    DROP TABLE IF EXISTS sequence;
    DROP TABLE IF EXISTS schema_version";

/// PostgreSQL's advisory lock for processes that open a database at the same time ("headwate").
const ADVISORY_LOCK: i64 = 0x6865_6164_7761_7465;

/// Text that is compared byte by byte has the collation "binary" in the tables. SQLite has it under
/// this name; PostgreSQL, which would compare by the administrator's language, gets it.
const BINARY: &str = r#"CREATE COLLATION IF NOT EXISTS "binary" FROM "C""#;

/// Creates the tables if there are none, or only those of an older version: these are dropped, and
/// jobs produce the artifacts again.
pub(super) async fn run(database: &Database) -> Result<(), DatabaseError> {
    let mut transaction = Transaction::begin(database).await?;
    if transaction.dialect() == Dialect::Postgres {
        transaction
            .rows("SELECT 1 FROM pg_advisory_xact_lock($1)", &[ADVISORY_LOCK.into()])
            .await?;
    }
    let found = version(&mut transaction).await?;
    if found > VERSION {
        return Err(DatabaseError::TooNew { found, known: VERSION });
    }
    if !exists(&mut transaction, HAS_IDENTITY).await? {
        transaction.script(IDENTITY).await?;
    }
    if found == VERSION {
        return transaction.commit().await;
    }
    if transaction.dialect() == Dialect::Postgres {
        transaction.script(BINARY).await?;
    }
    // The sequence goes on: its numbers name folders of artifacts, of which some may be left.
    let last = if found > 0 { last_change(&mut transaction).await? } else { 0 };
    transaction.script(DROP).await?;
    transaction.script(SCHEMA).await?;
    transaction.execute("INSERT INTO sequence (last) VALUES ($1)", &[last.into()]).await?;
    let insert = "INSERT INTO objects_sequence (last, epoch) VALUES (0, $1)";
    transaction.execute(insert, &[epoch_us().into()]).await?;
    let insert = "INSERT INTO schema_version (version) VALUES ($1)";
    transaction.execute(insert, &[VERSION.into()]).await?;
    transaction.commit().await?;
    if found > 0 {
        tracing::warn!(
            found,
            version = VERSION,
            "older database schema: starting with empty tables"
        );
    }
    Ok(())
}

/// The present time, in microseconds since 1970.
fn epoch_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

/// Whether a table exists, for SQLite and PostgreSQL.
const HAS_VERSION: [&str; 2] = [
    "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'",
    "SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL",
];
const HAS_IDENTITY: [&str; 2] = [
    "SELECT 1 FROM sqlite_schema WHERE name = 'store_identity'",
    "SELECT 1 WHERE to_regclass('store_identity') IS NOT NULL",
];

async fn exists(
    transaction: &mut Transaction,
    query: [&'static str; 2],
) -> Result<bool, DatabaseError> {
    let query = transaction.dialect().choose(query[0], query[1]);
    Ok(transaction.row(query, &[]).await?.is_some())
}

/// The version of the tables; 0 if there are none.
async fn version(transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    if !exists(transaction, HAS_VERSION).await? {
        return Ok(0);
    }
    match transaction.row("SELECT version FROM schema_version", &[]).await? {
        Some(row) => row.get("version"),
        None => Ok(0),
    }
}

/// The number of the last change in the tables of an older version.
async fn last_change(transaction: &mut Transaction) -> Result<i64, DatabaseError> {
    match transaction.row("SELECT last FROM sequence", &[]).await? {
        Some(row) => row.get("last"),
        None => Ok(0),
    }
}
