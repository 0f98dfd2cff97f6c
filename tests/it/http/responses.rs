//! Runs the table of [`cases`](crate::http::cases), over sockets and in memory.

use std::{collections::BTreeMap, fs, fs::File, os::unix::fs::FileExt as _};

use bytes::Bytes;
use headwater::extent::{Content, Extent, Extents};

use crate::{
    http::cases::{
        Case, EMPTY, Expected, HUGE, LARGE, MODIFIED, MODIFIED_S, MOVIE, ONE, TestFile, cases,
    },
    support::{
        client::{Client, Response},
        folder::Folder,
        http2,
        memory::{ask, at, content, response_to},
        server::serve,
        sources::{ReadMode, TestSource, pattern_at},
    },
};

/// The fields of a response that do not depend on the request, by name; `None` is any value.
type Always = &'static [(&'static str, Option<&'static str>)];

/// The fields that the middleware and CORS add on the media routes.
const BY_SOCKET: Always = &[
    ("access-control-allow-origin", Some("*")),
    (
        "access-control-expose-headers",
        Some("Content-Length, Content-Range, Accept-Ranges, ETag, Date, Server-Timing"),
    ),
    ("cross-origin-resource-policy", Some("cross-origin")),
    ("date", None),
    ("timing-allow-origin", Some("*")),
    ("x-content-type-options", Some("nosniff")),
    ("x-request-id", None),
];

/// The longest body that the tests compare byte by byte.
const COMPARED_BYTES_MAX: u64 = 1 << 20;

/// Every field of the expected response with its exact value, and no other; and its body.
fn expected_response(case: &Case) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let TestFile { length, tag, .. } = *case.test_file;
    let named = |first: u64, last: u64| format!("bytes {first}-{last}/{length}");
    let boundary = format!("headwater-{tag}");
    let mut fields = vec![
        ("cache-control", "public, max-age=60".into()),
        ("etag", format!("\"{tag}\"")),
        ("last-modified", MODIFIED.into()),
    ];
    let with_body = |media_type: &str, length: u64| {
        vec![
            ("accept-ranges", "bytes".to_owned()),
            ("content-length", length.to_string()),
            ("content-type", media_type.to_owned()),
        ]
    };
    let mut body = Vec::new();
    let status = match case.expected {
        Expected::Whole => {
            fields.extend(with_body("video/mp4", length));
            if length <= COMPARED_BYTES_MAX {
                body = pattern_at(0..length);
            }
            200
        }
        Expected::Part(first, last) => {
            body = pattern_at(first..last + 1);
            fields.extend(with_body("video/mp4", body.len() as u64));
            fields.push(("content-range", named(first, last)));
            206
        }
        Expected::Parts(parts) => {
            for (index, &(first, last)) in parts.iter().enumerate() {
                let lead = if index == 0 { "" } else { "\r\n" };
                let range = named(first, last);
                let head = format!(
                    "{lead}--{boundary}\r\ncontent-type: video/mp4\r\ncontent-range: {range}\r\n\r\n"
                );
                body.extend_from_slice(head.as_bytes());
                body.extend(pattern_at(first..last + 1));
            }
            body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            let media_type = format!("multipart/byteranges; boundary={boundary}");
            fields.extend(with_body(&media_type, body.len() as u64));
            206
        }
        Expected::Unsatisfiable => {
            fields = vec![
                ("content-length", "0".into()),
                ("content-range", format!("bytes */{length}")),
            ];
            416
        }
        // No length: it would have to be that of the whole (RFC 9110 section 8.6).
        Expected::NotModified => 304,
        Expected::Failed => {
            fields.retain(|(name, _)| *name != "cache-control");
            fields.push(("cache-control", "no-store".into()));
            fields.push(("content-length", "0".into()));
            412
        }
    };
    if case.method == "HEAD" {
        body.clear();
    }
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
    (status, fields.collect(), body)
}

/// The first difference from the expected response, if any.
fn fault(case: &Case, always: Always, response: &Response) -> Option<String> {
    let (status, mut expected, body) = expected_response(case);
    let mut fields = BTreeMap::new();
    for (name, value) in &response.fields {
        if fields.insert(name.clone(), value.clone()).is_some() {
            return Some(format!("{name} occurs twice"));
        }
    }
    for (name, value) in always {
        let found = fields.get(*name).cloned();
        let value = value.map(str::to_owned).or(found);
        expected.insert((*name).into(), value.unwrap_or("any value".into()));
    }
    if response.status != status {
        return Some(format!("status {} and not {status}", response.status));
    }
    let differs = |name: &&String| fields.get(*name) != expected.get(*name);
    let names = fields.keys().chain(expected.keys());
    let differing: BTreeMap<_, _> =
        names.filter(differs).map(|name| (name, (fields.get(name), expected.get(name)))).collect();
    if !differing.is_empty() {
        return Some(format!("fields that are, and should be: {differing:#?}"));
    }
    (response.body != body).then(|| format!("{} bytes, not the right ones", response.body.len()))
}

/// Runs all rows that `fits` accepts, and reports all failures together.
fn run(
    way: &str,
    always: Always,
    fits: impl Fn(&Case) -> bool,
    mut response_to: impl FnMut(&Case) -> Response,
) {
    let mut faults = String::new();
    let mut rows = 0;
    for case in cases().iter().filter(|case| fits(case)) {
        rows += 1;
        if let Some(fault) = fault(case, always, &response_to(case)) {
            faults += &format!("---- {}, {:?}\n{fault}\n", case.name, case.fields);
        }
    }
    assert!(rows > 200, "{way}: the table has shrunk to {rows} rows");
    assert!(faults.is_empty(), "{way}:\n{faults}----");
}

