//! HTTP/1: the requested bytes arrive complete and in order, in each way that a file takes to a
//! connection.

use std::{io::Write as _, net::Shutdown, ops::Range, sync::LazyLock, thread};

use crate::support::{
    client::{Client, Incomplete, Response, head},
    folder::Folder,
    http2,
    server::{Serving, serve_with},
};

/// The ways of a file to a connection, and the configuration that selects each.
pub const WAYS: [(&str, &str); 3] =
    [FROM_THE_PAGE_CACHE, ("in tiny windows", "settle_ms = 0\nwindow_kib = 4"), COPIED];

/// Straight from the page cache, however new the file is.
pub const FROM_THE_PAGE_CACHE: (&str, &str) = ("from the page cache", "settle_ms = 0");

/// Read in pieces, however old the file is.
pub const COPIED: (&str, &str) = ("copied", "settle_ms = 3600000");

/// The receive buffer of clients to which the server cannot send far ahead, in bytes.
pub const NARROW: usize = 16 * 1024;

/// So small a send buffer that any call may end in the middle of anything.
pub const CRAMPED: &str = "send_buffer_kib = 4";

/// The length of a file of several windows and a part of one, in bytes.
pub const LENGTH: usize = (9 << 20) + 12_345;

/// The content of the file: every 8 bytes hold their own offset.
pub static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| offsets(LENGTH));

/// Like `pattern`, but in a plain loop: these are many.
pub fn offsets(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length.next_multiple_of(8)];
    for (word, place) in bytes.chunks_exact_mut(8).enumerate() {
        place.copy_from_slice(&(8 * word as u64).to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A folder with that file in it.
pub fn one_file() -> Folder {
    let folder = Folder::new();
    folder.put("a.mp4", &*WHOLE);
    folder
}

/// Runs a test in each way, with the configuration that selects it. All at the same time: some of
/// them wait.
pub fn in_each_way(test: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for (way, how) in WAYS {
            let test = &test;
            let in_this_way = move || {
                let _named = Named(way);
                test(how);
            };
            scope.spawn(in_this_way);
        }
    });
}

/// Runs a test with a server of each way, with more lines of configuration.
pub fn served_in_each_way(folder: &Folder, also: &str, test: impl Fn(&Serving) + Sync) {
    in_each_way(|how| test(&serve_with(&[folder.path("")], &format!("{how}\n{also}"))));
}

/// Names the way that failed.
struct Named(&'static str);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("that was with files sent {}", self.0);
        }
    }
}

/// Pseudo-random numbers, the same in each run.
pub struct Dice(pub u64);

impl Dice {
    /// A number in `0..below`.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }

    /// A range of the file, of any order of magnitude up to this many bits.
    pub fn range(&mut self, bits: usize) -> Range<usize> {
        let most = 1 << self.roll(bits + 1);
        let (first, length) = (self.roll(LENGTH), 1 + self.roll(most));
        first..LENGTH.min(first + length)
    }
}

/// Reports where bytes first differ, not all of them.
#[track_caller]
pub fn assert_same(arrived: &[u8], expected: &[u8], what: &str) {
    let lengths = (arrived.len(), expected.len());
    assert_eq!(lengths.0, lengths.1, "{what}: wrong length");
    if arrived != expected {
        let at = arrived.iter().zip(expected).position(|(one, other)| one != other);
        panic!("{what}: wrong bytes from {} of {} on", at.expect("they differ"), lengths.1);
    }
}

/// A request for a range of the file.
pub fn ask(range: &Range<usize>) -> String {
    head("GET", "/media/a.mp4", &[&bytes(range)])
}

/// The Range field.
pub fn bytes(range: &Range<usize>) -> String {
    format!("Range: bytes={}-{}", range.start, range.end - 1)
}

/// Reads the response to a request for a range of the file.
#[track_caller]
pub fn read_and_assert_part(client: &mut Client, range: &Range<usize>) {
    let response = client.read("GET").unwrap_or_else(|broken| panic!("{range:?}: {broken:?}"));
    assert_part(&response, range);
}

/// Checks the response to a request for a range of the file.
#[track_caller]
pub fn assert_part(response: &Response, range: &Range<usize>) {
    assert_eq!(response.status, 206, "{range:?}");
    let content_range = format!("bytes {}-{}/{LENGTH}", range.start, range.end - 1);
    assert_eq!(response.field("content-range"), Some(&*content_range));
    assert_same(&response.body, &WHOLE[range.clone()], &content_range);
}

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
        for room in [NARROW, 1 << 20] {
            let mut client = Client::narrow(serving.address, room);
            let range = LENGTH / 2..LENGTH;
            for _ in 0..2 {
                let asked = bytes(&range);
                let request = format!(
                    "GET /media/a.mp4 HTTP/1.0\r\nConnection: keep-alive\r\n{asked}\r\n\r\n"
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
        for room in [NARROW, 1 << 20] {
            let mut client = Client::narrow(serving.address, room);
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
        for room in [NARROW, 1 << 20] {
            let mut client = Client::narrow(serving.address, room);
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
