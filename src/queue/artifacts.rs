//! The rows of artifacts: which there are, and which of their folders is the one that counts.

use super::{Change, Queue, QueueError, row::number};
use crate::store::{DatabaseError, Row};

/// Something that a job made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// What it is, and what of.
    pub key: String,
    /// The lease under which it was made; it names the folder.
    pub token: i64,
    /// Its size.
    pub bytes: u64,
    /// What sort of thing it is.
    pub kind: String,
    /// The path of the title that it was made for.
    pub title: String,
    /// When it was made.
    pub made_ms: i64,
    /// When it was last asked for.
    pub used_ms: i64,
}

/// An artifact as its job reports it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewArtifact {
    /// What it is, and what of.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// What sort of thing it is.
    pub kind: String,
    /// The path of the title that it was made for.
    pub title: String,
}

/// As `jobs_sql` is for jobs.
macro_rules! artifacts_sql {
    ($rest:literal) => {
        concat!("SELECT key, token, bytes, kind, title, made_ms, used_ms FROM artifacts ", $rest)
    };
}

/// A later job's takes the place of an earlier one's.
const NOTE: &str = "INSERT INTO artifacts (key, token, bytes, kind, title, made_ms, used_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $6)
    ON CONFLICT (key) DO UPDATE SET token = excluded.token, bytes = excluded.bytes,
        kind = excluded.kind, title = excluded.title, made_ms = excluded.made_ms,
        used_ms = excluded.used_ms";

/// A text that is greater than all that begin like those that it is appended to.
const END: char = char::MAX;

impl Queue {
    /// The artifact of a key.
    pub async fn artifact(&self, key: &str) -> Result<Option<Artifact>, QueueError> {
        let row = self.database.row(artifacts_sql!("WHERE key = $1"), &[key.into()]).await?;
        row.as_ref().map(Artifact::of).transpose()
    }

    /// All artifacts whose keys begin so, by key.
    pub async fn artifacts_of(&self, prefix: &str) -> Result<Vec<Artifact>, QueueError> {
        let sql = artifacts_sql!("WHERE key >= $1 AND key < $2 ORDER BY key");
        let end = format!("{prefix}{END}");
        let rows = self.database.rows(sql, &[prefix.into(), end.as_str().into()]).await?;
        rows.iter().map(Artifact::of).collect()
    }

    /// Those of two kinds whose keys begin so, by key.
    pub async fn artifacts_of_kinds(
        &self,
        prefix: &str,
        [kind, other]: [&str; 2],
    ) -> Result<Vec<Artifact>, QueueError> {
        let sql = artifacts_sql!("WHERE key >= $1 AND key < $2 AND kind IN ($3, $4) ORDER BY key");
        let end = format!("{prefix}{END}");
        let values = [prefix.into(), end.as_str().into(), kind.into(), other.into()];
        let rows = self.database.rows(sql, &values).await?;
        rows.iter().map(Artifact::of).collect()
    }

    /// The artifacts that nobody has asked for for the longest time, those first.
    pub async fn artifacts_by_age(&self, limit: u32) -> Result<Vec<Artifact>, QueueError> {
        let sql = artifacts_sql!("ORDER BY used_ms, key LIMIT $1");
        let rows = self.database.rows(sql, &[i64::from(limit).into()]).await?;
        rows.iter().map(Artifact::of).collect()
    }

    /// The size of all artifacts together.
    pub async fn artifacts_bytes(&self) -> Result<u64, QueueError> {
        let sql = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM artifacts";
        let row = self.database.row(sql, &[]).await?.ok_or(QueueError::LockLost)?;
        number(&row, "bytes")
    }

    /// Notes that these artifacts were asked for now.
    pub async fn touch_artifacts(&self, keys: &[impl AsRef<str>]) -> Result<(), QueueError> {
        let now_ms = self.clock.now_ms(&self.database).await?;
        // In one order, so that two who do this never wait for each other in turn.
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

    /// Forgets an artifact. `false`: there is none, or another has taken its place.
    pub async fn forget_artifact(&self, key: &str, token: i64) -> Result<bool, QueueError> {
        let mut transaction = self.database.begin().await?;
        let sql = "DELETE FROM artifacts WHERE key = $1 AND token = $2";
        let is_gone = transaction.execute(sql, &[key.into(), token.into()]).await? > 0;
        transaction.commit().await?;
        Ok(is_gone)
    }
}

impl Change {
    /// Forgets the artifacts whose keys begin so.
    pub(super) async fn forget_artifacts(&mut self, prefix: &str) -> Result<(), DatabaseError> {
        let sql = "DELETE FROM artifacts WHERE key >= $1 AND key < $2";
        let end = format!("{prefix}{END}");
        self.transaction().execute(sql, &[prefix.into(), end.as_str().into()]).await.map(drop)
    }

    pub(super) async fn note_artifact(
        &mut self,
        made: &NewArtifact,
        token: i64,
    ) -> Result<(), DatabaseError> {
        let values = [
            made.key.as_str().into(),
            token.into(),
            i64::try_from(made.bytes).unwrap_or(i64::MAX).into(),
            made.kind.as_str().into(),
            made.title.as_str().into(),
            self.now_ms().into(),
        ];
        self.transaction().execute(NOTE, &values).await.map(drop)
    }
}

impl Artifact {
    fn of(row: &Row) -> Result<Self, QueueError> {
        Ok(Self {
            key: row.get("key")?,
            token: row.get("token")?,
            bytes: number(row, "bytes")?,
            kind: row.get("kind")?,
            title: row.get("title")?,
            made_ms: row.get("made_ms")?,
            used_ms: row.get("used_ms")?,
        })
    }
}
