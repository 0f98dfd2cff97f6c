//! The titles of the library: scanning, watching, listing, sorting and searching.

use std::{collections::BTreeSet, fs, path::Path, time::SystemTime};

use headwater::library::{MediaPath, Title};
use serde_json::Value;

use crate::support::{
    client::Response,
    folder::{Folder, pattern},
    server::{Serving, serve, serve_with},
    wait::{block_on, until},
};

pub(super) fn json(response: &Response) -> Value {
    assert_eq!(response.status, 200);
    assert_eq!(response.field("content-type"), Some("application/json"));
    serde_json::from_slice(&response.body).expect("JSON")
}

/// The paths of all titles that a query finds, page by page.
pub(super) fn all(serving: &Serving, query: &str) -> Vec<String> {
    let mut client = serving.connect();
    let mut next = Some(format!("/api/titles{query}"));
    let (mut found, mut total) = (Vec::new(), None);
    while let Some(target) = next {
        let page = json(&client.request("GET", &target, &[]));
        let titles = page["titles"].as_array().expect("a list");
        assert!(titles.len() as u64 <= page["limit"].as_u64().expect("a number"));
        found.extend(titles.iter().map(|title| title["path"].as_str().expect("a path").to_owned()));
        assert_eq!(*total.get_or_insert(page["total"].clone()), page["total"]);
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(total, Some(found.len().into()), "as many as were promised");
    found
}

/// Waits until the list is exactly this, ordered by path.
pub(super) fn until_listed(serving: &Serving, expected: &[&str]) {
    let mut listed = Vec::new();
    until(&format!("the list is {expected:?}"), || {
        listed = all(serving, "");
        listed == expected
    });
}

fn media_path(path: &str) -> MediaPath {
    MediaPath::from_path(Path::new(path)).expect("a path")
}

#[test]
fn every_title_in_nested_folders_is_listed_and_no_hidden_or_other_file() {
    let folder = Folder::new();
    for name in ["b.mp4", "a/z.webm", "a/b/c/d/e/f.MKV", "a.mp3", "é/ü.mp4", "with space.mov"] {
        folder.put(name, pattern(100));
    }
    for name in [
        ".hidden.mp4",
        ".folder/a.mp4",
        "a/.mp4",
        "a/notes.txt",
        "b.en.srt",
        "b.jpg",
        "c.mp4/in.txt",
    ] {
        folder.put(name, pattern(100));
    }
    let serving = serve(&folder);
    until_listed(
        &serving,
        &["a/b/c/d/e/f.MKV", "a/z.webm", "a.mp3", "b.mp4", "é/ü.mp4", "with space.mov"],
    );
    let page = json(&serving.get("/api/titles?search=%C3%BC", &[]));
    assert_eq!(page["scanning"], false);
    let title = &page["titles"][0];
    assert_eq!(title["href"], "/media/%C3%A9/%C3%BC.mp4");
    assert_eq!(title["media_type"], "video/mp4");
    assert_eq!(title["size_bytes"], 100);
    let href = title["href"].as_str().expect("a target");
    let file = serving.get(href, &[]);
    assert_eq!(file.body, pattern(100));
    let tag = format!("\"{}\"", title["version"].as_str().expect("a version"));
    assert_eq!(file.field("etag"), Some(tag.as_str()), "the version is the file's tag");
}

#[test]
fn several_roots_form_one_library_and_each_path_begins_with_the_name_of_its_root() {
    let (one, two) = (Folder::new(), Folder::new());
    one.put("a.mp4", pattern(10));
    two.put("a.mp4", pattern(20));
    two.put("deep/er.mp4", pattern(30));
    let root = |name, folder: &Folder| format!("{name}={}", folder.path("").display()).into();
    let serving = serve_with(&[root("films", &one), root("series", &two)], "");
    until_listed(&serving, &["films/a.mp4", "series/a.mp4", "series/deep/er.mp4"]);
    for (path, length) in [("films/a.mp4", 10), ("series/a.mp4", 20), ("series/deep/er.mp4", 30)] {
        assert_eq!(serving.get(&format!("/media/{path}"), &[]).body, pattern(length), "{path}");
        let title = json(&serving.get(&format!("/api/titles/{path}"), &[]));
        assert_eq!(title["size_bytes"], length);
    }
    for path in ["a.mp4", "films", "films/deep/er.mp4", "other/a.mp4"] {
        assert_eq!(serving.get(&format!("/media/{path}"), &[]).status, 404, "{path}");
    }
    two.put("new.mp4", pattern(40));
    block_on(serving.site().titles.library.scan_root(1));
    until_listed(
        &serving,
        &["films/a.mp4", "series/a.mp4", "series/deep/er.mp4", "series/new.mp4"],
    );
}

#[test]
fn the_watch_lists_new_changed_renamed_and_removed_titles_without_a_scan() {
    let folder = Folder::new();
    let serving = serve(&folder);
    serving.until_watching(&folder);
    let path = |name| folder.path(name);
    folder.put("a.mp4", pattern(10));
    until_listed(&serving, &["a.mp4"]);
    folder.put("a.mp4", pattern(20));
    let size = || json(&serving.get("/api/titles", &[]))["titles"][0]["size_bytes"].as_u64();
    until("the change is listed", || size() == Some(20));
    fs::rename(path("a.mp4"), path("b.mp4")).expect("renamed");
    until_listed(&serving, &["b.mp4"]);
    fs::rename(path("b.mp4"), path(".b.mp4")).expect("hidden");
    until_listed(&serving, &[]);
    fs::rename(path(".b.mp4"), path("c.mp4")).expect("shown");
    until_listed(&serving, &["c.mp4"]);

    folder.put("folder/deep/one.mp4", pattern(10));
    folder.put("folder.mp4", pattern(10));
    until_listed(&serving, &["c.mp4", "folder/deep/one.mp4", "folder.mp4"]);
    // Into a folder that did not exist when the watch began.
    folder.put("folder/deep/two.mp4", pattern(10));
    until_listed(&serving, &["c.mp4", "folder/deep/one.mp4", "folder/deep/two.mp4", "folder.mp4"]);
    fs::rename(path("folder"), path("moved")).expect("renamed");
    until_listed(&serving, &["c.mp4", "folder.mp4", "moved/deep/one.mp4", "moved/deep/two.mp4"]);
    folder.put("moved/deep/three.mp4", pattern(10));
    fs::remove_file(path("moved/deep/one.mp4")).expect("removed");
    until_listed(&serving, &["c.mp4", "folder.mp4", "moved/deep/three.mp4", "moved/deep/two.mp4"]);
    let elsewhere = Folder::new();
    fs::rename(path("moved"), elsewhere.path("moved")).expect("moved out");
    until_listed(&serving, &["c.mp4", "folder.mp4"]);
    fs::rename(elsewhere.path("moved"), path("back")).expect("moved in");
    until_listed(&serving, &["back/deep/three.mp4", "back/deep/two.mp4", "c.mp4", "folder.mp4"]);
    fs::remove_dir_all(path("back")).expect("removed");
    until_listed(&serving, &["c.mp4", "folder.mp4"]);
}

#[test]
fn a_scan_repairs_what_the_watch_missed() {
    let folder = Folder::new();
    folder.put("here.mp4", pattern(10));
    folder.put("changed.mp4", pattern(10));
    let serving = serve(&folder);
    serving.until_watching(&folder);
    until_listed(&serving, &["changed.mp4", "here.mp4"]);
    // As if the watch had lost the events of all of these.
    let catalog = &serving.site().titles.library.catalog;
    catalog.remove(&media_path("here.mp4"));
    let known = catalog.get(&media_path("changed.mp4")).expect("listed");
    let other = |path, size_bytes| Title {
        path: media_path(path),
        size_bytes,
        modified: SystemTime::UNIX_EPOCH,
        version: known.version,
        facts: None,
    };
    catalog.note_scanned([other("changed.mp4", 99), other("gone/long ago.mp4", 1)], 0);
    until_listed(&serving, &["changed.mp4", "gone/long ago.mp4"]);
    block_on(serving.site().titles.library.scan_root(0));
    until_listed(&serving, &["changed.mp4", "here.mp4"]);
    assert_eq!(catalog.get(&media_path("changed.mp4")), Some(known));
}

#[test]
fn a_root_that_became_another_directory_is_scanned_again_and_old_events_are_forgotten() {
    let folder = Folder::new();
    folder.put("root/old.mp4", pattern(10));
    let serving = serve_with(&[folder.path("root")], "");
    until_listed(&serving, &["old.mp4"]);
    // Known from an event and from no scan, which must not save it from the next scan.
    let library = &serving.site().titles.library;
    folder.put("root/heard of.mp4", pattern(10));
    let reconciled = library.reconcile(0, Path::new("heard of.mp4"));
    block_on(reconciled);
    until_listed(&serving, &["heard of.mp4", "old.mp4"]);
    fs::rename(folder.path("root"), folder.path("before")).expect("renamed");
    folder.put("root/new.mp4", pattern(20));
    block_on(library.scan_root(0));
    until_listed(&serving, &["new.mp4"]);
    assert_eq!(serving.get("/media/new.mp4", &[]).body, pattern(20));
    until("the old directory is left", || serving.get("/media/old.mp4", &[]).status == 404);
}

#[test]
fn every_title_is_on_exactly_one_page_in_any_order() {
    let folder = Folder::new();
    for number in 0..120 {
        // Sizes that many titles share, so that pages end between equals.
        folder.put(format!("{}/Title {number}.mp4", number % 7), pattern(number / 10));
    }
    let serving = serve(&folder);
    until("all are listed", || all(&serving, "?limit=1000").len() == 120);
    let in_order = all(&serving, "?limit=1000");
    let numbers =
        in_order.iter().map(|path| path.split_once("/Title ").expect("its folder and name"));
    let numbers = numbers.map(|(folder, name)| {
        (folder.to_owned(), name.trim_end_matches(".mp4").parse::<u32>().ok())
    });
    assert!(numbers.is_sorted());
    let every: BTreeSet<_> = in_order.iter().collect();
    for sort in ["path", "-path", "name", "-name", "size", "-size", "modified", "-modified"] {
        for limit in [1, 7, 119, 120, 121] {
            let pages = all(&serving, &format!("?sort={sort}&limit={limit}"));
            assert_eq!(pages.len(), 120, "{sort} {limit}");
            assert_eq!(pages.iter().collect::<BTreeSet<_>>(), every, "{sort} {limit}");
        }
        let mut reversed = all(&serving, &format!("?sort={sort}&limit=50"));
        reversed.reverse();
        let other = sort.strip_prefix('-').map_or(format!("-{sort}"), str::to_owned);
        assert_eq!(reversed, all(&serving, &format!("?sort={other}&limit=50")), "{sort}");
    }
    let sizes = json(&serving.get("/api/titles?sort=size&limit=1000", &[]));
    let sizes = sizes["titles"].as_array().expect("a list").iter();
    assert!(sizes.map(|title| title["size_bytes"].as_u64()).is_sorted());
    for (offset, length) in [(119, 1), (120, 0), (1000, 0)] {
        let rest = json(&serving.get(&format!("/api/titles?offset={offset}"), &[]));
        assert_eq!(rest["titles"].as_array().map(Vec::len), Some(length), "{offset}");
        assert_eq!(rest["next"], Value::Null);
    }
}

#[test]
fn a_search_finds_titles_with_all_words_in_any_case() {
    let folder = Folder::new();
    for name in ["Big Buck Bunny.mp4", "films/Bunny & Fox.webm", "Été/Horloge.mp4"] {
        folder.put(name, pattern(10));
    }
    let serving = serve(&folder);
    until("all are listed", || all(&serving, "").len() == 3);
    for (search, expected) in [
        ("bunny", vec!["Big Buck Bunny.mp4", "films/Bunny & Fox.webm"]),
        ("B%C3%BBnny+big", vec!["Big Buck Bunny.mp4"]),
        ("bunny%20fox&limit=1", vec!["films/Bunny & Fox.webm"]),
        ("%26", vec!["films/Bunny & Fox.webm"]),
        ("%C3%A9t%C3%A9", vec!["Été/Horloge.mp4"]),
        ("ete+HORLOGE", vec!["Été/Horloge.mp4"]),
        ("bunny&limit=1", vec!["Big Buck Bunny.mp4", "films/Bunny & Fox.webm"]),
        ("nothing", vec![]),
        ("", vec!["Big Buck Bunny.mp4", "Été/Horloge.mp4", "films/Bunny & Fox.webm"]),
    ] {
        assert_eq!(all(&serving, &format!("?search={search}")), expected, "{search}");
    }
}

#[test]
fn an_invalid_query_is_400_with_a_problem_document() {
    let folder = Folder::new();
    let serving = serve(&folder);
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "offset=-1",
        "sort=",
        "sort=colour",
        "folder=..",
        "folder=a//b",
        "sort=--path",
        "colour=red",
    ] {
        let response = serving.get(&format!("/api/titles?{query}"), &[]);
        assert_eq!(response.status, 400, "{query}");
        assert_eq!(response.field("content-type"), Some("application/problem+json"), "{query}");
        let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
        assert_eq!(problem["status"], 400);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{query}");
    }
    let far = json(&serving.get(&format!("/api/titles?offset={}", u64::MAX), &[]));
    assert_eq!((&far["titles"], &far["next"]), (&Value::Array(Vec::new()), &Value::Null));
}

