//! The proxies of `docs/operations.md`, with the configurations that it shows.

use std::fs;

use crate::support::{
    client::{Client, Response, head},
    folder::Folder,
    json::{json, request},
    manifests,
    program::Program,
    proxies::{HOST, Proxy, documented_block},
    streams::put_sample,
};

const TOKEN: &str = "correct-horse-battery-staple";

const JOB_REQUEST: &str = r#"{"kind":"storyboard","title":"a.mp4"}"#;

/// A client of a proxy.
struct Viewer(Client);

impl Viewer {
    fn get(&mut self, target: &str, fields: &[&str]) -> Response {
        let bytes = head("GET", target, fields);
        self.send("GET", HOST, &bytes)
    }

    fn post(&mut self, host: &str, fields: &[&str]) -> u16 {
        self.send("POST", host, &request("POST", "/api/jobs", fields, JOB_REQUEST)).status
    }

    fn send(&mut self, method: &str, host: &str, bytes: &str) -> Response {
        self.0.send(bytes.replace("Host: localhost", &format!("Host: {host}")));
        self.0.read(method).expect("a response")
    }
}

/// Runs a test behind each proxy that is installed, in front of a server of one title with these
/// documented lines. The test gets the movie, and may connect to the proxy.
fn behind_each_proxy(configuration: &str, test: impl Fn(&dyn Fn() -> Viewer, &[u8])) {
    let folder = Folder::new();
    put_sample(&folder, "Clock.mp4", "films/a.mp4");
    let movie = fs::read(folder.path("films/a.mp4")).expect("a movie");
    let token = folder.put("token", TOKEN).display().to_string();
    let configuration = configuration.replace("/etc/headwater/token", &token);
    let file = folder.put("headwater.toml", configuration).display().to_string();
    let films = folder.path("films").display().to_string();
    for (number, start) in [Proxy::nginx, Proxy::caddy].into_iter().enumerate() {
        let data = format!("--data={}", folder.path(format!("data-{number}")).display());
        let arguments = ["--config", &file, &data, "--local-worker=false", &films];
        let program = Program::serve(&arguments, &[]);
        let Some(proxy) = start(program.address) else {
            eprintln!("this test did not run behind a proxy that is not installed");
            continue;
        };
        test(&|| Viewer(Client::connect(proxy.address)), &movie);
    }
}

#[test]
fn everything_plays_behind_the_documented_proxies() {
    behind_each_proxy(&documented_block("toml", "allowed_hosts"), |connect, movie| {
        let mut viewer = connect();
        for range in [0..1, 10..20, 100_000..400_000] {
            let field = format!("Range: bytes={}-{}", range.start, range.end - 1);
            let part = viewer.get("/media/a.mp4", &[&field]);
            assert_eq!(part.status, 206);
            assert!(part.body == movie[range]);
        }
        assert!(viewer.get("/media/a.mp4", &[]).body == movie);
        let title = "/v/a.mp4/index.m3u8";
        let multivariant = manifests::multivariant(title, &viewer.get(title, &[]).body);
        let (url, _) = &multivariant.variants[0];
        let playlist = manifests::playlist(url, &viewer.get(url, &[]).body);
        for segment in &playlist.segments {
            assert_eq!(viewer.get(&segment.url, &[]).status, 200);
        }
        assert_eq!(viewer.get("/", &[]).status, 200);
        assert_eq!(json(&viewer.get("/api/titles", &[]), 200)["total"], 1);
    });
}

#[test]
fn a_stranger_behind_the_documented_proxies_changes_nothing() {
    let with_token = documented_block("toml", "allowed_hosts");
    let is_token = |line: &&str| line.starts_with("api_token_file");
    let without_token: String = with_token.lines().filter(|line| !is_token(line)).collect();
    assert_ne!(with_token.trim(), without_token);
    for (configuration, refused, permitted) in [(with_token, 401, 202), (without_token, 403, 403)] {
        behind_each_proxy(&configuration, |connect, _| {
            for fields in [&[][..], &["X-Forwarded-For: 127.0.0.1"], &["Forwarded: for=127.0.0.1"]]
            {
                assert_eq!(connect().post(HOST, fields), refused, "{fields:?}");
                // Caddy has no other site, and responds instead.
                connect().post("localhost", fields);
                connect().post("127.0.0.1:8080", fields);
            }
            let jobs = json(&connect().get("/api/jobs", &[]), 200);
            assert_eq!(jobs["jobs"].as_array().map(Vec::len), Some(0), "{jobs}");
            let token = format!("Authorization: Bearer {TOKEN}");
            assert_eq!(connect().post(HOST, &[&token]), permitted);
        });
    }
}
