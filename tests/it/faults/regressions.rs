//! Faults fixed earlier.

use std::{
    fs::{self, File, FileTimes, Permissions},
    io::Write as _,
    net::TcpStream,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use headwater::library::MediaPath;
use serde_json::Value;

use crate::support::{
    client::{Client, Incomplete, Response, head},
    folder::{Folder, pattern},
    program::{Program, command},
    server::{Serving, serve, serve_with},
    wait::{block_on, until},
};

/// Many times what the sockets between the server and a paused viewer hold, in bytes.
const LENGTH: usize = 2 << 20;

/// The receive buffer of viewers to which the server cannot send far ahead, in bytes.
const NARROW: usize = 64 * 1024;

fn one_file(length: usize, configuration: &str) -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(length));
    let serving = serve_with(&[folder.path("")], configuration);
    (folder, serving)
}

/// Begins to view `/media/a.mp4` and pauses; then makes a change, and views the rest.
fn change_while_viewed(serving: &Serving, change: impl FnOnce()) -> Result<Vec<u8>, Incomplete> {
    let mut client = Client::narrow(serving.address, NARROW);
    client.send(head("GET", "/media/a.mp4", &[]));
    assert_eq!(client.read_head().expect("a head").status, 200);
    let mut body = client.read_exactly(10_000)?;
    change();
    body.extend(client.read_exactly(LENGTH - body.len())?);
    Ok(body)
}

/// Waits until the file system's clock, which ticks, has moved on since this file changed: a second
/// change in the same tick leaves no trace.
fn until_time_has_passed(folder: &Folder, path: &Path) {
    let changed = |path: &Path| {
        let status = fs::metadata(path).expect("a file");
        (status.ctime(), status.ctime_nsec())
    };
    until("time has passed", || changed(&folder.put("probe", "")) > changed(path));
}

fn open_connections(serving: &Serving) -> i64 {
    serving.site().metrics.open_connections()
}

fn titles(serving: &Serving) -> Vec<Value> {
    let response = serving.get("/api/titles", &[]);
    assert_eq!(response.status, 200);
    let page: Value = serde_json::from_slice(&response.body).expect("JSON");
    page["titles"].as_array().expect("a list").clone()
}

#[test]
fn a_file_whose_links_or_mode_change_in_mid_response_arrives_whole() {
    let (folder, serving) = one_file(LENGTH, "");
    let (path, beside) = (folder.path("a.mp4"), folder.path("beside.mp4"));
    let whole = pattern(LENGTH);
    let arrives_whole = |what: &str, change: &dyn Fn()| {
        until("it is served", || serving.request("HEAD", "/media/a.mp4", &[]).status == 200);
        until_time_has_passed(&folder, &path);
        let body = change_while_viewed(&serving, change);
        assert!(body.as_deref() == Ok(&whole), "{what}: {:?}", body.map(|body| body.len()));
    };
    arrives_whole("a second link", &|| fs::hard_link(&path, &beside).expect("a link"));
    arrives_whole("another mode", &|| {
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
    });
    arrives_whole("one link less", &|| fs::remove_file(&beside).expect("removed"));
    arrives_whole("renamed over", &|| {
        fs::write(&beside, &whole).expect("a file beside");
        fs::rename(&beside, &path).expect("renamed");
    });
    arrives_whole("removed", &|| fs::remove_file(&path).expect("removed"));
}

#[test]
fn a_file_overwritten_in_place_with_its_time_restored_never_yields_mixed_versions() {
    let (folder, serving) = one_file(LENGTH, "");
    let path = folder.path("a.mp4");
    let modified = fs::metadata(&path).and_then(|status| status.modified()).expect("a time");
    for version in 1..=20 {
        until_time_has_passed(&folder, &path);
        let body = change_while_viewed(&serving, || {
            let file = File::options().write(true).open(&path).expect("the file");
            file.write_all_at(&vec![version; LENGTH], 0).expect("overwritten");
            file.set_times(FileTimes::new().set_modified(modified)).expect("put back");
        });
        assert!(body.is_err(), "cannot be of one version");
        assert!(serving.get("/media/a.mp4", &[]).body == vec![version; LENGTH], "the new one is");
    }
}

