//! A server whose root is a bucket sends what a server of the same folder sends.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{
    bucket::Bucket,
    bucket_serving::serve_bucket,
    client::{Client, Incomplete, Response, head},
    clips,
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::{Folder, pattern},
    server::{Serving, serve, serve_with},
    streams::{CLOCK, Streams, fetch, put_sample},
    wait::until,
};

/// The largest real file that is compared, in bytes.
const REAL_FILE_MAX: u64 = 4 << 20;

/// Numbers that look random, and are the same in each run.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % below.max(1)
    }
}

/// The status, the range and the content of a response: what does not name a version.
fn essence(response: &Response) -> (u16, Option<&str>, Option<&str>, &[u8]) {
    let field = |name| response.field(name);
    (response.status, field("content-range"), field("content-type"), &response.body)
}

/// Compares all that two servers derive of a title.
fn assert_same_streams(folder: &Serving, bucket: &Serving, title: &str) {
    let (one, other) = (Streams::read(folder, title), Streams::read(bucket, title));
    let (mut folder, mut bucket) = (folder.connect(), bucket.connect());
    let urls = |streams: &Streams| -> Vec<String> {
        let segments = streams.segments().into_iter().map(str::to_owned);
        segments.chain([streams.play.clone()]).collect()
    };
    let (one, other) = (urls(&one), urls(&other));
    assert_eq!(one.len(), other.len(), "{title}");
    for (one, other) in one.iter().zip(&other) {
        let expected = fetch(&mut folder, one);
        assert!(fetch(&mut bucket, other).body == expected.body, "{other} is not {one}");
    }
    let clip = format!("/v/{title}/play.mp4?start=1&end=3");
    let (one, other) = (folder.request("GET", &clip, &[]), bucket.request("GET", &clip, &[]));
    assert_eq!(one.status, other.status, "{clip}");
    if one.status == 200 {
        assert!(one.body == other.body, "{clip}");
    }
}

/// Compares ranges of a file.
fn assert_same_ranges(folder: &mut Client, bucket: &mut Client, name: &str, size: u64, count: u64) {
    let target = format!("/media/{name}");
    let mut number = numbers(size);
    for _ in 0..count {
        let start = number(size);
        let end = start + number(size - start);
        let range = format!("Range: bytes={start}-{end}");
        let expected = folder.request("GET", &target, &[&range]);
        let response = bucket.request("GET", &target, &[&range]);
        // Not by an error document, which says nothing about bytes.
        assert_eq!(response.status, expected.status, "{target} {range}: {response:?}");
        assert!(essence(&response) == essence(&expected), "{target} {range}");
    }
}

#[test]
fn a_title_in_a_bucket_has_the_bytes_of_the_same_title_in_a_folder() {
    let files = Folder::new();
    put_sample(&files, CLOCK, CLOCK);
    for name in ["b-frames.mp4", "fragmented.mp4", "co64.mp4"] {
        files.put(name, fs::read(clips::named(name).path()).expect("a clip"));
    }
    let bucket = Bucket::of_folder(&files.path(""));
    let (folder, bucket) = (serve(&files), serve_bucket(&bucket, &bucket.endpoint()));
    for name in [CLOCK, "b-frames.mp4", "fragmented.mp4", "co64.mp4"] {
        assert_same_streams(&folder, &bucket, name);
        let size = fs::metadata(files.path(name)).expect("a file").len();
        assert_same_ranges(&mut folder.connect(), &mut bucket.connect(), name, size, 200);
    }
}

#[test]
fn real_files_in_a_bucket_have_the_same_ranges() {
    let Some(real) = clips::real_files() else { return };
    let files = Folder::new();
    for entry in fs::read_dir(real).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let size = entry.metadata().expect("a file").len();
        let is_media = Path::new(&name).extension().is_some_and(|end| end != "md");
        if size <= REAL_FILE_MAX && is_media {
            files.put(name, fs::read(entry.path()).expect("a file"));
        }
    }
    let bucket = Bucket::of_folder(&files.path(""));
    let (folder, bucket) = (serve(&files), serve_bucket(&bucket, &bucket.endpoint()));
    let (mut folder, mut bucket) = (folder.connect(), bucket.connect());
    let mut compared = 0;
    for entry in fs::read_dir(files.path("")).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let size = entry.metadata().expect("a file").len();
        assert_same_ranges(&mut folder, &mut bucket, &name, size, 20);
        compared += 1;
    }
    assert!(compared >= 12, "{compared} files");
}

