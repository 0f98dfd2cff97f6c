//! Timeouts of connections, and shutdown.

use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    ops::Range,
    thread,
    time::UNIX_EPOCH,
};

use crate::support::{
    client::{Client, Incomplete, head},
    folder::Folder,
    sent_files::{
        COPIED, LENGTH, NARROW, SMALL_SEND_BUFFER, WHOLE, ask, assert_part, assert_same,
        in_each_way, one_file, read_and_assert_part, served_in_each_way,
    },
    server::{Serving, serve_with},
    wait::until,
};

/// Waits for as long as the server keeps an idle connection: the clock of a test that sets the idle
/// timeout to a second.
fn wait_for_an_idle_connection_to_close(serving: &Serving) {
    let mut idle = serving.connect();
    assert_eq!(idle.request("GET", "/healthz", &[]).status, 200);
    assert!(idle.is_closed());
}

#[test]
fn a_client_that_pauses_beyond_the_idle_timeout_gets_the_rest() {
    served_in_each_way(&one_file(), "keep_alive_s = 1", |serving| {
        let mut paused = Client::narrow(serving.address, NARROW);
        paused.send(head("GET", "/media/a.mp4", &[]));
        assert_eq!(paused.read_head().expect("a head").status, 200);
        let begun = paused.read_exactly(100_000).expect("a part");
        assert_same(&begun, &WHOLE[..100_000], "the beginning");
        for _ in 0..2 {
            wait_for_an_idle_connection_to_close(serving);
        }
        let rest = paused.read_exactly(LENGTH - 100_000).expect("the rest");
        assert_same(&rest, &WHOLE[100_000..], "the rest");
        let range = 4_000_000..4_200_000;
        paused.send(ask(&range));
        read_and_assert_part(&mut paused, &range);
    });
}

/// Whether the server has sent something or closed.
fn has_sent_or_closed(client: &Client) -> bool {
    let socket = client.socket();
    socket.set_nonblocking(true).expect("a socket");
    let peeked = socket.peek(&mut [0]);
    socket.set_nonblocking(false).expect("a socket");
    !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// The server's time, in whole seconds: the clock of a test that must take some.
fn seconds(serving: &Serving) -> u64 {
    let response = serving.request("HEAD", "/healthz", &[]);
    let date = httpdate::parse_http_date(response.field("date").expect("a date")).expect("a date");
    date.duration_since(UNIX_EPOCH).expect("it is later").as_secs()
}

/// Requests the file over a connection that buffers next to nothing.
fn begin_to_stall(serving: &Serving) -> Client {
    let mut client = Client::narrow(serving.address, 1);
    client.send(head("GET", "/media/a.mp4", &[]));
    assert_eq!(client.read_head().expect("a head").status, 200);
    client
}

#[test]
fn a_client_that_reads_nothing_is_dropped_at_the_send_timeout() {
    served_in_each_way(&one_file(), "send_timeout_s = 1", |serving| {
        let mut stalled = begin_to_stall(serving);
        until("it is dropped", || serving.site().metrics.open_connections() == 0);
        assert!(matches!(stalled.read_exactly(LENGTH), Err(Incomplete::Body(_))));
    });
}

#[test]
fn a_client_that_reads_next_to_nothing_is_dropped_at_the_send_timeout() {
    // As little as the kernel reports as sent, and less than 4 KiB in three and a half seconds.
    let (sip, pause_s) = (1750, 2);
    served_in_each_way(
        &one_file(),
        &format!("send_timeout_s = 3\n{SMALL_SEND_BUFFER}"),
        |serving| {
            let mut sipping = begin_to_stall(serving);
            let mut last = 0;
            until("it is dropped", || {
                let now = seconds(serving);
                if now >= last + pause_s {
                    last = now;
                    return sipping.read_exactly(sip).is_err();
                }
                serving.site().metrics.open_connections() == 0
            });
        },
    );
}

/// Sends a head byte by byte, each after a response to another client, until a response arrives.
fn trickle(serving: &Serving, client: &mut Client) {
    let mut other = serving.connect();
    client.send("GET /media/a.mp4 HTTP/1.1\r\nHost: test\r\nX: ");
    for _ in 0..30_000 {
        if has_sent_or_closed(client) {
            return;
        }
        client.send("x");
        assert_eq!(other.request("GET", "/healthz", &[]).status, 200);
    }
    panic!("every byte was waited for");
}

#[test]
fn a_head_that_trickles_in_times_out_first_on_its_connection_or_not() {
    served_in_each_way(&one_file(), "head_timeout_s = 1", |serving| {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut silent = serving.connect();
                assert!(silent.is_closed(), "without a word");
            });
            for answered_before in [0, 1, 3] {
                scope.spawn(move || {
                    let mut client = serving.connect();
                    for _ in 0..answered_before {
                        client.send(ask(&(0..100_000)));
                        read_and_assert_part(&mut client, &(0..100_000));
                    }
                    trickle(serving, &mut client);
                    let response = client.read("GET").expect("a response");
                    assert_eq!(response.status, 408);
                    assert_eq!(response.field("connection"), Some("close"));
                    assert!(client.is_closed());
                });
            }
        });
    });
}

