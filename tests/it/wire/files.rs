//! Files on a connection: long ones, cold ones, and those that change meanwhile.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    net::Shutdown,
    ops::Range,
    path::Path,
    sync::LazyLock,
    thread,
    time::Duration,
};

use rustix::fs::{Advice, fadvise, statvfs};
use socket2::SockRef;

use crate::support::{
    client::{Client, Incomplete, Response, head},
    folder::Folder,
    long_file::{LENGTH, OLD, ask_for, one_file, read_and_assert_parts, scattered},
    program::Program,
    sent_files::{COPIED, Dice, FROM_THE_PAGE_CACHE, NARROW, assert_same, in_each_way},
    server::{Serving, serve_with},
    wait::until,
};

/// Other bytes, everywhere.
static NEW: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b'n'; LENGTH]);

fn whole() -> String {
    head("GET", "/media/a.mp4", &[])
}

#[test]
fn a_gibibyte_arrives_exactly_and_the_connection_is_reused() {
    const GIB: u64 = 1 << 30;
    const PART: usize = 1 << 20;
    let folder = Folder::new();
    let path = folder.put("a.mp4", []);
    // Holes take no space on most file systems; elsewhere, check that there is enough.
    let disk = statvfs(&path).expect("a file system");
    if disk.f_bavail * disk.f_frsize < 2 * GIB {
        eprintln!("not tested: less than 2 GiB are free");
        return;
    }
    let mut file = File::options().write(true).open(&path).expect("the file");
    file.set_len(GIB).expect("a sparse file");
    let marks = [0, (4 << 20) - 4, 8 << 20, (64 << 20) - 1, (256 << 20) + 4095, 700 << 20, GIB - 8];
    for at in marks {
        file.seek(SeekFrom::Start(at)).expect("a place");
        file.write_all(&at.to_be_bytes().map(|byte| !byte)).expect("a mark");
    }
    let serving = serve_with(&[folder.path("")], FROM_THE_PAGE_CACHE.1);
    let mut client = serving.connect();
    client.send(whole());
    let response = client.read_head().expect("a head");
    assert_eq!(response.field("content-length"), Some("1073741824"));
    let marked: Vec<(u64, u8)> =
        marks.iter().flat_map(|&at| (at..).zip(at.to_be_bytes().map(|byte| !byte))).collect();
    for start in (0..GIB).step_by(PART) {
        let mut expected = vec![0; PART];
        for &(at, byte) in &marked {
            if (start..start + PART as u64).contains(&at) {
                expected[usize::try_from(at - start).expect("small")] = byte;
            }
        }
        let part = client.read_exactly(PART).expect("a part");
        assert_same(&part, &expected, &format!("from {start} on"));
    }
    let response = client.request("GET", "/media/a.mp4", &["Range: bytes=-8"]);
    assert_eq!(response.body, (GIB - 8).to_be_bytes().map(|byte| !byte));
    assert_eq!(serving.site().metrics.open_connections(), 1);
}

#[test]
fn viewers_that_disconnect_in_mid_body_leak_no_descriptor() {
    let folder = one_file();
    let program = Program::serve(&[folder.path("")], &[("HEADWATER_WRITE_QUIET_MS", "0")]);
    let connections = || program.metric("headwater_connections");
    // The cache keeps the file open, so the test opens it before it counts.
    let mut first = program.connect();
    first.send(whole());
    assert_same(&first.read("GET").expect("a response").body, &OLD, "before any viewer leaves");
    drop(first);
    until("the probing connection is alone", || connections() == Some(1));
    let before = program.descriptors();
    let mut most = 0;
    for round in 0..20 {
        let viewers: Vec<_> = (0..10)
            .map(|number| {
                let mut viewer = Client::narrow(program.address, NARROW);
                viewer.send(whole().repeat(1 + number % 3));
                viewer.read_head().expect("a head");
                viewer.read_exactly(number * 10_000).expect("a part");
                viewer
            })
            .collect();
        most = most.max(program.descriptors());
        for viewer in viewers {
            if round % 2 == 0 {
                viewer.socket().shutdown(Shutdown::Write).expect("finished");
            } else {
                let reset = SockRef::from(viewer.socket()).set_linger(Some(Duration::ZERO));
                reset.expect("a socket");
            }
        }
    }
    assert!(most > before, "descriptors of connected viewers were counted");
    until("only the probing connection is left", || connections() == Some(1));
    until("no descriptor is left", || program.descriptors() <= before);
    assert_eq!(program.metric("headwater_body_bytes_total{sent_by=\"copied\"}"), Some(0));
    assert_eq!(program.metric("headwater_panics_total"), Some(0));
}

