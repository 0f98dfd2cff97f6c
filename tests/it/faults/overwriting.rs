//! Files that are overwritten in place although they are sent by reference: a writer waits, and no complete
//! response mixes versions.

use std::{
    collections::HashMap,
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustix::io::ioctl_fionread;

use crate::support::{
    client::{Client, Response, head},
    folder::Folder,
    http2,
    http2_frames::{DATA, FrameClient, WINDOW_UPDATE},
    movies::{self, Plan},
    sent_files::{COPIED, FROM_THE_PAGE_CACHE, in_each_way},
    server::{Serving, serve_with},
    wait::until,
};

/// The number of times that each file is overwritten.
const ROUNDS: u8 = if cfg!(debug_assertions) { 40 } else { 250 };

/// The receive buffer of viewers to which the server cannot send far ahead, in bytes.
const NARROW: usize = 16 * 1024;

/// Overwrites a range of a file in place. Returns when that is done, after which the server sends no byte of
/// the former version.
fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = File::options().write(true).open(path).expect("the file");
    file.write_all_at(bytes, at).expect("written");
}

/// Whether a writer waits for the file, as the kernel lists it.
fn has_waiting_writer(path: &Path) -> bool {
    let inode = format!(":{} ", fs::metadata(path).expect("a file").ino());
    let locks = fs::read_to_string("/proc/locks").expect("a list");
    locks.lines().any(|line| line.contains("BREAKING") && line.contains(&inode))
}

fn files(names: &[&str], length: usize) -> (Folder, Serving) {
    let folder = Folder::new();
    for name in names {
        folder.put(name, vec![b'o'; length]);
    }
    let serving = serve_with(&[folder.path("")], FROM_THE_PAGE_CACHE.1);
    (folder, serving)
}

fn one_file(length: usize) -> (Folder, PathBuf, Serving) {
    let folder = Folder::new();
    let path = folder.put("a.mp4", vec![b'o'; length]);
    let serving = serve_with(&[folder.path("")], FROM_THE_PAGE_CACHE.1);
    (folder, path, serving)
}

/// Requests a file, and reads nothing before this many bytes have arrived.
fn request_and_wait(serving: &Serving, target: &str, bytes: u64) -> Client {
    let mut client = serving.connect();
    client.send(head("GET", target, &[]));
    wait_for(&client, bytes);
    client
}

/// Waits until this many bytes have arrived that the client has not read.
fn wait_for(client: &Client, bytes: u64) {
    until("the response has arrived", || {
        ioctl_fionread(client.socket()).is_ok_and(|arrived| arrived >= bytes)
    });
}

fn copied(serving: &Serving) -> u64 {
    serving.metric("headwater_body_bytes_total{sent_by=\"copied\"}")
}

#[test]
fn a_response_that_its_client_has_not_taken_is_cut_when_a_writer_opens_the_file() {
    // More than a socket receives before its program reads.
    const LENGTH: usize = 4_000_000;
    let (_folder, path, serving) = one_file(LENGTH);
    let mut client = request_and_wait(&serving, "/media/a.mp4", 30_000);
    assert_eq!(copied(&serving), 0, "it is sent by reference");
    overwrite(&path, 0, &vec![b'n'; LENGTH]);
    assert!(client.read("GET").is_err(), "a complete response of two versions");
    until("the cut is counted", || {
        serving.metric("headwater_body_cuts_total{reason=\"changed\"}") == 1
    });
    assert!(serving.get("/media/a.mp4", &[]).body == vec![b'n'; LENGTH]);
}

#[test]
fn an_http_2_client_that_has_not_taken_its_bytes_loses_its_connection_to_a_writer() {
    const LENGTH: usize = 16_000_000;
    const WINDOW: u32 = 1 << 30;
    let (_folder, path, serving) = one_file(LENGTH);
    let mut client = FrameClient::connect(serving.address, &[(4, WINDOW)]);
    client.send(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes()).expect("sent");
    client.get(1, "/media/a.mp4");
    let first = client.until("the file", |frame| frame.kind == DATA);
    assert_eq!(copied(&serving), 0, "it is sent by reference");
    overwrite(&path, 0, &vec![b'n'; LENGTH]);
    for frame in client.rest().into_iter().chain([first]) {
        assert!(!frame.ends_stream(1), "a complete response");
        assert!(frame.kind != DATA || one_value(&frame.payload) == Some(b'o'));
    }
    until("the cut is counted", || {
        serving.metric("headwater_body_cuts_total{reason=\"changed\"}") == 1
    });
    let mut next = http2::Client::connect(serving.address);
    assert!(next.request("GET", "/media/a.mp4", &[]).body == vec![b'n'; LENGTH]);
}

