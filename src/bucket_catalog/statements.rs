//! The statements of the catalog, for both databases.
//!
//! A page is merged by one statement of PostgreSQL, and so in one round trip: it fences the lister, finds the
//! differences, takes their numbers and writes them. SQLite has no statement that writes two tables, and runs the
//! same parts in a transaction.

use crate::store::{Dialect, time::postgres_now_sql};

macro_rules! sqlite_now {
    () => {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    };
}

/// A statement in both dialects.
#[derive(Debug)]
pub(super) struct Statement {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Statement {
    pub(super) fn for_dialect(&self, dialect: Dialect) -> &'static str {
        dialect.choose(self.sqlite, self.postgres)
    }
}

macro_rules! on_both {
    ($name:ident) => {
        Statement { sqlite: $name!(sqlite_now!()), postgres: $name!(postgres_now_sql!()) }
    };
}

/// What a follower and a lister need to know first. $1: the root.
pub(super) const STATE: &str = "SELECT last, epoch,
    (SELECT listed_ms FROM listings WHERE root = $1) AS listed_ms FROM objects_sequence";

/// A lister whose lease has ended takes no page; a round that it left in the middle is due at once. $4: the
/// interval.
macro_rules! due {
    ($now:expr) => {
        concat!(
            "listings.lease_until_ms <= ",
            $now,
            " AND (listings.page_after IS NOT NULL OR listings.listed_ms IS NULL
               OR listings.listed_ms <= ",
            $now,
            " - $4)"
        )
    };
}

