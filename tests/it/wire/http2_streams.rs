//! The streams of an HTTP/2 connection beside each other.

use std::{fs::File, path::Path, sync::Arc};

use headwater::library::MediaPath;

use crate::support::{
    folder::{Folder, pattern},
    http2::{Client, WINDOW},
    http2_frames::{
        ACK, DATA, END_HEADERS, END_STREAM, Frame, FrameClient, HEADERS, NO_ERROR, POST,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
    },
    server::{serve, serve_with},
    wait::until,
};

const WIDE: u32 = 1 << 30;

#[test]
fn many_streams_at_once_arrive_exactly() {
    let folder = Folder::new();
    let whole = pattern(3_000_017);
    folder.put("a.mp4", &whole);
    let serving = serve(&folder);
    for window in [1000, WINDOW, 1 << 24] {
        let client = Client::with_windows(serving.address, window);
        let ranges = (0..90).map(|number| {
            let start = number * 31_013;
            start..(start + 1 + number * number * 37).min(whole.len())
        });
        let pendings: Vec<_> = ranges
            .map(|range| {
                let field = format!("range: bytes={}-{}", range.start, range.end - 1);
                let pending = client.begin("GET", "http://test/media/a.mp4", &[&field]);
                (range, pending.expect("a head"))
            })
            .collect();
        for (range, pending) in pendings.into_iter().rev() {
            let response = client.finish(pending).expect("a whole response");
            assert_eq!(response.status, 206);
            assert!(response.body == whole[range.clone()], "{window} {range:?}");
        }
    }
}

#[test]
fn a_long_response_does_not_delay_a_short_one() {
    let folder = Folder::new();
    folder.put("long.mp4", pattern(64 << 20));
    folder.put("short.mp4", pattern(10_000));
    let serving = serve(&folder);
    let mut client = FrameClient::connect(serving.address, &[(4, WIDE)]);
    client.send(WINDOW_UPDATE, 0, 0, &WIDE.to_be_bytes()).expect("sent");
    client.get(1, "/media/long.mp4");
    client.until("the long response", |frame| frame.kind == DATA && frame.stream == 1);
    client.get(3, "/media/short.mp4");
    let mut long_bytes = 0;
    loop {
        let frame = client.next().expect("both responses");
        if frame.ends_stream(3) {
            break;
        }
        if frame.stream == 1 {
            long_bytes += frame.payload.len();
        }
    }
    // What the kernel had taken before the second request arrived, and a turn or two: on a busy machine some
    // 16 MiB. The other way round they would be all 64.
    assert!(long_bytes < 32 << 20, "{long_bytes} bytes before the short response");
}

#[test]
fn an_urgent_response_overtakes_and_a_response_that_takes_no_turns_is_sent_first() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(500_000));
    let serving = serve(&folder);
    let mut client = FrameClient::connect(serving.address, &[(4, 0)]);
    client.send(WINDOW_UPDATE, 0, 0, &WIDE.to_be_bytes()).expect("sent");
    let request = |stream: u32, priority: &[u8]| {
        // `priority` is not in the static table.
        let name = [&[0, 8][..], b"priority"].concat();
        let length = u8::try_from(priority.len()).expect("short");
        let head = [&fields(0x82, "/media/a.mp4")[..], &name, &[length], priority].concat();
        frame(HEADERS, END_STREAM | END_HEADERS, stream, &head)
    };
    let requests =
        [request(1, b"u=5"), request(3, b"u=5"), request(5, b"u=1, i"), request(7, b"u=1, i")];
    client.send_bytes(&requests.concat()).expect("sent");
    for _ in 0..4 {
        client.until("a head", |frame| frame.kind == HEADERS);
    }
    // All windows open at once.
    client.send(4, 0, 0, &[&[0, 4][..], &WIDE.to_be_bytes()].concat()).expect("sent");
    let mut order = Vec::new();
    while order.iter().filter(|(_, is_end)| *is_end).count() < 4 {
        let frame = client.until("DATA", |frame| frame.kind == DATA);
        order.push((frame.stream, frame.ends_stream(frame.stream)));
    }
    // Within 64 KiB, frames of two responses may alternate.
    let frames_before_end_of = |end: u32, stream: u32| {
        let seen = order.iter().take_while(|seen| **seen != (end, true));
        seen.filter(|seen| seen.0 == stream).count()
    };
    for urgent in [5, 7] {
        assert!(frames_before_end_of(urgent, 1) <= 4, "urgent ones first");
    }
    assert!(frames_before_end_of(5, 7) > 20, "these take turns");
    assert!(frames_before_end_of(1, 3) <= 4, "these do not");
}