#[test]
fn a_writer_waits_until_a_program_on_this_machine_has_read_its_response() {
    const LENGTH: usize = 40_000;
    let (_folder, path, serving) = one_file(LENGTH);
    // All of it is acknowledged, and its pages are still those of the file.
    let mut late = request_and_wait(&serving, "/media/a.mp4", LENGTH as u64 + 100);
    assert_eq!(copied(&serving), 0, "it is sent by reference");
    let old = thread::scope(|scope| {
        let overwriting = scope.spawn(|| overwrite(&path, 0, &[b'n'; LENGTH]));
        until("the writer waits", || has_waiting_writer(&path));
        assert_eq!(serving.get("/media/a.mp4", &[]).body, [b'o'; LENGTH], "it is copied now");
        let old = late.read("GET").expect("a whole response");
        overwriting.join().expect("overwritten");
        old
    });
    assert_eq!(old.body, [b'o'; LENGTH]);
    let new = late.request("GET", "/media/a.mp4", &[]);
    assert_eq!(new.body, [b'n'; LENGTH]);
    assert_ne!(new.field("etag"), old.field("etag"));
}

#[test]
fn a_file_that_is_open_for_writing_is_copied_and_by_reference_again_later() {
    let (_folder, path, serving) = one_file(100_000);
    let writer = File::options().write(true).open(&path).expect("the file");
    assert_eq!(serving.get("/media/a.mp4", &[]).body, [b'o'; 100_000]);
    assert_eq!(copied(&serving), 100_000);
    writer.write_all_at(&[b'n'; 100_000], 0).expect("written");
    assert_eq!(serving.get("/media/a.mp4", &[]).body, [b'n'; 100_000]);
    drop(writer);
    until("it is sent by reference again", || {
        let before = copied(&serving);
        assert_eq!(serving.get("/media/a.mp4", &[]).body, [b'n'; 100_000]);
        copied(&serving) == before
    });
}

#[test]
fn a_connection_goes_from_file_to_file_by_reference() {
    // More than a connection keeps.
    let names: Vec<String> = (0..20).map(|number| format!("{number}.mp4")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_folder, serving) = files(&names, 100_000);
    let mut client = serving.connect();
    for _ in 0..10 {
        for name in &names {
            let target = format!("/media/{name}");
            assert_eq!(client.request("GET", &target, &[]).body.len(), 100_000);
        }
    }
    assert_eq!(copied(&serving), 0);
}

#[test]
fn a_writer_waits_for_a_response_that_is_unread_although_another_followed_it() {
    const LENGTH: usize = 40_000;
    let (folder, serving) = files(&["a.mp4", "b.mp4"], LENGTH);
    let mut late = request_and_wait(&serving, "/media/a.mp4", LENGTH as u64 + 100);
    late.send(head("GET", "/media/b.mp4", &[]));
    wait_for(&late, 2 * LENGTH as u64 + 200);
    assert_eq!(copied(&serving), 0, "both are sent by reference");
    let path = folder.path("a.mp4");
    thread::scope(|scope| {
        let overwriting = scope.spawn(|| overwrite(&path, 0, &[b'n'; LENGTH]));
        until("the writer waits", || has_waiting_writer(&path));
        assert_eq!(late.read("GET").expect("a whole response").body, [b'o'; LENGTH]);
        // The other file has another writer.
        overwriting.join().expect("overwritten");
    });
    assert_eq!(late.read("GET").expect("a whole response").body, [b'o'; LENGTH]);
}

