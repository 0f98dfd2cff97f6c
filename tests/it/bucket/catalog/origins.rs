//! Several origins of one bucket.

use std::{fs, path::Path, time::Duration};

use headwater::{library::MediaPath, store::Database};

use super::{Origin, Site, block_on_tokio};
use crate::support::{
    bucket::Bucket,
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::Folder,
    postgres::Cluster,
    streams::{CLOCK, put_sample},
    wait::until_slowly,
};

/// The objects of a page.
const PAGE: usize = 1000;

#[test]
fn one_of_three_origins_lists_for_all() {
    let bucket = Bucket::new();
    bucket.fill(3 * PAGE + 500);
    let proxy = FaultProxy::start(bucket.address);
    let site = Site::new();
    let origins = [(); 3].map(|()| site.origin(&bucket, &proxy.endpoint(), ""));
    origins.iter().for_each(|origin| origin.until_titles(3 * PAGE + 500));
    // The pages behind the first, which is also asked for to see whether the bucket responds. A page that comes
    // late is asked for again.
    let pages = || {
        let passed = proxy.passed().into_iter();
        passed.filter(|passed| passed.target.contains("start-after=")).count()
    };
    assert!((3..2 * 3).contains(&pages()), "{}", pages());
    let follow = || origins.iter().all(|origin| origin.listing() == "database");
    until_slowly("all follow the rows", follow);
    proxy.forget();
    let late = site.origin(&bucket, &proxy.endpoint(), "");
    late.until_titles(3 * PAGE + 500);
    assert_eq!(pages(), 0, "it reads the rows");
}

#[test]
fn the_successor_of_a_stopped_lister_goes_on_from_its_page_at_once() {
    let bucket = Bucket::new();
    bucket.fill(4 * PAGE);
    let proxy = FaultProxy::start(bucket.address);
    let site = Site::new();
    // Slow enough to be stopped in the middle.
    proxy.set(Faults { latency: Duration::from_millis(300), ..Faults::default() });
    let stopped = site.origin(&bucket, &proxy.endpoint(), "");
    let listing = || {
        let sql = "SELECT page_after, lease_until_ms <= CAST(EXTRACT(EPOCH FROM
            clock_timestamp()) * 1000 AS BIGINT) AS is_free FROM listings";
        block_on_tokio(async {
            let database = Database::open(Some(&site.database), &site.folder.path("data")).await;
            let row = database.expect("a database").row(sql, &[]).await.expect("a database");
            let row = row?;
            let page_after = row.get::<Option<String>>("page_after").expect("text")?;
            Some((page_after, row.get::<bool>("is_free").expect("a truth")))
        })
    };
    until_slowly("it has merged a page", || listing().is_some());
    drop(stopped);
    let (page_after, is_free) = listing().expect("the round has not ended");
    assert!(is_free, "it has released its lease");
    proxy.set(Faults::default());
    proxy.forget();
    let successor = site.origin(&bucket, &proxy.endpoint(), "");
    successor.until_titles(4 * PAGE);
    let passed = proxy.passed();
    let lists = passed.iter().filter(|passed| passed.operation == Operation::List);
    let pages = lists.map(|list| list.target.as_str()).filter(|list| list.contains("start-after="));
    let mut pages: Vec<_> = pages.collect();
    // A page that comes late is asked for again.
    pages.dedup();
    assert!((1..4).contains(&pages.len()), "{pages:?}");
    let name = page_after.rsplit('/').next().expect("a name");
    assert!(pages[0].contains(name), "{page_after}: {pages:?}");
}

