//! How HTTP/2 connections begin and end.

use crate::support::{
    folder::{Folder, pattern},
    http2_frames::{
        ACK, DATA, FrameClient, HEADERS, NO_ERROR, PING, REFUSED_STREAM, RST_STREAM, SETTINGS,
        WINDOW_UPDATE,
    },
    server::{serve, serve_with},
    wait::until,
};

/// The stream of a GOAWAY that refuses none yet.
const ANY_STREAM: u32 = (1 << 31) - 1;

#[test]
fn the_limits_are_announced_in_the_first_frame() {
    let folder = Folder::new();
    let serving = serve_with(&[folder.path("")], "http2_streams = 7");
    let mut client = FrameClient::connect(serving.address, &[]);
    let frame = client.next().expect("a frame");
    assert_eq!((frame.kind, frame.flags), (SETTINGS, 0));
    let settings: Vec<(u16, u32)> = frame
        .payload
        .chunks(6)
        .map(|entry| {
            let name = u16::from_be_bytes([entry[0], entry[1]]);
            (name, u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
        })
        .collect();
    // Table, streams, window, frame, fields (RFC 9113 section 6.5.2).
    for expected in [(1, 4096), (3, 7), (4, 1 << 20), (5, 16_384), (6, 32_768)] {
        assert!(settings.contains(&expected), "{expected:?} of {settings:?}");
    }
}

#[test]
fn streams_beyond_the_limit_are_refused_and_the_others_go_on() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve_with(&[folder.path("")], "http2_streams = 3");
    let mut client = FrameClient::connect(serving.address, &[(4, 0)]);
    for stream in [1, 3, 5, 7, 9] {
        client.get(stream, "/media/a.mp4");
    }
    for stream in [7, 9] {
        let reset = client.until("a refusal", |frame| frame.kind == RST_STREAM);
        assert_eq!((reset.stream, reset.number(0)), (stream, REFUSED_STREAM));
    }
    for stream in [1, 3, 5] {
        client.send(WINDOW_UPDATE, 0, stream, &1000_u32.to_be_bytes()).expect("sent");
        client.until("a response", |frame| frame.ends_stream(stream));
    }
    client.get(11, "/media/a.mp4");
    client.until("a place is free again", |frame| frame.kind == HEADERS && frame.stream == 11);
}

#[test]
fn idle_connections_are_closed_whether_they_sent_a_request_or_not() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let short = "keep_alive_s = 1\nhead_timeout_s = 1";
    let serving = serve_with(&[folder.path("")], short);
    for has_request in [false, true] {
        let mut client = FrameClient::connect(serving.address, &[]);
        if has_request {
            client.get(1, "/media/a.mp4");
            client.until("a response", |frame| frame.ends_stream(1));
        }
        // This client answers nothing, and stays silent.
        assert_eq!(client.until_goaway(), (ANY_STREAM, NO_ERROR));
        assert_eq!(client.until_goaway().1, NO_ERROR);
        client.rest();
    }
    until("none is left", || serving.site().metrics.open_connections() == 0);
}

#[test]
fn a_drain_says_goaway_twice_and_lets_responses_end() {
    let folder = Folder::new();
    let whole = pattern(300_000);
    folder.put("a.mp4", &whole);
    let mut serving = serve_with(&[folder.path("")], "drain_s = 86400");
    let mut client = FrameClient::connect(serving.address, &[(4, 0)]);
    client.get(1, "/media/a.mp4");
    client.until("a head", |frame| frame.kind == HEADERS);
    let has_ended = serving.drain();
    assert_eq!(client.until_goaway(), (ANY_STREAM, NO_ERROR));
    // A request that was on its way is served.
    client.get(3, "/media/a.mp4");
    let ping = client.until("a ping", |frame| frame.kind == PING);
    client.send(PING, ACK, 0, &ping.payload).expect("sent");
    let heads_before = client.next().expect("a frame");
    let is_head = heads_before.kind == HEADERS;
    assert!(is_head || heads_before.kind == 7, "{heads_before:?}");
    let wide = (1_u32 << 30).to_be_bytes();
    for stream in [0, 1, 3] {
        client.send(WINDOW_UPDATE, 0, stream, &wide).expect("sent");
    }
    let rest = client.rest();
    for stream in [1, 3] {
        let body: Vec<u8> = rest
            .iter()
            .filter(|frame| frame.kind == DATA && frame.stream == stream)
            .flat_map(|frame| frame.payload.clone())
            .collect();
        assert!(body == whole, "{stream}");
    }
    drop(client);
    until("the server has ended", has_ended);
}

#[test]
fn a_client_that_stops_in_the_middle_of_a_preface_is_not_served() {
    let folder = Folder::new();
    let serving = serve(&folder);
    let mut client = serving.connect();
    client.send("PRI * HTTP/2.0\r\n\r\nnonsense");
    until("it is closed", || serving.site().metrics.open_connections() == 0);
}