#[test]
fn copies_that_wait_for_slow_clients_have_a_limit_and_are_right() {
    const CLIENTS: usize = 40;
    let folder = one_file();
    let settings = format!("{}\nresponse_memory_mib = 1", COPIED.1);
    let serving = serve_with(&[folder.path("")], &settings);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = Client::narrow(serving.address, NARROW);
            client.send(head("GET", "/media/a.mp4", &[&format!("Range: bytes={number}-")]));
            client.read_head().expect("a head");
            client
        })
        .collect();
    let held = || serving.site().response_memory.used_bytes();
    // Each holds less than 64 KiB, and all of them together would hold more than that.
    until("the copies have their share", || held() > 200 << 10);
    for read in 0..10 {
        for (number, client) in clients.iter_mut().enumerate() {
            let part = client.read_exactly(100_000).expect("a part");
            let from = number + read * 100_000;
            assert_same(&part, &OLD[from..from + 100_000], "a slow client");
            assert!(held() <= 256 << 10, "{}", held());
        }
    }
    // Others have the rest.
    assert_eq!(serving.get("/api/openapi.json", &[]).status, 200);
    drop(clients);
    until("nothing is held", || held() == 0);
}

/// Takes a file out of the page cache, as far as the kernel allows.
fn evict_from_page_cache(path: &Path) {
    let file = File::open(path).expect("the file");
    file.sync_all().expect("on the disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("advice is taken");
}

#[test]
fn cold_files_arrive_like_cached_ones() {
    in_each_way(|how| {
        let folder = one_file();
        let path = folder.path("a.mp4");
        let serving = serve_with(&[folder.path("")], how);
        let mut client = serving.connect();
        // Each in blocks that no request has read; then the same ones, which are read in another
        // way; then a range that is cached in part.
        let ranges = [
            5_000_000..5_000_001,
            5_000_000..5_000_001,
            7_000_000..7_065_536,
            7_000_000..7_065_536,
            10_000_000..11_500_000,
            9_000_000..13_000_000,
            LENGTH - 1..LENGTH,
            LENGTH - 1..LENGTH,
            LENGTH - 70_000..LENGTH,
            0..LENGTH,
            0..LENGTH,
        ];
        for range in ranges {
            evict_from_page_cache(&path);
            let field = format!("Range: bytes={}-{}", range.start, range.end - 1);
            let response = client.request("GET", "/media/a.mp4", &[&field]);
            assert_same(&response.body, &OLD[range], &field);
        }
        evict_from_page_cache(&path);
        let parts = scattered(&mut Dice(5), 0..LENGTH, 5000);
        client.send(ask_for(&parts));
        read_and_assert_parts(&mut client, &parts);
    });
}

#[test]
fn many_concurrent_requests_for_a_cold_file_all_get_it() {
    in_each_way(|how| {
        let folder = one_file();
        evict_from_page_cache(&folder.path("a.mp4"));
        let serving = serve_with(&[folder.path("")], how);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_same(&serving.get("/media/a.mp4", &[]).body, &OLD, "cold"));
            }
        });
    });
}

#[test]
fn sends_from_the_page_cache_copy_nothing_and_copies_are_counted() {
    let folder = one_file();
    for (way, settings) in [FROM_THE_PAGE_CACHE, COPIED] {
        let serving = serve_with(&[folder.path("")], settings);
        let mut client = serving.connect();
        let mut requested = 0;
        for range in [0..1, 0..16_384, 4_000_000..9_000_000, LENGTH - 70_000..LENGTH, 0..LENGTH] {
            let field = format!("Range: bytes={}-{}", range.start, range.end - 1);
            let response = client.request("GET", "/media/a.mp4", &[&field]);
            assert_same(&response.body, &OLD[range], &field);
            requested += response.body.len();
        }
        for parts in [scattered(&mut Dice(7), 0..LENGTH, 5000), vec![0..9, 100_000..4_500_000]] {
            client.send(ask_for(&parts));
            read_and_assert_parts(&mut client, &parts);
            requested += parts.iter().map(Range::len).sum::<usize>();
        }
        // Not media, and in memory anyway.
        assert_eq!(client.request("GET", "/", &[]).status, 200);
        let expected = if settings == COPIED.1 { requested } else { 0 };
        let copied = serving.metric("headwater_body_bytes_total{sent_by=\"copied\"}");
        assert_eq!(copied, expected as u64, "{way}");
        assert!(serving.metric("headwater_body_bytes_total") >= requested as u64, "{way}");
    }
}

