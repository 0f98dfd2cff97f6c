//! The statements of the catalog, on both databases.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use headwater::{
    bucket_catalog::{
        abandoned::delete_abandoned,
        rows::{Lease, Merged, Observation, PageRange, Rows, State},
    },
    extent::bucket::{Listed, ObjectChange},
    store::Database,
};

use crate::support::{folder::Folder, postgres};

const URL: &str = "http://s3.example/media/films";

/// A lease that does not end in a test.
const LEASE: Duration = Duration::from_secs(600);

/// A lease that has ended before the next statement, and no time between two rounds.
const NO_TIME: Duration = Duration::ZERO;

struct Bench {
    database: Database,
    _folder: Folder,
}

impl Bench {
    async fn open(url: Option<String>) -> Self {
        let folder = Folder::new();
        let database = Database::open(url.as_deref(), &folder.path("data")).await;
        Self { database: database.expect("a database"), _folder: folder }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { database: &self.database, root: "one" }
    }

    async fn claim(&self, duration: Duration) -> Option<Lease> {
        self.rows().claim(URL, duration, NO_TIME).await.expect("a database")
    }

    async fn state(&self) -> State {
        self.rows().state().await.expect("a database")
    }

    /// Merges a page behind a key, up to a key.
    async fn page(
        &self,
        lease: &Lease,
        (after, last): (Option<&str>, Option<&str>),
        objects: &[ObjectChange],
    ) -> Merged {
        let seen = self.state().await.last;
        let page = Some((lease, PageRange { after, last }));
        self.rows().merge(&Observation { page, objects, seen }).await.expect("a database")
    }

    /// Merges the states of some objects, as of the change `seen`.
    async fn states(&self, objects: &[ObjectChange], seen: i64) -> Merged {
        let observation = Observation { page: None, objects, seen };
        self.rows().merge(&observation).await.expect("a database")
    }

    async fn changes(&self, seen: i64) -> Vec<ObjectChange> {
        let mut changes = self.rows().changes_after(seen).await.expect("a database").0;
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        changes
    }

    async fn keys(&self) -> Vec<String> {
        let objects = self.rows().objects_behind("").await.expect("a database");
        objects.iter().map(|object| object.key.to_string()).collect()
    }
}

macro_rules! on_both {
    ($($name:ident($bench:ident) $body:block)+) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $name() {
                super::$name(super::Bench::open(None).await).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test] async fn $name() {
                let url = crate::support::postgres::database().await;
                super::$name(super::Bench::open(Some(url)).await).await;
            })+
        }
        $(async fn $name($bench: Bench) $body)+
    };
}

/// An object whose ETag is `etag`.
fn object(key: &str, etag: &str) -> ObjectChange {
    let modified = Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123));
    let key: Arc<str> = key.into();
    let listed =
        Listed { key: Arc::clone(&key), size: 5, etag: etag.into(), modified, is_archived: false };
    ObjectChange { key, state: Some(listed) }
}

fn gone(key: &str) -> ObjectChange {
    ObjectChange { key: key.into(), state: None }
}

const ALL: (Option<&str>, Option<&str>) = (None, None);

