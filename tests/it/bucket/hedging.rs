//! Second requests for what comes late, as the clients of a server cause them.

use std::{ops::Range, thread, time::Duration};

use crate::support::{
    bucket::Bucket,
    bucket_serving::serve_bucket,
    fault_proxy::{FaultProxy, Faults, Operation},
    folder::pattern,
    wait::until,
};

/// The objects that show how fast the bucket is, and those that are counted.
const FIRST: usize = 40;
const OBJECTS: usize = 500;

const VIEWERS: usize = 2;

#[test]
fn hedges_overtake_what_comes_late_and_are_a_twentieth_of_the_requests_at_most() {
    let (bucket, bytes) = (Bucket::new(), pattern(2000));
    (0..FIRST + OBJECTS).for_each(|number| drop(bucket.put(&format!("{number}.mp4"), &bytes)));
    let proxy = FaultProxy::start(bucket.address);
    let serving = serve_bucket(&bucket, &proxy.endpoint());
    let view = &|viewer: usize, numbers: Range<usize>| {
        let mut client = serving.connect();
        for number in numbers.skip(viewer).step_by(VIEWERS) {
            let response = client.request("GET", &format!("/media/{number}.mp4"), &[]);
            assert!(response.status == 200 && response.body == bytes, "{number}");
        }
    };
    let (only, latency) = (Some(Operation::Get), Duration::from_millis(20));
    let faults = Faults { only, latency, ..Faults::default() };
    proxy.set(faults.clone());
    (0..VIEWERS).for_each(|viewer| view(viewer, 0..FIRST));
    let hedges = |outcome: &str| {
        let labels = format!("root=\"\",holds=\"titles\",outcome=\"{outcome}\"");
        serving.metric(&format!("headwater_bucket_hedges_total{{{labels}}}")) as usize
    };
    let won_before = hedges("won");
    proxy.set(Faults { late_percent: 2, late: Duration::from_secs(1), ..faults });
    proxy.forget();
    thread::scope(|scope| {
        for viewer in 0..VIEWERS {
            scope.spawn(move || view(viewer, FIRST..FIRST + OBJECTS));
        }
    });
    until("no request is open", || proxy.is_idle());
    let late = proxy.passed().iter().filter(|passed| passed.is_late).count();
    let gets = proxy.requests(Operation::Get);
    let won = hedges("won") - won_before;
    println!("{OBJECTS} objects: {late} late, {won} overtaken, {gets} GETs");
    assert!(late * 100 >= OBJECTS, "{late}");
    // So that of a hundred viewers one waits at most.
    assert!(late.saturating_sub(won) * 100 <= OBJECTS, "{late} late, {won} overtaken");
    // The budget counts the first objects, too.
    assert!(gets.saturating_sub(OBJECTS) * 20 <= FIRST + OBJECTS, "{gets}");
}