/// A client that has begun to read the file, and got far less than a window of it.
fn begin(serving: &Serving) -> (Client, Response) {
    let mut client = Client::narrow(serving.address, NARROW);
    client.send(whole());
    let head = client.read_head().expect("a head");
    assert_eq!((head.status, head.field("content-length")), (200, Some(&*LENGTH.to_string())));
    let begun = client.read_exactly(100_000).expect("a part");
    assert_same(&begun, &OLD[..100_000], "the beginning");
    (client, head)
}

/// The bytes of the file from this offset on, and whether they are complete.
fn rest(client: &mut Client, from: usize) -> (Vec<u8>, bool) {
    let mut rest = Vec::new();
    while rest.len() < LENGTH - from {
        // The bytes before the cut are not compared.
        match client.read_exactly(4096.min(LENGTH - from - rest.len())) {
            Ok(part) => rest.extend(part),
            Err(_) => return (rest, false),
        }
    }
    (rest, true)
}

fn cuts(serving: &Serving, reason: &str) -> u64 {
    serving.metric(&format!("headwater_body_cuts_total{{reason=\"{reason}\"}}"))
}

fn open_for_writing(path: &Path) -> File {
    File::options().write(true).open(path).expect("the file")
}

#[test]
fn a_file_truncated_in_mid_response_ends_short_and_is_never_padded() {
    in_each_way(|how| {
        for left in [LENGTH / 2, 200_001, 0] {
            let folder = one_file();
            let serving = serve_with(&[folder.path("")], how);
            let (mut client, _) = begin(&serving);
            open_for_writing(&folder.path("a.mp4")).set_len(left as u64).expect("truncated");
            let (rest, is_all) = rest(&mut client, 100_000);
            assert!(!is_all, "{left}");
            // Bytes sent before the change may still arrive.
            let sent = 100_000..100_000 + rest.len();
            if left > 100_000 + rest.len() || how == COPIED.1 {
                assert_same(&rest, &OLD[sent], "until it was truncated");
            }
            // A file that is sent by reference is cut before the writer truncates it.
            until("the cut is counted", || {
                cuts(&serving, "truncated") + cuts(&serving, "changed") == 1
            });
            assert!(how != COPIED.1 || cuts(&serving, "truncated") == 1, "{left}");
        }
    });
}

#[test]
fn a_file_replaced_in_mid_response_arrives_whole_and_the_new_one_afterwards() {
    in_each_way(|how| {
        let folder = one_file();
        let serving = serve_with(&[folder.path("")], how);
        let (mut client, head) = begin(&serving);
        let beside = folder.put("a.part", &*NEW);
        fs::rename(beside, folder.path("a.mp4")).expect("renamed");
        let arrived = client.read_exactly(LENGTH - 100_000).expect("the rest");
        assert_same(&arrived, &OLD[100_000..], "the version at the time of the request");
        until("the replacement is served", || {
            client.request("HEAD", "/media/a.mp4", &[]).field("etag") != head.field("etag")
        });
        assert_same(&client.request("GET", "/media/a.mp4", &[]).body, &NEW, "the successor");
    });
}

#[test]
fn a_file_overwritten_with_more_than_a_window_unsent_is_cut() {
    in_each_way(|how| {
        let folder = one_file();
        let serving = serve_with(&[folder.path("")], how);
        let (mut client, _) = begin(&serving);
        open_for_writing(&folder.path("a.mp4")).write_all(&NEW).expect("overwritten");
        let (rest, is_all) = rest(&mut client, 100_000);
        assert!(!is_all, "a complete response of two versions");
        if how == COPIED.1 {
            assert_same(
                &rest,
                &OLD[100_000..100_000 + rest.len()],
                "the copied bytes are of one version",
            );
        }
        until("the cut is counted", || cuts(&serving, "changed") == 1);
        assert_eq!(cuts(&serving, "truncated"), 0);
        until("the new version is served", || {
            serving.get("/media/a.mp4", &["Range: bytes=0-0"]).body == b"n"
        });
        assert_same(&serving.get("/media/a.mp4", &[]).body, &NEW, "the new version");
    });
}

