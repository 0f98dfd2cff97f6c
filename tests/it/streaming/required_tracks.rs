//! `?require=h264,aac`: a manifest that must have H.264 or AAC starts the jobs that it lacks, and nothing else.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    client::{Client, Response, head},
    clips, ffmpeg,
    folder::Folder,
    jobs::queue,
    json::{json, read, request},
    movies::boxed,
    server::{Serving, serve},
    wait::{block_on, until},
};

/// The renditions of one client at a time.
const PER_CLIENT_MAX: usize = 4;

/// A server of `count` titles with HEVC, `0.mp4` and so on; `None` without ffmpeg.
fn titles(count: usize) -> Option<(Folder, Serving)> {
    if !ffmpeg::is_installed() {
        return None;
    }
    let folder = Folder::new();
    let movie = fs::read(clips::named("hevc-hvc1.mp4").path()).expect("a clip");
    for number in 0..count {
        // Each has a size of its own, and so a version.
        let end = boxed(b"free", &[&vec![0; number]]);
        folder.put(format!("{number}.mp4"), [movie.as_slice(), &end].concat());
    }
    let serving = serve(&folder);
    Some((folder, serving))
}

/// The request of a client at 127.0.0.`from`.
fn require(serving: &Serving, from: u8, title: usize) -> Response {
    let target = format!("/v/{title}.mp4/index.m3u8?require=h264");
    Client::connect_from(from, serving.address).request("GET", &target, &[])
}

/// The job that a response waits for.
fn job(response: &Response) -> String {
    json(response, 503)["job"].as_str().expect("a job").to_owned()
}

/// All jobs, the newest first.
fn jobs(serving: &Serving) -> Vec<Value> {
    let mut list = json(&serving.get("/api/jobs", &[]), 200);
    serde_json::from_value(list["jobs"].take()).expect("a list")
}

#[test]
fn a_manifest_that_must_have_h264_starts_one_rendition_for_all_clients() {
    let Some((_folder, serving)) = titles(1) else { return };
    assert_eq!(serving.get("/v/0.mp4/index.m3u8", &[]).status, 200);
    assert!(jobs(&serving).is_empty(), "a client that decodes HEVC needs no job");
    let first = job(&require(&serving, 2, 0));
    assert_eq!(job(&require(&serving, 2, 0)), first);
    assert_eq!(job(&require(&serving, 3, 0)), first);
    let mpd = serving.get("/v/0.mp4/manifest.mpd?require=h264", &[]);
    assert_eq!(job(&mpd), first);
    let [one] = &jobs(&serving)[..] else { panic!("{:?}", jobs(&serving)) };
    let described = json!([one["id"], one["kind"], one["codec"], one["title"]]);
    assert_eq!(described, json!([first, "rendition", "h264", "0.mp4"]));
    assert!(one["height"].as_u64().is_some_and(|height| height <= 720), "{one}");
}

#[test]
fn a_manifest_that_must_have_aac_names_the_job_that_encodes_it() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    fs::copy(clips::named("ac-3.mp4").path(), folder.path("0.mp4")).expect("a clip");
    let serving = serve(&folder);
    let target = "/v/0.mp4/index.m3u8?require=h264,aac&wait=0";
    let accepted = serving.get(target, &[]);
    let id = json(&accepted, 202)["job"].as_str().expect("a job").to_owned();
    assert_eq!(accepted.field("location"), Some(format!("/api/jobs/{id}").as_str()));
    assert_eq!(json(&serving.get(&format!("/api/jobs/{id}"), &[]), 200)["kind"], "audio");
    assert_eq!(jobs(&serving).len(), 1, "the video plays as it is");
}

#[test]
fn a_title_that_has_h264_needs_no_job_and_other_requirements_are_refused() {
    let folder = Folder::new();
    fs::copy("media/Clock.mp4", folder.path("0.mp4")).expect("a sample");
    let serving = serve(&folder);
    let plain = serving.get("/v/0.mp4/index.m3u8", &[]);
    let required = require(&serving, 1, 0);
    assert_eq!((required.status, required.body), (200, plain.body));
    for other in ["hevc", "H264", "h264,opus"] {
        let refused = serving.get(&format!("/v/0.mp4/index.m3u8?require={other}"), &[]);
        assert_eq!(refused.status, 400, "{other}");
    }
    assert_eq!(serving.get("/v/0.mp4/play.mp4?require=hevc", &[]).status, 200, "no manifest");
    assert!(jobs(&serving).is_empty());
}

#[test]
fn a_page_of_another_origin_starts_nothing() {
    let Some((_folder, serving)) = titles(1) else { return };
    let target = "/v/0.mp4/index.m3u8?require=h264";
    for field in ["Sec-Fetch-Site: cross-site", "Origin: http://evil.example"] {
        assert_eq!(serving.get(target, &[field]).status, 403, "{field}");
    }
    // A page whose own name leads to this machine: to the browser it is the same origin.
    let mut client = serving.connect();
    client.send(head("GET", target, &[]).replace("Host: localhost", "Host: evil.example"));
    assert_eq!(read(&mut client).status, 403);
    assert!(jobs(&serving).is_empty());
}

#[test]
fn a_client_without_a_token_starts_what_playing_needs_and_may_do_nothing_else() {
    let Some((_folder, serving)) = titles(1) else { return };
    let id = job(&require(&serving, 2, 0));
    let another = r#"{"kind":"rendition","title":"0.mp4","height":90,"codec":"h264"}"#;
    for (method, target, content) in [
        ("POST", "/api/jobs".to_owned(), another),
        ("POST", format!("/api/jobs/{id}/cancel"), ""),
        ("POST", format!("/api/jobs/{id}/retry"), ""),
        ("PATCH", format!("/api/jobs/{id}"), r#"{"priority":1}"#),
    ] {
        // As over the network: a request that a proxy forwards is not one of this machine.
        let mut client = serving.connect();
        client.send(request(method, &target, &["X-Forwarded-For: 192.0.2.1"], content));
        assert_eq!(read(&mut client).status, 403, "{method} {target}");
    }
    assert_eq!(jobs(&serving).len(), 1);
}

#[test]
fn a_client_has_few_renditions_at_a_time_and_others_have_theirs() {
    let Some((_folder, serving)) = titles(PER_CLIENT_MAX + 1) else { return };
    let started: Vec<_> =
        (0..PER_CLIENT_MAX).map(|title| job(&require(&serving, 2, title))).collect();
    let refused = json(&require(&serving, 2, PER_CLIENT_MAX), 503);
    assert_eq!(refused["job"], Value::Null, "{refused}");
    assert_eq!(jobs(&serving).len(), PER_CLIENT_MAX);
    assert_eq!(job(&require(&serving, 2, 0)), started[0], "a started one needs no place");

    let other = job(&require(&serving, 3, PER_CLIENT_MAX));
    assert!(!started.contains(&other));
    assert_eq!(job(&require(&serving, 2, PER_CLIENT_MAX)), other, "nor does that of another");
}

#[test]
fn a_rendition_that_has_ended_gives_its_place_back() {
    let Some((_folder, serving)) = titles(PER_CLIENT_MAX + 1) else { return };
    let first = job(&require(&serving, 2, 0));
    for title in 1..PER_CLIENT_MAX {
        job(&require(&serving, 2, title));
    }
    let queue = queue(&serving);
    block_on(queue.cancel(first.parse().expect("an id"))).expect("a database");
    until("the place is free", || {
        json(&require(&serving, 2, PER_CLIENT_MAX), 503)["job"] != Value::Null
    });
}
