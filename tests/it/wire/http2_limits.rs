//! Limits of one HTTP/2 connection, and its responses during a shutdown.

use std::{fs::File, io::Write as _, net::TcpStream};

use headwater::telemetry::Snapshot;
use rustix::fs::{Advice, fadvise};

use crate::support::{
    client::narrow_socket,
    exposition,
    folder::{Folder, pattern},
    http2::{Client, PendingResponse, WINDOW},
    server::{Serving, serve, serve_with},
    wait::until,
};

/// The limit of concurrent streams of a connection.
const STREAMS: usize = 100;

fn begin(client: &Client, target: &str) -> PendingResponse {
    client.begin("GET", &format!("http://localhost{target}"), &[]).expect("a head")
}

/// The bytes of bodies that the server has passed on.
fn body_bytes(serving: &Serving) -> u64 {
    let text = serving.site().metrics.render(Snapshot::default());
    exposition::metric(&text, "headwater_body_bytes_total").expect("it is counted")
}

/// Begins as many responses as a connection may have.
fn begin_all(client: &Client, target: &str) -> Vec<PendingResponse> {
    let pendings: Vec<_> = (0..STREAMS).map(|_| begin(client, target)).collect();
    assert!(pendings.iter().all(|pending| pending.head.status == 200));
    pendings
}

/// A file that is not in the page cache, as far as the kernel allows.
fn put_cold(folder: &Folder, name: &str, bytes: &[u8]) {
    let file = File::open(folder.put(name, bytes)).expect("the file");
    file.sync_all().expect("on the disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
}

fn open_connections(serving: &Serving) -> i64 {
    serving.site().metrics.open_connections()
}

#[test]
fn stalled_streams_hold_no_buffer_from_other_clients() {
    let folder = Folder::new();
    let whole = pattern(3_000_000);
    folder.put("held.mp4", &whole);
    folder.put("warm.mp4", &whole);
    let few = "body_buffers_mib = 1\nfollow_idle_s = 86400\nfollow_closed_s = 86400";
    let serving = serve_with(&[folder.path("")], few);
    let follower = Client::with_windows(serving.address, 0);
    let viewer = Client::with_windows(serving.address, 0);
    let followed = begin_all(&follower, "/media/held.mp4?follow");
    let viewed = begin_all(&viewer, "/media/held.mp4");
    for round in 0..3 {
        let cold = format!("cold {round}.mp4");
        put_cold(&folder, &cold, &whole);
        assert!(serving.get("/media/warm.mp4", &[]).body == whole);
        assert!(serving.get(&format!("/media/cold%20{round}.mp4"), &[]).body == whole);
    }
    // The stalled streams have lost nothing.
    viewer.open_windows(WINDOW);
    for pending in viewed {
        assert!(viewer.finish(pending).expect("a whole response").body == whole);
    }
    drop(followed);
}

#[test]
fn too_long_a_target_is_414_too_many_fields_are_431_and_the_connection_goes_on() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(10));
    let serving = serve(&folder);
    let mut client = Client::connect(serving.address);
    let long = "x".repeat(8 * 1024);
    for target in [format!("/media/{long}.mp4"), format!("/media/a.mp4?{long}")] {
        assert_eq!(client.request("GET", &target, &[]).status, 414);
    }
    let (one, many) = (format!("x-long: {}", "x".repeat(33 * 1024)), ["x-many: x"; 200]);
    for fields in [&[one.as_str()][..], &many] {
        assert_eq!(client.request("GET", "/media/a.mp4", fields).status, 431);
    }
    let (query, field) = ("x".repeat(8000), format!("x-long: {}", "x".repeat(20_000)));
    let response = client.request("GET", &format!("/media/a.mp4?{query}"), &[&field]);
    assert_eq!(response.body, pattern(10), "a long target within the limit is served");
}

#[test]
fn a_missing_or_malformed_authority_is_400() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(10));
    let serving = serve(&folder);
    let client = Client::connect(serving.address);
    let status = |uri: &str, fields: &[&str]| {
        client.begin("GET", uri, fields).map(|pending| pending.head.status).ok()
    };
    assert_eq!(status("/media/a.mp4", &[]), Some(400), "none");
    assert_eq!(status("/media/a.mp4", &["host: a/b"]), Some(400), "neither authority nor host");
    assert_eq!(status("/media/a.mp4", &["host: test"]), Some(200), "a host instead");
    for authority in ["user@test", "test:99999", "a,b:c"] {
        assert_eq!(
            status(&format!("http://{authority}/media/a.mp4"), &[]),
            Some(400),
            "{authority}"
        );
    }
    let both = |host: &str| status("http://test:80/media/a.mp4", &[&format!("host: {host}")]);
    assert_eq!(both("TEST:80"), Some(200));
    assert_eq!(both("other"), Some(400));
}