#[test]
fn a_file_that_grows_in_mid_response_keeps_its_content_length() {
    in_each_way(|how| {
        let folder = one_file();
        let serving = serve_with(&[folder.path("")], how);
        let (mut slow, _) = begin(&serving);
        let mut fast = serving.connect();
        fast.send(whole());
        let head = fast.read_head().expect("a head");
        assert_eq!(head.field("content-length"), Some(&*LENGTH.to_string()));
        let mut file = File::options().append(true).open(folder.path("a.mp4")).expect("the file");
        let arrived = thread::scope(|scope| {
            scope.spawn(|| (0..1000).for_each(|_| file.write_all(b"more").expect("appended")));
            [(&mut fast, 0), (&mut slow, 100_000)].map(|(client, from)| {
                let (rest, is_all) = rest(client, from);
                let expected = &OLD[from..from + rest.len()];
                assert_same(&rest, expected, "the content before the growth");
                is_all
            })
        });
        for (client, is_all) in [&mut fast, &mut slow].into_iter().zip(arrived) {
            if is_all {
                assert_eq!(client.request("GET", "/healthz", &[]).status, 200, "framing holds");
            } else {
                assert!(matches!(client.read_head(), Err(Incomplete::Head)));
            }
        }
        let grown = LENGTH + 4000;
        until("the longer file is served", || {
            serving.request("HEAD", "/media/a.mp4", &[]).field("content-length")
                == Some(&*grown.to_string())
        });
        assert_same(
            &serving.get("/media/a.mp4", &[]).body[LENGTH..],
            &b"more".repeat(1000),
            "more",
        );
    });
}

#[test]
fn no_complete_response_of_a_file_overwritten_in_place_mixes_versions() {
    /// Many times what the sockets to a paused viewer hold, in bytes.
    const SHORT: usize = 2 << 20;
    let version = |number: u8| vec![number; SHORT + usize::from(number % 3) * 4096];
    let folder = Folder::new();
    let path = folder.put("a.mp4", version(0));
    let root = format!("dir = {:?}\noverwritten_in_place = true", folder.path(""));
    // In any other root the file would count as settled at once.
    let serving = serve_with(&[], &format!("{}\n[[root]]\n{root}", FROM_THE_PAGE_CACHE.1));
    let (mut complete, mut cut) = (0, 0);
    for number in 1..=20 {
        let new = version(number);
        thread::scope(|scope| {
            let mut viewers = [serving.connect(), Client::narrow(serving.address, NARROW)];
            for viewer in &mut viewers {
                viewer.send(whole());
            }
            let lengths = viewers.each_mut().map(|viewer| {
                let head = viewer.read_head().expect("a head");
                head.field("content-length").expect("a length").parse::<usize>().expect("a number")
            });
            let overwriting = scope.spawn(|| {
                let mut file = File::create(&path).expect("truncated");
                new.chunks(64 * 1024).for_each(|part| file.write_all(part).expect("written"));
            });
            for (mut viewer, length) in viewers.into_iter().zip(lengths) {
                match viewer.read_exactly(length) {
                    Ok(body) => {
                        let is_one = body.iter().all(|byte| *byte == body[0]);
                        assert!(is_one, "round {number}: a mix");
                        assert_eq!(body.len(), version(body[0]).len(), "round {number}");
                        complete += 1;
                    }
                    Err(_) => cut += 1,
                }
            }
            overwriting.join().expect("overwritten");
        });
        until("the new version is served", || {
            let mut client = serving.connect();
            client.send(whole());
            client.read("GET").is_ok_and(|response| {
                if response.body == new {
                    complete += 1;
                }
                response.body == new
            })
        });
    }
    assert!(cut > 0, "no viewer received a file during its overwrite");
    let copied = serving.metric("headwater_body_bytes_total{sent_by=\"copied\"}");
    assert!(copied >= 20 * SHORT as u64, "it is copied: {copied}, {complete} complete");
}
