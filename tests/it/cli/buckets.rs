//! `headwater check` of buckets.

use crate::support::{
    bucket::{Bucket, SECRET_KEY},
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::Folder,
    program::run,
};

/// Checks a bucket behind an endpoint. Returns whether that succeeded, and all that was printed.
fn check(bucket: &Bucket, endpoint: &str, lines: &str) -> (bool, String) {
    let folder = Folder::new();
    let configuration = format!("{lines}\n{}", bucket.root(&folder, endpoint));
    let file = folder.put("headwater.toml", configuration).display().to_string();
    let data = format!("--data={}", folder.path("data").display());
    let (status, printed, logged) = run(&["check", "--config", &file, &data]);
    let text = printed + &logged;
    assert!(!text.contains(SECRET_KEY), "{text}");
    (status.success(), text)
}

fn assert_has(text: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} in {text}");
    }
}

#[test]
fn a_bucket_that_works_is_described() {
    let bucket = Bucket::new();
    let (works, text) = check(&bucket, &bucket.endpoint(), "");
    assert!(works, "{text}");
    assert_has(&text, &["the bucket is listed, and has no object there yet", "cache   "]);
    bucket.put("films/a.mp4", "0123456789");
    let (works, text) = check(&bucket, &bucket.endpoint(), "");
    assert!(works, "{text}");
    assert_has(
        &text,
        &[
            &format!("/media/  from  s3://{}\n", bucket.name),
            "the bucket is listed and read: films/a.mp4",
            "If-Match is obeyed",
            "no versions: a response in progress ends early",
            "clocks agree",
            "no lifecycle rule removes unfinished uploads",
        ],
    );
}

#[test]
fn versions_and_lifecycle_rules_are_found() {
    let bucket = Bucket::versioned();
    bucket.put("a.mp4", "0123456789");
    bucket.configure(
        "lifecycle",
        "<LifecycleConfiguration><Rule><ID>unfinished</ID><Status>Enabled</Status><Prefix></Prefix>\
         <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
         </AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>",
    );
    let (works, text) = check(&bucket, &bucket.endpoint(), "");
    assert!(works, "{text}");
    assert_has(&text, &["versions are kept", "a lifecycle rule removes unfinished uploads"]);
}

#[test]
fn what_a_server_cannot_do_is_explained() {
    let bucket = Bucket::new();
    bucket.put("a.mp4", "0123456789");
    let proxy = FaultProxy::start(bucket.address);
    let faults = Faults::default;
    for (faults, works, sentence) in [
        (Faults { ignores_preconditions: true, ..faults() }, true, "If-Match is ignored"),
        (
            Faults { date: Some("Mon, 01 Jan 2024 00:00:00 GMT"), ..faults() },
            true,
            "ahead of the bucket's: from 15 minutes on the bucket refuses requests",
        ),
        (Faults { status: Some(403), ..faults() }, false, "a policy allows s3:ListBucket"),
        (
            Faults { status: Some(403), only: Some(Operation::Get), ..faults() },
            false,
            "its objects cannot be read: the bucket refused the credentials",
        ),
        (
            Faults { status: Some(403), only: Some(Operation::Property), ..faults() },
            true,
            "s3:GetBucketVersioning",
        ),
        (Faults { status: Some(500), ..faults() }, false, "status 500; check its endpoint"),
        (Faults { silence: true, ..faults() }, false, "did not respond in time"),
    ] {
        proxy.set(faults);
        let (did_work, text) = check(&bucket, &proxy.endpoint(), "bucket_deadline_ms = 3000");
        assert_eq!(did_work, works, "{sentence}: {text}");
        assert_has(&text, &[sentence]);
        assert_eq!(text.contains("1 of 1 roots cannot be read"), !works, "{text}");
    }
}

#[test]
fn a_bucket_or_server_that_does_not_exist_is_named() {
    let mut bucket = Bucket::new();
    let endpoint = bucket.endpoint();
    let (works, text) = check(&bucket, "http://127.0.0.1:1", "");
    assert!(!works && text.contains("not available"), "{text}");
    bucket.name = "no-such-bucket".to_owned();
    let (works, text) = check(&bucket, &endpoint, "");
    assert!(!works && text.contains("there is no such bucket"), "{text}");
}
