//! Request bodies: limits, timeouts, and the next request on the connection.

use std::{fs, net::Shutdown, thread};

use crate::support::{
    client::{Incomplete, head},
    folder::Folder,
    http2,
    json::{ask, json, post, read, request},
    server::{Serving, serve, serve_with},
    streams::put_sample,
    wait::until,
};

/// The largest body that the server reads, in bytes.
const MOST: usize = 64 * 1024;

const JOB_REQUEST: &str = r#"{"kind":"storyboard","title":"a.mp4"}"#;

fn one_file() -> (Folder, Serving) {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "a.mp4");
    let serving = serve(&folder);
    (folder, serving)
}

/// A job request of exactly this length: white space means nothing in JSON.
fn job_request_of(length: usize) -> String {
    format!("{JOB_REQUEST}{}", " ".repeat(length - JOB_REQUEST.len()))
}

/// The number of jobs.
fn jobs(serving: &Serving) -> usize {
    let list = json(&serving.get("/api/jobs", &[]), 200);
    list["jobs"].as_array().expect("a list").len()
}

#[test]
fn a_body_is_read_whole_however_it_is_split() {
    let (_folder, serving) = one_file();
    let bytes = post("/api/jobs", JOB_REQUEST);
    let head_length = bytes.len() - JOB_REQUEST.len();
    for cut in [1, head_length - 1, head_length, head_length + 1, bytes.len() - 1] {
        let mut client = serving.connect();
        client.send(&bytes[..cut]);
        // The server has read the first part once it has responded to a later client.
        assert_eq!(serving.get("/healthz", &[]).status, 200);
        client.send(&bytes[cut..]);
        assert!(matches!(read(&mut client).status, 200 | 202), "cut at {cut}");
    }
    let mut client = serving.connect();
    for byte in bytes.as_bytes() {
        client.send([*byte]);
    }
    assert_eq!(read(&mut client).status, 200);
    assert_eq!(jobs(&serving), 1);
}

#[test]
fn pipelined_requests_with_and_without_bodies_get_responses_in_order() {
    let (_folder, serving) = one_file();
    let mut client = serving.connect();
    let mut all = String::new();
    for length in [JOB_REQUEST.len(), JOB_REQUEST.len() + 1, 16_384, 40_000, MOST] {
        all += &post("/api/jobs", &job_request_of(length));
        all += &head("GET", "/media/a.mp4", &["Range: bytes=0-9"]);
        all += &post("/api/jobs", "{}");
        all += &request("POST", "/media/a.mp4", &[], "GET /healthz HTTP/1.1\r\n\r\n");
        all += &post("/api/jobs", "");
    }
    let mut writer = client.socket().try_clone().expect("the same socket");
    thread::scope(|scope| {
        scope.spawn(|| std::io::Write::write_all(&mut writer, all.as_bytes()).expect("taken"));
        for expected in [[202, 206, 400, 405, 400]].iter().chain(&[[200, 206, 400, 405, 400]; 4]) {
            for status in expected {
                assert_eq!(read(&mut client).status, *status);
            }
        }
    });
    assert_eq!(jobs(&serving), 1);
}

#[test]
fn a_body_that_looks_like_a_request_is_a_body() {
    let (folder, serving) = one_file();
    let mut client = serving.connect();
    let inner = post("/api/jobs", JOB_REQUEST);
    client.send(post("/api/jobs", &inner) + &head("GET", "/media/a.mp4", &[]));
    assert_eq!(read(&mut client).status, 400);
    let movie_file = fs::read(folder.path("a.mp4")).expect("a file");
    assert!(client.read("GET").expect("a response").body == movie_file, "another file");
    assert_eq!(jobs(&serving), 0);
}