#[test]
fn a_listing_shows_new_removed_and_replaced_objects_on_all_origins() {
    let bucket = Bucket::new();
    bucket.put("a.mp4", "1");
    bucket.put("b.mp4", "1");
    let site = Site::new();
    let origins = [(); 2].map(|()| {
        site.origin(&bucket, &bucket.endpoint(), "rescan_s = 1\nnot_found_max_age_s = 3600")
    });
    for origin in &origins {
        origin.until_titles(2);
        assert_eq!(origin.last_byte("/media/a.mp4"), (206, b"1".to_vec()));
        assert_eq!(origin.get("/media/c.mp4", &[]).status, 404);
    }
    bucket.put("a.mp4", "2");
    bucket.put("c.mp4", "3");
    bucket.remove("b.mp4");
    let is_new = |origin: &Origin| {
        origin.last_byte("/media/a.mp4") == (206, b"2".to_vec())
            && origin.last_byte("/media/c.mp4") == (206, b"3".to_vec())
            && origin.get("/media/b.mp4", &[]).status == 404
            && origin.titles() == 2
    };
    for origin in &origins {
        until_slowly("the origin has the new listing", || is_new(origin));
    }
}

#[test]
fn a_full_library_takes_what_it_left_out_once_there_is_room() {
    // Of the objects of a bucket that does not change, no row says that there is room now.
    for (max_titles, names) in [
        (1, ["a.mp4", "b.mp4"]),
        // Four objects fill a title's part of the listing.
        (1, ["a.jpg,b.jpg,c.jpg,d.jpg", "e.mp4"]),
    ] {
        let bucket = Bucket::new();
        let [first, left_out] = names.map(|names| names.split(',').collect::<Vec<_>>());
        first.iter().chain(&left_out).for_each(|name| drop(bucket.put(name, "1")));
        let site = Site::new();
        let configuration = format!("rescan_s = 1\nmax_titles = {max_titles}");
        let origin = site.origin(&bucket, &bucket.endpoint(), &configuration);
        until_slowly("it follows the rows", || origin.listing() == "database");
        let titles = |name: &str| {
            let path = MediaPath::from_path(Path::new(name)).expect("a path");
            origin.site().titles.library.catalog.get(&path).is_some()
        };
        assert!(!titles(left_out[0]));
        first.iter().for_each(|name| bucket.remove(name));
        until_slowly("what was left out is listed", || titles(left_out[0]));
    }
}

#[test]
fn one_origin_on_sqlite_lists_for_itself_by_the_database() {
    let bucket = Bucket::new();
    bucket.put("films/a.mp4", "1");
    let files = Folder::new();
    put_sample(&files, CLOCK, "set.set/one.mp4");
    bucket.put_folder(&files.path(""), "films/");
    let site = Site::on(format!("sqlite:{}", files.path("headwater.db").display()));
    let origin = site.origin(&bucket, &bucket.endpoint(), "rescan_s = 1");
    origin.until_titles(2);
    until_slowly("its status is known", || origin.listing() == "database");
    let set = MediaPath::from_path(Path::new("films/set.set")).expect("a path");
    let size = || origin.site().titles.library.catalog.get(&set).map(|set| set.size_bytes);
    let one = size().expect("the set is listed");
    bucket.put("films/set.set/two.mp4", fs::read(files.path("set.set/one.mp4")).expect("a file"));
    bucket.remove("films/a.mp4");
    origin.until_titles(1);
    until_slowly("the set has its new member", || size() == Some(2 * one));
}

#[test]
fn without_the_database_an_origin_lists_for_itself_and_follows_it_afterwards() {
    let mut cluster = Cluster::start();
    let site = Site::on(block_on_tokio(cluster.database()));
    let bucket = Bucket::new();
    bucket.put("a.mp4", "1");
    let origin = site.origin(&bucket, &bucket.endpoint(), "rescan_s = 1");
    origin.until_titles(1);
    until_slowly("it follows the database", || origin.listing() == "database");
    cluster.order("stop");
    bucket.put("b.mp4", "2");
    origin.until_titles(2);
    until_slowly("the status says so", || origin.listing() == "own");
    // An origin that starts now has all titles, too.
    let late = site.origin(&bucket, &bucket.endpoint(), "rescan_s = 1");
    late.until_titles(2);
    until_slowly("the status says so", || late.listing() == "own");
    assert_eq!(late.last_byte("/media/b.mp4"), (206, b"2".to_vec()));
    cluster.order("start");
    bucket.put("c.mp4", "3");
    for origin in [&origin, &late] {
        until_slowly("it follows again", || origin.listing() == "database");
        origin.until_titles(3);
    }
}
