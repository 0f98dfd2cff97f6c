//! What viewers read of a bucket that is away: in the list, on the page, and in place of a title.

use serde_json::Value;

use crate::support::{
    bucket::Bucket,
    fault_proxy::{FaultProxy, Faults},
    folder::Folder,
    server::{Serving, serve_with},
    streams::{CLOCK, put_sample},
    wait::until,
};

fn json(serving: &Serving, target: &str) -> Value {
    let response = serving.get(target, &[]);
    assert_eq!(response.status, 200, "{target}: {response:?}");
    serde_json::from_slice(&response.body).expect("JSON")
}

fn text(serving: &Serving, target: &str) -> String {
    String::from_utf8(serving.get(target, &[]).body).expect("UTF-8")
}

#[test]
fn the_list_and_the_page_name_the_root_that_is_away_and_why() {
    let bucket = Bucket::new();
    let (files, credentials) = (Folder::new(), Folder::new());
    put_sample(&files, CLOCK, "film.mp4");
    bucket.put_folder(&files.path(""), "");
    let proxy = FaultProxy::start(bucket.address);
    proxy.set(Faults { status: Some(503), ..Faults::default() });
    let serving = serve_with(
        &[],
        &format!(
            "bucket_deadline_ms = 1000\n{}name = \"far\"\n[[root]]\ndir = {:?}\nname = \"near\"\n",
            bucket.root(&credentials, &proxy.endpoint()),
            files.path("")
        ),
    );
    serving.until_scanned();

    for folder in ["", "far"] {
        let list = json(&serving, &format!("/api/titles?folder={folder}"));
        let away = list["unavailable"].as_array().expect("an array");
        assert_eq!(away.len(), 1, "{list}");
        assert_eq!(away[0]["root"], "far");
        assert!(away[0]["error"].as_str().expect("a reason").contains("bucket"), "{list}");
    }
    assert_eq!(json(&serving, "/api/titles?folder=near").get("unavailable"), None);
    assert_eq!(serving.get("/api/titles?folder=neither", &[]).status, 404);

    for (target, says) in [("/", true), ("/library/far/", true), ("/library/near/", false)] {
        let page = text(&serving, target);
        assert_eq!(page.contains("<p>far is not available: "), says, "{target}: {page}");
    }
    for target in ["/api/titles/far/film.mp4", "/watch/far/film.mp4", "/media/far/film.mp4"] {
        let response = serving.get(target, &[]);
        assert_eq!(response.status, 503, "{target}");
        let text = String::from_utf8(response.body).expect("UTF-8");
        assert!(text.contains("of this file") && text.contains("retry later"), "{target}: {text}");
    }

    proxy.set(Faults::default());
    until("the bucket is back", || {
        json(&serving, "/api/titles?folder=").get("unavailable").is_none()
    });
    until("its title is listed", || json(&serving, "/api/titles?folder=far")["total"] == 1);
    assert!(!text(&serving, "/").contains("is not available"));
}

#[test]
fn a_folder_that_cannot_be_opened_is_named_too() {
    let (folder, near) = (Folder::new(), Folder::new());
    let configuration = format!(
        "[[root]]\ndir = {:?}\nname = \"far\"\n[[root]]\ndir = {:?}\nname = \"near\"\n",
        folder.path("absent"),
        near.path("")
    );
    let serving = serve_with(&[], &configuration);
    serving.until_scanned();
    let list = json(&serving, "/api/titles?folder=");
    assert_eq!(list["unavailable"][0]["error"], "its folder cannot be opened", "{list}");
}

#[test]
fn follow_of_an_object_says_why_not() {
    let bucket = Bucket::new();
    bucket.put("film.mp4", "bytes");
    let credentials = Folder::new();
    let root = bucket.root(&credentials, &bucket.endpoint());
    let serving = serve_with(&[], &format!("index_titles = false\n{root}"));
    serving.until_scanned();
    let response = serving.get("/media/film.mp4?follow", &[]);
    assert_eq!(response.status, 409);
    let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
    let why = "an object of a bucket does not grow; play it without ?follow";
    assert_eq!(problem["detail"], why);
}
