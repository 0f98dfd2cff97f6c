//! A root whose disk hangs: its requests are 503, and every other root serves.

use std::{
    io::{BufRead as _, BufReader, ErrorKind},
    process::Stdio,
    thread,
    time::Duration,
};

use actix_web::ResponseError as _;
use headwater::{
    extent::{
        ReadError,
        disk::{OpenError, Unavailable},
    },
    shares::ClientKey,
};
use socket2::SockRef;

use crate::support::{
    client::{Client, Incomplete, Response, head},
    folder::{Folder, pattern},
    hanging_disk::{CONTENT, HELD_FROM, HangingDisk},
    program::command,
    server::{Serving, occupy, serve_with, start},
    wait::{block_on, until},
};

/// Nothing but requests opens files. Requests give up soon. Open files stay trusted, so that the healthy root needs its disk for
/// nothing and a loaded machine is not taken for a hanging disk.
const SHORT_DEADLINE: &str =
    "index_titles = false\ndisk_deadline_ms = 200\nrevalidate_ms = 3600000";

/// Requests never give up: hanging calls stay outstanding.
const NO_DEADLINE: &str = "index_titles = false\ndisk_deadline_ms = 600000";

/// Serves a healthy root and another.
fn serve_with_healthy_root(other: &std::path::Path, configuration: &str) -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(100_000));
    let roots = [("healthy", folder.path("")), ("other", other.into())]
        .map(|(name, dir)| format!("{name}={}", dir.display()).into());
    let serving = serve_with(&roots, configuration);
    until("both roots serve", || {
        serving.get("/media/healthy/a.mp4", &[]).status == 200 && are_ready(&serving)
    });
    (folder, serving)
}

/// Whether `/readyz` reports both roots as ready.
fn are_ready(serving: &Serving) -> bool {
    let ready = serving.get("/readyz", &[]);
    let text = String::from_utf8(ready.body).expect("text");
    ready.status == 200
        && ["healthy", "other"].iter().all(|root| text.contains(&format!("\nroot {root}: ready\n")))
}

fn assert_healthy(serving: &Serving) {
    let whole = pattern(100_000);
    for _ in 0..100 {
        let response = serving.get("/media/healthy/a.mp4", &[]);
        assert!(response.status == 200 && response.body == whole);
        let response = serving.get("/media/healthy/a.mp4", &["Range: bytes=99990-"]);
        assert_eq!((response.status, response.body.len()), (206, 10));
    }
    for target in ["/healthz", "/api/titles", "/"] {
        assert_eq!(serving.get(target, &[]).status, 200, "{target}");
    }
}

fn assert_unavailable(response: &Response) {
    assert_eq!(response.status, 503);
    assert_eq!(response.field("content-type"), Some("application/problem+json"));
    assert_eq!(response.field("cache-control"), Some("no-store"));
    let seconds = response.field("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{response:?}");
}