#[test]
fn a_writer_does_not_wait_for_the_bytes_of_another_file_on_the_same_connection() {
    const LENGTH: usize = 4_000_000;
    let (folder, serving) = files(&["a.mp4", "b.mp4"], LENGTH);
    let mut client = serving.connect();
    assert_eq!(client.request("GET", "/media/a.mp4", &[]).body, vec![b'o'; LENGTH]);
    client.send(head("GET", "/media/b.mp4", &[]));
    wait_for(&client, 30_000);
    overwrite(&folder.path("a.mp4"), 0, b"n");
    assert_eq!(copied(&serving), 0, "both are sent by reference");
    assert_eq!(client.read("GET").expect("a whole response").body, vec![b'o'; LENGTH]);
}

/// Files that are overwritten by one long write each, and requested in the middle of it.
#[test]
fn a_response_that_begins_during_a_write_has_one_version() {
    const LENGTH: usize = 32 << 20;
    let folder = Folder::new();
    let path = folder.put("a.mp4", vec![0; LENGTH]);
    let serving = serve_with(&[folder.path("")], COPIED.1);
    for version in 1..=10 {
        thread::scope(|scope| {
            let overwriting = scope.spawn(|| overwrite(&path, 0, &vec![version; LENGTH]));
            let mut is_last = false;
            while !is_last {
                is_last = overwriting.is_finished();
                let [end, start] = ["Range: bytes=30000000-", "Range: bytes=0-1000000"]
                    .map(|range| view(&serving, Pace::Fast, "/media/a.mp4", &[range]));
                if let (Some(start), Some(end)) = (start, end)
                    && start.field("etag") == end.field("etag")
                {
                    let versions = (one_value(&start.body), one_value(&end.body));
                    assert!(versions.0.is_some() && versions.0 == versions.1, "{versions:?}");
                }
            }
        });
    }
}

/// A file whose bytes from an offset on all hold the number of its version.
struct Versioned {
    path: PathBuf,
    start: usize,
    length: usize,
}

impl Versioned {
    fn overwrite(&self, version: u8) {
        overwrite(&self.path, self.start as u64, &vec![version; self.length]);
    }
}

/// A movie of video that is sent by reference, and of audio in short samples, which is gathered.
fn put_movie(folder: &Folder, name: &str) -> Versioned {
    let mut video = Plan::video(1, 250);
    video.sizes.iter_mut().for_each(|size| *size = 9000);
    let mut movie = movies::plain(&[video, Plan::audio(2, 470)]);
    let start = memchr::memmem::find(&movie, b"mdat").expect("media") + 4;
    let end = start + memchr::memmem::find(&movie[start..], b"moov").expect("an index") - 4;
    movie[start..end].fill(0);
    Versioned { path: folder.put(name, movie), start, length: end - start }
}

/// The pace of a viewer.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Fast,
    Slow,
    Late,
}

/// Requests a target, and returns the response if it is complete.
fn view(serving: &Serving, pace: Pace, target: &str, fields: &[&str]) -> Option<Response> {
    let mut client = match pace {
        Pace::Fast | Pace::Late => serving.connect(),
        Pace::Slow => Client::narrow(serving.address, NARROW),
    };
    client.send(head("GET", target, fields));
    if matches!(pace, Pace::Late) {
        client.socket().peek(&mut [0]).ok()?;
        let mut arrived = 0;
        until("no more arrives without a read", || {
            let now = ioctl_fionread(client.socket()).unwrap_or(0);
            std::mem::replace(&mut arrived, now) == now
        });
    }
    client.read("GET").ok()
}

/// The media bytes of a response of `raw.mp4`: what is not all one version is a mix.
fn raw_version(response: &Response) -> Option<u8> {
    let kind = response.field("content-type").unwrap_or_default().to_owned();
    let body = &response.body;
    let Some(boundary) = kind.strip_prefix("multipart/byteranges; boundary=") else {
        return one_value(body);
    };
    let separator = format!("--{boundary}");
    let parts = memchr::memmem::find_iter(body, separator.as_bytes()).collect::<Vec<_>>();
    let mut values = parts.windows(2).map(|ends| {
        let part = &body[ends[0]..ends[1]];
        let content = memchr::memmem::find(part, b"\r\n\r\n").expect("fields of a part") + 4;
        one_value(&part[content..part.len() - 2])
    });
    let first = values.next().expect("a part")?;
    values.all(|value| value == Some(first)).then_some(first)
}

