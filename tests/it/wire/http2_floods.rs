//! HTTP/2 clients that send too much.

use crate::support::{
    folder::{Folder, pattern},
    http2_frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FrameClient, HEADERS, PING,
        POST, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
    },
    server::{Serving, serve},
    wait::until,
};

/// More than any budget of a client that takes no response, in bytes.
const FLOOD: usize = 2 << 20;

fn one_file() -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(100_000));
    let serving = serve(&folder);
    (folder, serving)
}

/// Sends these bytes again and again, as far as the server takes them, and returns the error code of
/// its GOAWAY.
fn flood(client: &mut FrameClient, bytes: &[u8]) -> u32 {
    let burst = bytes.repeat(16 * 1024 / bytes.len());
    for _ in 0..FLOOD / burst.len() {
        if client.send_bytes(&burst).is_err() {
            break;
        }
    }
    client.until_goaway().1
}

#[test]
fn a_flood_of_frames_of_any_type_ends_the_connection() {
    let (_folder, serving) = one_file();
    for (what, bytes) in [
        ("pings", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("priorities", frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 15])),
        ("updates of the window", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("frames of an unknown type", frame(0xee, 0, 0, &[0; 200])),
    ] {
        let mut client = FrameClient::connect(serving.address, &[]);
        assert_eq!(flood(&mut client, &bytes), ENHANCE_YOUR_CALM, "{what}");
        assert_eq!(serving.get("/media/a.mp4", &[]).status, 200, "others are served");
    }
    until("none is left", || serving.site().metrics.open_connections() == 0);
}

#[test]
fn a_flood_of_tiny_data_frames_ends_the_connection() {
    let (_folder, serving) = one_file();
    // One request whose content the App reads, and one whose content no route reads.
    for path in ["/api/jobs", "/media/a.mp4"] {
        for content in [&b""[..], b"x"] {
            let mut client = FrameClient::connect(serving.address, &[]);
            client.send(HEADERS, END_HEADERS, 1, &fields(POST, path)).expect("sent");
            let code = flood(&mut client, &frame(DATA, 0, 1, content));
            assert_eq!(code, ENHANCE_YOUR_CALM, "{path} {content:?}");
        }
    }
}

#[test]
fn a_client_that_resets_all_its_streams_is_sent_away() {
    let (_folder, serving) = one_file();
    let mut client = FrameClient::connect(serving.address, &[(4, 0)]);
    let head = fields(0x82, "/media/a.mp4");
    for stream in (1..2001).step_by(2) {
        let both = [
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &head),
            frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
        ];
        if client.send_bytes(&both.concat()).is_err() {
            break;
        }
    }
    assert_eq!(client.until_goaway().1, ENHANCE_YOUR_CALM);
}

#[test]
fn a_head_of_many_fields_ends_the_connection_before_it_is_kept() {
    let (_folder, serving) = one_file();
    // `accept-encoding: gzip, deflate` from the static table: one byte here, 60 when decoded.
    let many = [fields(0x82, "/media/a.mp4"), vec![0x90; 40_000]].concat();
    let mut client = FrameClient::connect(serving.address, &[]);
    let mut parts = many.chunks(16_000);
    let first = parts.next().expect("some");
    client.send(HEADERS, END_STREAM, 1, first).expect("sent");
    for (number, part) in parts.enumerate() {
        let flags = if number == 1 { END_HEADERS } else { 0 };
        if client.send(CONTINUATION, flags, 1, part).is_err() {
            break;
        }
    }
    assert_eq!(client.until_goaway().1, ENHANCE_YOUR_CALM);
    assert_eq!(serving.get("/media/a.mp4", &[]).status, 200);
}

#[test]
fn a_compressed_head_that_expands_is_refused() {
    let (_folder, serving) = one_file();
    // A field of 3,900 bytes enters the table once, and then each byte stands for it.
    let value = vec![b'a'; 3900];
    let entry = [&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d][..], &value].concat();
    let bomb = [fields(0x82, "/media/a.mp4"), entry, vec![0xbe; 10_000]].concat();
    let mut client = FrameClient::connect(serving.address, &[]);
    client.send(HEADERS, END_STREAM | END_HEADERS, 1, &bomb).expect("sent");
    assert_eq!(client.until_goaway().1, ENHANCE_YOUR_CALM);
    assert_eq!(serving.get("/media/a.mp4", &[]).status, 200);
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let (_folder, serving) = one_file();
    let mut client = FrameClient::connect(serving.address, &[]);
    client.send(HEADERS, END_STREAM, 1, &fields(0x82, "/media/a.mp4")).expect("sent");
    // Literal fields, so that each frame is complete.
    let field = [&[0, 1, b'x', 0x7f, 0x80, 0x07][..], &[b'a'; 1023]].concat();
    assert_ne!(flood(&mut client, &frame(CONTINUATION, 0, 1, &field)), 0);
}