on_both! {

a_second_round_over_an_unchanged_bucket_writes_no_row(bench) {
    let page = [object("a", "1"), object("it's \"ü\" \\ 100%/b", "2"), object("c", "3")];
    let lease = bench.claim(LEASE).await.expect("due");
    let merged = bench.page(&lease, ALL, &page).await;
    assert_eq!((merged.is_held, merged.written, merged.last), (true, 3, 3));
    let State { last, epoch, is_listed } = bench.state().await;
    assert!(last == 3 && epoch > 0 && is_listed);
    let lease = bench.claim(LEASE).await.expect("due");
    let merged = bench.page(&lease, ALL, &page).await;
    assert_eq!((merged.is_held, merged.written, merged.newer, merged.last), (true, 0, 0, 3));
    // A fraction of a second, which only listings have, is no difference.
    let mut heads = page.clone();
    let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    heads.iter_mut().for_each(|object| object.state.as_mut().expect("listed").modified = Some(whole));
    let lease = bench.claim(LEASE).await.expect("due");
    assert_eq!(bench.page(&lease, ALL, &heads).await.written, 0);
    assert_eq!(bench.keys().await, ["a", "c", "it's \"ü\" \\ 100%/b"]);
}

only_differences_are_written_and_each_has_a_number_of_its_own(bench) {
    let lease = bench.claim(LEASE).await.expect("due");
    let page = ["a", "b", "c", "d"].map(|key| object(key, "1"));
    bench.page(&lease, ALL, &page).await;
    let lease = bench.claim(LEASE).await.expect("due");
    let page = [object("a", "1"), object("b", "2"), object("d", "1"), object("e", "1")];
    assert_eq!(bench.page(&lease, ALL, &page).await.written, 3);
    let changed = [object("b", "2"), gone("c"), object("e", "1")];
    let listed = |changes: &[ObjectChange]| -> Vec<_> {
        let etag = |change: &ObjectChange| change.state.as_ref().map(|listed| listed.etag.to_string());
        changes.iter().map(|change| (change.key.to_string(), etag(change))).collect()
    };
    assert_eq!(listed(&bench.changes(4).await), listed(&changed));
    assert_eq!(bench.state().await.last, 7);
    assert_eq!(bench.changes(6).await.len(), 1, "one has the last number");
    assert_eq!(bench.keys().await, ["a", "b", "d", "e"]);
    // What was gone comes back.
    let lease = bench.claim(LEASE).await.expect("due");
    let page = [object("a", "1"), object("b", "2"), object("c", "1"), object("d", "1"), object("e", "1")];
    assert_eq!(bench.page(&lease, ALL, &page).await.written, 1);
    assert_eq!(bench.keys().await.len(), 5);
}

a_page_says_nothing_of_keys_outside_of_it(bench) {
    let lease = bench.claim(LEASE).await.expect("due");
    let all = ["a", "b", "c", "d", "é", "\u{10ffff}z"].map(|key| object(key, "1"));
    bench.page(&lease, ALL, &all).await;
    let lease = bench.claim(LEASE).await.expect("due");
    bench.page(&lease, (None, Some("b")), &[object("b", "1")]).await;
    assert_eq!(bench.keys().await, ["b", "c", "d", "é", "\u{10ffff}z"]);
    bench.page(&lease, (Some("b"), Some("d")), &[object("d", "1")]).await;
    assert_eq!(bench.keys().await, ["b", "d", "é", "\u{10ffff}z"]);
    bench.page(&lease, (Some("d"), None), &[]).await;
    assert_eq!(bench.keys().await, ["b", "d"]);
    // And nothing of other buckets.
    let other = Rows { root: "two", ..bench.rows() };
    assert_eq!(other.objects_behind("").await.expect("a database"), []);
    assert!(!other.state().await.expect("a database").is_listed);
}

one_process_lists_and_its_successor_goes_on_from_its_page(bench) {
    let first = bench.claim(NO_TIME).await.expect("due");
    assert_eq!(first.page_after, None);
    bench.page(&first, (None, Some("m")), &[object("a", "1")]).await;
    // Its lease has ended.
    let second = bench.claim(LEASE).await.expect("due");
    assert_eq!(second.page_after.as_deref(), Some("m"));
    let late = bench.page(&first, (Some("m"), None), &[object("z", "1")]).await;
    assert_eq!((late.is_held, late.written), (false, 0));
    assert_eq!(bench.claim(LEASE).await, None, "another one lists");
    assert!(!bench.rows().is_due(NO_TIME).await.expect("a database"));
    bench.rows().release(&first).await.expect("a database");
    assert_eq!(bench.claim(LEASE).await, None, "it was not the first one's to give");
    assert!(!bench.state().await.is_listed);
    bench.page(&second, (Some("m"), None), &[object("y", "1")]).await;
    assert!(bench.state().await.is_listed);
    assert_eq!(bench.keys().await, ["a", "y"]);
    assert!(!bench.rows().is_due(LEASE).await.expect("a database"), "the round has ended");
    assert!(bench.rows().is_due(NO_TIME).await.expect("a database"));
    assert_eq!(bench.claim(LEASE).await.expect("due").page_after, None);
}

a_round_that_was_left_long_ago_begins_again(bench) {
    let lease = bench.claim(LEASE).await.expect("due");
    bench.page(&lease, (None, Some("m")), &[object("a", "1")]).await;
    bench.rows().release(&lease).await.expect("a database");
    let lease = bench.claim(LEASE).await.expect("due");
    assert_eq!(lease.page_after.as_deref(), Some("m"));
    let long_ago = "UPDATE listings SET lease_until_ms = lease_until_ms - 1300000";
    bench.database.write(long_ago, &[]).await.expect("a database");
    assert_eq!(bench.claim(LEASE).await.expect("due").page_after, None);
}

a_row_that_is_newer_than_the_observation_stays(bench) {
    let lease = bench.claim(LEASE).await.expect("due");
    bench.page(&lease, ALL, &[object("a", "old"), object("b", "old"), object("c", "old")]).await;
    let seen = bench.state().await.last;
    // Events come between the request for a page and its merge.
    assert_eq!(bench.states(&[object("a", "new"), gone("b"), object("d", "new")], seen).await.written, 3);
    let lease = bench.claim(LEASE).await.expect("due");
    let objects = [object("a", "old"), object("b", "old"), object("c", "old")];
    let observation = Observation { page: Some((&lease, PageRange { after: None, last: None })), objects: &objects, seen };
    let merged = bench.rows().merge(&observation).await.expect("a database");
    assert_eq!((merged.written, merged.newer), (0, 2));
    assert_eq!(bench.keys().await, ["a", "c", "d"]);
    // Of two events, the one that asked before the other's write does not know which is newer.
    let merged = bench.states(&[object("a", "newer")], seen).await;
    assert_eq!((merged.written, merged.newer), (0, 1));
    let merged = bench.states(&[object("a", "newer")], merged.last).await;
    assert_eq!((merged.written, merged.newer), (1, 0));
}

an_older_page_does_not_bring_back_what_an_event_found_gone(bench) {
    let lease = bench.claim(LEASE).await.expect("due");
    let seen = bench.state().await.last;
    // The lister has its page. Then the objects are removed; of one of them there is no row yet.
    bench.states(&[object("known", "1")], seen).await;
    let seen = bench.state().await.last;
    assert_eq!(bench.states(&[gone("known"), gone("new")], seen).await.written, 2);
    let objects = [object("known", "1"), object("new", "1")];
    let page = Some((&lease, PageRange { after: None, last: None }));
    let merged = bench.rows().merge(&Observation { page, objects: &objects, seen }).await;
    let merged = merged.expect("a database");
    assert_eq!((merged.written, merged.newer), (0, 2));
    assert_eq!(bench.keys().await, [""; 0]);
    // So does an older check of an event that another origin got.
    let merged = bench.states(&[object("new", "1")], seen).await;
    assert_eq!((merged.written, merged.newer), (0, 1));
    // Objects that are put there later have rows.
    let lease = bench.claim(LEASE).await.expect("due");
    assert_eq!(bench.page(&lease, ALL, &objects).await.written, 2);
    assert_eq!(bench.keys().await, ["known", "new"]);
}

an_event_of_an_equal_object_makes_an_older_page_lose(bench) {
    bench.states(&[object("a", "1")], 0).await;
    let lease = bench.claim(LEASE).await.expect("due");
    let seen = bench.state().await.last;
    // The object was another one for a moment, and the lister saw that one.
    assert_eq!(bench.states(&[object("a", "1")], seen).await.written, 1);
    let objects = [object("a", "2")];
    let page = Some((&lease, PageRange { after: None, last: None }));
    let merged = bench.rows().merge(&Observation { page, objects: &objects, seen }).await;
    assert_eq!(merged.expect("a database").written, 0);
}

removed_objects_keep_their_rows_for_those_that_follow(bench) {
    bench.states(&[object("listed", "1"), gone("never there")], 0).await;
    bench.states(&[gone("listed")], 2).await;
    bench.rows().delete_gone().await.expect("a database");
    assert_eq!(bench.changes(0).await, [gone("listed"), gone("never there")]);
    let later = "UPDATE objects SET gone_ms = gone_ms - $1";
    for (hours, left) in [(2_i64, vec![gone("listed")]), (24, Vec::new())] {
        bench.database.write(later, &[(hours * 3_600_000).into()]).await.expect("a database");
        bench.rows().delete_gone().await.expect("a database");
        assert_eq!(bench.changes(0).await, left);
    }
}

the_rows_of_a_bucket_that_no_process_lists_are_deleted(bench) {
    let other = Rows { root: "two", ..bench.rows() };
    let objects: Vec<_> = (0..4500).map(|number| object(&format!("{number:05}"), "1")).collect();
    for rows in [bench.rows(), other] {
        let lease = rows.claim(URL, LEASE, NO_TIME).await.expect("a database").expect("due");
        let page = Some((&lease, PageRange { after: None, last: None }));
        rows.merge(&Observation { page, objects: &objects, seen: 0 }).await.expect("a database");
    }
    let database = &bench.database;
    let is_there = |root: &'static str| async move {
        let sql = "SELECT (SELECT COUNT(*) FROM listings WHERE root = $1) AS listings,
            (SELECT COUNT(*) FROM objects WHERE root = $1) AS objects";
        let row = database.row(sql, &[root.into()]).await.expect("a database").expect("a row");
        let count = |column| row.get::<i64>(column).expect("a number");
        (count("listings"), count("objects"))
    };
    delete_abandoned(&bench.database).await.expect("a database");
    assert_eq!(is_there("two").await, (1, 4500));
    let month_ago = "UPDATE listings SET listed_ms = listed_ms - $1 WHERE root = 'two'";
    let values = [(31 * 86_400_000_i64).into()];
    bench.database.write(month_ago, &values).await.expect("a database");
    // A bucket that does not respond is tried: the lease says so.
    let lease = other.claim(URL, NO_TIME, NO_TIME).await.expect("a database").expect("due");
    delete_abandoned(&bench.database).await.expect("a database");
    assert_eq!(is_there("two").await, (1, 4500));
    other.release(&lease).await.expect("a database");
    let month_ago = "UPDATE listings SET lease_until_ms = lease_until_ms - $1 WHERE root = 'two'";
    bench.database.write(month_ago, &values).await.expect("a database");
    delete_abandoned(&bench.database).await.expect("a database");
    assert_eq!(is_there("two").await, (0, 0));
    assert_eq!(is_there("one").await, (1, 4500));
}