/// The version of the media in a response with boxes: of all `mdat`s.
fn movie_version(response: &Response) -> Option<u8> {
    let body = &response.body;
    let mut media = Vec::new();
    let mut at = 0;
    while let Some(header) = body.get(at..at + 8) {
        let length = u32::from_be_bytes(*header.first_chunk().expect("eight bytes")) as usize;
        if &header[4..] == b"mdat" {
            media.extend_from_slice(&body[at + 8..at + length]);
        }
        at += length.max(8);
    }
    one_value(&media)
}

fn one_value(bytes: &[u8]) -> Option<u8> {
    let first = *bytes.first()?;
    bytes.iter().all(|byte| *byte == first).then_some(first)
}

#[test]
fn no_complete_response_mixes_versions_however_it_is_read() {
    in_each_way(overwrite_while_viewed);
}

fn overwrite_while_viewed(how: &str) {
    let folder = Folder::new();
    let raw =
        Versioned { path: folder.put("raw.mp4", vec![0; 1_500_000]), start: 0, length: 1_500_000 };
    let film = put_movie(&folder, "film.mp4");
    let serving = serve_with(&[folder.path("")], how);
    let (complete, cut, is_over) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let tags: Mutex<HashMap<(String, String), u8>> = Mutex::default();
    let check = |target: &str, what: &str, version: Option<u8>, response: &Response| {
        let version = version.unwrap_or_else(|| panic!("{what}: a mix of versions"));
        let tag = response.field("etag").expect("a tag").to_owned();
        let mut tags = tags.lock().expect("no reader failed");
        let known = *tags.entry((target.to_owned(), tag)).or_insert(version);
        assert_eq!(known, version, "{what}: one tag, two versions");
        complete.fetch_add(1, Ordering::Relaxed);
    };
    let read_raw = |pace: Pace| {
        for fields in [
            &[][..],
            &["Range: bytes=700000-760000"],
            &["Range: bytes=0-20000,600000-900000,1400000-1499999"],
        ] {
            match view(&serving, pace, "/media/raw.mp4", fields) {
                Some(response) if response.status < 400 => {
                    let what = format!("{pace:?} {fields:?}");
                    check("raw.mp4", &what, raw_version(&response), &response);
                }
                Some(_) => {}
                None => _ = cut.fetch_add(1, Ordering::Relaxed),
            }
        }
    };
    let read_film = |pace: Pace| {
        let playlist = serving.get("/v/film.mp4/index.m3u8", &[]).body;
        let playlist = String::from_utf8_lossy(&playlist).into_owned();
        let version = playlist.split_once('~').and_then(|(_, rest)| rest.get(..16));
        let segment = |track: &str| {
            format!("/v/film.mp4/~{}/{track}/2.m4s", version.unwrap_or("0000000000000000"))
        };
        for target in [
            segment("video-1"),
            segment("audio-2"),
            "/v/film.mp4/play.mp4".into(),
            "/v/film.mp4/play.mp4?start=1&end=4".into(),
        ] {
            match view(&serving, pace, &target, &[]) {
                Some(response) if response.status == 200 => {
                    let what = format!("{pace:?} {target}");
                    check(&target, &what, movie_version(&response), &response);
                }
                Some(_) => {}
                None => _ = cut.fetch_add(1, Ordering::Relaxed),
            }
        }
    };
    thread::scope(|scope| {
        for pace in [Pace::Fast, Pace::Slow, Pace::Late] {
            let (is_over, read_raw, read_film) = (&is_over, &read_raw, &read_film);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    read_raw(pace);
                }
            });
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    read_film(pace);
                }
            });
        }
        for version in 1..=ROUNDS {
            let before = complete.load(Ordering::Relaxed);
            raw.overwrite(version);
            film.overwrite(version);
            until("some responses are complete", || {
                complete.load(Ordering::Relaxed) > before + usize::from(version) % 8
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (complete, cut) = (complete.into_inner(), cut.into_inner());
    let sent = serving.metric("headwater_body_bytes_total");
    let copied = copied(&serving);
    println!("{complete} complete, {cut} cut, {copied} of {sent} bytes copied");
    assert!(cut > 0, "no response met a writer");
    assert!(how == COPIED.1 || copied < sent / 2, "little was sent by reference");
}
