//! What `/api/status` and the banner say of buckets.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    bucket::Bucket,
    fault_proxy::{FaultProxy, Faults},
    folder::{Folder, pattern},
    program::Program,
    server::{Serving, serve_with},
    wait::{block_on, until_slowly},
};

/// Why the only bucket is not available, and its cache.
fn status(serving: &Serving) -> (Value, Value) {
    let text = serving.get("/api/status", &[]).body;
    let status: Value = serde_json::from_slice(&text).expect("JSON");
    (status["buckets"][0]["error"].clone(), status["cache"].clone())
}

#[test]
fn the_status_says_why_a_bucket_is_not_available() {
    let bucket = Bucket::new();
    bucket.put("a.mp4", pattern(1000));
    let proxy = FaultProxy::start(bucket.address);
    let folder = Folder::new();
    // Nothing but the test reads the object.
    let root = bucket.root(&folder, &proxy.endpoint());
    let serving = serve_with(&[], &format!("index_titles = false\n{root}"));
    serving.until_scanned();
    let (error, cache) = status(&serving);
    assert_eq!((error, &cache["max_bytes"]), (Value::Null, &Value::from(10_240_u64 << 20)));
    proxy.set(Faults { status: Some(403), ..Faults::default() });
    assert_eq!(serving.get("/media/a.mp4", &[]).status, 503);
    assert_eq!(status(&serving).0, "the bucket refuses the credentials: status 403");
    proxy.set(Faults::default());
    assert_eq!(serving.get("/media/a.mp4", &[]).body, pattern(1000));
    assert_eq!(status(&serving).0, Value::Null);
    let folders = serve_with(&[folder.path("")], "");
    assert_eq!(status(&folders), (Value::Null, Value::Null));
}

#[test]
fn the_bucket_of_artifacts_is_in_the_status_and_the_metrics() {
    let (titles, made) = (Bucket::new(), Bucket::new());
    made.put("made/artifacts/key/1/poster.jpg", pattern(1000));
    let proxy = FaultProxy::start(titles.address);
    let folder = Folder::new();
    let root = titles.root(&folder, &proxy.endpoint());
    let artifacts = format!("artifacts = \"s3://{}/made\"", made.name);
    proxy.set(Faults { status: Some(403), ..Faults::default() });
    let serving = serve_with(&[], &format!("index_titles = false\n{artifacts}\n{root}"));
    let status = || {
        let text = serving.get("/api/status", &[]).body;
        serde_json::from_slice::<Value>(&text).expect("JSON")["artifacts"].clone()
    };
    assert_eq!(status()["error"], "the bucket or the database has not responded yet");
    proxy.set(Faults::default());
    until_slowly("the artifacts are in use", || status() == json!({ "error": null }));
    let read = || {
        let place = serving.site().artifacts_bucket().expect("a bucket");
        block_on(place.open_file(Path::new("key/1/poster.jpg")))
    };
    let requests = |outcome: &str| {
        let labels = format!("root=\"\",holds=\"artifacts\",op=\"get\",outcome=\"{outcome}\"");
        serving.metric(&format!("headwater_bucket_requests_total{{{labels}}}"))
    };
    proxy.set(Faults { status: Some(403), ..Faults::default() });
    read().expect_err("the bucket refuses it");
    assert!(requests("refused") > 0);
    assert_eq!(status()["error"], "the bucket refuses the credentials: status 403");
    // It is noticed without a request for an artifact.
    proxy.set(Faults::default());
    until_slowly("the bucket is back", || status() == json!({ "error": null }));
    read().expect("the bucket is back");
    until_slowly("the request has ended", || requests("ok") > 0);
    let folders = serve_with(&[folder.path("")], "");
    let text = folders.get("/api/status", &[]).body;
    assert_eq!(serde_json::from_slice::<Value>(&text).expect("JSON")["artifacts"], Value::Null);
}

#[test]
fn a_server_starts_without_its_bucket_and_the_banner_says_why() {
    let bucket = Bucket::new();
    let proxy = FaultProxy::start(bucket.address);
    proxy.set(Faults { status: Some(403), ..Faults::default() });
    let folder = Folder::new();
    let file = folder.put("headwater.toml", bucket.root(&folder, &proxy.endpoint()));
    let data = format!("--data={}", folder.path("data").display());
    let arguments = ["--config", file.to_str().expect("text"), &data, "--local-worker=false"];
    let program = Program::serve(&arguments, &[]);
    let reason = "not available yet: the bucket refuses the credentials: status 403";
    crate::support::wait::until("the banner says why", || program.printed().contains(reason));
    assert!(program.printed().contains(&format!("is s3://{}", bucket.name)));
}
