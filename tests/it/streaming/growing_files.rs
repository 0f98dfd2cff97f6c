//! Files that grow: `?follow` sends them, and as titles they are unavailable until their end is seen.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    net::Shutdown,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, UNIX_EPOCH},
};

use headwater::transcode::program::find_program;

use crate::support::{
    box_patches::of_kind,
    client::{Client, Incomplete, Response, head},
    clips, ffmpeg,
    folder::{Folder, pattern},
    server::{Serving, serve_with},
    wait::until,
};

/// No timeout ends a response.
const ENDLESS: &str = "follow_idle_s = 86400\nfollow_closed_s = 86400";

const TARGET: &str = "/media/a.mp4?follow";

/// A server of a folder with a file of this length, whose changes it watches.
fn one_file(length: usize, configuration: &str) -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(length));
    let serving = serve_with(&[folder.path("")], configuration);
    serving.until_watching(&folder);
    (folder, serving)
}

/// Like [`one_file`], but the file was finished long ago: its responses end at once.
fn one_old_file(length: usize) -> (Folder, Serving) {
    let (folder, serving) = one_file(length, ENDLESS);
    let file = File::options().write(true).open(folder.path("a.mp4"));
    let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.and_then(|file| file.set_modified(time)).expect("a time");
    (folder, serving)
}

fn append_to(path: &Path) -> File {
    File::options().append(true).open(path).expect("the file")
}

/// Begins to follow, and reads this many bytes.
fn follow(serving: &Serving, length: usize) -> Client {
    let mut client = serving.connect();
    client.send(head("GET", TARGET, &[]));
    is_a_followed_head(&client.read_head().expect("a head"));
    read_chunked(&mut client, &pattern(length));
    client
}

/// Reads the expected bytes, in any number of chunks.
fn read_chunked(client: &mut Client, expected: &[u8]) {
    let mut read = Vec::new();
    while read.len() < expected.len() {
        let chunk = client.read_chunk().expect("a chunk");
        assert!(!chunk.is_empty(), "ended after {} bytes", read.len());
        read.extend(chunk);
    }
    assert!(read == expected, "other bytes than those of the file");
}

fn is_a_followed_head(head: &Response) {
    assert_eq!(head.status, 200);
    assert_eq!(head.field("content-type"), Some("video/mp4"));
    assert_eq!(head.field("cache-control"), Some("no-store"));
    for name in ["etag", "last-modified", "accept-ranges", "content-range", "content-length"] {
        assert_eq!(head.field(name), None, "{name} promises an unknown length");
    }
}

#[test]
fn a_growing_file_is_sent_as_it_grows_until_its_writer_closes_it() {
    let (folder, serving) = one_file(100_000, "follow_idle_s = 86400\nfollow_closed_s = 0");
    let mut writer = append_to(&folder.path("a.mp4"));
    let mut client = follow(&serving, 100_000);
    let whole = pattern(100_000 + 50 * 30_000);
    for part in whole[100_000..].chunks(30_000) {
        writer.write_all(part).expect("written");
        read_chunked(&mut client, part);
    }
    drop(writer);
    assert_eq!(client.read_chunk(), Ok(Vec::new()), "the end");
    assert_eq!(client.request("GET", "/healthz", &[]).status, 200, "the connection is kept");
}

#[test]
fn many_followers_of_one_file_all_get_all_of_it() {
    let (folder, serving) = one_file(10, "follow_idle_s = 86400\nfollow_closed_s = 1");
    let mut writer = append_to(&folder.path("a.mp4"));
    let mut clients: Vec<_> = (0..20).map(|_| follow(&serving, 10)).collect();
    let whole = pattern(50_000);
    writer.write_all(&whole[10..]).expect("written");
    drop(writer);
    for client in &mut clients {
        read_chunked(client, &whole[10..]);
        assert_eq!(client.read_chunk(), Ok(Vec::new()), "the end");
    }
}

#[test]
fn following_ends_when_an_open_file_has_not_grown_for_a_while() {
    let (folder, serving) = one_file(1000, "follow_idle_s = 1\nfollow_closed_s = 86400");
    let _writer = append_to(&folder.path("a.mp4"));
    assert_eq!(serving.get(TARGET, &[]).body, pattern(1000));
}

