//! The rows of one bucket in the database.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::statements::{
    ADVANCE_SQLITE, CHANGES, CLAIM, DELETE_GONE, FENCE_SQLITE, IS_DUE, MERGE_POSTGRES,
    NEWER_SQLITE, OBJECTS, RELEASE, STATE, WRITE_SQLITE,
};
use crate::{
    extent::bucket::{Listed, ObjectChange},
    store::{Database, DatabaseError, Dialect, Row, Value, time::millis},
};

/// A text behind every key: longer than a key can be, and of the last character.
const BEHIND_ALL_KEYS_CHARACTERS: usize = 257;

/// How long the row of a removed object stays. An origin that did not follow for so long reads all rows.
pub const GONE_KEPT: Duration = Duration::from_secs(24 * 3600);

/// As [`GONE_KEPT`], for an object that had no row before: longer than the bucket takes for a response.
const NEVER_LISTED_KEPT: Duration = Duration::from_secs(3600);

/// The rows of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The database.
    pub database: &'a Database,
    /// The name of the bucket in the tables.
    pub root: &'a str,
}

/// The right to list a bucket, until it ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// Unique among all leases of the bucket.
    pub token: i64,
    /// The key behind which the next page begins: the lister before has come so far.
    pub page_after: Option<String>,
    /// Its length, of which each page begins another one.
    pub duration: Duration,
}

/// The state of a bucket's rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct State {
    /// The number of the last change, of any bucket.
    pub last: i64,
    /// Which tables the number is of: it differs if they were created again.
    pub epoch: i64,
    /// Whether the rows are a whole listing.
    pub is_listed: bool,
}

/// What the bucket responded: a page of its listing, or the states of some objects.
#[derive(Debug)]
pub struct Observation<'a> {
    /// The lister's lease and the end of the page; `None` for the states of some objects.
    pub page: Option<(&'a Lease, PageRange<'a>)>,
    /// The objects. A page says with a key that is missing that its object is gone.
    pub objects: &'a [ObjectChange],
    /// The number of the last change before the bucket was asked. A row that changed later stays.
    pub seen: i64,
}

/// The keys that a page is about.
#[derive(Clone, Copy, Debug)]
pub struct PageRange<'a> {
    /// They are behind this one.
    pub after: Option<&'a str>,
    /// The last of them, behind which the next page begins; `None` for the last page.
    pub last: Option<&'a str>,
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Merged {
    /// Whether the lister still had its lease; else nothing was written.
    pub is_held: bool,
    /// The rows that were written.
    pub written: i64,
    /// The objects whose rows are newer than the observation.
    pub newer: i64,
    /// The number of the last change.
    pub last: i64,
}

/// A row, in JSON.
#[derive(Debug, Serialize)]
struct JsonRow<'a> {
    key: &'a str,
    size: Option<i64>,
    etag: Option<&'a str>,
    modified_ms: Option<i64>,
}

impl<'a> JsonRow<'a> {
    /// `None` for a size that no database has.
    fn new(change: &'a ObjectChange) -> Option<Self> {
        let Some(listed) = &change.state else {
            return Some(Self { key: &change.key, size: None, etag: None, modified_ms: None });
        };
        Some(Self {
            key: &change.key,
            size: Some(listed.size.try_into().ok()?),
            etag: Some(&listed.etag),
            modified_ms: listed.modified.and_then(whole_second_ms),
        })
    }
}