/// Whether a round is due. It writes nothing, unlike the attempt to begin one. $1: the root.
macro_rules! is_due {
    ($now:expr) => {
        concat!(
            "SELECT 1 AS due WHERE NOT EXISTS (
                 SELECT 1 FROM listings WHERE root = $1 AND NOT (",
            due!($now),
            "))"
        )
    };
}
pub(super) const IS_DUE: Statement = on_both!(is_due);

/// Begins a round, or goes on with one that was left less than ten minutes ago: the pages of an older one do not
/// count as listed now. $1: the root, $2: its URL, $3: the length of the lease.
macro_rules! claim {
    ($now:expr) => {
        concat!(
            "INSERT INTO listings (root, url, token, lease_until_ms) VALUES ($1, $2, 1, ",
            $now,
            " + $3)
             ON CONFLICT (root) DO UPDATE
                 SET token = listings.token + 1, lease_until_ms = excluded.lease_until_ms,
                     page_after = CASE WHEN listings.lease_until_ms > ",
            $now,
            " - 600000 THEN listings.page_after END
             WHERE ",
            due!($now),
            " RETURNING token, page_after"
        )
    };
}
pub(super) const CLAIM: Statement = on_both!(claim);

/// Lets another lister go on. $1: the root, $2: the token.
macro_rules! release {
    ($now:expr) => {
        concat!("UPDATE listings SET lease_until_ms = ", $now, " WHERE root = $1 AND token = $2")
    };
}
pub(super) const RELEASE: Statement = on_both!(release);

/// Deletes objects that were removed long ago. $1: the root, $2: for how long; $3: the same for those that never had
/// another row, of which no origin has anything to forget.
macro_rules! delete_gone {
    ($now:expr) => {
        concat!(
            "DELETE FROM objects WHERE root = $1
             AND gone_ms <= ",
            $now,
            " - CASE WHEN etag = '' THEN $3 ELSE $2 END"
        )
    };
}
pub(super) const DELETE_GONE: Statement = on_both!(delete_gone);

/// A bucket that no process has listed for a time. $2: the time.
macro_rules! is_abandoned {
    ($now:expr) => {
        concat!(
            "lease_until_ms <= ",
            $now,
            " - $2 AND (listed_ms IS NULL OR listed_ms <= ",
            $now,
            " - $2)"
        )
    };
}

macro_rules! abandoned {
    ($now:expr) => {
        concat!(
            "SELECT root, url FROM listings WHERE ",
            is_abandoned!($now),
            " ORDER BY root LIMIT 1"
        )
    };
}
pub(super) const ABANDONED: Statement = on_both!(abandoned);

/// Locks a bucket that is still abandoned: a lister waits, and then lists all of it. $1: the root.
macro_rules! lock_abandoned {
    ($now:expr) => {
        concat!(
            "UPDATE listings SET listed_ms = NULL, page_after = NULL WHERE root = $1 AND ",
            is_abandoned!($now)
        )
    };
}
pub(super) const LOCK_ABANDONED: Statement = on_both!(lock_abandoned);

/// Deletes some objects of a bucket. $1: the root, $2: how many.
pub(super) const DELETE_SOME: &str = "DELETE FROM objects WHERE root = $1
    AND key IN (SELECT key FROM objects WHERE root = $1 ORDER BY key LIMIT $2)";

/// Deletes a bucket without objects. $1: the root.
pub(super) const DELETE_LISTING: &str = "DELETE FROM listings WHERE root = $1";

/// The objects behind a key. $1: the root, $2: the key.
pub(super) const OBJECTS: &str =
    "SELECT key, size, etag, modified_ms, gone_ms, changed FROM objects
    WHERE root = $1 AND key > $2 AND gone_ms IS NULL ORDER BY key LIMIT 5000";

/// The changes after a number. $1: the root, $2: the number.
pub(super) const CHANGES: &str =
    "SELECT key, size, etag, modified_ms, gone_ms, changed FROM objects
    WHERE root = $1 AND changed > $2 ORDER BY changed LIMIT 1000";

// ---- The merge ---------------------------------------------------------------------------------
//
// $1: the root. $2: the token of the lister; NULL for an event, which needs no lease. $3: the key behind which the
// next page begins. $4, $5: the keys that the page is about are behind $4, up to $5: a row among them that the page
// lacks is gone. $6: the page as JSON; an entry without a size says that the object is gone. $7: the number of the
// last change before the bucket was asked: a row that changed later is newer than the page. $8: the length of the
// lease. $9: 1 for the last page of a round, else 0.
//
// Of an event, each object's row is written, also an equal one, and one of an object that is gone and had none: its
// number is what makes an older page or check lose that comes later.

/// Stores how far the lister has come, if it still is the lister.
macro_rules! fence {
    ($now:expr) => {
        concat!(
            "UPDATE listings SET page_after = $3,
                 lease_until_ms = CASE WHEN $9 = 1 THEN 0 ELSE ",
            $now,
            " + $8 END,
                 listed_ms = CASE WHEN $9 = 1 THEN ",
            $now,
            " ELSE listed_ms END
             WHERE root = $1 AND token = $2"
        )
    };
}

macro_rules! page_of_sqlite {
    () => {
        "page AS MATERIALIZED (
             SELECT value ->> '$.key' AS key, value ->> '$.size' AS size,
                 value ->> '$.etag' AS etag, value ->> '$.modified_ms' AS modified_ms
             FROM json_each($6))"
    };
}

macro_rules! page_of_postgres {
    () => {
        "page AS MATERIALIZED (
             SELECT key, size, etag, modified_ms FROM jsonb_to_recordset(CAST($6 AS jsonb))
                 AS page(key TEXT, size BIGINT, etag TEXT, modified_ms BIGINT))"
    };
}

