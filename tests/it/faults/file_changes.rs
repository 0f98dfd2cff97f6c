//! Files that are replaced, overwritten, truncated or deleted in mid-response.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::{LazyLock, mpsc},
    thread,
};

use crate::support::{
    client::{Client, Incomplete, Response, head},
    folder::{Folder, pattern},
    server::{Serving, serve, serve_with},
    wait::until,
};

/// The number of changes in each test.
const ROUNDS: u64 = 200;

/// Many times what the sockets between the server and a paused viewer hold (the unsent limit of the
/// wire and [`NARROW`]), in bytes.
const LENGTH: usize = 2 << 20;

/// The receive buffer of viewers to which the server cannot send far ahead, in bytes.
const NARROW: usize = 64 * 1024;

/// The pace of a viewer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    /// At full speed.
    AtOnce,
    /// A little at a time.
    Slow,
    /// The start, and the rest after the change.
    Pausing,
}

const PACES: [Pace; 3] = [Pace::AtOnce, Pace::Slow, Pace::Pausing];

/// The response of a viewer: the head, and the whole body unless it was cut.
struct Viewed {
    pace: Pace,
    head: Response,
    body: Result<Vec<u8>, Incomplete>,
}

/// The content of a version of the file: every 8 bytes hold the version and their own offset.
/// Lengths differ between versions.
fn content(version: u64) -> Vec<u8> {
    static OFFSETS: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(LENGTH + 2 * 4096));
    let length = LENGTH + usize::try_from(version % 3).expect("small") * 4096;
    let mut bytes = OFFSETS[..length].to_vec();
    // A plain loop: iterators cost ten times as much without optimization.
    let [.., high, low] = version.to_be_bytes();
    let mut at = 0;
    while at < length {
        bytes[at] = high;
        bytes[at + 1] = low;
        at += 8;
    }
    bytes
}

/// Reads `/media/a.mp4` at this pace. Reports when it has begun, and pauses in the middle if its
/// pace says so.
fn view(
    serving: &Serving,
    pace: Pace,
    begun: &mpsc::Sender<()>,
    go_on: &mpsc::Receiver<()>,
) -> Viewed {
    let mut client = match pace {
        Pace::AtOnce => serving.connect(),
        Pace::Slow | Pace::Pausing => Client::narrow(serving.address, NARROW),
    };
    client.send(head("GET", "/media/a.mp4", &[]));
    let head = client.read_head().expect("a head");
    let length: usize = head.field("content-length").expect("a length").parse().expect("a number");
    let mut body = client.read_exactly(length.min(10_000));
    begun.send(()).expect("the test waits for this");
    if pace == Pace::Pausing {
        go_on.recv().expect("the file is changed some time");
    }
    while let Ok(read) = &mut body
        && read.len() < length
    {
        let bite = match pace {
            Pace::Slow => 10_000,
            Pace::AtOnce | Pace::Pausing => length,
        };
        match client.read_exactly(bite.min(length - read.len())) {
            Ok(bite) => read.extend(bite),
            Err(broken) => body = Err(broken),
        }
    }
    Viewed { pace, head, body }
}

/// Changes the file while the server sends it to one viewer of each pace.
fn change_while_viewed(serving: &Serving, change: impl FnOnce()) -> Vec<Viewed> {
    thread::scope(|scope| {
        let (begin, begun) = mpsc::channel();
        let viewers = PACES.map(|pace| {
            let begin = begin.clone();
            let (changed, go_on) = mpsc::channel();
            (scope.spawn(move || view(serving, pace, &begin, &go_on)), changed)
        });
        for _ in PACES {
            begun.recv().expect("a viewer has begun");
        }
        change();
        let views = viewers.map(|(viewer, changed)| {
            // Viewers that do not pause never receive this.
            let _ = changed.send(());
            viewer.join().expect("a viewer does not panic")
        });
        views.into()
    })
}

/// The version of a whole body; panics if it is none of these.
fn version_of(body: &[u8], versions: &[(u64, Vec<u8>)], pace: Pace) -> u64 {
    let found = versions.iter().find(|(_, content)| content == body);
    let mixed = || panic!("{pace:?}: {} bytes of no single version", body.len());
    found.map_or_else(mixed, |(version, _)| *version)
}

