//! Rows of artifacts: which exist, which of their folders is current, and which to evict first.

use super::{Change, Queue, QueueError, row::number};
use crate::store::{DatabaseError, Row, Value};

/// A published artifact.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// Source version and parameters.
    pub key: String,
    /// Token of the lease of its job; names its folder.
    pub token: i64,
    /// Its size.
    pub bytes: u64,
    /// The work to make it again, in milliseconds: the time of its job, and of the jobs of its intermediates.
    pub work_ms: u64,
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
    /// The time of its job, in milliseconds.
    pub work_ms: u64,
    /// Kind of its job.
    pub kind: String,
    /// Path of its title.
    pub title: String,
}

/// Like `jobs_sql`, for artifacts.
macro_rules! artifacts_sql {
    ($rest:literal) => {
        concat!(
            "SELECT key, token, bytes, work_ms, kind, title, created_ms, used_ms FROM artifacts ",
            $rest
        )
    };
}

/// Inserts a row of an artifact. The artifact of a later job replaces that of an earlier one.
macro_rules! record_sql {
    ($values:literal) => {
        concat!(
            "INSERT INTO artifacts (key, token, bytes, work_ms, kind, title, created_ms, used_ms) ",
            $values,
            " ON CONFLICT (key) DO UPDATE SET token = excluded.token, bytes = excluded.bytes,
                work_ms = excluded.work_ms, kind = excluded.kind, title = excluded.title,
                created_ms = excluded.created_ms, used_ms = excluded.used_ms"
        )
    };
}
pub(super) use record_sql;

const RECORD: &str = record_sql!("VALUES ($2, $1, $3, $4, $5, $6, $7, $7)");

/// Orders artifacts for eviction at the time $1, the least valuable first.
///
/// The value of an artifact is its work, times its work per byte, divided by the time since its last use.
/// Work counts twice: a rendition of hours has less work per byte than a thumbnail, and yet thousands of
/// thumbnails must not evict it; and bytes count, so that a copied movie, large and soon copied again,
/// leaves before them. The first hour without use counts little, so that a stream of fresh images does not
/// look more valuable than a rendition of yesterday.
const EVICTION_ORDER: &str = artifacts_sql!(
    "ORDER BY CAST(work_ms + 1 AS DOUBLE PRECISION) * (work_ms + 1) / (bytes + 1)
            / (CASE WHEN used_ms < $1 THEN $1 - used_ms ELSE 0 END + 3600000),
        used_ms, key LIMIT $2"
);

/// What was used so lately is in use: within two rounds of housekeeping.
const IN_USE_MS: i64 = 20_000;

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

    /// The artifacts to evict first, by the work that they save, their size and their last use. Those in use
    /// come last, the least valuable up to `in_use_bytes` together and at least one, so that no client waits
    /// again and again for a movie that is evicted while it plays; more of them have their usual place.
    pub async fn artifacts_to_evict(
        &self,
        limit: u32,
        in_use_bytes: u64,
    ) -> Result<Vec<Artifact>, QueueError> {
        let now_ms = self.clock.now_ms(&self.database).await?;
        let values = [now_ms.into(), i64::from(limit).into()];
        let rows = self.database.rows(EVICTION_ORDER, &values).await?;
        let (mut order, mut in_use, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
        for row in &rows {
            let artifact = Artifact::from_row(row)?;
            let is_in_use = artifact.used_ms > now_ms - IN_USE_MS;
            let sum = bytes.saturating_add(artifact.bytes);
            if is_in_use && (in_use.is_empty() || sum <= in_use_bytes) {
                bytes = sum;
                in_use.push(artifact);
            } else {
                order.push(artifact);
            }
        }
        order.append(&mut in_use);
        Ok(order)
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
    /// Deletes the rows of all artifacts with this key prefix, and returns the sum of their work, in
    /// milliseconds.
    pub(super) async fn delete_artifacts(&mut self, prefix: &str) -> Result<u64, QueueError> {
        let end = format!("{prefix}{PREFIX_END}");
        let values = [prefix.into(), end.as_str().into()];
        let sum = "SELECT CAST(COALESCE(SUM(work_ms), 0) AS BIGINT) AS work_ms FROM artifacts
            WHERE key >= $1 AND key < $2";
        let row = self.transaction().row(sum, &values).await?.ok_or(QueueError::LockLost)?;
        let delete = "DELETE FROM artifacts WHERE key >= $1 AND key < $2";
        self.transaction().execute(delete, &values).await?;
        number(&row, "work_ms")
    }

    /// Inserts or replaces the row of an artifact.
    pub(super) async fn record_artifact(
        &mut self,
        artifact: &NewArtifact,
        token: i64,
    ) -> Result<(), DatabaseError> {
        let [key, bytes, work_ms, kind, title] = artifact.values();
        let values = [token.into(), key, bytes, work_ms, kind, title, self.now_ms().into()];
        self.transaction().execute(RECORD, &values).await.map(drop)
    }
}

impl NewArtifact {
    /// Key, size, work, kind and title.
    pub(super) fn values(&self) -> [Value; 5] {
        let number = |value| i64::try_from(value).unwrap_or(i64::MAX).into();
        [
            self.key.as_str().into(),
            number(self.bytes),
            number(self.work_ms),
            self.kind.as_str().into(),
            self.title.as_str().into(),
        ]
    }
}

impl Artifact {
    fn from_row(row: &Row) -> Result<Self, QueueError> {
        Ok(Self {
            key: row.get("key")?,
            token: row.get("token")?,
            bytes: number(row, "bytes")?,
            work_ms: number(row, "work_ms")?,
            kind: row.get("kind")?,
            title: row.get("title")?,
            created_ms: row.get("created_ms")?,
            used_ms: row.get("used_ms")?,
        })
    }
}
