//! The proxy that makes the faults of a bucket.

use crate::support::{
    bucket::{AUTHORIZATION, Bucket},
    client::{Client, Incomplete, Response, head},
    fault_proxy::{FaultProxy, Faults, Operation},
    wait::until,
};

#[test]
fn the_fault_proxy_passes_on_and_fails_on_demand() {
    let bucket = Bucket::new();
    bucket.put("a", "0123456789");
    let proxy = FaultProxy::start(bucket.address);
    let target = format!("/{}/a", bucket.name);
    let get = |faults: Faults, fields: &[&str]| -> Result<Response, Incomplete> {
        proxy.set(faults);
        let mut client = Client::connect(proxy.address);
        client.send(head("GET", &target, &[&[AUTHORIZATION], fields].concat()));
        client.read("GET")
    };
    let body = |faults, fields: &[&str]| get(faults, fields).expect("whole").body;
    let range = "Range: bytes=2-4";
    assert_eq!(body(Faults::default(), &[range]), b"234");
    assert_eq!(body(Faults { ignores_range: true, ..Faults::default() }, &[range]), b"0123456789");
    assert_eq!(body(Faults { end_after: Some(1), ..Faults::default() }, &[range]), b"2");
    let cut = get(Faults { cut_after: Some(4), ..Faults::default() }, &[]);
    assert_eq!(cut.unwrap_err(), Incomplete::Body(4));
    let other = get(Faults { etag: Some("\"b\""), ..Faults::default() }, &[]).expect("whole");
    assert_eq!((other.status, other.field("etag")), (200, Some("\"b\"")));
    let unavailable =
        Faults { unavailable_percent: 100, retry_after_s: Some(3), ..Faults::default() };
    let response = get(unavailable, &[]).expect("whole");
    assert_eq!((response.status, response.field("retry-after")), (503, Some("3")));
    assert_eq!(get(Faults { status: Some(403), ..Faults::default() }, &[]).unwrap().status, 403);
    let condition = "If-Match: \"b\"";
    assert_eq!(get(Faults::default(), &[condition]).unwrap().status, 412);
    let ignored = Faults { ignores_preconditions: true, ..Faults::default() };
    assert_eq!(get(ignored, &[condition]).unwrap().status, 200);
    let passed = proxy.passed();
    assert_eq!((passed.len(), passed[0].range.as_deref()), (9, Some("bytes=2-4")));
    assert_eq!((passed[0].bytes, passed[3].bytes), (3, 4));
    assert_eq!((passed[0].status, passed[5].status), (206, 503));
    assert_eq!((passed[0].round_trip, passed[1].round_trip), (1, 2));
    assert!(passed[0].reads(4) && !passed[0].reads(5));
    assert_eq!((passed[0].operation, &passed[0].target), (Operation::Get, &target));
    assert_eq!((proxy.requests(Operation::Get), proxy.requests(Operation::List)), (9, 0));
    assert_eq!(proxy.bytes(), passed.iter().map(|passed| passed.bytes).sum::<usize>());
    assert!(proxy.most_open() >= 1);
    proxy.forget();
    for faults in [
        Faults { silence: true, ..Faults::default() },
        Faults { stall_after: Some(1), ..Faults::default() },
    ] {
        proxy.set(faults);
        let mut client = Client::connect(proxy.address);
        client.send(head("GET", &target, &[AUTHORIZATION]));
        until("the request is there", || proxy.passed().len() == 1);
        proxy.set(Faults::default());
        assert!(client.read("GET").is_err());
        proxy.forget();
    }
}
