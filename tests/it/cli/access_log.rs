//! The formats of the access log, and the bytes in it.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{
    client::{Client, head},
    folder::{Folder, pattern},
    program::Program,
    wait::until,
};

/// Far more than the sockets between the server and a slow client hold, in bytes.
const LENGTH: usize = 16 << 20;

fn serve(folder: &Folder, format: &str, environment: &[(&str, &str)]) -> Program {
    folder.put("library/a.mp4", pattern(LENGTH));
    let log = format!("--access-log={}", folder.path("access.log").display());
    let format = format!("--access-log-format={format}");
    let library = folder.path("library").display().to_string();
    Program::serve(&[log, format, library], environment)
}

/// The line of a log with this text, once it is written.
fn line(log: &Path, text: &str) -> String {
    let find = || {
        let logged = fs::read_to_string(log).unwrap_or_default();
        logged.lines().find(|line| line.contains(text)).map(str::to_owned)
    };
    until("the response is logged", || find().is_some());
    find().expect("just seen")
}

#[test]
fn the_combined_format_is_that_of_apache_and_nginx() {
    let folder = Folder::new();
    let program = serve(&folder, "combined", &[]);
    let fields = ["Range: bytes=10-19", "User-Agent: a \"test\"", "Referer: https://tv.example/"];
    program.get("/media/a.mp4?q", &fields);
    program.get("/nothing?bare", &[]);
    let log = folder.path("access.log");
    let logged = line(&log, "/media/a.mp4?q");
    let (client, rest) = logged.split_once(" - - [").expect("a client");
    let (time, rest) = rest.split_once("] ").expect("a time");
    assert_eq!(client, "127.0.0.1");
    assert_eq!(
        rest, r#""GET /media/a.mp4?q HTTP/1.1" 206 10 "https://tv.example/" "a \"test\"""#,
        "{logged}"
    );
    // 30/Nov/2026:15:49:47 +0000
    let parts: Vec<&str> = time.split(['/', ':', ' ']).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    assert_eq!((&*lengths, parts[6]), (&[2, 3, 4, 2, 2, 2, 5][..], "+0000"), "{time}");
    assert!(line(&log, "/nothing?bare").ends_with(r#" "-" "-""#));
}

#[test]
fn the_json_format_is_one_object_a_line_whatever_clients_send() {
    let folder = Folder::new();
    let program = serve(&folder, "json", &[]);
    let agent = "User-Agent: \"}\t{\\ \u{e9}";
    program.get("/media/a.mp4?q", &["Range: bytes=10-19", agent, "X-Request-Id: one"]);
    let mut client = program.connect();
    client.send(b"hello \"\x1b[2J\xff\r\n\r\n");
    assert_eq!(client.read("GET").expect("a response").status, 400);
    let log = folder.path("access.log");
    let logged: Value = serde_json::from_str(&line(&log, "?q")).expect("JSON");
    for (field, value) in [
        ("client", "127.0.0.1".into()),
        ("method", "GET".into()),
        ("target", "/media/a.mp4?q".into()),
        ("protocol", "HTTP/1.1".into()),
        ("status", 206.into()),
        ("bytes", 10.into()),
        ("cut", false.into()),
        ("range", "bytes=10-19".into()),
        ("agent", Value::from("\"}\t{\\ \u{e9}")),
        ("id", "one".into()),
    ] {
        assert_eq!(logged[field], value, "{field} of {logged}");
    }
    assert!(logged["duration_s"].as_f64().expect("a number") >= 0.0);
    assert!(logged["time"].as_str().expect("a time").ends_with('Z'));
    let refused: Value = serde_json::from_str(&line(&log, "hello")).expect("JSON");
    assert_eq!((&refused["status"], &refused["method"]), (&400.into(), &Value::Null));
}

#[test]
fn bytes_are_those_that_the_connection_took_and_not_those_that_were_promised() {
    // Copies count as they are written, like what the kernel sends from the page cache.
    for write_quiet_ms in ["0", "3600000"] {
        let folder = Folder::new();
        let program = serve(&folder, "json", &[("HEADWATER_WRITE_QUIET_MS", write_quiet_ms)]);
        let mut client = Client::narrow(program.address, 64 * 1024);
        client.send(head("GET", "/media/a.mp4", &["X-Request-Id: left"]));
        assert_eq!(client.read_head().expect("a head").status, 200);
        const READ: usize = 100_000;
        assert_eq!(client.read_exactly(READ).expect("bytes"), pattern(READ));
        drop(client);
        let logged: Value =
            serde_json::from_str(&line(&folder.path("access.log"), "left")).expect("JSON");
        let bytes = logged["bytes"].as_u64().expect("a number");
        assert!((READ as u64..LENGTH as u64).contains(&bytes), "{write_quiet_ms}: {logged}");
        assert_eq!(program.get("/media/a.mp4", &["X-Request-Id: whole"]).body.len(), LENGTH);
        let logged: Value =
            serde_json::from_str(&line(&folder.path("access.log"), "whole")).expect("JSON");
        assert_eq!(logged["bytes"], LENGTH, "{write_quiet_ms}: {logged}");
    }
}