/// The rows to write, of the tables `clock` and `page`.
macro_rules! differences {
    () => {
        "differences AS MATERIALIZED (
             SELECT page.key AS key, COALESCE(page.size, objects.size, 0) AS size,
                 COALESCE(page.etag, objects.etag, '') AS etag,
                 CASE WHEN page.size IS NULL THEN objects.modified_ms ELSE page.modified_ms END
                     AS modified_ms,
                 CASE WHEN page.size IS NULL THEN clock.now_ms END AS gone_ms
             FROM clock CROSS JOIN page
             LEFT JOIN objects ON objects.root = $1 AND objects.key = page.key
             WHERE CASE
                 WHEN objects.key IS NULL THEN 1 = 1
                 WHEN objects.changed > $7 THEN 1 = 0
                 WHEN $2 IS NULL THEN 1 = 1
                 ELSE objects.gone_ms IS NOT NULL OR objects.size <> page.size
                     OR objects.etag <> page.etag
                     OR objects.modified_ms IS DISTINCT FROM page.modified_ms
             END
             UNION ALL
             SELECT objects.key, objects.size, objects.etag, objects.modified_ms, clock.now_ms
             FROM objects CROSS JOIN clock
             WHERE objects.root = $1 AND objects.key > $4 AND objects.key <= $5
                 AND objects.gone_ms IS NULL AND objects.changed <= $7
                 AND objects.key NOT IN (SELECT page.key FROM page))"
    };
}

/// Writes the differences, with numbers behind `$before`.
macro_rules! write {
    ($before:expr, $from:expr) => {
        concat!(
            "INSERT INTO objects (root, key, size, etag, modified_ms, gone_ms, changed)
             SELECT $1, key, size, etag, modified_ms, gone_ms, ",
            $before,
            " + ROW_NUMBER() OVER () FROM ",
            $from,
            " WHERE 1 = 1
             ON CONFLICT (root, key) DO UPDATE SET size = excluded.size, etag = excluded.etag,
                 modified_ms = excluded.modified_ms, gone_ms = excluded.gone_ms,
                 changed = excluded.changed
             WHERE objects.changed <= $7"
        )
    };
}

/// The rows of the page that are newer than the page.
macro_rules! newer {
    () => {
        "SELECT COUNT(*) FROM page JOIN objects ON objects.root = $1 AND objects.key = page.key
             WHERE objects.changed > $7"
    };
}

/// All of it, for PostgreSQL. Its parts see the rows from before the statement waited for the lock of the sequence;
/// ON CONFLICT looks at each row once more. `differing` and `written` differ where a row has changed meanwhile.
pub(super) const MERGE_POSTGRES: &str = concat!(
    "WITH clock AS MATERIALIZED (SELECT ",
    postgres_now_sql!(),
    " AS now_ms),
     fence AS (",
    fence!(postgres_now_sql!()),
    " RETURNING 1 AS held),
     ",
    page_of_postgres!(),
    ",
     ",
    differences!(),
    ",
     number AS (
         UPDATE objects_sequence SET last = last + (SELECT COUNT(*) FROM differences)
         WHERE EXISTS (SELECT 1 FROM differences) AND ($2 IS NULL OR EXISTS (SELECT 1 FROM fence))
         RETURNING last - (SELECT COUNT(*) FROM differences) AS before, last),
     written AS (",
    write!("number.before", "differences CROSS JOIN number"),
    " RETURNING 1 AS one),
     notified AS (
         SELECT pg_notify('headwater_library', '') FROM (
             SELECT 1 FROM written UNION ALL SELECT 1 FROM fence WHERE $9 = 1 LIMIT 1) AS changes)
     SELECT (SELECT COUNT(*) FROM fence) AS held, (SELECT COUNT(*) FROM written) AS written,
         (SELECT COUNT(*) FROM differences) + (",
    newer!(),
    ") AS differing, COALESCE((SELECT last FROM number), (SELECT last FROM objects_sequence)) AS last,
         (SELECT COUNT(*) FROM notified) AS notified"
);

/// The parts, for SQLite.
pub(super) const FENCE_SQLITE: &str = fence!(sqlite_now!());
pub(super) const NEWER_SQLITE: &str =
    concat!("WITH ", page_of_sqlite!(), " SELECT (", newer!(), ") AS newer");
pub(super) const WRITE_SQLITE: &str = concat!(
    "WITH clock AS (SELECT ",
    sqlite_now!(),
    " AS now_ms), ",
    page_of_sqlite!(),
    ", ",
    differences!(),
    write!("(SELECT last FROM objects_sequence)", "differences")
);
pub(super) const ADVANCE_SQLITE: &str = "UPDATE objects_sequence SET last = last + $1";
