//! Properties of any request: ranges make up the whole, responses conform, no path leaks.

use std::ops::Range;

use headwater::http::range::{RangeSet, Selection};
use http_range_header::parse_range_header;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, TestRunner},
};

use crate::support::{
    client::{Client, head},
    conformance::{assert_conforms, requests, values},
    folder::{Folder, pattern},
    http2,
    memory::{content_of, response_to},
    server::{serve, serve_with},
    sources::{ReadMode, TestSource},
};

const LENGTH: usize = 100_000;

/// Checks a property on random inputs. A failing input is printed, to become a test of its own.
fn check_property<S: Strategy>(cases: u32, inputs: S, property: impl Fn(S::Value)) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&inputs, |input| {
        property(input);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Consecutive ranges that make up the whole.
fn partitions(length: usize) -> impl Strategy<Value = Vec<Range<usize>>> {
    vec(1..length, 0..12).prop_map(move |mut cuts| {
        cuts.extend([0, length]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2).map(|ends| ends[0]..ends[1]).collect()
    })
}

fn field_of(range: &Range<usize>) -> String {
    format!("Range: bytes={}-{}", range.start, range.end - 1)
}

#[test]
fn any_partition_makes_up_the_file() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(LENGTH));
    let serving = serve(&folder);
    let whole = pattern(LENGTH);
    check_property(50, partitions(LENGTH), |parts| {
        let (mut http1, mut http2) =
            (Client::connect(serving.address), http2::Client::connect(serving.address));
        let mut together = [Vec::new(), Vec::new()];
        for part in &parts {
            let field = field_of(part);
            together[0].extend(http1.request("GET", "/media/a.mp4", &[&field]).body);
            together[1].extend(http2.request("GET", "/media/a.mp4", &[&field]).body);
        }
        assert!(together.iter().all(|bytes| *bytes == whole), "{parts:?}");
    });
}

#[test]
fn any_partition_makes_up_any_content() {
    let lengths_and_parts = (1_usize..3000).prop_flat_map(|length| {
        let mode = prop_oneof![
            Just(ReadMode::AtOnce),
            Just(ReadMode::Waiting),
            (1_u64..100).prop_map(ReadMode::Partial)
        ];
        (Just(length), mode, partitions(length.max(2)))
    });
    check_property(300, lengths_and_parts, |(length, mode, parts)| {
        let source = TestSource::new(length as u64, mode);
        let mut together = Vec::new();
        for part in &parts {
            let field = field_of(part);
            let response = response_to("GET", &[field.as_bytes()], content_of(source.clone()));
            if part.start < length {
                assert_eq!(response.status, 206);
                together.extend(response.body);
            }
        }
        assert_eq!(together, pattern(length));
    });
}

#[test]
fn any_header_fields_get_a_conforming_response_in_memory() {
    check_property(5000, (requests(), 0_u64..1500), |(lines, length)| {
        let fields: Vec<_> = lines.iter().map(Vec::as_slice).collect();
        for method in ["GET", "HEAD"] {
            let source = TestSource::new(length, ReadMode::AtOnce);
            let response = response_to(method, &fields, content_of(source));
            if method == "GET" {
                assert_conforms(&response, length);
            } else {
                assert!(matches!(response.status, 200 | 304 | 412), "{response:?}");
                assert!(response.body.is_empty());
            }
        }
    });
}

#[test]
fn any_header_fields_get_a_conforming_response_from_a_server() {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(1000));
    let serving = serve(&folder);
    check_property(300, requests(), |lines| {
        // A second request behind each, so that no byte of the first is left on the connection.
        let mut client = serving.connect();
        let (request, next) = (head("GET", "/media/a.mp4", &[]), head("GET", "/healthz", &[]));
        let mut bytes = request.trim_end().as_bytes().to_vec();
        for line in &lines {
            bytes.extend([b"\r\n", line.as_slice()].concat());
        }
        client.send([&bytes[..], b"\r\n\r\n", next.as_bytes()].concat());
        assert_conforms(&client.read("GET").expect("a response"), 1000);
        assert_eq!(client.read("GET").expect("a response").body, b"alive\n");
    });
}

#[test]
fn another_implementation_parses_ranges_alike() {
    check_property(5000, (values(), 1_u64..1500), |(value, length)| {
        let ours = RangeSet::parse(&value).map(|set| set.resolve(length));
        let text = std::str::from_utf8(&value).unwrap_or("not text");
        let theirs = parse_range_header(text).and_then(|set| set.validate(length));
        // It refuses overlaps and has other limits; else both must agree.
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            let theirs: Vec<_> = theirs.iter().map(|part| *part.start()..part.end() + 1).collect();
            match ours {
                Selection::One(part) => assert_eq!([part], *theirs, "{text:?}"),
                Selection::Several(parts) => assert_eq!(parts, theirs, "{text:?}"),
                Selection::Whole => {
                    let sum: u64 = theirs.iter().map(|part| part.end - part.start).sum();
                    assert!(sum > length, "{text:?}");
                }
                Selection::Unsatisfiable => panic!("{text:?} of {length}: {theirs:?}"),
            }
        }
    });
}

#[test]
fn no_path_yields_bytes_from_outside_the_root() {
    const SECRET: &[u8] = b"this file is outside every root";
    let folder = Folder::new();
    folder.put("secret.mp4", SECRET);
    folder.put("root/.secret.mp4", SECRET);
    folder.put("root/folder/a.mp4", "inside");
    std::os::unix::fs::symlink("../secret.mp4", folder.path("root/link.mp4")).unwrap();
    std::os::unix::fs::symlink("..", folder.path("root/up")).unwrap();
    let serving = serve_with(&[folder.path("root")], "serve_other_files = true");
    let outside = folder.path("secret.mp4").to_str().unwrap().to_owned();
    let known = vec![
        "..",
        ".",
        "/",
        "/",
        "%2f",
        "%2F",
        "%2e",
        "%2E%2e",
        "%252e",
        "%00",
        "\\",
        "%5c",
        ";",
        "?",
        "secret.mp4",
        "link.mp4",
        "up",
        "folder",
        "a.mp4",
        "root",
        "%c0%ae",
        "%",
        "~",
        "#",
        "*",
    ];
    let part = prop_oneof![
        12 => select(known).prop_map(str::to_owned),
        1 => Just(outside),
        1 => "[!-~]{0,6}",
    ];
    let paths = (vec(part, 0..8), any::<Index>()).prop_map(|(parts, prefix)| {
        let prefixes = ["/media/", "/media/", "/api/titles/", "/assets/", "/watch/", "/"];
        prefixes[prefix.index(prefixes.len())].to_owned() + &parts.concat()
    });
    check_property(2000, paths, |target| {
        let response = serving.get(&target, &[]);
        let shown = format!("{target}: {response:?}");
        assert!(matches!(response.status, 200 | 400 | 404), "{shown}");
        let leaks = response.body.windows(SECRET.len()).any(|bytes| bytes == SECRET);
        assert!(!leaks, "{shown}");
    });
}