#[test]
fn a_single_title_is_read_from_the_disk() {
    let folder = Folder::new();
    let serving = serve(&folder);
    // Known at once, long before any event or scan.
    folder.put("a b/c.mp4", pattern(10));
    folder.put("a b/c.srt", pattern(10));
    folder.put(".hidden.mp4", pattern(10));
    let title = json(&serving.get("/api/titles/a%20b/c.mp4", &[]));
    assert_eq!(
        (&title["path"], &title["href"]),
        (&"a b/c.mp4".into(), &"/media/a%20b/c.mp4".into())
    );
    assert_eq!(title["size_bytes"], 10);
    for path in ["a%20b", "a%20b/c.srt", ".hidden.mp4", "none.mp4", "a%20b/../a%20b/c.mp4", ""] {
        assert_eq!(serving.get(&format!("/api/titles/{path}"), &[]).status, 404, "{path}");
    }
    assert_eq!(serving.request("DELETE", "/api/titles/a%20b/c.mp4", &[]).status, 405);
}

#[test]
fn files_beyond_the_limit_of_titles_play_but_are_not_listed() {
    let folder = Folder::new();
    let names: Vec<_> = (0..10).map(|number| format!("{number}.mp4")).collect();
    for name in &names {
        folder.put(name, pattern(10));
    }
    let serving = serve_with(&[folder.path("")], "max_titles = 4");
    serving.until_scanned();
    assert_eq!(all(&serving, "").len(), 4);
    for name in &names {
        assert_eq!(serving.get(&format!("/media/{name}"), &[]).status, 200);
    }
}

