//! Measurements, run by hand: `cargo test --test it -- --ignored --nocapture bucket::catalog::measurements`.

use std::time::Instant;

use super::Site;
use crate::support::{
    bucket::Bucket,
    fault_proxy::{FaultProxy, Operation},
    json::ask,
    wait::until_slowly,
};

#[test]
#[ignore = "a measurement of minutes"]
fn a_hundred_thousand_objects_are_listed_once_for_three_origins() {
    const OBJECTS: usize = 100_000;
    let bucket = Bucket::new();
    bucket.fill(OBJECTS);
    let proxy = FaultProxy::start(bucket.address);
    let site = Site::new();
    let begun = Instant::now();
    let origins = [(); 3].map(|()| site.origin(&bucket, &proxy.endpoint(), ""));
    let mut shown = 0;
    while origins.iter().any(|origin| origin.titles() < OBJECTS) {
        let lists = proxy.requests(Operation::List);
        if lists >= shown + 10 {
            shown = lists;
            eprintln!("{lists} LISTs after {:?}", begun.elapsed());
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let lists = proxy.requests(Operation::List);
    eprintln!("{OBJECTS} objects on three origins: {lists} LISTs, {:?}", begun.elapsed());
    assert!(lists <= 110, "{lists}");
}

#[test]
#[ignore = "a measurement"]
fn the_time_from_an_event_to_the_new_bytes_on_both_origins() {
    let bucket = Bucket::new();
    bucket.put("a.mp4", "0");
    let site = Site::new();
    let origins = [(); 2].map(|()| site.origin(&bucket, &bucket.endpoint(), ""));
    origins.iter().for_each(|origin| origin.until_titles(1));
    let mut times = Vec::new();
    for round in 1..=20_u32 {
        let byte = (round % 10).to_string();
        origins.iter().for_each(|origin| drop(origin.last_byte("/media/a.mp4")));
        bucket.put("a.mp4", &byte);
        let s3 =
            serde_json::json!({ "bucket": { "name": bucket.name }, "object": { "key": "a.mp4" } });
        let event = serde_json::json!({ "Records": [{ "s3": s3 }] });
        let begun = Instant::now();
        assert_eq!(ask(&origins[0], "POST", "/api/library/events", &event.to_string()).status, 202);
        for origin in &origins {
            until_slowly("it has the new byte", || {
                origin.last_byte("/media/a.mp4").1 == byte.as_bytes()
            });
        }
        times.push(begun.elapsed());
    }
    times.sort();
    eprintln!("event to both origins: median {:?}, most {:?}", times[10], times[19]);
}