/// The files of the table, without the one that few file systems hold.
fn files() -> Folder {
    let folder = Folder::new();
    for test_file in [&MOVIE, &ONE, &EMPTY, &LARGE] {
        let path = folder.put(test_file.name, "");
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(test_file.length).unwrap();
        // Only the requested ranges of the large file hold data.
        for start in [0, 4_294_966_784, test_file.length.saturating_sub(1024) & !7] {
            let end = test_file.length.min(start + 1024);
            let bytes = pattern_at(start.min(end)..end);
            file.write_all_at(&bytes, start).unwrap();
        }
        let times = fs::FileTimes::new().set_modified(at(MODIFIED_S));
        file.set_times(times).unwrap();
    }
    folder
}

fn is_a_file(case: &Case) -> bool {
    case.test_file.length != HUGE.length
}

fn lines(case: &Case) -> Vec<&str> {
    case.fields.iter().map(String::as_str).collect()
}

#[test]
fn the_table_holds_for_files_over_one_http_1_connection() {
    let folder = files();
    let serving = serve(&folder);
    let mut client = Client::connect(serving.address);
    run("HTTP/1.1", BY_SOCKET, is_a_file, |case| {
        let target = format!("/media/{}", case.test_file.name);
        client.request(case.method, &target, &lines(case))
    });
}

#[test]
fn the_table_holds_for_files_over_one_http_2_connection() {
    let folder = files();
    let serving = serve(&folder);
    let mut client = http2::Client::connect(serving.address);
    run("HTTP/2", BY_SOCKET, is_a_file, |case| {
        let target = format!("/media/{}", case.test_file.name);
        client.request(case.method, &target, &lines(case))
    });
}

/// Runs the table for contents of these extents; a body too long to compare stays unread.
fn run_in_memory(way: &str, extents: impl Fn(&TestFile) -> Extents, length_max: u64) {
    let fits = |case: &Case| case.test_file.length <= length_max;
    run(way, &[], fits, |case| {
        let modified = Some(at(MODIFIED_S));
        let content: Content = content(extents(case.test_file), case.test_file.tag, modified);
        let fields: Vec<_> = case.fields.iter().map(String::as_bytes).collect();
        match case.expected {
            Expected::Whole if case.test_file.length > COMPARED_BYTES_MAX => {
                ask(case.method, &fields, content).0
            }
            _ => response_to(case.method, &fields, content),
        }
    });
}

#[test]
fn the_table_holds_for_bytes_in_memory() {
    let bytes = |test_file: &TestFile| Bytes::from(pattern_at(0..test_file.length));
    let extents = |test_file: &TestFile| Extents::from(Extent::Memory(bytes(test_file)));
    run_in_memory("memory", extents, COMPARED_BYTES_MAX);
}

#[test]
fn the_table_holds_for_sources_of_every_behaviour() {
    for mode in [ReadMode::AtOnce, ReadMode::Waiting, ReadMode::Partial(1), ReadMode::Partial(7)] {
        let source = |test_file: &TestFile| TestSource::new(test_file.length, mode);
        let extents = |test_file: &TestFile| Extents::from(Extent::whole(source(test_file)));
        run_in_memory(&format!("{mode:?}"), extents, u64::MAX);
    }
}

#[test]
fn the_table_holds_for_contents_of_many_extents() {
    // The seams are at every third byte; kinds and behaviours alternate.
    let extents = |test_file: &TestFile| {
        let mut extents = Extents::default();
        let sources = [ReadMode::AtOnce, ReadMode::Waiting].map(|mode| TestSource::new(1000, mode));
        for (index, start) in (0..test_file.length).step_by(3).enumerate() {
            let range = start..test_file.length.min(start + 3);
            extents
                .push(match index % 3 {
                    0 => Extent::Memory(pattern_at(range).into()),
                    kind => Extent::Source { source: sources[kind - 1].clone(), range },
                })
                .unwrap();
        }
        extents
    };
    run_in_memory("many extents", extents, COMPARED_BYTES_MAX);
}

#[test]
fn only_the_requested_ranges_are_read() {
    for (range, expected) in [
        (&b"Range: bytes=10-19"[..], &[(10, 20)][..]),
        (b"Range: bytes=-5", &[(995, 1000)]),
        (b"Range: bytes=0-1,500-509", &[(0, 2), (500, 510)]),
        (b"Range: bytes=1000-", &[]),
    ] {
        let source = TestSource::new(1000, ReadMode::Waiting);
        let content = content(Extents::from(Extent::whole(source.clone())), "tag", None);
        response_to("GET", &[range], content);
        let reads = source.reads();
        let ends = reads.iter().map(|range| (range.start, range.end));
        assert_eq!(ends.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_modification_in_the_future_is_not_sent_and_matches_no_date() {
    let of_tomorrow = "Fri, 31 Dec 9999 23:59:59 GMT";
    let future = httpdate::parse_http_date(of_tomorrow).unwrap();
    for (name, status) in
        [("If-Range", 200), ("If-Modified-Since", 206), ("If-Unmodified-Since", 206)]
    {
        let bytes = Extent::Memory(Bytes::from_static(b"bytes"));
        let content = content(Extents::from(bytes), "tag", Some(future));
        let field = format!("{name}: {of_tomorrow}");
        let response = response_to("GET", &[field.as_bytes(), b"Range: bytes=0-1"], content);
        assert_eq!(response.status, status, "{name}");
        assert_eq!(response.field("last-modified"), None);
    }
}
