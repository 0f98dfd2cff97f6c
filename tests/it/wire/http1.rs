//! HTTP/1: the requested bytes arrive complete and in order, in each way that a file takes to a
//! connection.

use std::{io::Write as _, net::Shutdown, ops::Range, thread};

use crate::support::{
    client::{Client, Incomplete, Response, head},
    http2,
    sent_files::{
        Dice, LENGTH, NARROW, WHOLE, ask, assert_part, assert_same, bytes, one_file,
        read_and_assert_part, served_in_each_way,
    },
};

/// Ranges at which something begins or ends.
fn edges() -> impl Iterator<Item = Range<usize>> {
    let window = 4 << 20;
    let around = |at: usize| [at - 1..at, at..at + 1, at - 1..at + 1, at - 70_000..at + 70_000];
    let around = [4096, 64 << 10, 1 << 20, window, 2 * window]
        .into_iter()
        .map(move |at| around(at.max(70_000)));
    let whole = [0..1, 0..window, 1..window + 1, 100..2 * window + 1, 0..LENGTH];
    let end = [LENGTH - 1..LENGTH, LENGTH - 12_345..LENGTH, LENGTH - 12_346..LENGTH];
    around.flatten().chain(whole).chain(end)
}

#[test]
fn consecutive_ranges_over_one_connection_arrive_exactly() {
    served_in_each_way(&one_file(), "", |serving| {
        let mut client = serving.connect();
        let mut dice = Dice(1);
        let random = std::iter::repeat_with(|| dice.range(22)).take(150);
        for range in edges().chain(random) {
            client.send(ask(&range));
            read_and_assert_part(&mut client, &range);
        }
        assert_eq!(serving.site().metrics.open_connections(), 1, "it was one connection");
    });
}

#[test]
fn http_2_sends_the_same_bytes_for_the_same_ranges() {
    served_in_each_way(&one_file(), "", |serving| {
        let mut client = http2::Client::connect(serving.address);
        let mut dice = Dice(1);
        let random = std::iter::repeat_with(|| dice.range(20)).take(50);
        for range in edges().chain(random) {
            assert_part(&client.request("GET", "/media/a.mp4", &[&bytes(&range)]), &range);
        }
    });
}

#[test]
fn pipelined_ranges_get_responses_in_order() {
    served_in_each_way(&one_file(), "", |serving| {
        let mut client = serving.connect();
        let mut dice = Dice(2);
        for count in (2..=40).step_by(2) {
            let ranges: Vec<_> = (0..count).map(|_| dice.range(18)).collect();
            client.send(ranges.iter().map(ask).collect::<String>());
            ranges.iter().for_each(|range| read_and_assert_part(&mut client, range));
        }
    });
}

/// Requests of every kind. Their responses are immediate or not, long or empty, of a file or not.
fn every_kind(etag: &str) -> Vec<(&'static str, String)> {
    let get = |target: &str, fields: &[&str]| ("GET", head("GET", target, fields));
    let parts = "Range: bytes=5000000-5000099,7-7,8388600-8488600,-3";
    vec![
        ("GET", ask(&(0..1))),
        ("GET", ask(&(4_000_000..4_400_000))),
        ("GET", ask(&(LENGTH - 100_000..LENGTH))),
        get("/media/a.mp4", &[parts]),
        get("/media/a.mp4", &["Range: bytes=99999999-"]),
        get("/media/a.mp4", &[&format!("If-None-Match: {etag}")]),
        get("/media/a.mp4", &["If-Match: \"another\""]),
        get("/media/none.mp4", &[]),
        get("/healthz", &[]),
        get("/", &[]),
        get("/", &["Accept-Encoding: gzip"]),
        get("/api/titles", &[]),
        ("HEAD", head("HEAD", "/media/a.mp4", &[])),
        ("HEAD", head("HEAD", "/media/none.mp4", &[])),
        ("HEAD", head("HEAD", "/", &[])),
        ("OPTIONS", head("OPTIONS", "/media/a.mp4", &[])),
        ("POST", head("POST", "/media/a.mp4", &["Content-Length: 12"]) + "GET / HTTP/1"),
    ]
}

/// The fields that two responses to one request share. Others hold the time or a number.
fn essence(response: Response) -> (u16, Option<String>, Vec<u8>) {
    let length = response.field("content-length").map(str::to_owned);
    // A problem document names its request.
    let body = if response.status == 206 || response.status < 400 { response.body } else { vec![] };
    (response.status, length, body)
}

#[test]
fn pipelined_requests_of_every_kind_get_the_same_responses_as_single_ones() {
    served_in_each_way(&one_file(), "", |serving| {
        let response = serving.request("HEAD", "/media/a.mp4", &[]);
        let kinds = every_kind(response.field("etag").expect("a tag"));
        let alone = kinds.iter().map(|(method, request)| {
            let mut client = serving.connect();
            client.send(request);
            essence(client.read(method).expect("a response"))
        });
        let alone: Vec<_> = alone.collect();
        let statuses: Vec<_> = alone.iter().map(|response| response.0).collect();
        let expected = [206, 206, 206, 206, 416, 304, 412, 404, 200, 200, 200, 200, 200, 404, 200];
        assert_eq!(statuses[..15], expected);
        assert_same(&alone[1].2, &WHOLE[4_000_000..4_400_000], "the reference");
        let mut client = serving.connect();
        let mut dice = Dice(3);
        for _ in 0..20 {
            let order: Vec<_> = (0..40).map(|_| dice.roll(kinds.len())).collect();
            client.send(order.iter().map(|&kind| &*kinds[kind].1).collect::<String>());
            for kind in order {
                let (method, request) = &kinds[kind];
                let response = client.read(method);
                let response =
                    essence(response.unwrap_or_else(|broken| panic!("{request}: {broken:?}")));
                assert_eq!((response.0, &response.1), (alone[kind].0, &alone[kind].1), "{request}");
                assert_same(&response.2, &alone[kind].2, request);
            }
        }
    });
}