#[test]
fn a_truncation_cuts_the_response_and_is_counted() {
    let (folder, serving) = one_file(1000, ENDLESS);
    let mut client = follow(&serving, 1000);
    append_to(&folder.path("a.mp4")).set_len(500).expect("truncated");
    assert_eq!(client.read_chunk(), Err(Incomplete::Body(0)));
    assert_eq!(serving.metric("headwater_body_cuts_total{reason=\"truncated\"}"), 1);
}

#[test]
fn following_ends_when_the_file_is_replaced_or_removed() {
    let (folder, serving) = one_file(1000, ENDLESS);
    let (path, beside) = (folder.path("a.mp4"), folder.put("a.part", pattern(2000)));
    let mut client = follow(&serving, 1000);
    fs::rename(beside, &path).expect("replaced");
    assert_eq!(client.read_chunk(), Ok(Vec::new()), "the end, and no byte of the other file");
    until("the other file is served", || serving.get("/media/a.mp4", &[]).body.len() == 2000);
    let mut client = follow(&serving, 2000);
    fs::remove_file(path).expect("removed");
    assert_eq!(client.read_chunk(), Ok(Vec::new()), "the end");
}

#[test]
fn range_and_preconditions_are_ignored_and_head_promises_no_length() {
    let (_folder, serving) = one_old_file(1000);
    for field in ["Range: bytes=1-2", "If-None-Match: *", "If-Match: \"other\"", "If-Range: \"x\""]
    {
        let response = serving.get(TARGET, &[field]);
        is_a_followed_head(&response);
        assert_eq!(response.body, pattern(1000), "{field}");
    }
    let mut client = serving.connect();
    for _ in 0..2 {
        is_a_followed_head(&client.request("HEAD", TARGET, &[]));
    }
    for query in ["follow=1", "follow=true", "a=b&follow"] {
        is_a_followed_head(&client.request("GET", &format!("/media/a.mp4?{query}"), &[]));
    }
    for query in ["follow=0", "following", "unfollow=1"] {
        let response = client.request("GET", &format!("/media/a.mp4?{query}"), &[]);
        assert_eq!(response.field("content-length"), Some("1000"), "{query}");
    }
    assert_eq!(client.request("GET", "/media/none.mp4?follow", &[]).status, 404);
    assert_eq!(client.request("POST", TARGET, &[]).status, 405);
}

#[test]
fn for_http_1_0_closing_the_connection_ends_the_body() {
    let (_folder, serving) = one_old_file(100_000);
    for fields in ["", "Connection: keep-alive\r\n"] {
        let mut client = serving.connect();
        client.send(format!("GET {TARGET} HTTP/1.0\r\n{fields}\r\n"));
        let response = client.read("GET").expect("a response");
        is_a_followed_head(&response);
        assert_eq!(response.field("transfer-encoding"), None);
        assert_ne!(response.field("connection"), Some("keep-alive"));
        assert!(response.body == pattern(100_000));
        assert!(client.is_closed());
    }
}

#[test]
fn a_follower_that_disconnects_is_dropped() {
    let (_folder, serving) = one_file(1000, ENDLESS);
    let open = || serving.site().metrics.open_connections();
    let followers: Vec<_> = (0..20).map(|_| follow(&serving, 1000)).collect();
    assert!(open() >= 20);
    for (number, client) in followers.iter().enumerate() {
        // A client that closes only its sending side is dropped too: this response has no
        // foreseeable end.
        if number % 2 == 0 {
            client.socket().shutdown(Shutdown::Write).expect("half closed");
        }
    }
    until("the half-closed connections are closed", || open() == 10);
    drop(followers);
    until("all connections are closed", || open() == 0);
}