#[test]
fn files_with_odd_times_are_listed_and_served() {
    const YEAR_10000_S: u64 = 253_402_300_800;
    let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let times = [
        after(YEAR_10000_S),
        after(100 * YEAR_10000_S),
        after(i64::MAX as u64),
        UNIX_EPOCH - Duration::from_millis(1500),
        UNIX_EPOCH - Duration::from_secs(YEAR_10000_S),
    ];
    // File systems in memory hold every time; most disks cut it to their range.
    let folders = [Folder::below("/dev/shm"), Ok(Folder::new())];
    for folder in folders.into_iter().flatten() {
        let held: Vec<SystemTime> = times
            .iter()
            .enumerate()
            .filter_map(|(number, &time)| {
                let path = folder.put(format!("{number}.mp4"), pattern(10));
                // A time out of range is refused or changed; either will do.
                File::options().write(true).open(&path).ok()?.set_modified(time).ok()?;
                fs::metadata(&path).and_then(|status| status.modified()).ok()
            })
            .collect();
        let serving = serve(&folder);
        until(&format!("all are listed: {held:?}"), || titles(&serving).len() == times.len());
        for title in titles(&serving) {
            let modified = title["modified"].as_str().expect("a time");
            assert_eq!(modified.find('-'), Some(4), "a year has four digits: {modified}");
            let href = title["href"].as_str().expect("a target");
            assert_eq!(serving.get(href, &[]).body, pattern(10), "{modified}");
            let one = href.replace("/media/", "/api/titles/");
            assert_eq!(serving.get(&one, &[]).status, 200, "{modified}");
        }
    }
}

#[test]
fn a_few_empty_lines_before_a_request_are_ignored_and_endless_ones_are_400() {
    let (_folder, serving) = one_file(1000, "");
    let mut client = serving.connect();
    for blank in ["\r\n", "\n", "\r\n\r\n\r\n\r\n"] {
        client.send(blank.to_owned() + &head("GET", "/media/a.mp4", &[]));
        assert_eq!(client.read("GET").expect("a response").body, pattern(1000), "{blank:?}");
    }
    for blank in ["\r\n", "\n"] {
        let mut client = serving.connect();
        // As long as it goes: the server may have closed before all is written.
        let _ = client.socket().write_all(blank.repeat(50_000).as_bytes());
        let response = client.read("GET").expect("a response");
        assert_eq!(response.status, 400);
        assert_eq!(response.field("connection"), Some("close"));
    }
}

#[test]
fn no_request_behind_a_chunked_one_gets_a_response() {
    let (_folder, serving) = one_file(1000, "");
    for chunks in ["0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", ""] {
        let mut client = serving.connect();
        let chunked = head("POST", "/media/a.mp4", &["Transfer-Encoding: chunked"]);
        client.send(chunked + chunks + &head("GET", "/media/a.mp4", &[]));
        let response = client.read("POST").expect("a response");
        assert_eq!(response.status, 411, "{chunks:?}");
        assert_eq!(response.field("connection"), Some("close"));
        assert_eq!(client.read("GET").expect_err("nothing more"), Incomplete::Head);
    }
}

#[test]
fn an_upgrade_request_gets_an_http_1_response_with_close() {
    let (_folder, serving) = one_file(1000, "");
    let upgrade =
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    let mut client = serving.connect();
    let response = client.request("GET", "/media/a.mp4", &upgrade);
    assert_eq!((response.status, response.body), (200, pattern(1000)));
    let connection = response.fields.iter().filter(|field| field.0 == "connection");
    assert_eq!(connection.map(|field| field.1.as_str()).collect::<Vec<_>>(), ["close"]);
    assert!(client.is_closed());
}

#[test]
fn the_connection_limit_of_an_address_counts_silent_connections() {
    let (_folder, serving) = one_file(1000, "connections_per_address = 2");
    let silent = TcpStream::connect(serving.address).expect("a connection");
    let mut client = serving.connect();
    assert_eq!(client.request("GET", "/media/a.mp4", &[]).status, 200);
    until("both are counted", || open_connections(&serving) == 2);
    for _ in 0..10 {
        let response = serving.connect().read("GET").expect("a response without a request");
        assert_eq!(response.status, 503);
        assert_eq!(response.field("connection"), Some("close"));
        assert!(response.field("retry-after").is_some());
    }
    assert_eq!(open_connections(&serving), 2, "those refused hold no place");
    assert_eq!(client.request("GET", "/media/a.mp4", &[]).status, 200, "those within go on");
    drop(silent);
    until("it is forgotten", || open_connections(&serving) == 1);
    assert_eq!(serving.get("/media/a.mp4", &[]).status, 200);
}

