//! Keep-alive, pipelining, malformed requests: the reasons to close a connection.

use std::net::Shutdown;

use crate::support::{
    client::{Incomplete, head},
    folder::{Folder, pattern},
    server::{Serving, serve},
};

fn one_file() -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve(&folder);
    (folder, serving)
}

#[test]
fn pipelined_requests_get_responses_in_order_each_with_its_own_body() {
    let (_folder, serving) = one_file();
    let range = |first: usize| format!("Range: bytes={first}-{}", first + 9);
    let mut client = serving.connect();
    let mut sent = String::new();
    for first in 0..40 {
        // HEAD behind GET in one packet: the stock dispatcher then drops the GET's body.
        let method = if first % 3 == 2 { "HEAD" } else { "GET" };
        sent += &head(method, "/media/a.mp4", &[&range(first)]);
        sent += &head("GET", "/media/none.mp4", &[]);
    }
    client.send(sent);
    let whole = pattern(1000);
    for first in 0..40 {
        let method = if first % 3 == 2 { "HEAD" } else { "GET" };
        let response = client.read(method).expect("a response");
        if method == "GET" {
            assert_eq!(response.status, 206);
            assert_eq!(response.body, whole[first..first + 10]);
        } else {
            assert_eq!(response.status, 200);
            assert_eq!(response.field("content-length"), Some("1000"));
        }
        assert_eq!(client.read("GET").expect("a response").status, 404);
    }
}

#[test]
fn a_client_that_closed_its_side_still_gets_all_responses() {
    let (_folder, serving) = one_file();
    let mut client = serving.connect();
    client.send(head("GET", "/media/a.mp4", &[]).repeat(3));
    client.socket().shutdown(Shutdown::Write).expect("half closed");
    for _ in 0..3 {
        assert_eq!(client.read("GET").expect("a response").body, pattern(1000));
    }
    assert!(client.is_closed());
}

#[test]
fn a_malformed_request_is_400_with_close() {
    let (_folder, serving) = one_file();
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /<> HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut client = serving.connect();
        // Behind a valid request, so that no state of that one leaks.
        client.send(head("GET", "/healthz", &[]) + request);
        assert_eq!(client.read("GET").expect("a response").status, 200);
        let response = client.read("GET").expect("a response");
        assert_eq!(response.status, 400, "{request:?}");
        assert_eq!(response.field("connection"), Some("close"), "{request:?}");
        assert_eq!(response.field("content-type"), Some("application/problem+json"));
        client.socket().shutdown(Shutdown::Write).expect("half closed");
        assert!(client.is_closed(), "{request:?}");
    }
}

#[test]
fn too_long_a_target_is_414_and_too_many_fields_are_431() {
    let (_folder, serving) = one_file();
    let long = format!("/media/{}.mp4", "x".repeat(9000));
    assert_eq!(serving.get(&long, &[]).status, 414);
    let field = format!("X-Long: {}", "x".repeat(40_000));
    assert_eq!(serving.get("/media/a.mp4", &[&field]).status, 431);
    assert_eq!(serving.get("/media/a.mp4", &["X: x"; 200]).status, 431);
    let name = format!("/media/{}.mp4", "x".repeat(300));
    assert_eq!(serving.get(&name, &[]).status, 404);
    let endless = "x".repeat(100_000);
    let mut client = serving.connect();
    client.send(format!("GET /{endless}"));
    assert_eq!(client.read("GET").expect("a response").status, 414);
}

#[test]
fn an_unwanted_body_is_never_parsed_as_a_request() {
    let (_folder, serving) = one_file();
    let inner = head("GET", "/media/a.mp4", &[]);
    let mut client = serving.connect();
    let length = format!("Content-Length: {}", inner.len());
    client.send(head("POST", "/media/a.mp4", &[&length]) + &inner);
    client.socket().shutdown(Shutdown::Write).expect("half closed");
    assert_eq!(client.read("POST").expect("a response").status, 405);
    assert!(
        matches!(client.read("GET"), Err(Incomplete::Head)),
        "the content was taken for a request"
    );

    let mut client = serving.connect();
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    client.send(head("POST", "/media/a.mp4", &["Transfer-Encoding: chunked"]) + &chunk);
    let response = client.read("POST").expect("a response");
    assert_eq!(response.status, 411);
    assert_eq!(response.field("connection"), Some("close"));
    client.socket().shutdown(Shutdown::Write).expect("half closed");
    assert!(matches!(client.read("GET"), Err(Incomplete::Head)), "a chunk was taken for a request");
}

#[test]
fn a_get_with_a_body_and_the_request_behind_it_get_responses() {
    let (_folder, serving) = one_file();
    let mut client = serving.connect();
    client.send(head("GET", "/media/a.mp4", &["Content-Length: 0"]).repeat(2));
    assert_eq!(client.read("GET").expect("a response").body, pattern(1000));
    assert_eq!(client.read("GET").expect("a response").body, pattern(1000));
}

#[test]
fn an_http_1_0_connection_closes_unless_it_asks_for_keep_alive() {
    let (_folder, serving) = one_file();
    let mut client = serving.connect();
    client.send("GET /media/a.mp4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.read("GET").expect("a response").body, pattern(1000));
    client.send("GET /media/a.mp4 HTTP/1.0\r\n\r\n");
    assert_eq!(client.read("GET").expect("a response").body, pattern(1000));
    assert!(client.is_closed());
}