#[test]
fn a_replaced_root_serves_its_new_files() {
    let folder = Folder::new();
    let directory = |name: &str| {
        fs::create_dir(folder.path(name)).expect("a directory");
        folder.put(format!("{name}/a.mp4"), name);
        folder.put(format!("{name}/{name}.mp4"), name);
    };
    directory("first");
    directory("second");
    let (root, first) = (folder.path("root"), folder.path("first"));
    fs::rename(&first, &root).expect("renamed");
    let serving = serve_with(std::slice::from_ref(&root), "");
    until_listed(&serving, &["a.mp4", "first.mp4"]);
    assert_eq!(serving.get("/media/a.mp4", &[]).body, b"first");
    fs::rename(&root, first).expect("renamed");
    fs::rename(folder.path("second"), &root).expect("renamed");
    until("the new file", || serving.get("/media/a.mp4", &[]).body == b"second");
    until_listed(&serving, &["a.mp4", "second.mp4"]);
}

#[test]
fn titles_are_listed_by_their_paths_as_far_as_they_exist() {
    let folder = Folder::new();
    for name in ["a.mp4", "b/é+1.mp4", "c.mp4"] {
        folder.put(name, pattern(100));
    }
    let serving = serve(&folder);
    serving.until_scanned();
    let query = "?path=b/%C3%A9%2B1.mp4&path=none.mp4&path=a.mp4";
    assert_eq!(all(&serving, query), ["b/é+1.mp4", "a.mp4"]);
    for refused in ["path=..%2Fa.mp4".to_owned(), "path=a.mp4&".repeat(101)] {
        assert_eq!(serving.get(&format!("/api/titles?{refused}"), &[]).status, 400, "{refused}");
    }
}
