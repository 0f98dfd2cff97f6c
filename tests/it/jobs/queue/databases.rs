//! The databases: creation, sharing, migration, outages.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use futures::future::join_all;
use headwater::{
    queue::{Class, Queue, QueueError},
    store::{Database, DatabaseError, Dialect},
};
use tokio::time::timeout;

use super::{LEASE, TestQueue, job, keyed, new_artifact, on_both};
use crate::support::{
    folder::Folder,
    postgres::Cluster,
    wait::{SLOW_POLL_INTERVAL, TIMEOUT},
};

/// The clock of PostgreSQL, or else of this machine.
const NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now_ms";

on_both! {

processes_that_open_a_new_database_concurrently_all_get_it(bench) {
    // This database was created; those are not.
    let (url, data) = match &bench.url {
        Some(_) => (Some(crate::support::postgres::database().await), bench.folder.path("data")),
        None => (None, bench.folder.path("new/data")),
    };
    for opened in join_all((0..8).map(|_| Database::open(url.as_deref(), &data))).await {
        assert_eq!(Queue::new(opened.expect("a database")).last_change().await.unwrap(), 0);
    }
}

tables_of_a_newer_version_are_not_touched(bench) {
    let mut transaction = bench.database().begin().await.unwrap();
    transaction.execute("UPDATE schema_version SET version = 1000", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    let opened = Database::open(bench.url.as_deref(), &bench.folder.path("data")).await;
    assert!(matches!(opened, Err(DatabaseError::TooNew { found: 1000, .. })), "{opened:?}");
}

tables_of_an_older_version_start_over_and_numbers_go_on(bench) {
    let lease = bench.taken(keyed("a")).await;
    assert!(bench.finish(&lease, &[new_artifact("a")]).await.unwrap());
    let old = bench.add(job("poster", 1)).await;
    let last = bench.last_change().await.unwrap();
    let mut transaction = bench.database().begin().await.unwrap();
    for sql in [
        "ALTER TABLE jobs RENAME COLUMN unavailable TO old_name",
        "ALTER TABLE artifacts RENAME COLUMN created_ms TO old_ms",
        "DROP TABLE webhooks_sequence",
        "CREATE TABLE announced (last BIGINT NOT NULL)",
        "UPDATE schema_version SET version = 3",
    ] {
        transaction.execute(sql, &[]).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let queue = bench.elsewhere().await;
    assert_eq!(queue.job(old.id).await.unwrap(), None);
    assert!(queue.artifacts_with_prefix("").await.unwrap().is_empty());
    assert_eq!(queue.last_change().await.unwrap(), last, "tokens of artifacts stay unique");
    let (new, _) = queue.enqueue(job("poster", 1)).await.unwrap();
    assert_eq!(new.changed, last + 1);
    // The next start finds the current tables.
    assert_eq!(bench.elsewhere().await.job(new.id).await.unwrap(), Some(new));
}

committed_rows_survive_a_restart(bench) {
    let job = bench.add(job("poster", 1)).await;
    assert_eq!(bench.elsewhere().await.job(job.id).await.unwrap(), Some(job));
}

a_dropped_transaction_changes_nothing(bench) {
    let mut change = bench.begin().await.unwrap();
    change.enqueue(job("poster", 1)).await.unwrap();
    drop(change);
    assert_eq!(bench.last_change().await.unwrap(), 0);
    assert!(bench.changed_since(0, 9).await.unwrap().is_empty());
}

a_job_is_enqueued_in_the_transaction_of_its_caller(bench) {
    let mut change = bench.begin().await.unwrap();
    let (job, _) = change.enqueue(job("poster", 1)).await.unwrap();
    change.transaction().execute("CREATE TABLE uploads (name TEXT)", &[]).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(bench.job(job.id).await.unwrap(), Some(job));
    assert!(bench.database().rows("SELECT name FROM uploads", &[]).await.unwrap().is_empty());
}

a_transaction_in_which_a_statement_failed_runs_no_other(bench) {
    let mut change = bench.begin().await.unwrap();
    change.transaction().execute("INSERT INTO sequence (last) VALUES (NULL)", &[]).await.expect_err("NULL");
    change.enqueue(job("poster", 1)).await.expect_err("nothing more");
    change.commit().await.expect_err("nothing to commit");
    assert!(bench.changed_since(0, 9).await.unwrap().is_empty());
    bench.add(job("poster", 1)).await;
}

a_statement_that_its_caller_gave_up_holds_no_connection(bench) {
    // More often than there are connections.
    for _ in 0..16 {
        let long = match bench.database().dialect() {
            Dialect::Postgres => "SELECT pg_sleep(600)",
            Dialect::Sqlite => {
                // Long, and not endless: nothing interrupts a statement of SQLite.
                "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many LIMIT 1000000)
                 SELECT MAX(n) AS n FROM many"
            }
        };
        let asked = timeout(Duration::from_millis(20), bench.database().rows(long, &[])).await;
        assert!(asked.is_err(), "{asked:?}");
    }
    bench.add(job("poster", 1)).await;
    assert!(bench.take().await.is_some());
}

an_invalid_row_is_an_error_and_no_panic(bench) {
    let added = bench.add(job("poster", 1)).await;
    let mut transaction = bench.database().begin().await.unwrap();
    transaction.execute("UPDATE jobs SET class = 'magic'", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    let result = bench.job(added.id).await;
    assert!(matches!(&result, Err(QueueError::Row { column: "class", .. })), "{result:?}");
    bench.add(job("poster", 1)).await;
    assert!(bench.take().await.is_some());
}

}

#[tokio::test]
async fn the_database_file_is_readable_by_its_owner_only() {
    let folder = Folder::new();
    let database = Database::open(None, &folder.path("state/data")).await.unwrap();
    Queue::new(database).enqueue(job("poster", 1)).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path("state/data")), 0o700);
    for name in ["headwater.db", "headwater.db-wal", "headwater.db-shm"] {
        assert_eq!(mode(&folder.path("state/data").join(name)), 0o600, "{name}");
    }
}

/// SQLite rolls back automatically when the disk is full.
#[tokio::test]
async fn a_full_disk_costs_one_change_and_the_next_one_succeeds() {
    let bench = TestQueue::sqlite().await;
    for round in 0..20 {
        let mut change = bench.begin().await.unwrap();
        let transaction = change.transaction();
        // For this connection the disk is full from now on.
        transaction.rows("PRAGMA max_page_count = 1", &[]).await.unwrap();
        transaction
            .execute("CREATE TABLE big (bytes BLOB)", &[])
            .await
            .expect_err("no page is left");
        drop(change);
        bench.add(job("poster", 1)).await;
        let (_, lease) = bench.take().await.expect("a job");
        assert!(bench.finish(&lease, &[]).await.unwrap(), "round {round}");
    }
}

#[tokio::test]
async fn a_deleted_or_replaced_file_is_opened_again_by_all_processes() {
    let bench = TestQueue::sqlite().await;
    let other = bench.elsewhere().await;
    let data = bench.folder.path("data");
    bench.add(job("poster", 1)).await;
    fs::remove_dir_all(&data).expect("removed");
    // Until the next look at the path, a query may find no file.
    until_ok(async || bench.last_change().await.ok().filter(|last| *last == 0)).await;
    let (new, _) = bench.enqueue(job("poster", 1)).await.unwrap();
    assert_eq!(new.changed, 1, "the tables are new");
    until_ok(async || other.job(new.id).await.ok().flatten()).await;
    assert!(other.claim("worker", Class::ALL, LEASE).await.unwrap().is_some());
    // A backup without that job.
    let backup = Arc::clone(&TestQueue::sqlite().await.folder);
    fs::remove_dir_all(&data).expect("removed");
    fs::rename(backup.path("data"), &data).expect("put in place");
    until_ok(async || bench.job(new.id).await.ok().filter(Option::is_none)).await;
    bench.add(job("poster", 1)).await;
}

/// Waits until a query has a result.
async fn until_ok<T>(query: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = query().await {
                return found;
            }
            tokio::time::sleep(SLOW_POLL_INTERVAL).await;
        }
    };
    timeout(TIMEOUT, found).await.expect("in time")
}

