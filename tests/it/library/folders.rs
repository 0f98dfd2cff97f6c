//! The library as folders: natural order, counts, and titles that consist of several files.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use serde_json::{Value, json};

use super::catalog::{all, json as read, until_listed};
use crate::support::{
    folder::{Folder, pattern},
    server::{Serving, serve},
    wait::until,
};

fn folder_of(names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        folder.put(name, pattern(10));
    }
    folder
}

/// The names of the titles directly in a folder, and its folders as path, name and count.
fn contents(serving: &Serving, folder: &str) -> (Vec<String>, Value) {
    let page = read(&serving.get(&format!("/api/titles?folder={folder}"), &[]));
    let titles = page["titles"].as_array().expect("a list").iter();
    let names = titles.map(|title| title["name"].as_str().expect("a name").to_owned()).collect();
    (names, page["folders"].clone())
}

#[test]
fn names_that_are_not_utf_8_are_reachable_by_the_addresses_of_lists() {
    let folder = Folder::new();
    for name in [&b"caf\xe9/a\xff.mp4"[..], b"caf\xe9/b.mp4", b"caf\xe8/c.mp4"] {
        folder.put(OsStr::from_bytes(name), pattern(10));
    }
    let serving = serve(&folder);
    serving.until_scanned();
    let top = read(&serving.get("/api/titles?folder=", &[]));
    let hrefs: Vec<_> = top["folders"].as_array().expect("a list").iter().collect();
    assert_eq!((&hrefs[0]["href"], &hrefs[0]["titles"]), (&json!("/library/caf%E8/"), &json!(1)));
    assert_eq!((&hrefs[1]["href"], &hrefs[1]["titles"]), (&json!("/library/caf%E9/"), &json!(2)));
    let first = read(&serving.get("/api/titles?folder=caf%E9&limit=1", &[]));
    assert_eq!((&first["total"], &first["folders"]), (&json!(2), &json!([])));
    let next = read(&serving.get(first["next"].as_str().expect("a target"), &[]));
    let mut views = vec![&first["titles"][0]["views"], &next["titles"][0]["views"]];
    views.sort_by_key(|views| views.to_string());
    assert_eq!(views, [&json!("/v/caf%E9/a%FF.mp4/"), &json!("/v/caf%E9/b.mp4/")]);
    let page = serving.get("/library/caf%E9/", &[]);
    assert_eq!(page.status, 200);
    assert!(String::from_utf8_lossy(&page.body).contains("href=\"/watch/caf%E9/a%FF.mp4\""));
    let spaced = read(&serving.get("/api/titles?folder=caf%E9&search=a+b", &[]));
    assert_eq!(spaced["total"], 0);
}

#[test]
fn a_folder_has_its_own_titles_and_the_folders_in_it_with_the_number_of_titles_below() {
    let folder = folder_of(&[
        "top.mp4",
        "Series/Season 10/Ep 1.mp4",
        "Series/Season 2/Ep 10.mp4",
        "Series/Season 2/Ep 2.mkv",
        "Series/Season 2/extras/a.mp4",
        "Series/trailer.mp4",
        "series/other.mp4",
        "notes/readme.txt",
    ]);
    let serving = serve(&folder);
    serving.until_scanned();
    let of = |path: &str, name: &str, titles: u32| {
        let href = format!("/library/{}/", path.replace(' ', "%20"));
        json!({ "path": path, "name": name, "href": href, "titles": titles })
    };
    assert_eq!(
        contents(&serving, ""),
        (vec!["top".to_owned()], json!([of("Series", "Series", 5), of("series", "series", 1)]))
    );
    let seasons =
        json!([of("Series/Season 2", "Season 2", 3), of("Series/Season 10", "Season 10", 1)]);
    assert_eq!(contents(&serving, "Series"), (vec!["trailer".to_owned()], seasons));
    let (names, folders) = contents(&serving, "Series/Season%202");
    assert_eq!(names, ["Ep 2", "Ep 10"]);
    assert_eq!(folders, json!([of("Series/Season 2/extras", "extras", 1)]));
    let page = read(&serving.get("/api/titles?folder=Series/Season%202&limit=1&offset=1", &[]));
    assert_eq!(
        (&page["total"], &page["titles"][0]["folder"]),
        (&json!(2), &json!("Series/Season 2"))
    );
    // Without a folder, the list is that of the whole library.
    assert_eq!(read(&serving.get("/api/titles", &[]))["folders"], Value::Null);
    assert_eq!(all(&serving, "").len(), 7);
    for none in ["notes", "Series/Season%203", "Series/trailer.mp4", "SERIES"] {
        assert_eq!(serving.get(&format!("/api/titles?folder={none}"), &[]).status, 404, "{none}");
    }
}

