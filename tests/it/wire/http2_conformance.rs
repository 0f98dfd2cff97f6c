//! Malformed HTTP/2: the errors that RFC 9113 demands, section by section, as h2spec checks them.

use crate::support::{
    folder::{Folder, pattern},
    http2_frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameClient, GET, GOAWAY, HEADERS,
        NO_ERROR, PING, POST, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
    },
    server::serve,
};

/// A flag of DATA and HEADERS.
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

/// Error codes (RFC 9113 section 7).
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;

const PATH: &str = "/media/a.mp4";

/// What the server must do.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// End the connection with an error.
    ConnectionError,
    /// Reset the stream with this error, or end the connection with an error.
    StreamError(u32),
    /// Answer a ping that follows, because nothing is wrong.
    Nothing,
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(GET, PATH))
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields(POST, "/api/jobs"))
}

/// A request with further fields, each a name and a value.
fn with_fields(more: &[(&str, &str)]) -> Vec<u8> {
    let mut head = fields(GET, PATH);
    for (name, value) in more {
        for text in [name, value] {
            let length = u8::try_from(text.len()).expect("short");
            if text == name {
                head.push(0);
            }
            head.push(length);
            head.extend_from_slice(text.as_bytes());
        }
    }
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn cases() -> Vec<(&'static str, Expected, Vec<u8>)> {
    use Expected::{ConnectionError, Nothing, StreamError};
    let zeros = [0; 20];
    let self_dependency = [0, 0, 0, 1, 15];
    let priority_head = [&self_dependency[..], &fields(GET, PATH)].concat();
    let priority_flags = END_HEADERS | END_STREAM | WITH_PRIORITY;
    let reset = |stream, payload: &[u8]| frame(RST_STREAM, 0, stream, payload);
    vec![
        ("4.1 an unknown frame", Nothing, frame(0x16, 0xff, 0, &zeros)),
        ("4.1 unknown flags", Nothing, frame(PING, 0x16, 0, &zeros[..8])),
        (
            "4.2 a frame that is too long",
            ConnectionError,
            [post(1), frame(DATA, 0, 1, &[0; 16_385])].concat(),
        ),
        (
            "4.3 a head that cannot be decoded",
            ConnectionError,
            frame(HEADERS, END_HEADERS, 1, &[0x80]),
        ),
        (
            "4.3 a head between parts of a head",
            ConnectionError,
            [frame(HEADERS, 0, 1, &fields(GET, PATH)), get(3)].concat(),
        ),
        ("5.1 DATA of an idle stream", ConnectionError, frame(DATA, 0, 1, &zeros)),
        ("5.1 a reset of an idle stream", ConnectionError, reset(1, &zeros[..4])),
        ("5.1 an update of an idle stream", ConnectionError, update(1, 100)),
        (
            "5.1 a continuation of nothing",
            ConnectionError,
            frame(CONTINUATION, END_HEADERS, 1, &zeros),
        ),
        (
            "5.1 DATA behind the end",
            StreamError(STREAM_CLOSED),
            [get(1), frame(DATA, END_STREAM, 1, b"x")].concat(),
        ),
        ("5.1 a head behind the end", StreamError(STREAM_CLOSED), [get(1), get(1)].concat()),
        ("5.1.1 a stream of the server", ConnectionError, get(2)),
        ("5.1.1 a stream below the last", ConnectionError, [get(5), get(3)].concat()),
        (
            "5.3.1 a head that depends on itself",
            StreamError(PROTOCOL_ERROR),
            frame(HEADERS, priority_flags, 1, &priority_head),
        ),
        (
            "5.3.1 a priority that depends on itself",
            StreamError(PROTOCOL_ERROR),
            frame(PRIORITY, 0, 1, &self_dependency),
        ),
        (
            "5.5 an unknown frame in a head",
            ConnectionError,
            [frame(HEADERS, 0, 1, &fields(GET, PATH)), frame(0x16, 0, 0, &zeros)].concat(),
        ),
        ("6.1 DATA of no stream", ConnectionError, frame(DATA, 0, 0, &zeros)),
        (
            "6.1 more padding than payload",
            ConnectionError,
            [post(1), frame(DATA, PADDED, 1, &[5, 1, 1])].concat(),
        ),
        (
            "6.2 a head of no stream",
            ConnectionError,
            frame(HEADERS, END_HEADERS, 0, &fields(GET, PATH)),
        ),
        (
            "6.2 a head with too much padding",
            ConnectionError,
            frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0x82]),
        ),
        ("6.3 a priority of no stream", ConnectionError, frame(PRIORITY, 0, 0, &zeros[..5])),
        ("6.3 a priority of another length", StreamError(6), frame(PRIORITY, 0, 1, &zeros[..4])),
        ("6.4 a reset of no stream", ConnectionError, reset(0, &zeros[..4])),
        (
            "6.4 a reset of another length",
            ConnectionError,
            [get(1), reset(1, &zeros[..3])].concat(),
        ),
        (
            "6.5 an acknowledgement with settings",
            ConnectionError,
            frame(SETTINGS, ACK, 0, &zeros[..6]),
        ),
        ("6.5 settings of a stream", ConnectionError, frame(SETTINGS, 0, 1, &zeros[..6])),
        ("6.5 settings of another length", ConnectionError, frame(SETTINGS, 0, 0, &zeros[..3])),
        ("6.5.2 push that is neither on nor off", ConnectionError, setting(2, 2)),
        ("6.5.2 a window that is too large", ConnectionError, setting(4, 1 << 31)),
        ("6.5.2 frames that are too short", ConnectionError, setting(5, 16_383)),
        ("6.5.2 frames that are too long", ConnectionError, setting(5, 1 << 24)),
        ("6.5.2 an unknown setting", Nothing, setting(0xff, 1)),
        ("6.7 a ping of a stream", ConnectionError, frame(PING, 0, 1, &zeros[..8])),
        ("6.7 a ping of another length", ConnectionError, frame(PING, 0, 0, &zeros[..6])),
        ("6.8 a goodbye of a stream", ConnectionError, frame(GOAWAY, 0, 1, &zeros[..8])),
        ("6.9 an update of nothing", ConnectionError, update(0, 0)),
        (
            "6.9 an update of a stream by nothing",
            StreamError(PROTOCOL_ERROR),
            [post(1), update(1, 0)].concat(),
        ),
        (
            "6.9 an update of another length",
            ConnectionError,
            frame(WINDOW_UPDATE, 0, 0, &zeros[..3]),
        ),
        (
            "6.9.1 a window above 2^31-1",
            ConnectionError,
            [update(0, (1 << 31) - 1), update(0, (1 << 31) - 1)].concat(),
        ),
        (
            "6.9.1 a stream's window above 2^31-1",
            StreamError(FLOW_CONTROL_ERROR),
            [post(1), update(1, (1 << 31) - 1), update(1, (1 << 31) - 1)].concat(),
        ),
        ("8.1 a second head without end", StreamError(PROTOCOL_ERROR), [post(1), post(1)].concat()),
        ("8.2.1 a name in upper case", StreamError(PROTOCOL_ERROR), with_fields(&[("X-a", "b")])),
        (
            "8.2.2 a field of the connection",
            StreamError(PROTOCOL_ERROR),
            with_fields(&[("connection", "close")]),
        ),
        (
            "8.2.2 TE other than trailers",
            StreamError(PROTOCOL_ERROR),
            with_fields(&[("te", "gzip")]),
        ),
        ("8.2.2 TE for trailers", Nothing, with_fields(&[("te", "trailers")])),
        (
            "8.3 an unknown pseudo field",
            StreamError(PROTOCOL_ERROR),
            with_fields(&[(":test", "x")]),
        ),
        (
            "8.3 a field of responses",
            StreamError(PROTOCOL_ERROR),
            with_fields(&[(":status", "200")]),
        ),
        (
            "8.3 a pseudo field behind a field",
            StreamError(PROTOCOL_ERROR),
            with_fields(&[("x", "y"), (":method", "GET")]),
        ),
        ("8.3.1 two paths", StreamError(PROTOCOL_ERROR), with_fields(&[(":path", "/")])),
        (
            "8.3.1 no method",
            StreamError(PROTOCOL_ERROR),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x86, 0x84]),
        ),
        (
            "8.3.1 an empty path",
            StreamError(PROTOCOL_ERROR),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x82, 0x86, 4, 0]),
        ),
        ("8.1.1 less content than announced", StreamError(PROTOCOL_ERROR), {
            let head = [&fields(POST, "/api/jobs")[..], &[0x0f, 0x0d, 1, b'5']].concat();
            let content = frame(DATA, END_STREAM, 1, b"abc");
            [frame(HEADERS, END_HEADERS, 1, &head), content].concat()
        }),
    ]
}