/// Whether the server has sent nothing yet.
fn is_silent(client: &Client) -> bool {
    let socket = client.socket();
    socket.set_nonblocking(true).expect("a socket");
    let peeked = socket.peek(&mut [0]);
    socket.set_nonblocking(false).expect("a socket");
    peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_root_whose_threads_all_hang_is_503_and_the_other_serves() {
    let folder = Folder::new();
    folder.put("b.mp4", pattern(1000));
    let (_healthy, serving) = serve_with_healthy_root(&folder.path(""), SHORT_DEADLINE);
    let held = occupy(&serving, 1);
    for _ in 0..20 {
        assert_unavailable(&serving.get("/media/other/b.mp4", &[]));
        assert_unavailable(&serving.get("/api/titles/other/b.mp4", &[]));
        let ready = serving.get("/readyz", &[]);
        let text = String::from_utf8(ready.body).expect("text");
        assert_eq!(ready.status, 200, "the other root is ready");
        assert!(text.contains("\nroot healthy: ready\n"), "{text}");
        assert!(text.contains("\nroot other: not available: the disk "), "{text}");
    }
    assert_healthy(&serving);
    drop(held);
    until("the root serves again", || serving.get("/media/other/b.mp4", &[]).status == 200);
    until("both roots are ready again", || are_ready(&serving));
}

#[test]
fn while_a_request_hangs_in_its_disk_other_roots_serve() {
    let Some(mut disk) = HangingDisk::mount() else {
        return;
    };
    let (_healthy, serving) = serve_with_healthy_root(disk.path(), NO_DEADLINE);
    disk.hold("all");
    // More of them than the root has threads.
    let mut hung: Vec<_> = (0..8).map(|_| serving.connect()).collect();
    for (number, client) in hung.iter_mut().enumerate() {
        client.send(head("GET", &format!("/media/other/{number}.mp4"), &[]));
    }
    disk.wait_until_a_call_hangs();
    assert_healthy(&serving);
    assert!(hung.iter().all(is_silent), "the disk still hangs, and so do they");
    disk.release();
    for client in &mut hung {
        let response = client.read("GET").expect("a whole response");
        assert!(response.status == 200 && response.body == *CONTENT);
    }
}

#[test]
fn any_hanging_call_is_503_and_the_file_is_served_afterwards() {
    let Some(mut disk) = HangingDisk::mount() else {
        return;
    };
    let (_healthy, serving) = serve_with_healthy_root(disk.path(), SHORT_DEADLINE);
    // A file for each, so that none is open already.
    for (number, kind) in ["lookup", "open", "getattr", "statfs", "all"].iter().enumerate() {
        let target = format!("/media/other/{number}.mp4");
        disk.hold(kind);
        for _ in 0..10 {
            assert_unavailable(&serving.get(&target, &[]));
        }
        assert_eq!(serving.request("HEAD", &target, &[]).status, 503, "{kind}");
        if matches!(*kind, "getattr" | "all") {
            assert!(!are_ready(&serving));
        }
        assert_healthy(&serving);
        disk.release();
        until("the root serves again", || serving.request("HEAD", &target, &[]).status == 200);
        until("both roots are ready again", || are_ready(&serving));
    }
}

#[test]
fn a_hanging_read_cuts_the_response_and_the_cut_is_counted() {
    let Some(mut disk) = HangingDisk::mount() else {
        return;
    };
    let (_healthy, serving) = serve_with_healthy_root(disk.path(), SHORT_DEADLINE);
    let target = "/media/other/0.mp4";
    until("the file can be opened", || serving.request("HEAD", target, &[]).status == 200);
    disk.hold("read");
    let mut client = serving.connect();
    client.send(head("GET", target, &[]));
    match client.read("GET") {
        Err(Incomplete::Body(read)) => assert!(read as u64 <= HELD_FROM, "{read} bytes"),
        other => panic!("not cut in the body: {other:?}"),
    }
    let cuts = || serving.metric("headwater_body_cuts_total{reason=\"unavailable\"}");
    assert_eq!(cuts(), 1);
    assert_healthy(&serving);
    disk.release();
    until("the file is whole again", || {
        let mut client = serving.connect();
        client.send(head("GET", target, &[]));
        client.read("GET").is_ok_and(|response| response.body == *CONTENT)
    });
}

#[test]
fn a_viewer_that_disconnects_during_a_hanging_read_is_dropped_at_once() {
    let Some(mut disk) = HangingDisk::mount() else {
        return;
    };
    let (_healthy, serving) = serve_with_healthy_root(disk.path(), NO_DEADLINE);
    disk.hold("read");
    // As many as the root has threads hang in the disk, the others wait for a thread.
    let viewers: Vec<_> = (0..8)
        .map(|number| {
            let mut client = serving.connect();
            client.send(head("GET", &format!("/media/other/{number}.mp4"), &[]));
            if number < serving.site().settings.load().disk_threads.get() {
                client.read_head().expect("a head");
                let all = usize::try_from(HELD_FROM).expect("small");
                assert!(client.read_exactly(all).is_ok(), "all that the disk gives");
                disk.wait_until_a_call_hangs();
            }
            client
        })
        .collect();
    until("all are there", || serving.site().metrics.open_connections() == 8);
    for viewer in viewers {
        let reset = SockRef::from(viewer.socket()).set_linger(Some(Duration::ZERO));
        reset.expect("a socket");
    }
    until("the connections are closed", || serving.site().metrics.open_connections() == 0);
    disk.release();
}

#[test]
fn a_server_starts_or_names_the_reason_and_stops_while_a_disk_hangs() {
    let Some(mut disk) = HangingDisk::mount() else {
        return;
    };
    let (healthy, serving) = serve_with_healthy_root(disk.path(), SHORT_DEADLINE);
    disk.hold("all");
    assert_unavailable(&serving.get("/media/other/0.mp4", &[]));
    let refused = start(&[disk.path().into()], SHORT_DEADLINE);
    let why = refused.err().expect("no root can be opened").to_string();
    assert!(why.contains("the disk did not respond in time"), "{why}");

    let roots = [("healthy", healthy.path("")), ("other", disk.path().into())]
        .map(|(name, dir)| format!("{name}={}", dir.display()));
    let another = serve_with(&roots.clone().map(Into::into), SHORT_DEADLINE);
    assert_unavailable(&another.get("/media/other/0.mp4", &[]));
    assert_healthy(&another);
    let (mut check, _home) = command(&["check", &roots[0], &roots[1], "--disk-deadline-ms", "200"]);
    let mut check = check.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut printed =
        BufReader::new(check.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(printed.any(|line| line.ends_with("does not respond within 200 ms")));
    disk.release();
    // Not before: the kernel ends no process during a disk call.
    assert_eq!(check.wait().expect("it ends").code(), Some(1));
    until("the root is opened", || {
        another.request("HEAD", "/media/other/0.mp4", &[]).status == 200
    });
    drop(another);

    disk.hold("all");
    let stopping = thread::spawn(move || drop(serving));
    until("the server has stopped", || stopping.is_finished());
}

#[test]
fn a_root_that_is_missing_at_the_start_is_served_as_soon_as_it_is_there() {
    let folder = Folder::new();
    folder.put("healthy/a.mp4", pattern(100_000));
    let roots = ["healthy", "other"].map(|name| folder.path(name));
    let serving = serve_with(&roots, "");
    assert_healthy(&serving);
    assert_unavailable(&serving.get("/media/other/b.mp4", &[]));
    let ready = String::from_utf8(serving.get("/readyz", &[]).body).expect("text");
    assert!(ready.contains("\nroot healthy: ready\n"), "{ready}");
    assert!(ready.contains("\nroot other: not available: No such file or directory"), "{ready}");
    folder.put("other/b.mp4", pattern(1000));
    until("the root is opened", || serving.get("/media/other/b.mp4", &[]).status == 200);
    until("its titles are listed", || {
        let titles = serving.get("/api/titles", &[]).body;
        String::from_utf8(titles).expect("text").contains("other/b.mp4")
    });
    assert!(are_ready(&serving));
}

#[test]
fn a_disk_call_that_panics_is_an_error_of_the_server() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve_with(&[folder.path("")], "");
    let pool = serving.site().titles.library.roots()[0].root.pool();
    let panicked = block_on(pool.run(ClientKey::Server, || panic!("on purpose")));
    let status = |error: headwater::http::Error| error.error_response().status().as_u16();
    assert_eq!(status(OpenError::from(panicked.expect_err("a panic")).into()), 500);
    assert_eq!(status(ReadError::from(Unavailable::Panicked).into()), 500);
    assert_eq!(status(OpenError::from(Unavailable::Busy).into()), 503);
}