fn etag(response: &Response) -> &str {
    response.field("etag").expect("a tag")
}

/// Replaces the content of a file by a rename, as careful programs do.
fn replace_by_rename(path: &Path, content: &[u8]) {
    let beside = path.with_extension("part");
    fs::write(&beside, content).expect("a file beside");
    fs::rename(&beside, path).expect("renamed");
}

/// Overwrites a file in place, as `cp` does.
fn overwrite(path: &Path, content: &[u8]) {
    let mut file = File::create(path).expect("truncated");
    for part in content.chunks(128 * 1024) {
        file.write_all(part).expect("written");
    }
}

/// The number of responses that the server counts as cut for this reason.
fn cuts(serving: &Serving, reason: &str) -> u64 {
    serving.metric(&format!("headwater_body_cuts_total{{reason=\"{reason}\"}}"))
}

#[test]
fn after_a_rename_every_response_is_one_version_and_its_tag_names_it() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", content(0));
    let serving = serve(&folder);
    let mut known = vec![(0, content(0))];
    let mut tags: HashMap<String, u64> = HashMap::new();
    for version in 1..=ROUNDS {
        known.push((version, content(version)));
        let views = change_while_viewed(&serving, || {
            replace_by_rename(&path, &known.last().expect("just put there").1);
        });
        for Viewed { pace, head, body } in views {
            assert_eq!(head.status, 200);
            let body = body.unwrap_or_else(|broken| panic!("{pace:?}: cut at {broken:?}"));
            let seen = version_of(&body, &known, pace);
            assert_eq!(
                tags.entry(etag(&head).into()).or_insert(seen),
                &seen,
                "one tag, two versions"
            );
            assert_eq!(seen, version - 1, "{pace:?}: the version at the time of the request");
        }
        // A round begins once the server knows the last replacement, so two versions are enough.
        let last = tags.iter().find(|(_, seen)| **seen == version - 1).map(|(tag, _)| tag.clone());
        until("the replacement is served", || {
            Some(etag(&serving.request("HEAD", "/media/a.mp4", &[]))) != last.as_deref()
        });
        known.remove(0);
    }
    assert_eq!(tags.len() as u64, ROUNDS, "each version has a tag of its own");
}

#[test]
fn a_file_overwritten_in_place_never_yields_mixed_versions_and_the_cut_is_counted() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", content(0));
    let serving = serve(&folder);
    let mut old = (0, content(0));
    let mut cut = 0;
    for version in 1..=ROUNDS {
        let new = (version, content(version));
        let views = change_while_viewed(&serving, || overwrite(&path, &new.1));
        let versions = [old, new];
        for viewed in views {
            match viewed.body {
                Ok(body) => {
                    assert_ne!(viewed.pace, Pace::Pausing, "cannot have got all of it");
                    version_of(&body, &versions, viewed.pace);
                }
                Err(_) => cut += 1,
            }
        }
        let [_, new] = versions;
        old = new;
    }
    let counted = || (cuts(&serving, "changed"), cuts(&serving, "truncated"));
    until("the last cut is counted", || counted().0 + counted().1 >= cut);
    let (changed, truncated) = counted();
    assert_eq!(changed + truncated, cut, "every cut is counted once");
    assert!(changed > 0 && truncated > 0, "new content was longer, and shorter");
}

#[test]
fn a_truncated_file_ends_the_connection_short_and_the_cut_is_counted() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", content(0));
    let serving = serve(&folder);
    let mut cut = 0;
    for version in 1..=ROUNDS {
        let old = [(version, content(version))];
        replace_by_rename(&path, &old[0].1);
        let length = old[0].1.len().to_string();
        until("the whole file is served", || {
            serving.request("HEAD", "/media/a.mp4", &[]).field("content-length") == Some(&length)
        });
        let shorter = if version % 2 == 0 { 0 } else { LENGTH as u64 / 2 };
        let views = change_while_viewed(&serving, || {
            let file = File::options().write(true).open(&path).expect("the file");
            file.set_len(shorter).expect("truncated");
        });
        for viewed in views {
            match viewed.body {
                Ok(body) => {
                    assert_ne!(viewed.pace, Pace::Pausing, "cannot have got all of it");
                    version_of(&body, &old, viewed.pace);
                }
                Err(_) => cut += 1,
            }
        }
    }
    assert_eq!(cuts(&serving, "truncated"), cut);
    assert_eq!(cuts(&serving, "changed"), 0);
}

