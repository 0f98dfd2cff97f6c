//! The facts of titles in the database, so that a restart reads no file again.
//!
//! A row belongs to a version of its title. Paths are percent-encoded, because text in a database cannot hold
//! all bytes of names.

use crate::{
    extent::disk::Version,
    library::{Facts, MediaPath, TitleKind},
    store::{Database, DatabaseError, Row},
};

/// Version of the facts. Raise it when they are read in another way, so that all files are read again.
const FORMAT_VERSION: u64 = 2;

/// The facts of a title in a version.
pub type Known = (MediaPath, Version, Facts);

/// A row: the encoded path and the version of a title, and its facts.
#[derive(Debug)]
pub struct Stored {
    path: String,
    version: String,
    facts: Option<Facts>,
}

impl Stored {
    /// The path, percent-encoded.
    pub fn encoded_path(&self) -> &str {
        &self.path
    }

    /// The title; `None` if its path is not valid any more.
    pub fn path(&self) -> Option<MediaPath> {
        MediaPath::decode(&self.path).ok()
    }

    /// The facts, if they are those of this version.
    pub fn facts_of(&self, version: Version) -> Option<Facts> {
        self.facts.filter(|_| self.version == stored_version(version))
    }

    fn from_row(row: &Row) -> Result<Self, DatabaseError> {
        let pixels = |column| -> Result<Option<u32>, DatabaseError> {
            let pixels: Option<i64> = row.get(column)?;
            Ok(pixels.and_then(|pixels| pixels.try_into().ok()))
        };
        let duration_ms: Option<i64> = row.get("duration_ms")?;
        let (width, height) = (pixels("width")?, pixels("height")?);
        let is_hdr: Option<i64> = row.get("is_hdr")?;
        let has_poster: i64 = row.get("has_poster")?;
        let kind = TitleKind::parse(&row.get::<String>("kind")?);
        Ok(Self {
            path: row.get("path")?,
            version: row.get("version")?,
            facts: kind.map(|kind| Facts {
                kind,
                duration_ms: duration_ms.and_then(|duration_ms| duration_ms.try_into().ok()),
                size: width.zip(height),
                is_hdr: is_hdr.map(|is_hdr| is_hdr != 0),
                has_poster: has_poster != 0,
            }),
        })
    }
}

/// The facts of a title in a version.
pub async fn find(
    database: &Database,
    path: &MediaPath,
    version: Version,
) -> Result<Option<Facts>, DatabaseError> {
    let sql =
        "SELECT path, version, kind, duration_ms, width, height, is_hdr, has_poster FROM facts
        WHERE path = $1";
    let row = database.row(sql, &[path.encoded().to_string().as_str().into()]).await?;
    let stored = row.as_ref().map(Stored::from_row).transpose()?;
    Ok(stored.and_then(|stored| stored.facts_of(version)))
}

/// The rows behind that of an encoded path, ordered by path, a thousand at most.
pub async fn page_behind(
    database: &Database,
    path: Option<&str>,
) -> Result<Vec<Stored>, DatabaseError> {
    let sql =
        "SELECT path, version, kind, duration_ms, width, height, is_hdr, has_poster FROM facts
        WHERE path > $1 ORDER BY path LIMIT 1000";
    let rows = database.rows(sql, &[path.unwrap_or_default().into()]).await?;
    rows.iter().map(Stored::from_row).collect()
}

/// Stores facts, in place of those of other versions.
pub async fn save(database: &Database, known: &[Known]) -> Result<(), DatabaseError> {
    let sql = "INSERT INTO facts
            (path, version, kind, duration_ms, width, height, is_hdr, has_poster)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (path) DO UPDATE SET version = excluded.version, kind = excluded.kind,
            duration_ms = excluded.duration_ms, width = excluded.width, height = excluded.height,
            is_hdr = excluded.is_hdr, has_poster = excluded.has_poster";
    // Sorted, so that two processes lock the rows in the same order and cannot deadlock.
    let mut sorted: Vec<_> = known
        .iter()
        .map(|(path, version, facts)| (path.encoded().to_string(), version, facts))
        .collect();
    sorted.sort_by(|(path, ..), (other, ..)| path.cmp(other));
    let mut transaction = database.begin().await?;
    for (path, version, facts) in sorted {
        let version = stored_version(*version);
        let duration_ms = facts.duration_ms.and_then(|duration_ms| i64::try_from(duration_ms).ok());
        let values = [
            path.as_str().into(),
            version.as_str().into(),
            facts.kind.as_str().into(),
            duration_ms.into(),
            facts.size.map(|(width, _)| i64::from(width)).into(),
            facts.size.map(|(_, height)| i64::from(height)).into(),
            facts.is_hdr.map(i64::from).into(),
            i64::from(facts.has_poster).into(),
        ];
        transaction.execute(sql, &values).await?;
    }
    transaction.commit().await
}

/// Deletes the rows of these encoded paths.
pub async fn delete(database: &Database, mut paths: Vec<String>) -> Result<(), DatabaseError> {
    if paths.is_empty() {
        return Ok(());
    }
    paths.sort_unstable();
    let mut transaction = database.begin().await?;
    for path in &paths {
        transaction.execute("DELETE FROM facts WHERE path = $1", &[path.as_str().into()]).await?;
    }
    transaction.commit().await
}

fn stored_version(version: Version) -> String {
    version.with(FORMAT_VERSION).to_string()
}
