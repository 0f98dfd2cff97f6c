//! Host names: which ones a server responds under, and where a request says which one it means.

use crate::support::{
    client::{Response, head},
    folder::{Folder, pattern},
    http2,
    json::{json, read, request},
    program::Program,
    server::{serve_with, start},
    streams::put_sample,
};

/// Routes that no page of a stranger may read.
const PRIVATE: [&str; 7] =
    ["/", "/watch/a.mp4", "/api/titles", "/api/jobs", "/api/events", "/metrics", "/readyz"];

const JOB_REQUEST: &str = r#"{"kind":"storyboard","title":"a.mp4"}"#;

fn library() -> Folder {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    folder
}

#[track_caller]
fn assert_refused(response: &Response) {
    let problem = json(response, 403);
    assert_eq!(problem["type"], "/errors/untrusted-host");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("allowed_hosts")));
}

#[test]
fn a_name_that_a_stranger_points_at_this_machine_reads_media_only() {
    let folder = library();
    let serving = serve_with(&[folder.path("films")], "");
    let get = |target: &str, host: &str| {
        let mut client = serving.connect();
        client.send(head("GET", target, &[]).replace("Host: localhost", &format!("Host: {host}")));
        client.read("GET").expect("a response")
    };
    for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "192.168.0.7"] {
        for target in PRIVATE {
            assert_refused(&get(target, host));
            let client = http2::Client::connect(serving.address);
            let pending = client.begin("GET", &format!("http://{host}{target}"), &[]);
            assert_eq!(pending.expect("a head").head.status, 403, "{target} over HTTP/2");
        }
        // Pages of all origins may read these anyway; a health check knows no name.
        for target in ["/media/a.mp4", "/v/a.mp4/index.m3u8", "/v/a.mp4/inspect", "/healthz"] {
            assert_eq!(get(target, host).status, 200, "{target}");
        }
    }
    for host in ["localhost:8080", "tv.localhost", "127.0.0.1", "127.1.2.3:80", "[::1]:8080"] {
        assert_eq!(get("/api/titles", host).status, 200, "{host}");
    }
    // A client without a Host field is no browser.
    let mut client = serving.connect();
    client.send("GET /api/titles HTTP/1.0\r\n\r\n");
    assert_eq!(client.read("GET").expect("a response").status, 200);
}

#[test]
fn media_is_private_too_if_only_some_origins_may_read_it() {
    let folder = library();
    let serving = serve_with(&[folder.path("films")], "cors_origins = 'https://tv.example'");
    let http2_client = http2::Client::connect(serving.address);
    for target in ["/media/a.mp4", "/v/a.mp4/index.m3u8", "/v/a.mp4/play.mp4"] {
        // The second request is answered without the App, if it may be.
        for _ in 0..2 {
            assert_eq!(serving.get(target, &[]).status, 200);
            let mut client = serving.connect();
            client.send(head("GET", target, &[]).replace("Host: localhost", "Host: evil.example"));
            assert_refused(&client.read("GET").expect("a response"));
            let pending = http2_client.begin("GET", &format!("http://evil.example{target}"), &[]);
            assert_eq!(pending.expect("a head").head.status, 403);
        }
    }
}

#[test]
fn allowed_hosts_adds_names_and_a_token_needs_none() {
    let folder = library();
    let token = folder.put("token", "correct-horse-battery-staple");
    let lines = format!(
        "api_token_file = '{}'\nallowed_hosts = 'video.example *.tv.example'",
        token.display()
    );
    let serving = serve_with(&[folder.path("films")], &lines);
    let status = |host: &str, fields: &[&str]| {
        let mut client = serving.connect();
        let head = head("GET", "/api/titles", fields);
        client.send(head.replace("Host: localhost", &format!("Host: {host}")));
        client.read("GET").expect("a response").status
    };
    for (host, expected) in [
        ("video.example", 200),
        ("Video.Example:8443", 200),
        ("a.tv.example", 200),
        ("localhost", 200),
        ("tv.example", 403),
        ("evil.example", 403),
    ] {
        assert_eq!(status(host, &[]), expected, "{host}");
    }
    assert_eq!(
        status("evil.example", &["Authorization: Bearer correct-horse-battery-staple"]),
        200
    );
    assert_eq!(status("evil.example", &["Authorization: Bearer wrong-horse-battery-staple"]), 403);
}