many_changes_are_read_in_pieces(bench) {
    let objects: Vec<_> = (0..2500).map(|number| object(&format!("{number:05}"), "1")).collect();
    assert_eq!(bench.states(&objects, 0).await.written, 2500);
    let (mut seen, mut count) = (0, 0);
    loop {
        let (changes, last) = bench.rows().changes_after(seen).await.expect("a database");
        if changes.is_empty() {
            break;
        }
        assert!(changes.len() <= 1000 && last > seen);
        (seen, count) = (last, count + changes.len());
    }
    assert_eq!((seen, count), (2500, 2500));
}
}

/// Two connections of PostgreSQL, whose statements overlap: numbers are in the order of commits, and none twice.
#[tokio::test]
async fn writers_at_the_same_time_lose_nothing() {
    let bench = Bench::open(Some(postgres::database().await)).await;
    let write = |writer: usize| {
        let rows = bench.rows();
        async move {
            for round in 0..20 {
                let key = |number| format!("{writer}/{round}/{number}");
                let objects: Vec<_> = (0..10).map(|number| object(&key(number), "1")).collect();
                let seen = rows.state().await.expect("a database").last;
                let observation = Observation { page: None, objects: &objects, seen };
                assert_eq!(rows.merge(&observation).await.expect("a database").written, 10);
            }
        }
    };
    futures::future::join_all((0..6).map(write)).await;
    assert_eq!(bench.state().await.last, 1200);
    assert_eq!(bench.changes(0).await.len(), 1000);
    assert_eq!(bench.changes(1000).await.len(), 200);
}