#[test]
fn folders_behind_a_link_out_of_the_library_are_not_watched() {
    let (library, outside) = (Folder::new(), Folder::new());
    library.put("films/a.mp4", pattern(10));
    for number in 0..50 {
        outside.put(format!("{number}/b.mp4"), pattern(10));
    }
    symlink(outside.path(""), library.path("link")).expect("a link");
    let program = Program::serve(&[library.path("")], &[("HEADWATER_INDEX_TITLES", "false")]);
    until("it watches", || program.logged().contains("watching"));
    assert_eq!(program.watches(), 2, "the root, and a folder in it");
}

#[test]
fn a_root_that_became_another_directory_is_watched_in_its_place() {
    let folder = Folder::new();
    folder.put("root/old.mp4", pattern(10));
    let serving = serve_with(&[folder.path("root")], "");
    let catalog = &serving.site().titles.library.catalog;
    let is_listed = |name: &str| {
        let path = MediaPath::from_path(Path::new(name)).expect("a path");
        catalog.get(&path).is_some()
    };
    until("it is listed", || is_listed("old.mp4"));
    fs::rename(folder.path("root"), folder.path("before")).expect("renamed");
    folder.put("root/new.mp4", pattern(20));
    block_on(serving.site().titles.library.scan_root(0));
    assert!(is_listed("new.mp4") && !is_listed("old.mp4"));
    assert_eq!(serving.get("/media/new.mp4", &[]).body, pattern(20));
    // Found by a watch, or by the scan that follows once the watch is set; then by a watch alone.
    for name in ["first.mp4", "second.mp4"] {
        folder.put(Path::new("root").join(name), pattern(30));
        until("it is listed", || is_listed(name));
    }
}

#[test]
fn a_412_is_not_cached() {
    let (folder, serving) = one_file(1000, "cdn_cache_control = 'max-age=60'");
    folder.put("a.vtt", "WEBVTT\n");
    for target in ["/media/a.mp4", "/media/a.vtt"] {
        let whole = serving.get(target, &[]);
        assert!(whole.field("cache-control").is_some_and(|value| value.contains("max-age")));
        let failed = serving.get(target, &["If-Match: \"other\""]);
        assert_eq!(failed.status, 412, "{target}");
        assert_eq!(failed.field("cache-control"), Some("no-store"), "{target}");
        assert_eq!(failed.field("cdn-cache-control"), None, "{target}");
    }
}

#[test]
fn a_server_without_its_root_is_not_ready_until_the_root_returns() {
    let folder = Folder::new();
    folder.put("root/a.mp4", pattern(10));
    let serving = serve_with(&[folder.path("root")], "");
    let ready = || -> Response { serving.get("/readyz", &[]) };
    assert_eq!(ready().status, 200);
    fs::rename(folder.path("root"), folder.path("away")).expect("renamed");
    assert_eq!(ready().status, 503);
    assert_eq!(serving.get("/healthz", &[]).status, 200, "but alive");
    fs::rename(folder.path("away"), folder.path("root")).expect("renamed");
    assert_eq!(ready().status, 200);
}

#[test]
fn a_misspelt_key_of_the_configuration_is_reported() {
    let folder = Folder::new();
    let check = |arguments: &[&str], variables: &[(&str, &str)]| {
        let (mut command, _home) = command(&["check"]);
        let command = command.arg(folder.path("")).args(arguments);
        let output = command.envs(variables.iter().copied()).output().expect("the program runs");
        (output.status.success(), String::from_utf8(output.stderr).expect("text"))
    };
    let variables = [("HEADWATER_LISTENN", "127.0.0.1:0"), ("HEADWATER_LOG", "warn")];
    let (succeeded, stderr) = check(&[], &variables);
    assert!(succeeded, "{stderr}");
    assert!(stderr.contains("HEADWATER_LISTENN") && !stderr.contains("HEADWATER_LOG"), "{stderr}");
    for (flag, value) in [("--log", "nonsense=="), ("--cdn-cache-control", "a\nb")] {
        let (succeeded, stderr) = check(&[flag, value], &[]);
        assert!(!succeeded && stderr.contains(flag), "{stderr}");
    }
}
