//! The header fields of responses: only those of a list, and only in complete groups.

use crate::support::{
    client::Response,
    folder::{Folder, pattern},
    server::{Serving, serve, serve_with},
};

/// On every response.
const ALWAYS: &[&str] = &["date", "x-content-type-options", "x-request-id"];
/// On every response that has content, or would have it.
const CONTENT: &[&str] = &["cache-control", "content-length", "content-type"];
const VALIDATORS: &[&str] = &["etag", "last-modified"];
const CORS: &[&str] = &[
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cross-origin-resource-policy",
    "timing-allow-origin",
];
const PAGE: &[&str] = &["content-security-policy", "cross-origin-opener-policy", "referrer-policy"];

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("a.mp4", pattern(5000));
    folder.put("a.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n".repeat(100));
    folder
}

fn has_exactly(response: &Response, lists: Lists<'_>) {
    let mut expected: Vec<_> = lists.concat();
    expected.extend(ALWAYS);
    expected.sort_unstable();
    let mut names: Vec<_> = response.fields.iter().map(|field| field.0.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, expected, "{response:?}");
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
}

/// Lists of names.
type Lists<'a> = &'a [&'a [&'a str]];
/// Method, target and fields of a request, the status, and the lists that give the fields.
type Row<'a> = (&'a str, &'a str, &'a [&'a str], u16, Lists<'a>);

#[test]
fn every_response_has_exactly_the_fields_of_its_list() {
    let folder = folder();
    let serving = serve(&folder);
    let part = "Range: bytes=0-1";
    let several = "Range: bytes=0-1,5-6";
    let past = "Range: bytes=9999-";
    let known = "If-None-Match: *";
    let other = "If-Match: \"x\"";
    let media: Lists<'_> = &[CONTENT, VALIDATORS, CORS, &["accept-ranges"]];
    let media_part: Lists<'_> = &[CONTENT, VALIDATORS, CORS, &["accept-ranges", "content-range"]];
    let nothing = &["cache-control", "content-length"][..];
    let text: Lists<'_> = &[CONTENT, &["etag", "accept-ranges"]];
    let coded_text = &[CONTENT, &["etag", "accept-ranges", "vary"], PAGE].concat();
    let coded_text: Lists<'_> = &[coded_text];
    let rows: &[Row] = &[
        ("GET", "/media/a.mp4", &[], 200, media),
        ("HEAD", "/media/a.mp4", &[], 200, media),
        ("GET", "/media/a.mp4", &[part], 206, media_part),
        ("GET", "/media/a.mp4", &[several], 206, media),
        ("GET", "/media/a.mp4", &[past], 416, &[CORS, &["content-length", "content-range"]]),
        ("GET", "/media/a.mp4", &[known], 304, &[VALIDATORS, CORS, &["cache-control"]]),
        ("GET", "/media/a.mp4", &[other], 412, &[VALIDATORS, CORS, nothing]),
        ("POST", "/media/a.mp4", &[], 405, &[CONTENT, CORS, &["allow"]]),
        ("OPTIONS", "/media/a.mp4", &[], 204, &[CORS, &["allow"]]),
        ("GET", "/media/none.mp4", &[], 404, &[CONTENT, CORS]),
        ("HEAD", "/media/none.mp4", &[], 404, &[CONTENT, CORS]),
        ("GET", "/api/titles/a.mp4", &[], 200, text),
        ("GET", "/api/titles/a.mp4", &[known], 304, &[&["cache-control", "etag"]]),
        ("GET", "/api/titles/none.mp4", &[], 404, &[CONTENT]),
        ("GET", "/api/titles?limit=0", &[], 400, &[CONTENT]),
        ("DELETE", "/api/titles", &[], 405, &[CONTENT, &["allow"]]),
        ("OPTIONS", "/api/titles", &[], 204, &[&["allow"]]),
        ("GET", "/", &[], 200, coded_text),
        ("GET", "/watch/a.mp4", &[], 200, coded_text),
        ("GET", "/assets/page.js", &[], 200, coded_text),
        ("GET", "/assets/none.js", &[], 404, &[CONTENT]),
        ("POST", "/", &[], 405, &[CONTENT, &["allow"]]),
        ("GET", "/healthz", &[], 200, &[CONTENT]),
        ("GET", "/readyz", &[], 200, &[CONTENT]),
        ("GET", "/metrics", &[], 200, &[CONTENT]),
        ("PUT", "/metrics", &[], 405, &[CONTENT, &["allow"]]),
        ("GET", "/nothing", &[], 404, &[CONTENT]),
        ("OPTIONS", "/nothing", &[], 204, &[&["allow"]]),
    ];
    let mut client = serving.connect();
    for (method, target, fields, status, lists) in rows {
        let response = client.request(method, target, fields);
        assert_eq!(response.status, *status, "{method} {target} {fields:?}");
        has_exactly(&response, lists);
    }
}