#[test]
fn every_form_of_a_range_has_the_response_of_a_folder() {
    let files = Folder::new();
    // Over the end of a shelf, which is 16 MiB.
    files.put("film.mp4", pattern((16 << 20) + 100_001));
    files.put("empty.mp4", []);
    let bucket = Bucket::of_folder(&files.path(""));
    let (folder, bucket) = (serve(&files), serve_bucket(&bucket, &bucket.endpoint()));
    let (mut folder, mut bucket) = (folder.connect(), bucket.connect());
    for range in [
        "bytes=0-0",
        "bytes=0-",
        "bytes=-1",
        "bytes=-0",
        "bytes=-99999999",
        "bytes=16777215-16777216",
        "bytes=16777000-16877216",
        "bytes=16877216-",
        "bytes=16877217-",
        "bytes=5-4",
        "bytes=0-9,20-29",
        "bytes=1000000-1000009,16777210-16777220",
        "lines=1-2",
        "bytes=x",
    ] {
        for target in ["/media/film.mp4", "/media/empty.mp4"] {
            let range = format!("Range: {range}");
            let expected = folder.request("GET", target, &[&range]);
            let response = bucket.request("GET", target, &[&range]);
            if expected.field("content-type").is_some_and(|t| t.starts_with("multipart/")) {
                // The boundary may name the version.
                assert_eq!((response.status, response.body.len()), (206, expected.body.len()));
            } else {
                assert!(essence(&response) == essence(&expected), "{target} {range}");
            }
        }
    }
    let head = bucket.request("HEAD", "/media/film.mp4", &[]);
    assert_eq!(head.field("content-length"), Some("16877217"));
    assert_eq!(bucket.request("GET", "/media/nothing.mp4", &[]).status, 404);
}

#[test]
fn two_origins_with_caches_of_their_own_have_equal_etags() {
    let bucket = Bucket::new();
    let files = Folder::new();
    put_sample(&files, CLOCK, "a film.mp4");
    bucket.put_folder(&files.path(""), "");
    let origins = [(); 2].map(|()| serve_bucket(&bucket, &bucket.endpoint()));
    let responses = origins.each_ref().map(|origin| {
        let streams = Streams::read(origin, "a%20film.mp4");
        let mut targets = vec!["/media/a%20film.mp4".to_owned()];
        targets.extend(streams.samples().into_iter().map(str::to_owned));
        let client = &mut origin.connect();
        let etag = |target: &String| {
            let response = fetch(client, target);
            (target.clone(), response.field("etag").map(str::to_owned), response.body)
        };
        targets.iter().map(etag).collect::<Vec<_>>()
    });
    let [one, other] = responses;
    assert!(one == other);
    assert!(one.iter().all(|(_, etag, _)| etag.is_some()));
}

#[test]
fn what_is_beside_a_title_in_a_bucket_belongs_to_it_without_a_listing_for_each_request() {
    let bucket = Bucket::new();
    let files = Folder::new();
    put_sample(&files, CLOCK, "films/film.mp4");
    put_sample(&files, CLOCK, "films/film.720p.mp4");
    files.put("films/film.en.srt", "1\n00:00:00,000 --> 00:00:01,000\nHello\n");
    put_sample(&files, CLOCK, "films/one.set/a.mp4");
    bucket.put_folder(&files.path(""), "");
    bucket.put("films//double.mp4", "x");
    bucket.put("films/.hidden/a.mp4", "x");
    let proxy = FaultProxy::start(bucket.address);
    let serving = serve_bucket(&bucket, &proxy.endpoint());
    let listed = serving.site().titles.library.catalog.len();
    assert_eq!(listed, 2, "a film with a rendition, and a set");
    proxy.forget();
    let streams = Streams::read(&serving, "films/film.mp4");
    let texts = &streams.multivariant.1.renditions;
    assert!(texts.iter().any(|text| text["TYPE"] == "SUBTITLES"), "{texts:?}");
    let folder = Streams::read(&serve(&files), "films/film.mp4").multivariant.1;
    assert_eq!(streams.multivariant.1.variants.len(), folder.variants.len());
    Streams::read(&serving, "films/one.set");
    assert_eq!(proxy.requests(Operation::List), 0);
    for (target, status) in [
        ("/media/films//double.mp4", 404),
        ("/media/films/.hidden/a.mp4", 404),
        ("/media/films/film.mp4?follow", 409),
    ] {
        assert_eq!(serving.get(target, &[]).status, status, "{target}");
    }
}