#[test]
fn ffmpeg_plays_a_file_while_ffmpeg_records_it() {
    let Some(ffmpeg) = find_program("ffmpeg") else {
        eprintln!("this test did not run: ffmpeg is not installed");
        return;
    };
    let folder = Folder::new();
    let serving = serve_with(&[folder.path("")], "follow_closed_s = 1");
    serving.until_watching(&folder);
    let source = "testsrc=size=320x180:rate=25";
    let record = ["-v", "error", "-re", "-f", "lavfi", "-i", source, "-t", "4", "-g", "25"];
    let mut recorder = Command::new(&ffmpeg)
        .args(record)
        .args(["-pix_fmt", "yuv420p", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov"])
        .arg(folder.path("live.mp4"))
        .stdin(Stdio::null())
        .spawn()
        .expect("a recorder");
    until("something is recorded", || {
        let found = fs::metadata(folder.path("live.mp4"));
        found.is_ok_and(|file| file.len() > 0)
    });
    let mut client = serving.connect();
    client.send(head("GET", "/media/live.mp4?follow=1", &[]));
    is_a_followed_head(&client.read_head().expect("a head"));
    assert!(recorder.try_wait().expect("a child").is_none(), "it is still recording");

    let mut player = Command::new(&ffmpeg)
        .args(["-v", "error", "-xerror", "-i", "-", "-f", "null", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a player");
    let mut screen = player.stdin.take().expect("piped");
    let mut received = Vec::new();
    loop {
        let chunk = client.read_chunk().expect("a chunk");
        if chunk.is_empty() {
            break;
        }
        // The exit code of the player shows whether it gave up.
        match screen.write_all(&chunk) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
            _ => received.extend(chunk),
        }
    }
    drop(screen);
    assert!(recorder.wait().expect("a child").success());
    assert!(player.wait().expect("a child").success());
    let recorded = fs::read(folder.path("live.mp4")).expect("the recording");
    assert!(received == recorded, "{} of {} bytes", received.len(), recorded.len());
}

// ---- Titles -------------------------------------------------------------------------------------

/// The views of a title that shared caches would keep.
const VIEWS: [&str; 6] =
    ["index.m3u8", "manifest.mpd", "play.mp4", "play.mp4?end=1", "poster.jpg", "inspect"];

/// For a title that is idle for as long as the test runs.
const PATIENT: &str = "follow_idle_s = 86400";

#[track_caller]
fn is_unavailable(serving: &Serving, title: &str) {
    for view in VIEWS {
        let response = serving.get(&format!("/v/{title}/{view}"), &[]);
        let problem = String::from_utf8_lossy(&response.body);
        assert_eq!(response.status, 503, "{title}, {view}: {problem}");
        assert!(problem.contains("/errors/file-growing"), "{title}, {view}: {problem}");
        assert_eq!(response.field("retry-after"), Some("5"), "{title}, {view}");
        assert_eq!(response.field("cache-control"), Some("no-store"), "{title}, {view}");
    }
}

#[track_caller]
fn is_complete(serving: &Serving, title: &str) {
    for view in VIEWS.into_iter().filter(|view| *view != "poster.jpg") {
        let response = serving.get(&format!("/v/{title}/{view}"), &[]);
        let body = String::from_utf8_lossy(&response.body);
        assert_eq!(response.status, 200, "{title}, {view}: {body}");
    }
}

/// A fragmented movie, and the index of fragments that its writer appended.
fn fragmented() -> (Vec<u8>, Vec<u8>) {
    let mut movie = fs::read(clips::named("fragmented.mp4").path()).expect("a clip");
    let mfra = of_kind(&movie, b"mfra").first().expect("an index").start;
    let end = movie.split_off(mfra);
    (movie, end)
}

/// A writer that has the file open, after these bytes.
fn written(folder: &Folder, name: &str, bytes: &[u8]) -> File {
    append_to(&folder.put(name, bytes))
}

#[test]
fn the_first_request_finds_a_recording_in_progress_unavailable_until_it_is_closed() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (movie, _) = fragmented();
    let folder = Folder::new();
    let mut writer = written(&folder, "live.mp4", &movie[..movie.len() / 2]);
    let serving = serve_with(&[folder.path("")], PATIENT);
    serving.until_watching(&folder);
    is_unavailable(&serving, "live.mp4");
    // The file itself can be followed.
    assert_eq!(serving.request("HEAD", "/media/live.mp4?follow", &[]).status, 200);
    writer.write_all(&movie[movie.len() / 2..]).expect("written");
    is_unavailable(&serving, "live.mp4");
    drop(writer);
    until("the close is seen", || serving.get("/v/live.mp4/index.m3u8", &[]).status == 200);
    is_complete(&serving, "live.mp4");
}

#[test]
fn an_end_that_shows_makes_a_title_complete_although_a_program_has_it_open() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (movie, end) = fragmented();
    let front = fs::read(clips::named("moov-in-front.mp4").path()).expect("a clip");
    let folder = Folder::new();
    let _ended = written(&folder, "ended.mp4", &[movie.clone(), end].concat());
    let _front = written(&folder, "front.mp4", &front);
    let old = written(&folder, "old.mp4", &movie);
    old.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("a time");
    // Without an end and without a writer: a copy that has just arrived.
    folder.put("copied.mp4", &movie);
    let serving = serve_with(&[folder.path("")], PATIENT);
    for title in ["ended.mp4", "front.mp4", "old.mp4", "copied.mp4"] {
        is_complete(&serving, title);
    }
}

#[test]
fn a_file_that_is_being_copied_is_unavailable_until_it_is_whole() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let read = |name: &str| fs::read(clips::named(name).path()).expect("a clip");
    let matroska = [&b"\x1A\x45\xDF\xA3"[..], &pattern(5000)].concat();
    for (name, bytes) in [
        ("end.mp4", read("b-frames.mp4")),
        ("front.mp4", read("moov-in-front.mp4")),
        ("other.mkv", matroska),
        ("begun.mp4", vec![0; 16]),
    ] {
        let _writer = written(&folder, name, &bytes[..bytes.len() / 2]);
        let serving = serve_with(&[folder.path("")], PATIENT);
        is_unavailable(&serving, name);
        assert_eq!(serving.get("/api/jobs", &[]).status, 200);
        let jobs = String::from_utf8(serving.get("/api/jobs", &[]).body).expect("text");
        assert!(!jobs.contains("remux"), "no job for a part of a file: {jobs}");
    }
    // The same halves, which nothing writes: an interrupted copy plays as far as it goes, or has a reason.
    let serving = serve_with(&[folder.path("")], PATIENT);
    assert_eq!(serving.get("/v/front.mp4/index.m3u8", &[]).status, 200);
    assert_eq!(serving.get("/v/end.mp4/index.m3u8", &[]).status, 422);
}