#[test]
fn a_stalled_client_is_cut_although_it_answers_pings() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(100_000));
    let serving = serve_with(&[folder.path("")], "send_timeout_s = 1");
    let mut client = Client::with_windows(serving.address, 0);
    let pendings: Vec<_> = (0..3).map(|_| begin(&client, "/media/a.mp4")).collect();
    until("the connection is cut", || !client.ping());
    until("and no longer counted", || open_connections(&serving) == 0);
    for pending in pendings {
        assert!(client.finish(pending).is_err(), "unsent bytes do not arrive");
    }
}

#[test]
fn a_shutdown_does_not_wait_for_idle_connections() {
    // The drain timeout is longer than this test.
    let patient = "drain_s = 86400\nhead_timeout_s = 3600\nkeep_alive_s = 86400";
    let folder = Folder::new();
    let mut serving = serve_with(&[folder.path("")], patient);
    let mut idle = Client::connect(serving.address);
    assert_eq!(idle.request("GET", "/healthz", &[]).status, 200);
    let fresh = Client::connect(serving.address);
    // Browsers connect in advance; half a preface is no more than that.
    let silent = TcpStream::connect(serving.address).expect("a connection");
    let mut slow = serving.connect();
    slow.send("PRI * ");
    until("all are accepted", || open_connections(&serving) == 4);
    let has_ended = serving.drain();
    until("the server has ended", has_ended);
    until("the clients see the end", || idle.is_over() && fresh.is_over());
    drop((silent, slow));
}

#[test]
fn downloads_in_progress_at_shutdown_arrive_whole() {
    let folder = Folder::new();
    // Lengths around frames and windows, where the last frame is small or absent.
    let lengths = [1, 16_384, 65_535, 65_536, 100_001, 400_000, 1_000_003];
    for length in lengths {
        folder.put(format!("{length}.mp4"), pattern(length));
    }
    for round in 0..5 {
        let mut serving = serve_with(&[folder.path("")], "drain_s = 86400");
        let client = Client::with_windows(serving.address, 0);
        let lengths = &lengths[..=round + 1];
        let pendings = lengths.iter().map(|length| begin(&client, &format!("/media/{length}.mp4")));
        let pendings: Vec<_> = pendings.collect();
        let has_ended = serving.drain();
        assert!(!has_ended(), "it waits for the downloads");
        client.open_windows([WINDOW, 1 << 24][round % 2]);
        for (pending, &length) in pendings.into_iter().zip(lengths) {
            let response = client.finish(pending).expect("a whole response");
            assert!(response.body == pattern(length), "{length}");
        }
        until("the server has ended", has_ended);
    }
}

#[test]
fn a_slow_client_gets_its_response_after_shutdown_began() {
    let folder = Folder::new();
    let whole = pattern(1_000_003);
    folder.put("a.mp4", &whole);
    // With a large window the server sends as much as the socket takes; with a small one the client keeps sending
    // WINDOW_UPDATE, even after the server has sent everything.
    for window in [1 << 24, WINDOW] {
        let mut serving = serve_with(&[folder.path("")], "drain_s = 86400");
        let client = Client::over(narrow_socket(serving.address, 4096), window);
        let pendings: Vec<_> = (0..10).map(|_| begin(&client, "/media/a.mp4")).collect();
        let pause = client.pause();
        let has_ended = serving.drain();
        drop(pause);
        for pending in pendings {
            assert!(client.finish(pending).expect("a whole response").body == whole, "{window}");
        }
        until("the server has ended", has_ended);
    }
}

#[test]
fn a_client_that_does_not_read_gets_no_read_ahead_on_any_number_of_streams() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1 << 20));
    let serving = serve(&folder);
    // By hand, since any client library would read: windows of 1 GiB, and as many requests as
    // allowed.
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let wide = (1_u32 << 30).to_be_bytes();
    let fields = [b"\x82\x86\x01\x04test\x04\x0c", &b"/media/a.mp4"[..]].concat();
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[&[0, 4], &wide[..]].concat()));
    sent.extend(frame(8, 0, 0, &wide));
    for number in 0..u32::try_from(STREAMS).expect("small") {
        sent.extend(frame(1, 5, 2 * number + 1, &fields));
    }
    let mut socket = narrow_socket(serving.address, 4096);
    socket.write_all(&sent).expect("taken");
    // Until it takes no more, as far as can be seen.
    let (mut last, mut looks) = (0, 0);
    until("the server waits for the client", || {
        // Each look is also a turn of the server.
        assert_eq!(serving.request("HEAD", "/media/a.mp4", &[]).status, 200);
        let bytes = body_bytes(&serving);
        looks = if bytes > 0 && bytes == last { looks + 1 } else { 0 };
        last = bytes;
        looks == 100
    });
    // 256 KiB for the socket, 64 KiB for the connection, and heads and bytes in flight.
    assert!(last < 1 << 20, "{last} bytes for a client that read none");
}

#[test]
fn a_follower_of_a_file_at_rest_is_not_a_stalled_client() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let long = "send_timeout_s = 1\nfollow_idle_s = 3\nfollow_closed_s = 86400";
    let serving = serve_with(&[folder.path("")], long);
    let mut client = Client::connect(serving.address);
    let response = client.request("GET", "/media/a.mp4?follow", &[]);
    assert_eq!(response.body, pattern(1000), "to its end, long after the limit");
}