#[test]
fn ranges_with_if_range_make_up_one_version_across_a_replacement() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", content(0));
    let serving = serve(&folder);
    let (mut old, mut begun_anew) = (content(0), 0);
    for version in 1..=ROUNDS / 4 {
        let new = content(version);
        let mut client = serving.connect();
        let part = LENGTH / usize::try_from(3 + version % 5).expect("small") + 1;
        let first = format!("Range: bytes=0-{}", part - 1);
        let response = client.request("GET", "/media/a.mp4", &[&first]);
        let tag = etag(&response).to_owned();
        let mut body = response.body;
        replace_by_rename(&path, &new);
        let served = || etag(&serving.request("HEAD", "/media/a.mp4", &[])) != tag;
        if version % 2 == 0 {
            // In other rounds it becomes known between any two parts, or after the last.
            until("the replacement is served", served);
        }
        let mut length = old.len();
        while body.len() < length {
            let range = format!("Range: bytes={}-{}", body.len(), body.len() + part - 1);
            let response =
                client.request("GET", "/media/a.mp4", &[&range, &format!("If-Range: {tag}")]);
            if response.status == 206 {
                assert_eq!(etag(&response), tag, "another version's part under If-Range");
                body.extend(response.body);
            } else {
                assert_eq!(response.status, 200);
                assert_ne!(etag(&response), tag);
                (length, body) = (response.body.len(), response.body);
                begun_anew += 1;
            }
        }
        let versions = [(version - 1, old), (version, new)];
        version_of(&body, &versions, Pace::Slow);
        let [_, (_, new)] = versions;
        until("the replacement is served", || {
            etag(&serving.request("HEAD", "/media/a.mp4", &[])) != tag
        });
        old = new;
    }
    assert!(begun_anew > 0, "no replacement was ever noticed between two parts");
}

#[test]
fn a_deleted_file_is_sent_to_its_end_and_is_404_until_replaced() {
    let folder = Folder::new();
    let path = folder.put("a.mp4", content(0));
    let serving = serve(&folder);
    for version in 1..10 {
        let old = [(version - 1, content(version - 1))];
        for viewed in change_while_viewed(&serving, || fs::remove_file(&path).expect("deleted")) {
            let body = viewed.body.expect("an open file stays whole");
            version_of(&body, &old, viewed.pace);
        }
        until("the file is 404", || serving.get("/media/a.mp4", &[]).status == 404);
        folder.put("a.mp4", content(version));
        until("there is another", || serving.request("HEAD", "/media/a.mp4", &[]).status == 200);
    }
}

#[test]
fn a_file_replaced_between_two_requests_is_served_by_the_second() {
    let folder = Folder::new();
    let path = folder.put("folder/a.mp4", pattern(1));
    // Without an event, and without a look at the link count, the old file would be served for an hour.
    let serving = serve_with(&[folder.path("")], "revalidate_ms = 3600000");
    serving.until_watching(&folder);
    let mut client = serving.connect();
    for length in 2..=ROUNDS {
        let content = pattern(usize::try_from(length).expect("small"));
        replace_by_rename(&path, &content);
        let response = client.request("GET", "/media/folder/a.mp4", &[]);
        assert!(response.status == 200 && response.body == content, "{response:?}");
    }
    // The directory above: only an event shows it.
    folder.put("next/a.mp4", pattern(1000));
    fs::rename(folder.path("folder"), folder.path("before")).expect("renamed");
    fs::rename(folder.path("next"), folder.path("folder")).expect("renamed");
    until("the other folder is served", || {
        serving.get("/media/folder/a.mp4", &[]).body == pattern(1000)
    });
}
