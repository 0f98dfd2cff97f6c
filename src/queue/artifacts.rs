//! Rows of artifacts: which exist, and which of their folders is current.

use super::{Change, Queue, QueueError, row::number};
use crate::store::{DatabaseError, Row};

/// A published artifact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// Source version and parameters.
    pub key: String,
    /// Token of the lease of its job; names its folder.
    pub token: i64,
    /// Its size.
    pub bytes: u64,
    /// Kind of its job.
    pub kind: String,
    /// Path of its title.
    pub title: String,
    /// Time of its publication.
    pub created_ms: i64,
    /// Time of its last use.
    pub used_ms: i64,
}

/// An artifact to be recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewArtifact {
    /// Source version and parameters.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Kind of its job.
    pub kind: String,
    /// Path of its title.
    pub title: String,
}

/// Like `jobs_sql`, for artifacts.
macro_rules! artifacts_sql {
    ($rest:literal) => {
        concat!("SELECT key, token, bytes, kind, title, created_ms, used_ms FROM artifacts ", $rest)
    };
}

/// The artifact of a later job replaces that of an earlier one.
const RECORD: &str = "INSERT INTO artifacts (key, token, bytes, kind, title, created_ms, used_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $6)
    ON CONFLICT (key) DO UPDATE SET token = excluded.token, bytes = excluded.bytes,
        kind = excluded.kind, title = excluded.title, created_ms = excluded.created_ms,
        used_ms = excluded.used_ms";

/// Appended to a prefix, it is greater than all keys with the prefix.
const PREFIX_END: char = char::MAX;

impl Queue {
    /// The artifact of a key.
    pub async fn artifact(&self, key: &str) -> Result<Option<Artifact>, QueueError> {
        let row = self.database.row(artifacts_sql!("WHERE key = $1"), &[key.into()]).await?;
        row.as_ref().map(Artifact::from_row).transpose()
    }

    /// All artifacts with this key prefix, ordered by key.
    pub async fn artifacts_with_prefix(&self, prefix: &str) -> Result<Vec<Artifact>, QueueError> {
        let sql = artifacts_sql!("WHERE key >= $1 AND key < $2 ORDER BY key");
        let end = format!("{prefix}{PREFIX_END}");
        let rows = self.database.rows(sql, &[prefix.into(), end.as_str().into()]).await?;
        rows.iter().map(Artifact::from_row).collect()
    }

    /// The artifacts of two kinds with this key prefix, ordered by key.
    pub async fn artifacts_of_kinds(
        &self,
        prefix: &str,
        [kind, other]: [&str; 2],
    ) -> Result<Vec<Artifact>, QueueError> {
        let sql = artifacts_sql!("WHERE key >= $1 AND key < $2 AND kind IN ($3, $4) ORDER BY key");
        let end = format!("{prefix}{PREFIX_END}");
        let values = [prefix.into(), end.as_str().into(), kind.into(), other.into()];
        let rows = self.database.rows(sql, &values).await?;
        rows.iter().map(Artifact::from_row).collect()
    }

    /// The least recently used artifacts, oldest first.
    pub async fn artifacts_by_age(&self, limit: u32) -> Result<Vec<Artifact>, QueueError> {
        let sql = artifacts_sql!("ORDER BY used_ms, key LIMIT $1");
        let rows = self.database.rows(sql, &[i64::from(limit).into()]).await?;
        rows.iter().map(Artifact::from_row).collect()
    }

    /// The total size of all artifacts.
    pub async fn artifacts_bytes(&self) -> Result<u64, QueueError> {
        let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM artifacts";
        let row = self.database.row(sql, &[]).await?.ok_or(QueueError::LockLost)?;
        number(&row, "bytes")
    }

    /// Records a use of these artifacts.
    pub async fn touch_artifacts(&self, keys: &[impl AsRef<str>]) -> Result<(), QueueError> {
        let now_ms = self.clock.now_ms(&self.database).await?;
        // Sorted, so that two processes lock the rows in the same order and cannot deadlock.
        let mut keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut transaction = self.database.begin().await?;
        for key in keys {
            let sql = "UPDATE artifacts SET used_ms = $2 WHERE key = $1 AND used_ms < $2";
            transaction.execute(sql, &[key.into(), now_ms.into()]).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Deletes the row of an artifact. `false` if there is none, or another lease's has replaced it.
    pub async fn delete_artifact(&self, key: &str, token: i64) -> Result<bool, QueueError> {
        let mut transaction = self.database.begin().await?;
        let sql = "DELETE FROM artifacts WHERE key = $1 AND token = $2";
        let is_deleted = transaction.execute(sql, &[key.into(), token.into()]).await? > 0;
        transaction.commit().await?;
        Ok(is_deleted)
    }
}

impl Change {
    /// Deletes the rows of all artifacts with this key prefix.
    pub(super) async fn delete_artifacts(&mut self, prefix: &str) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM artifacts WHERE key >= $1 AND key < $2";
        let end = format!("{prefix}{PREFIX_END}");
        self.transaction().execute(sql, &[prefix.into(), end.as_str().into()]).await.map(drop)
    }

    /// Inserts or replaces the row of an artifact.
    pub(super) async fn record_artifact(
        &mut self,
        artifact: &NewArtifact,
        token: i64,
    ) -> Result<(), DatabaseError> {
        let values = [
            artifact.key.as_str().into(),
            token.into(),
            i64::try_from(artifact.bytes).unwrap_or(i64::MAX).into(),
            artifact.kind.as_str().into(),
            artifact.title.as_str().into(),
            self.now_ms().into(),
        ];
        self.transaction().execute(RECORD, &values).await.map(drop)
    }
}

impl Artifact {
    fn from_row(row: &Row) -> Result<Self, QueueError> {
        Ok(Self {
            key: row.get("key")?,
            token: row.get("token")?,
            bytes: number(row, "bytes")?,
            kind: row.get("kind")?,
            title: row.get("title")?,
            created_ms: row.get("created_ms")?,
            used_ms: row.get("used_ms")?,
        })
    }
}