#[test]
fn malformed_frames_and_messages_are_errors_of_their_stream_or_connection() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(100));
    let serving = serve(&folder);
    for (what, expected, bytes) in cases() {
        let mut client = FrameClient::connect(serving.address, &[]);
        let ping = |number: u8| frame(PING, 0, 0, &[number; 8]);
        client.send_bytes(&[bytes, ping(1)].concat()).expect("sent");
        // The answer to the first ping shows that the server has seen what is before it, and the answer to
        // the second one that it has said what it had to say.
        let mut code = None;
        let mut has_ended = true;
        while let Some(seen) = client.next() {
            match seen.kind {
                GOAWAY => code = Some((GOAWAY, seen.number(4))),
                RST_STREAM => code = Some((RST_STREAM, seen.number(0))),
                PING if seen.payload == [1; 8] => {
                    // Fails if the server ends the connection.
                    let _ = client.send_bytes(&ping(2));
                }
                PING if seen.payload == [2; 8] => {
                    has_ended = false;
                    break;
                }
                _ => {}
            }
        }
        let is_connection_error =
            has_ended && code.is_none_or(|(kind, code)| kind == GOAWAY && code != NO_ERROR);
        let is_as_expected = match expected {
            Expected::ConnectionError => is_connection_error,
            Expected::StreamError(of) => is_connection_error || code == Some((RST_STREAM, of)),
            Expected::Nothing => !has_ended && code.is_none(),
        };
        assert!(is_as_expected, "{what}: {code:?}, ended: {has_ended}");
    }
    assert_eq!(serving.get(PATH, &[]).status, 200);
}