#[test]
fn http_1_0_gets_every_byte_and_keep_alive_only_on_request() {
    served_in_each_way(&one_file(), "", |serving| {
        for buffer_bytes in [NARROW, 1 << 20] {
            let mut client = Client::narrow(serving.address, buffer_bytes);
            let range = LENGTH / 2..LENGTH;
            for _ in 0..2 {
                let field = bytes(&range);
                let request = format!(
                    "GET /media/a.mp4 HTTP/1.0\r\nConnection: keep-alive\r\n{field}\r\n\r\n"
                );
                client.send(request);
                read_and_assert_part(&mut client, &range);
            }
            client.send("GET /media/a.mp4 HTTP/1.0\r\n\r\n");
            assert_same(&client.read("GET").expect("a response").body, &WHOLE, "the last one");
            assert!(client.is_closed());
        }
    });
}

#[test]
fn a_client_that_asks_for_close_gets_every_byte_first() {
    served_in_each_way(&one_file(), "", |serving| {
        for buffer_bytes in [NARROW, 1 << 20] {
            let mut client = Client::narrow(serving.address, buffer_bytes);
            client.send(head("GET", "/media/a.mp4", &["Connection: close"]));
            let response = client.read("GET").expect("a response");
            assert_eq!(response.field("connection"), Some("close"));
            assert_same(&response.body, &WHOLE, "all of it");
            assert!(client.is_closed());
        }
    });
}

#[test]
fn bytes_behind_the_last_request_cost_no_byte_of_the_response() {
    // More than the server reads from a connection at a time, so that it never reads some of it.
    let behind = head("GET", "/media/a.mp4", &[]).repeat(1000);
    served_in_each_way(&one_file(), "", |serving| {
        let last = [
            head("GET", "/media/a.mp4", &["Connection: close"]),
            "GET /media/a.mp4 HTTP/1.0\r\n\r\n".into(),
            head("GET", "/", &["Connection: close"]),
        ];
        for last in last {
            let mut client = Client::narrow(serving.address, NARROW);
            client.send(last.clone() + &behind);
            let response = client.read("GET").unwrap_or_else(|at| panic!("{last} cut at {at:?}"));
            assert_eq!(response.status, 200);
            assert!(matches!(client.read_head(), Err(Incomplete::Head)), "no other response comes");
        }
    });
}

#[test]
fn a_client_that_closed_its_side_gets_all_that_it_requested() {
    served_in_each_way(&one_file(), "", |serving| {
        for buffer_bytes in [NARROW, 1 << 20] {
            let mut client = Client::narrow(serving.address, buffer_bytes);
            let ranges = [0..LENGTH, 5_000_000..5_000_001, 4_000_000..4_900_000];
            client.send(ranges.iter().map(ask).collect::<String>() + "GET / HT");
            client.socket().shutdown(Shutdown::Write).expect("half closed");
            ranges.iter().for_each(|range| read_and_assert_part(&mut client, range));
            assert!(client.is_closed());
        }
    });
}

#[test]
fn a_range_request_behind_an_unwanted_body_gets_its_response() {
    served_in_each_way(&one_file(), "", |serving| {
        let mut client = serving.connect();
        for length in [0, 1, 16_383, 16_384, 16_385, 100_000, 262_144] {
            let range = 4_000_000..4_000_000 + length + 1;
            let post = head("POST", "/media/a.mp4", &[&format!("Content-Length: {length}")]);
            // In one packet, and after the response.
            client.send(post.clone() + &"G".repeat(length) + &ask(&range));
            assert_eq!(client.read("POST").expect("a response").status, 405, "{length}");
            read_and_assert_part(&mut client, &range);
            client.send(post);
            assert_eq!(client.read("POST").expect("a response").status, 405, "{length}");
            client.send("G".repeat(length) + &ask(&range));
            read_and_assert_part(&mut client, &range);
        }
        let mut client = serving.connect();
        client.send(head("POST", "/media/a.mp4", &["Content-Length: 262145"]));
        let response = client.read("POST").expect("a response");
        assert_eq!(response.field("connection"), Some("close"), "more than the server discards");
    });
}

#[test]
fn two_thousand_pipelined_requests_all_get_responses() {
    served_in_each_way(&one_file(), "", |serving| {
        let mut client = serving.connect();
        let mut writer = client.socket().try_clone().expect("the same socket");
        let mut dice = Dice(4);
        let ranges: Vec<_> = (0..2000).map(|_| dice.range(12)).collect();
        // Twice as many bytes as the longest head has, and more.
        let requests: String = ranges.iter().map(ask).collect();
        thread::scope(|scope| {
            scope.spawn(|| writer.write_all(requests.as_bytes()).expect("they are taken"));
            ranges.iter().for_each(|range| read_and_assert_part(&mut client, range));
        });
    });
}