#[tokio::test]
async fn a_full_disk_is_a_transient_error() {
    let bench = TestQueue::sqlite().await;
    let mut transaction = bench.database().begin().await.unwrap();
    transaction.rows("PRAGMA max_page_count = 1", &[]).await.unwrap();
    let full = transaction.execute("CREATE TABLE big (bytes BLOB)", &[]).await;
    assert!(matches!(full, Err(DatabaseError::Unavailable(_))), "{full:?}");
}

#[tokio::test]
async fn a_database_url_names_a_file_or_is_refused() {
    let folder = Folder::new();
    let file = folder.path("a queue?.db");
    for scheme in ["sqlite:", "sqlite://"] {
        let url = format!("{scheme}{}", file.display());
        Database::open(Some(&url), Path::new("/nowhere")).await.unwrap();
        fs::remove_file(&file).expect("the file exists");
    }
    for url in ["mysql://localhost/x", "headwater.db", "sqlite:", "sqlite://", ""] {
        let opened = Database::open(Some(url), Path::new("/nowhere")).await;
        assert!(
            matches!(opened, Err(DatabaseError::Scheme(_) | DatabaseError::Url { .. })),
            "{url}: {opened:?}"
        );
    }
    let below_a_file = Database::open(None, &folder.put("file", "")).await;
    assert!(matches!(below_a_file, Err(DatabaseError::File { .. })), "{below_a_file:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    folder
        .put("headwater.db", "a letter to my aunt, and nothing that SQLite could read".repeat(99));
    let opened = Database::open(None, &folder.path("")).await;
    assert!(matches!(opened, Err(DatabaseError::Refused(_))), "{opened:?}");
}

#[tokio::test]
async fn workers_on_postgresql_use_the_clock_of_the_database() {
    let bench = TestQueue::postgres().await;
    let queue = Queue::new(bench.database().clone());
    let now = async || -> i64 {
        let row = bench.database().row(NOW, &[]).await.unwrap().expect("a row");
        row.get("now_ms").unwrap()
    };
    let before = now().await;
    let (added, _) = queue.enqueue(job("poster", 1)).await.unwrap();
    let (claimed, _) = queue.claim("worker", Class::ALL, LEASE).await.unwrap().expect("a job");
    let after = now().await;
    assert!((before..=after).contains(&added.created_ms));
    assert!((before..=after).contains(&claimed.started_ms.expect("begun")));
}

#[tokio::test]
async fn a_stopped_database_is_an_error_and_a_restarted_one_is_used() {
    let mut cluster = Cluster::start();
    let url = cluster.database().await;
    let queue = Queue::new(Database::open(Some(&url), Path::new("")).await.unwrap());
    queue.enqueue(job("poster", 1)).await.unwrap();
    let last = queue.wait_for_change(0).await.unwrap();
    cluster.order("stop");
    for _ in 0..3 {
        let refused = queue.enqueue(job("poster", 1)).await.expect_err("no server");
        assert!(refused.is_transient(), "{refused:?}");
        assert!(queue.wait_for_change(last).await.expect_err("no server").is_transient());
    }
    let opened = Database::open(Some(&url), Path::new("")).await;
    assert!(opened.as_ref().is_err_and(DatabaseError::is_transient), "{opened:?}");
    cluster.order("start");
    // A probe notices that the server is back.
    until_ok(async || queue.enqueue(job("poster", 1)).await.ok()).await;
    assert_eq!(queue.wait_for_change(last).await.unwrap(), last + 1);
    assert!(queue.claim("worker", Class::ALL, LEASE).await.unwrap().is_some());
}
