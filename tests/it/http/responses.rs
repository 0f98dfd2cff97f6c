//! The table of [`cases`](crate::http::cases), run over sockets and in memory.

use std::{collections::BTreeMap, fs, fs::File, os::unix::fs::FileExt as _};

use bytes::Bytes;
use headwater::extent::{Content, Extent, Extents};

use crate::{
    http::cases::{
        Case, EMPTY, Expected, HUGE, LARGE, MODIFIED, MODIFIED_S, MOVIE, ONE, Thing, cases,
    },
    support::{
        client::{Client, Response},
        folder::Folder,
        http2,
        memory::{answer, ask, at, content},
        server::serve,
        sources::{Double, Manner, pattern_at},
    },
};

/// The fields of an answer that are the same whatever was asked, by name; `None` is any value.
type Always = &'static [(&'static str, Option<&'static str>)];

/// What the edge and CORS put on an answer of the media routes.
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

/// The longest body that is compared byte by byte.
const COMPARED_BYTES_MAX: u64 = 1 << 20;

/// Every field that the answer must have, with its exact value, and no other; and its body.
fn whole_answer(case: &Case) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let Thing { length, tag, .. } = *case.thing;
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

/// What is wrong with an answer, if anything is.
fn fault(case: &Case, always: Always, response: &Response) -> Option<String> {
    let (status, mut expected, body) = whole_answer(case);
    let mut fields = BTreeMap::new();
    for (name, value) in &response.fields {
        if fields.insert(name.clone(), value.clone()).is_some() {
            return Some(format!("{name} stands twice"));
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

/// Runs all rows that `fits` lets pass, and shows all faults together.
fn run(
    way: &str,
    always: Always,
    fits: impl Fn(&Case) -> bool,
    mut answer: impl FnMut(&Case) -> Response,
) {
    let mut faults = String::new();
    let mut rows = 0;
    for case in cases().iter().filter(|case| fits(case)) {
        rows += 1;
        if let Some(fault) = fault(case, always, &answer(case)) {
            faults += &format!("---- {}, {:?}\n{fault}\n", case.name, case.fields);
        }
    }
    assert!(rows > 200, "{way}: the table has shrunk to {rows} rows");
    assert!(faults.is_empty(), "{way}:\n{faults}----");
}

/// The files of the table, without the one that few file systems hold.
fn files() -> Folder {
    let folder = Folder::new();
    for thing in [&MOVIE, &ONE, &EMPTY, &LARGE] {
        let path = folder.put(thing.name, "");
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(thing.length).unwrap();
        // Of the large one only what is asked for is really there.
        for start in [0, 4_294_966_784, thing.length.saturating_sub(1024) & !7] {
            let end = thing.length.min(start + 1024);
            let bytes = pattern_at(start.min(end)..end);
            file.write_all_at(&bytes, start).unwrap();
        }
        let times = fs::FileTimes::new().set_modified(at(MODIFIED_S));
        file.set_times(times).unwrap();
    }
    folder
}

fn is_a_file(case: &Case) -> bool {
    case.thing.length != HUGE.length
}

fn lines(case: &Case) -> Vec<&str> {
    case.fields.iter().map(String::as_str).collect()
}

#[test]
fn the_table_holds_for_files_over_one_connection_of_http_1() {
    let folder = files();
    let serving = serve(&folder);
    let mut client = Client::connect(serving.address);
    run("HTTP/1.1", BY_SOCKET, is_a_file, |case| {
        let target = format!("/media/{}", case.thing.name);
        client.request(case.method, &target, &lines(case))
    });
}

#[test]
fn the_table_holds_for_files_over_one_connection_of_http_2() {
    let folder = files();
    let serving = serve(&folder);
    let mut client = http2::Client::connect(serving.address);
    run("HTTP/2", BY_SOCKET, is_a_file, |case| {
        let target = format!("/media/{}", case.thing.name);
        client.request(case.method, &target, &lines(case))
    });
}

/// The table for contents of these extents; a body that is too long to compare stays unread.
fn run_in_memory(way: &str, extents: impl Fn(&Thing) -> Extents, length_max: u64) {
    let fits = |case: &Case| case.thing.length <= length_max;
    run(way, &[], fits, |case| {
        let modified = Some(at(MODIFIED_S));
        let content: Content = content(extents(case.thing), case.thing.tag, modified);
        let fields: Vec<_> = case.fields.iter().map(String::as_bytes).collect();
        match case.expected {
            Expected::Whole if case.thing.length > COMPARED_BYTES_MAX => {
                ask(case.method, &fields, content).0
            }
            _ => answer(case.method, &fields, content),
        }
    });
}

#[test]
fn the_table_holds_for_bytes_in_memory() {
    let bytes = |thing: &Thing| Bytes::from(pattern_at(0..thing.length));
    let extents = |thing: &Thing| Extents::from(Extent::Memory(bytes(thing)));
    run_in_memory("memory", extents, COMPARED_BYTES_MAX);
}

#[test]
fn the_table_holds_for_sources_of_every_manner() {
    for manner in [Manner::AtOnce, Manner::Waiting, Manner::Pieces(1), Manner::Pieces(7)] {
        let source = |thing: &Thing| Double::new(thing.length, manner);
        let extents = |thing: &Thing| Extents::from(Extent::whole(source(thing)));
        run_in_memory(&format!("{manner:?}"), extents, u64::MAX);
    }
}

#[test]
fn the_table_holds_for_contents_made_of_many_extents() {
    // The seams lie at every third byte; kinds and manners alternate.
    let extents = |thing: &Thing| {
        let mut extents = Extents::default();
        let sources = [Manner::AtOnce, Manner::Waiting].map(|manner| Double::new(1000, manner));
        for (index, start) in (0..thing.length).step_by(3).enumerate() {
            let range = start..thing.length.min(start + 3);
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
fn only_what_is_asked_for_is_read() {
    for (range, asked) in [
        (&b"Range: bytes=10-19"[..], &[(10, 20)][..]),
        (b"Range: bytes=-5", &[(995, 1000)]),
        (b"Range: bytes=0-1,500-509", &[(0, 2), (500, 510)]),
        (b"Range: bytes=1000-", &[]),
    ] {
        let source = Double::new(1000, Manner::Waiting);
        let content = content(Extents::from(Extent::whole(source.clone())), "tag", None);
        answer("GET", &[range], content);
        let was_asked = source.asked();
        let ends = was_asked.iter().map(|range| (range.start, range.end));
        assert_eq!(ends.collect::<Vec<_>>(), asked);
    }
}

#[test]
fn a_change_in_the_future_is_not_told_and_fits_no_date() {
    let of_tomorrow = "Fri, 31 Dec 9999 23:59:59 GMT";
    let future = httpdate::parse_http_date(of_tomorrow).unwrap();
    for (name, status) in
        [("If-Range", 200), ("If-Modified-Since", 206), ("If-Unmodified-Since", 206)]
    {
        let bytes = Extent::Memory(Bytes::from_static(b"bytes"));
        let content = content(Extents::from(bytes), "tag", Some(future));
        let field = format!("{name}: {of_tomorrow}");
        let response = answer("GET", &[field.as_bytes(), b"Range: bytes=0-1"], content);
        assert_eq!(response.status, status, "{name}");
        assert_eq!(response.field("last-modified"), None);
    }
}