/// Reads responses to requests for a range until the connection ends. Returns their number; all of
/// them are whole.
fn read_until_the_end(client: &mut Client, range: &Range<usize>) -> usize {
    let mut responses = 0;
    loop {
        match client.read("GET") {
            Ok(response) => assert_part(&response, range),
            Err(Incomplete::Head) => return responses,
            Err(broken) => panic!("response {responses} began and was cut: {broken:?}"),
        }
        responses += 1;
    }
}

#[test]
fn a_download_in_progress_at_shutdown_arrives_whole_and_idle_connections_close() {
    let folder = one_file();
    in_each_way(|how| {
        let mut serving = serve_with(&[folder.path("")], &format!("{how}\ndrain_s = 86400"));
        let mut idle = serving.connect();
        assert_eq!(idle.request("GET", "/healthz", &[]).status, 200);
        let mut fresh = serving.connect();
        let mut running: Vec<_> = (0..3)
            .map(|_| {
                let mut client = Client::narrow(serving.address, NARROW);
                client.send(head("GET", "/media/a.mp4", &[]));
                assert_eq!(client.read_head().expect("a head").status, 200);
                client
            })
            .collect();
        let has_ended = serving.drain();
        assert!(idle.is_closed() && fresh.is_closed());
        assert!(!has_ended(), "it waits for the downloads");
        for client in &mut running {
            assert_same(&client.read_exactly(LENGTH).expect("all of it"), &WHOLE, "all of it");
            assert!(client.is_closed());
        }
        until("the server has ended", has_ended);
    });
}

/// Of the requests pipelined before a shutdown, the next gets a response with `Connection: close`,
/// or none does. No response may begin and be cut.
#[test]
fn a_shutdown_cuts_no_response_to_a_pipelined_request() {
    let folder = one_file();
    in_each_way(|how| {
        // The server reads a few at once; of many the kernel still holds some after the last
        // response.
        for count in [2, 2000] {
            let mut serving = serve_with(&[folder.path("")], &format!("{how}\ndrain_s = 86400"));
            let mut client = Client::narrow(serving.address, NARROW);
            let range = 1_000_000..9_000_000;
            client.send(ask(&range).repeat(count));
            assert_eq!(client.read_head().expect("a head").status, 206);
            let has_ended = serving.drain();
            let body = client.read_exactly(range.len()).expect("the first is whole");
            assert_same(&body, &WHOLE[range.clone()], "the first");
            assert!(read_until_the_end(&mut client, &range) <= 1, "the server goes down");
            drop(client);
            until("the server has ended", has_ended);
        }
    });
}

#[test]
fn bytes_appended_to_a_followed_file_are_sent_without_delay() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", "begins");
    let serving = serve_with(&[folder.path("")], "keep_alive_s = 4");
    serving.until_watching(&folder);
    let mut follower = serving.connect();
    follower.send(head("GET", "/media/a.mp4?follow", &[]));
    assert_eq!(follower.read_head().expect("a head").status, 200);
    assert_eq!(follower.read_chunk().expect("a chunk"), b"begins");
    // The clock of this test: a fifth of a second each time would take twice the idle timeout.
    let mut idle = serving.connect();
    assert_eq!(idle.request("GET", "/healthz", &[]).status, 200);
    for _ in 0..40 {
        let mut file = File::options().append(true).open(&path).expect("the file");
        file.write_all(b"more").expect("appended");
        assert_eq!(follower.read_chunk().expect("a chunk"), b"more");
    }
    assert!(!has_sent_or_closed(&idle), "it was closed before all had arrived");
}

#[test]
fn paused_viewers_of_copied_files_hold_no_buffer_from_others() {
    let folder = one_file();
    // 16 buffers, and more viewers than that; each took the start of one buffer.
    let few =
        format!("{}\n{SMALL_SEND_BUFFER}\nbody_buffers_mib = 1\ndisk_deadline_ms = 200", COPIED.1);
    let serving = serve_with(&[folder.path("")], &few);
    let begin = |request: &str| {
        let mut paused = Client::narrow(serving.address, NARROW);
        paused.send(request);
        assert_eq!(paused.read_head().expect("a head").status, 200);
        assert!(paused.read_exactly(1).is_ok());
        paused
    };
    for request in [
        head("GET", "/media/a.mp4", &[]),
        head("GET", "/media/a.mp4?follow", &[]),
        "GET /media/a.mp4?follow HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let paused: Vec<_> = (0..40).map(|_| begin(&request)).collect();
        let others = serving.get("/media/a.mp4", &["Range: bytes=0-999999"]);
        assert_same(&others.body, &WHOLE[..1_000_000], &request);
        drop(paused);
    }
}