impl Rows<'_> {
    /// The number of the last change, and whether there is a whole listing.
    pub async fn state(&self) -> Result<State, DatabaseError> {
        let row = self.database.row(STATE, &[self.root.into()]).await?;
        let row = row.ok_or_else(DatabaseError::no_row)?;
        let listed_ms: Option<i64> = row.get("listed_ms")?;
        let (last, epoch) = (row.get("last")?, row.get("epoch")?);
        Ok(State { last, epoch, is_listed: listed_ms.is_some() })
    }

    /// Whether a round is due, of which no other process holds the lease.
    pub async fn is_due(&self, interval: Duration) -> Result<bool, DatabaseError> {
        let none = Value::Integer(None);
        let values = [self.root.into(), none.clone(), none, millis(interval).into()];
        let statement = IS_DUE.for_dialect(self.database.dialect());
        Ok(self.database.row(statement, &values).await?.is_some())
    }

    /// Takes the lease of a round that is due; `None` if another process was faster.
    pub async fn claim(
        &self,
        url: &str,
        duration: Duration,
        interval: Duration,
    ) -> Result<Option<Lease>, DatabaseError> {
        let (lease_ms, interval_ms) = (millis(duration), millis(interval));
        let values = [self.root.into(), url.into(), lease_ms.into(), interval_ms.into()];
        let claim = CLAIM.for_dialect(self.database.dialect());
        let Some(row) = self.database.write(claim, &values).await? else { return Ok(None) };
        let (token, page_after) = (row.get("token")?, row.get("page_after")?);
        Ok(Some(Lease { token, page_after, duration }))
    }

    /// Lets another process list on from the last page.
    pub async fn release(&self, lease: &Lease) -> Result<(), DatabaseError> {
        let values = [self.root.into(), lease.token.into()];
        let statement = RELEASE.for_dialect(self.database.dialect());
        self.database.write(statement, &values).await.map(drop)
    }

    /// Merges an observation of the bucket with the rows. Of a page, only what differs is written.
    pub async fn merge(&self, observation: &Observation<'_>) -> Result<Merged, DatabaseError> {
        let rows: Vec<_> = observation.objects.iter().filter_map(JsonRow::new).collect();
        let json = serde_json::to_string(&rows).unwrap_or_else(|_| "[]".to_owned());
        let (token, lease_ms, range) = match observation.page {
            Some((lease, range)) => (Some(lease.token), millis(lease.duration), Some(range)),
            None => (None, 0, None),
        };
        let behind_all = || char::MAX.to_string().repeat(BEHIND_ALL_KEYS_CHARACTERS);
        // The states of some objects say nothing of others.
        let (after, last) = range.map_or((String::new(), String::new()), |range| {
            let last = range.last.map_or_else(behind_all, str::to_owned);
            (range.after.unwrap_or_default().to_owned(), last)
        });
        let page_after = range.and_then(|range| range.last);
        let is_end = range.is_some_and(|range| range.last.is_none());
        let values = [
            self.root.into(),
            token.into(),
            page_after.into(),
            after.as_str().into(),
            last.as_str().into(),
            json.as_str().into(),
            observation.seen.into(),
            lease_ms.into(),
            i64::from(is_end).into(),
        ];
        match self.database.dialect() {
            Dialect::Postgres => self.merge_postgres(&values, token.is_some()).await,
            Dialect::Sqlite => self.merge_sqlite(&values, token.is_some()).await,
        }
    }

    async fn merge_postgres(
        &self,
        values: &[Value],
        is_page: bool,
    ) -> Result<Merged, DatabaseError> {
        let row = self.database.write(MERGE_POSTGRES, values).await?;
        let row = row.ok_or_else(DatabaseError::no_row)?;
        let (held, written): (i64, i64) = (row.get("held")?, row.get("written")?);
        let differing: i64 = row.get("differing")?;
        let is_held = !is_page || held == 1;
        Ok(Merged { is_held, written, newer: differing - written, last: row.get("last")? })
    }

    async fn merge_sqlite(&self, values: &[Value], is_page: bool) -> Result<Merged, DatabaseError> {
        let mut transaction = self.database.begin().await?;
        let is_held = !is_page || transaction.execute(FENCE_SQLITE, values).await? == 1;
        let (mut written, mut newer) = (0, 0);
        if is_held {
            let row = transaction.row(NEWER_SQLITE, values).await?;
            newer = row.ok_or_else(DatabaseError::no_row)?.get("newer")?;
            let changed = transaction.execute(WRITE_SQLITE, values).await?;
            written = i64::try_from(changed).unwrap_or(i64::MAX);
        }
        if written > 0 {
            transaction.execute(ADVANCE_SQLITE, &[written.into()]).await?;
        }
        let state = transaction.row(STATE, &[self.root.into()]).await?;
        let last = state.ok_or_else(DatabaseError::no_row)?.get("last")?;
        transaction.commit().await?;
        Ok(Merged { is_held, written, newer, last })
    }

    /// Deletes the rows of objects that were removed long ago.
    pub async fn delete_gone(&self) -> Result<(), DatabaseError> {
        let kept = [GONE_KEPT, NEVER_LISTED_KEPT].map(|time| Value::from(millis(time)));
        let values = [&[self.root.into()], &kept[..]].concat();
        let statement = DELETE_GONE.for_dialect(self.database.dialect());
        self.database.write(statement, &values).await.map(drop)
    }

    /// The objects behind a key, in the order of keys: some thousand, or none at the end.
    pub async fn objects_behind(&self, key: &str) -> Result<Vec<Listed>, DatabaseError> {
        let rows = self.database.rows(OBJECTS, &[self.root.into(), key.into()]).await?;
        rows.iter().map(listed).collect()
    }

    /// The changes after a number and the number of the last of them: some thousand, or none.
    pub async fn changes_after(
        &self,
        seen: i64,
    ) -> Result<(Vec<ObjectChange>, i64), DatabaseError> {
        let rows = self.database.rows(CHANGES, &[self.root.into(), seen.into()]).await?;
        let last = rows.last().map_or(Ok(seen), |row| row.get("changed"))?;
        let change = |row: &Row| {
            let (listed, gone_ms): (_, Option<i64>) = (listed(row)?, row.get("gone_ms")?);
            let key = Arc::clone(&listed.key);
            Ok(ObjectChange { key, state: gone_ms.is_none().then_some(listed) })
        };
        let changes: Result<_, DatabaseError> = rows.iter().map(change).collect();
        Ok((changes?, last))
    }
}

fn listed(row: &Row) -> Result<Listed, DatabaseError> {
    let (key, etag): (String, String) = (row.get("key")?, row.get("etag")?);
    let (size, modified_ms): (i64, Option<i64>) = (row.get("size")?, row.get("modified_ms")?);
    let since_epoch = modified_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
    Ok(Listed {
        key: key.into(),
        size: size.try_into().unwrap_or_default(),
        etag: etag.into(),
        modified: since_epoch.map(|time| SystemTime::UNIX_EPOCH + time),
        is_archived: false,
    })
}

/// A time without the fraction of its second, which listings have and the responses of objects do not.
fn whole_second_ms(time: SystemTime) -> Option<i64> {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_secs()).ok()?.checked_mul(1000)
}