#[test]
fn a_cold_manifest_takes_four_requests_at_most() {
    let bucket = Bucket::new();
    let files = Folder::new();
    put_sample(&files, CLOCK, "clock.mp4");
    bucket.put("clock.mp4", fs::read(files.path("clock.mp4")).expect("a file"));
    let proxy = FaultProxy::start(bucket.address);
    let serving = serve_bucket(&bucket, &proxy.endpoint());
    proxy.forget();
    fetch(&mut serving.connect(), "/v/clock.mp4/index.m3u8");
    let (gets, bytes) = (proxy.requests(Operation::Get), proxy.bytes());
    let others = proxy.requests(Operation::Head) + proxy.requests(Operation::List);
    assert!(gets + others <= 4 && bytes <= 4 << 20, "{gets} GETs, {others} others, {bytes} bytes");
    fetch(&mut serving.connect(), "/v/clock.mp4/index.m3u8");
    assert_eq!(proxy.requests(Operation::Get), gets, "it is hot");
}

#[test]
fn a_bucket_that_does_not_respond_at_the_start_is_served_later() {
    let bucket = Bucket::new();
    let files = Folder::new();
    put_sample(&files, CLOCK, "film.mp4");
    bucket.put_folder(&files.path(""), "");
    let proxy = FaultProxy::start(bucket.address);
    proxy.set(Faults { status: Some(503), ..Faults::default() });
    let (credentials, more) = (Folder::new(), Folder::new());
    put_sample(&more, CLOCK, "other.mp4");
    let configuration = format!(
        "bucket_deadline_ms = 1000\n{}name = \"far\"\n[[root]]\ndir = {:?}\nname = \"near\"\n",
        bucket.root(&credentials, &proxy.endpoint()),
        more.path("")
    );
    let serving = serve_with(&[], &configuration);
    assert_eq!(serving.get("/media/near/other.mp4", &[]).status, 200);
    let refused = serving.get("/media/far/film.mp4", &[]);
    assert_eq!(refused.status, 503);
    assert!(refused.field("retry-after").is_some());
    proxy.set(Faults::default());
    until("the bucket is served", || serving.get("/media/far/film.mp4", &[]).status == 200);
    let catalog = &serving.site().titles.library.catalog;
    until("its titles are listed", || catalog.len() == 2);
}

#[test]
fn an_object_that_is_replaced_while_it_is_sent_is_cut_and_never_mixed() {
    let bucket = Bucket::new();
    let (old, new) = (vec![b'o'; 24 << 20], vec![b'n'; 24 << 20]);
    bucket.put("film.mp4", &old);
    let serving = serve_bucket(&bucket, &bucket.endpoint());
    let mut client = Client::narrow(serving.address, 64 << 10);
    client.send(head("GET", "/media/film.mp4", &[]));
    let response = client.read_head().expect("a head");
    assert_eq!(response.status, 200);
    let mut received = client.read_exactly(1 << 20).expect("the front");
    bucket.put("film.mp4", &new);
    match client.read_exactly((24 << 20) - (1 << 20)) {
        Ok(rest) => received.extend(rest),
        Err(Incomplete::Body(_) | Incomplete::Head) => {}
    }
    assert_eq!(received.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&b'o']));
    until("the next viewer has the new one", || {
        let response = serving.get("/media/film.mp4", &["Range: bytes=-1"]);
        response.status == 206 && response.body == b"n"
    });
}