#[test]
fn a_truncated_file_resets_its_stream_only() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", pattern(3_000_000));
    folder.put("b.mp4", pattern(3_000_000));
    let serving = serve(&folder);
    let mut client = Client::with_windows(serving.address, WINDOW);
    let begin = |target: &str| client.begin("GET", &format!("http://test{target}"), &[]);
    let cut = begin("/media/a.mp4").expect("a head");
    let whole = begin("/media/b.mp4").expect("a head");
    File::options().write(true).open(path).and_then(|file| file.set_len(10)).expect("shorter");
    client.open_windows(1 << 24);
    let error = client.finish(cut).expect_err("it is cut");
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert!(client.finish(whole).expect("a whole response").body == pattern(3_000_000));
    assert_eq!(client.request("GET", "/media/b.mp4", &[]).status, 200);
    assert_eq!(serving.site().metrics.open_connections(), 1);
}

#[test]
fn a_reset_ends_the_response_that_waits_for_a_file_to_grow() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let long = "follow_idle_s = 86400\nfollow_closed_s = 86400";
    let serving = serve_with(&[folder.path("")], long);
    let path = MediaPath::from_path(Path::new("a.mp4")).expect("a path");
    let subscription = serving.site().titles.library.file_changes.subscribe(&path);
    let mut client = FrameClient::connect(serving.address, &[]);
    client.get(1, "/media/a.mp4?follow");
    client.until("the file", |frame| frame.kind == DATA && frame.payload.len() == 1000);
    assert!(Arc::strong_count(&subscription) > 1, "it is followed");
    client.send(RST_STREAM, 0, 1, &8_u32.to_be_bytes()).expect("sent");
    until("it is not followed any more", || Arc::strong_count(&subscription) == 1);
    client.get(3, "/media/a.mp4");
    client.until("another response", |frame| frame.ends_stream(3));
}

#[test]
fn content_that_no_route_reads_is_discarded_and_much_of_it_resets_the_stream_after_the_response() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve(&folder);
    let mut client = FrameClient::connect(serving.address, &[]);
    // From the acknowledgement on, the windows are those that the server announced.
    client.send(SETTINGS, ACK, 0, &[]).expect("sent");
    for stream in [1, 3, 5] {
        client.send(HEADERS, END_HEADERS, stream, &fields(POST, "/media/a.mp4")).expect("sent");
        client.until("the response", |frame| frame.kind == HEADERS && frame.stream == stream);
        // More than is discarded, and more than a connection's window in all.
        for _ in 0..30 {
            client.send(DATA, 0, stream, &[0; 16_000]).expect("sent");
        }
        let is_reset = |frame: &Frame| frame.kind == RST_STREAM && frame.stream == stream;
        assert_eq!(client.until("a reset", is_reset).number(0), NO_ERROR);
    }
    // Short content needs no reset.
    client.send(HEADERS, END_HEADERS, 7, &fields(POST, "/media/a.mp4")).expect("sent");
    client.send(DATA, END_STREAM, 7, b"content").expect("sent");
    client.get(9, "/media/a.mp4");
    let end = client.until("another response", |frame| {
        (frame.kind, frame.stream) == (RST_STREAM, 7) || frame.ends_stream(9)
    });
    assert_eq!((end.kind, end.stream), (DATA, 9));
}