#[test]
fn a_folder_of_very_many_folders_lists_a_thousand_and_counts_all() {
    let names: Vec<_> = (0..1010).map(|number| format!("{number}/a.mp4")).collect();
    let folder = folder_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let serving = serve(&folder);
    serving.until_scanned();
    let page = read(&serving.get("/api/titles?folder=", &[]));
    let folders = page["folders"].as_array().expect("a list");
    assert_eq!((folders.len(), &page["total_folders"]), (1000, &json!(1010)));
    assert_eq!(folders[999]["path"], "999");
    let document = String::from_utf8(serving.get("/", &[]).body).expect("text");
    assert!(document.contains("1,010 folders") || document.contains("1010 folders"));
    assert_eq!(document.matches("class=\"folder\"").count(), 200);
}

#[test]
fn a_search_in_a_folder_looks_below_it_at_any_depth_and_not_at_its_own_name() {
    let folder = folder_of(&["films/a/Film.mp4", "films/Amélie.mp4", "films/b.mp4", "film.mp4"]);
    let serving = serve(&folder);
    serving.until_scanned();
    assert_eq!(all(&serving, "?folder=films&search=film"), ["films/a/Film.mp4"]);
    assert_eq!(all(&serving, "?folder=films&search=AMELIE&limit=1"), ["films/Amélie.mp4"]);
    assert_eq!(all(&serving, "?folder=&search=film").len(), 4);
    let page = read(&serving.get("/api/titles?folder=films&search=film", &[]));
    assert_eq!(page["folders"], json!([]));
}

#[test]
fn numbers_in_names_are_ordered_by_their_value() {
    let folder =
        folder_of(&["b/Ep 1.mp4", "Ep 10.mp4", "ep 2.mp4", "Ép 3.mp4", "Ep 2 b.mp4", "EP 1.mp4"]);
    let serving = serve(&folder);
    serving.until_scanned();
    assert_eq!(
        all(&serving, "?sort=name"),
        ["EP 1.mp4", "b/Ep 1.mp4", "ep 2.mp4", "Ep 2 b.mp4", "Ép 3.mp4", "Ep 10.mp4"]
    );
    assert_eq!(
        all(&serving, "?folder=&sort=-name"),
        ["Ep 10.mp4", "Ép 3.mp4", "Ep 2 b.mp4", "ep 2.mp4", "EP 1.mp4"]
    );
    assert_eq!(all(&serving, "?sort=path&limit=2").first().map(String::as_str), Some("b/Ep 1.mp4"));
}

#[test]
fn a_file_with_its_renditions_and_a_set_are_one_title_each() {
    let folder = folder_of(&[
        "a/film.mp4",
        "a/film.720p.mp4",
        "a/film.1080p60.mp4",
        "a/film.720p.mkv",
        "a/other.480p.mp4",
        "a/show.set/1080p.mp4",
        "a/show.set/720p.mp4",
    ]);
    let serving = serve(&folder);
    serving.until_watching(&folder);
    let listed = |titles: &[&str]| {
        until_listed(&serving, titles);
        let (names, folders) = contents(&serving, "a");
        assert_eq!((names.len(), folders), (titles.len(), json!([])));
        assert_eq!(contents(&serving, "").1[0]["titles"], titles.len());
    };
    listed(&["a/film.mp4", "a/film.720p.mkv", "a/other.480p.mp4", "a/show.set"]);
    assert_eq!(contents(&serving, "a").0, ["film", "film.720p", "other.480p", "show"]);
    // A rendition whose title goes is a title; and it is none when the title comes back.
    fs::remove_file(folder.path("a/film.mp4")).expect("removed");
    listed(&[
        "a/film.720p.mkv",
        "a/film.720p.mp4",
        "a/film.1080p60.mp4",
        "a/other.480p.mp4",
        "a/show.set",
    ]);
    folder.put("a/film.mp4", pattern(20));
    folder.put("a/other.mp4", pattern(20));
    listed(&["a/film.mp4", "a/film.720p.mkv", "a/other.mp4", "a/show.set"]);
    fs::remove_dir_all(folder.path("a")).expect("removed");
    until("the folder is gone", || contents(&serving, "").1 == json!([]));
}