#[test]
fn responses_of_one_url_agree_on_their_validators() {
    let folder = folder();
    let serving = serve(&folder);
    for target in ["/media/a.mp4", "/media/a.vtt", "/", "/api/titles/a.mp4"] {
        let whole = serving.get(target, &[]);
        let tag = format!("If-None-Match: {}", whole.field("etag").unwrap());
        for (method, fields, status) in [
            ("HEAD", vec![], 200),
            ("HEAD", vec!["Range: bytes=0-1"], 200),
            ("GET", vec!["Range: bytes=0-1"], 206),
            ("GET", vec!["Range: bytes=0-1,4-5"], 206),
            ("GET", vec!["Range: bytes=9-0"], 200),
            ("GET", vec![tag.as_str()], 304),
        ] {
            let response = serving.request(method, target, &fields);
            assert_eq!(response.status, status, "{method} {target} {fields:?}");
            for name in ["etag", "last-modified", "cache-control", "vary"] {
                let (found, expected) = (response.field(name), whole.field(name));
                assert_eq!(found, expected, "{name} of {method} {target} {fields:?}");
            }
        }
    }
}

#[test]
fn media_types_are_exact() {
    let folder = Folder::new();
    let types = [
        ("a.mp4", "video/mp4"),
        ("a.MP4", "video/mp4"),
        ("a.m4a", "audio/mp4"),
        ("a.webm", "video/webm"),
        ("a.mkv", "video/x-matroska"),
        ("a.mov", "video/quicktime"),
        ("a.m3u8", "application/vnd.apple.mpegurl"),
        ("a.mpd", "application/dash+xml"),
        ("a.m4s", "video/iso.segment"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.ts", "video/mp2t"),
    ];
    for (name, _) in types {
        folder.put(name, "x");
    }
    let serving: Serving = serve(&folder);
    for (name, media_type) in types {
        let response = serving.get(&format!("/media/{name}"), &["Range: bytes=0-0"]);
        assert_eq!(response.field("content-type"), Some(media_type), "{name}");
    }
}

#[test]
fn other_files_are_404_unless_configured_and_then_sandboxed_attachments() {
    let folder = folder();
    folder.put("page.html", "<script>alert(1)</script>");
    folder.put("notes", "plain");
    let serving = serve(&folder);
    for target in ["/media/page.html", "/media/notes"] {
        assert_eq!(serving.get(target, &[]).status, 404);
        assert_eq!(serving.request("POST", target, &[]).status, 404);
    }
    let serving = serve_with(&[folder.path("")], "serve_other_files = true");
    for (target, media_type) in
        [("/media/page.html", "text/html"), ("/media/notes", "application/octet-stream")]
    {
        for (method, fields) in [("GET", &[][..]), ("HEAD", &[]), ("GET", &["Range: bytes=0-1"])] {
            let response = serving.request(method, target, fields);
            assert!(matches!(response.status, 200 | 206));
            assert_eq!(response.field("content-type"), Some(media_type));
            assert_eq!(response.field("content-disposition"), Some("attachment"));
            let policy = response.field("content-security-policy").unwrap();
            assert!(policy.starts_with("sandbox;"), "{policy}");
            assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
        }
    }
    let media = serving.get("/media/a.mp4", &[]);
    assert_eq!(media.field("content-disposition"), None);
}
