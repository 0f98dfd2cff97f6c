//! What `/api/status` and the banner say of buckets.

use serde_json::Value;

use crate::support::{
    bucket::Bucket,
    fault_proxy::{FaultProxy, Faults},
    folder::{Folder, pattern},
    program::Program,
    server::{Serving, serve_with},
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