#[test]
fn too_large_a_body_is_413_before_it_is_sent_and_a_chunked_one_is_411() {
    let (_folder, serving) = one_file();
    assert_eq!(ask(&serving, "POST", "/api/jobs", &job_request_of(MOST)).status, 202);
    for length in ["65537", "18446744073709551615"] {
        let mut client = serving.connect();
        let length = format!("Content-Length: {length}");
        // No byte of the body, with `Expect: 100-continue` or without.
        client.send(head("POST", "/api/jobs", &[&length, "Expect: 100-continue"]));
        let response = read(&mut client);
        assert_eq!(response.status, 413);
        assert_eq!(response.field("connection"), Some("close"));
        assert_eq!(response.field("content-type"), Some("application/problem+json"));
        client.socket().shutdown(Shutdown::Write).expect("half closed");
        assert!(client.is_closed());
    }
    let mut client = serving.connect();
    client.send(head("POST", "/api/jobs", &["Transfer-Encoding: chunked"]) + "0\r\n\r\n");
    let response = read(&mut client);
    assert_eq!((response.status, response.field("connection")), (411, Some("close")));
}

#[test]
fn a_client_gets_100_continue_only_if_its_body_is_wanted() {
    let (_folder, serving) = one_file();
    let bytes = request("POST", "/api/jobs", &["Expect: 100-continue"], JOB_REQUEST);
    let (first, rest) = bytes.split_at(bytes.len() - JOB_REQUEST.len());
    let mut client = serving.connect();
    for status in [202, 200] {
        client.send(first);
        assert_eq!(client.read("POST").expect("a word").status, 100);
        client.send(rest);
        assert_eq!(read(&mut client).status, status);
    }
    // A client that does not wait needs no 100 (RFC 9110 section 10.1.1).
    client.send(&bytes);
    assert_eq!(read(&mut client).status, 200);
    // The client decides whether the body still comes, so no request can follow.
    let unwanted = request("POST", "/media/a.mp4", &["Expect: 100-continue"], "GET /");
    let mut client = serving.connect();
    client.send(unwanted.strip_suffix("GET /").expect("its content"));
    let response = read(&mut client);
    assert_eq!((response.status, response.field("connection")), (405, Some("close")));
    client.socket().shutdown(Shutdown::Write).expect("half closed");
    assert!(client.is_closed());
}

#[test]
fn a_body_that_trickles_in_is_408() {
    let folder = Folder::new();
    let serving = serve_with(&[folder.path("")], "head_timeout_s = 1");
    let mut client = serving.connect();
    let bytes = post("/api/jobs", &job_request_of(30_000));
    client.send(&bytes[..bytes.len() - 29_000]);
    client.socket().set_nonblocking(true).expect("a mode");
    let mut read_and_assert_part = false;
    until("the response arrives", || {
        serving.get("/healthz", &[]);
        read_and_assert_part = client.socket().peek(&mut [0]).is_ok();
        if !read_and_assert_part {
            client.send(" ");
        }
        read_and_assert_part
    });
    client.socket().set_nonblocking(false).expect("a mode");
    let response = read(&mut client);
    assert_eq!((response.status, response.field("connection")), (408, Some("close")));
    assert!(client.is_closed());
}

#[test]
fn a_client_that_closes_in_mid_body_creates_no_job() {
    let (_folder, serving) = one_file();
    let bytes = post("/api/jobs", JOB_REQUEST);
    for cut in 1..4 {
        let mut client = serving.connect();
        client.send(&bytes[..bytes.len() - cut]);
        client.socket().shutdown(Shutdown::Write).expect("half closed");
        assert!(matches!(client.read("POST"), Err(Incomplete::Head)));
    }
    assert_eq!(jobs(&serving), 0);
}

#[test]
fn http_2_has_the_same_limits_on_bodies() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "a.mp4");
    let serving = serve_with(&[folder.path("")], "head_timeout_s = 1");
    let client = http2::Client::connect(serving.address);
    let json_type = "Content-Type: application/json";
    let send = |content: &str, is_whole| {
        let frames: Vec<_> = content.as_bytes().chunks(1000).collect();
        client
            .send("POST", "/api/jobs", &[json_type], &frames, is_whole)
            .expect("a response")
            .status
    };
    assert_eq!(send(JOB_REQUEST, true), 202);
    assert_eq!(send(&job_request_of(MOST), true), 200);
    assert_eq!(send(&job_request_of(MOST + 1), true), 413);
    assert_eq!(send(&job_request_of(3 * MOST), false), 413);
    assert_eq!(send(&JOB_REQUEST[..10], false), 408);
    assert_eq!(send("{", true), 400);
    assert_eq!(send(JOB_REQUEST, true), 200);
}
