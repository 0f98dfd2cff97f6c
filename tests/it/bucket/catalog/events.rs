//! Notifications of a bucket, by `/api/library/events`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Origin, Site};
use crate::support::{
    bucket::Bucket,
    client::Response,
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::Folder,
    json::{self, ask},
    streams::{CLOCK, Streams, fetch, put_sample},
    wait::until_slowly,
};

/// The records of S3 about keys, which are encoded.
fn records(bucket: &Bucket, keys: &[&str]) -> Value {
    let record = |key: &&str| {
        let s3 = json!({ "bucket": { "name": bucket.name }, "object": { "key": key } });
        json!({ "eventSource": "aws:s3", "s3": s3 })
    };
    json!({ "Records": keys.iter().map(record).collect::<Vec<_>>() })
}

fn send(origin: &Origin, notification: &Value) -> Response {
    ask(origin, "POST", "/api/library/events", &notification.to_string())
}

/// A bucket with one title, behind a proxy, and an origin of it that has listed it.
fn one_title() -> (Bucket, FaultProxy, Site, Origin) {
    let bucket = Bucket::new();
    bucket.put("a.mp4", "1");
    let proxy = FaultProxy::start(bucket.address);
    let site = Site::new();
    let origin = site.origin(&bucket, &proxy.endpoint(), "");
    origin.until_titles(1);
    (bucket, proxy, site, origin)
}

/// The number of checks that a notification leads to.
#[track_caller]
fn checks(origin: &Origin, notification: &Value) -> u64 {
    json::json(&send(origin, notification), 202)["checks"].as_u64().expect("a number")
}

#[test]
fn an_event_makes_all_origins_drop_a_replaced_object() {
    let bucket = Bucket::new();
    let files = Folder::new();
    put_sample(&files, CLOCK, "a film.mp4");
    put_sample(&files, "Clock, moov at the end.mp4", "new.mp4");
    bucket.put_folder(&files.path(""), "");
    bucket.remove("new.mp4");
    let site = Site::new();
    let origins = [(); 2].map(|()| site.origin(&bucket, &bucket.endpoint(), ""));
    let old = origins.each_ref().map(|origin| {
        origin.until_titles(1);
        let streams = Streams::read(origin, "a%20film.mp4");
        streams.segments()[0].to_owned()
    });
    let new = std::fs::read(files.path("new.mp4")).expect("a file");
    bucket.put("a film.mp4", &new);
    // Nothing else notices it: listings and trust are hours away.
    assert_eq!(checks(&origins[0], &records(&bucket, &["a+film.mp4"])), 2, "decoded, and as it is");
    for (origin, old) in origins.iter().zip(&old) {
        until_slowly("the origin has the new bytes", || {
            origin.get("/media/a%20film.mp4", &[]).body == new
        });
        assert_eq!(origin.get(old, &[]).status, 404, "{old}");
        let streams = Streams::read(origin, "a%20film.mp4");
        fetch(&mut origin.connect(), streams.segments()[0]);
    }
}

#[test]
fn events_show_new_objects_and_hide_removed_ones() {
    let bucket = Bucket::new();
    bucket.put("a.mp4", "1");
    let site = Site::new();
    let origins = [(); 2].map(|()| site.origin(&bucket, &bucket.endpoint(), ""));
    origins.iter().for_each(|origin| origin.until_titles(1));
    bucket.put("films/b.mp4", "2");
    bucket.put("films/c.mp4", "3");
    let sent = records(&bucket, &["films/b.mp4", "films/c.mp4", "films/b.mp4"]);
    assert_eq!(
        checks(&origins[0], &json!({ "Type": "Notification", "Message": sent.to_string() })),
        3
    );
    origins.iter().for_each(|origin| origin.until_titles(3));
    bucket.remove("films/b.mp4");
    let detail = json!({ "bucket": { "name": bucket.name }, "object": { "key": "films/b.mp4" } });
    assert_eq!(checks(&origins[1], &json!({ "source": "aws.s3", "detail": detail })), 1);
    origins.iter().for_each(|origin| origin.until_titles(2));
    // The order of events means nothing: the object is asked for.
    assert_eq!(checks(&origins[1], &records(&bucket, &["films/b.mp4", "films/c.mp4"])), 2);
    assert_eq!(origins[0].last_byte("/media/films/c.mp4"), (206, b"3".to_vec()));
    assert_eq!(origins[0].get("/media/films/b.mp4", &[]).status, 404);
}

#[test]
fn what_is_no_event_of_the_library_is_ignored_or_refused() {
    let (bucket, proxy, _site, origin) = one_title();
    proxy.forget();
    let elsewhere = Bucket { name: "elsewhere".to_owned(), ..bucket.clone() };
    assert_eq!(checks(&origin, &records(&elsewhere, &["a.mp4"])), 0);
    assert_eq!(checks(&origin, &records(&bucket, &["../a.mp4", "b//c.mp4", ".hidden", ""])), 0);
    assert_eq!(checks(&origin, &json!({ "Event": "s3:TestEvent" })), 0);
    for refused in [
        json!({}),
        json!([1]),
        json!({ "Type": "Notification", "Message": "hello" }),
        json!({ "Type": "SubscriptionConfirmation", "SubscribeURL": proxy.endpoint() }),
    ] {
        let problem = json::json(&send(&origin, &refused), 400);
        assert_eq!(problem["type"], "/errors/bad-request", "{refused}");
    }
    assert_eq!(proxy.passed().len(), 0, "it opens no URL of a client, and asks for no key");
    // A spurious event of a known object changes nothing.
    assert_eq!(checks(&origin, &records(&bucket, &["a.mp4"])), 1);
    until_slowly("it is checked", || proxy.requests(Operation::Head) == 1);
    assert_eq!(origin.last_byte("/media/a.mp4"), (206, b"1".to_vec()));
}

#[test]
fn more_events_than_the_queue_holds_are_refused_and_wait_for_no_request() {
    let (bucket, proxy, _site, origin) = one_title();
    proxy.set(Faults { silence: true, latency: Duration::ZERO, ..Faults::default() });
    let mut answers = (0..10).map(|round| {
        let keys: Vec<_> = (0..500).map(|number| format!("{round}/{number}.mp4")).collect();
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        send(&origin, &records(&bucket, &keys))
    });
    let refused = answers.find(|answer| answer.status != 202).expect("the queue has an end");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("5")));
}