/// No lease shows writers where files are overwritten in place, on network file systems, or for files of
/// another user.
#[test]
fn where_the_system_tells_no_writer_the_watch_and_the_time_of_the_last_change_decide() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (movie, _) = fragmented();
    let folder = Folder::new();
    folder.put("fresh.mp4", &movie);
    let old = written(&folder, "old.mp4", &movie);
    old.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).expect("a time");
    drop(old);
    let root = format!("[[root]]\ndir = {:?}\noverwritten_in_place = true", folder.path(""));
    let serving = serve_with(&[], &format!("{PATIENT}\n{root}"));
    serving.until_watching(&folder);
    is_unavailable(&serving, "fresh.mp4");
    is_complete(&serving, "old.mp4");
    folder.put("closed.mp4", &movie);
    until("the close is seen", || serving.get("/v/closed.mp4/index.m3u8", &[]).status == 200);
    is_complete(&serving, "closed.mp4");
}

/// Frames that a recorder gets: 25 a second, of 64 by 36 pixels.
const FRAME_BYTES: usize = 64 * 36;

#[test]
fn a_recording_of_ffmpeg_becomes_a_title_when_it_ends() {
    let Some(program) = find_program("ffmpeg") else {
        eprintln!("this test did not run: ffmpeg is not installed");
        return;
    };
    let folder = Folder::new();
    let mut recorder = Command::new(&program)
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", "64x36", "-i", "-"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25"])
        .args(["-pix_fmt", "yuv420p", "-flush_packets", "1", "-f", "mp4"])
        .args(["-movflags", "frag_keyframe+empty_moov"])
        .arg(folder.path("live.mp4"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("a recorder");
    let mut camera = recorder.stdin.take().expect("piped");
    camera.write_all(&[128; 75 * FRAME_BYTES]).expect("a recorder");
    until("a fragment is recorded", || {
        let bytes = fs::read(folder.path("live.mp4")).unwrap_or_default();
        bytes.windows(4).any(|kind| kind == b"mdat")
    });
    let serving = serve_with(&[folder.path("")], PATIENT);
    is_unavailable(&serving, "live.mp4");
    camera.write_all(&[32; 25 * FRAME_BYTES]).expect("a recorder");
    drop(camera);
    assert!(recorder.wait().expect("a child").success());
    until("the end is seen", || serving.get("/v/live.mp4/index.m3u8", &[]).status == 200);
    let playlist = format!("http://{}/v/live.mp4/index.m3u8", serving.address);
    assert_eq!(ffmpeg::tracks(&playlist).expect("a playlist")[0].packets.len(), 100);
}