#[test]
fn an_allowed_host_changes_nothing_without_a_token() {
    let folder = library();
    let serving = serve_with(&[folder.path("films")], "allowed_hosts = '*'");
    let mut client = serving.connect();
    let post = request("POST", "/api/jobs", &[], JOB_REQUEST);
    client.send(post.replace("Host: localhost", "Host: video.example"));
    let problem = json(&read(&mut client), 403);
    assert_eq!(problem["type"], "/errors/untrusted-host");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("api_token_file")));
    assert_eq!(serving.get("/api/titles", &[]).status, 200);
}

#[test]
fn a_server_that_others_can_reach_has_any_name_unless_some_are_configured() {
    let folder = library();
    let films = folder.path("films").display().to_string();
    for (arguments, expected) in [(&[][..], 200), (&["--allowed-hosts=video.example"], 403)] {
        let arguments =
            [&["--listen=0.0.0.0:0", "--local-worker=false", &films], arguments].concat();
        let program = Program::serve(&arguments, &[]);
        for (host, expected) in [("evil.example", expected), ("video.example", 200)] {
            let mut client = program.connect();
            let head = head("GET", "/api/titles", &[]);
            client.send(head.replace("Host: localhost", &format!("Host: {host}")));
            assert_eq!(client.read("GET").expect("a response").status, expected, "{arguments:?}");
        }
    }
}

#[test]
fn a_list_of_hosts_has_no_ports_and_no_urls() {
    let folder = Folder::new();
    for line in ["'video.example:443'", "'https://video.example'", "''", "'a/b'", "'*.'"] {
        let parsed = toml::from_str::<headwater::config::Layer>(&format!("allowed_hosts = {line}"));
        let error = parsed.expect_err(line).to_string();
        assert!(error.contains("line 1") && error.contains("without ports"), "{error}");
    }
    drop(
        start(&[folder.path("")], "allowed_hosts = '[::1] 10.0.0.1 a_b.example *'").expect("valid"),
    );
}

#[test]
fn an_absolute_target_is_served_like_its_path() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve_with(&[folder.path("")], "");
    for target in
        ["http://localhost/media/a.mp4", "HTTP://[::1]:80/media/a.mp4", "https://a/media/a.mp4"]
    {
        for _ in 0..2 {
            let response = serving.get(target, &["Range: bytes=10-19"]);
            assert_eq!(
                (response.status, &*response.body),
                (206, &pattern(1000)[10..20]),
                "{target}"
            );
        }
    }
    assert_eq!(serving.get("http://localhost", &[]).status, 200, "the page");
    assert_eq!(serving.get("http://localhost?q", &[]).status, 200, "the page");
    for target in
        ["media/a.mp4", "a:80", "file:///media/a.mp4", "http:///media/a.mp4", "http://u@a/"]
    {
        assert_eq!(serving.get(target, &[]).status, 400, "{target}");
    }
}

#[test]
fn the_host_of_an_absolute_target_counts_and_the_field_does_not() {
    let folder = library();
    let serving = serve_with(&[folder.path("films")], "");
    let status = |target: &str, host: &str, fields: &[&str]| {
        let mut client = serving.connect();
        let bytes = request("POST", target, fields, JOB_REQUEST);
        client.send(bytes.replace("Host: localhost", &format!("Host: {host}")));
        read(&mut client).status
    };
    let own = "http://localhost:8080/api/jobs";
    assert_eq!(status(own, "localhost:8080", &[]), 202);
    assert_eq!(status(own, "evil.example", &[]), 200, "the same job");
    assert_eq!(status(own, "localhost", &["Origin: http://localhost:8080"]), 200);
    assert_eq!(status(own, "localhost", &["Origin: http://localhost"]), 403);
    assert_eq!(status(own, "evil.example", &["Origin: http://evil.example"]), 403);
    assert_eq!(status("http://evil.example/api/jobs", "localhost", &[]), 403);
    assert_eq!(
        status("http://evil.example/api/jobs", "localhost", &["Origin: http://localhost"]),
        403
    );
}
