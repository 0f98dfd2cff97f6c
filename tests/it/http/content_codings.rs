//! Content codings: text is compressed, each coding with its own entity tag; media never is.

use std::io::Read as _;

use crate::support::{client::Response, folder::Folder, server::serve};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("a.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n".repeat(100));
    folder
}

#[test]
fn media_has_no_content_coding_and_is_never_chunked() {
    let folder = Folder::new();
    let names = ["a.mp4", "a.webm", "a.mkv", "a.ts", "a.m4s", "a.mp3", "a.jpg"];
    for name in names {
        folder.put(name, [b'x'; 5000]);
    }
    let serving = serve(&folder);
    for name in names {
        for range in ["Range: bytes=0-", "Range: bytes=0-9,20-29", "X: x"] {
            let fields = ["Accept-Encoding: gzip, br", "TE: chunked", range];
            let response = serving.get(&format!("/media/{name}"), &fields);
            for name in ["transfer-encoding", "content-encoding", "vary"] {
                assert_eq!(response.field(name), None, "{response:?}");
            }
            let length: usize = response.field("content-length").unwrap().parse().unwrap();
            assert_eq!(response.body.len(), length);
        }
    }
}

/// The text of a response, decoded.
fn decoded(response: &Response) -> Vec<u8> {
    let mut text = Vec::new();
    let mut body = response.body.as_slice();
    let read = match response.field("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut text),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut text),
        None => body.read_to_end(&mut text),
        other => panic!("an unknown coding: {other:?}"),
    };
    read.expect("a coded text");
    text
}

#[test]
fn each_content_coding_has_its_own_entity_tag() {
    let folder = folder();
    folder.put("a.m3u8", "#EXTINF:4,\n1.m4s\n".repeat(100));
    folder.put("a.mpd", "<MPD></MPD>\n".repeat(100));
    let serving = serve(&folder);
    for target in ["/media/a.vtt", "/media/a.m3u8", "/media/a.mpd", "/", "/assets/page.css"] {
        let plain = serving.get(target, &[]);
        let mut tags = vec![plain.field("etag").unwrap().to_owned()];
        for coding in ["gzip", "br"] {
            let accept = format!("Accept-Encoding: {coding}");
            let coded = serving.get(target, &[&accept]);
            assert_eq!(coded.field("content-encoding"), Some(coding), "{target}");
            assert!(coded.body.len() < plain.body.len());
            assert_eq!(decoded(&coded), plain.body);
            let tag = coded.field("etag").unwrap();
            let known = format!("If-None-Match: {tag}");
            let again = serving.get(target, &[&accept, &known]);
            assert_eq!((again.status, again.field("etag")), (304, Some(tag)));
            let head = serving.request("HEAD", target, &[&accept, "Range: bytes=0-1"]);
            for name in ["content-length", "content-encoding", "content-type", "etag", "vary"] {
                assert_eq!(head.field(name), coded.field(name), "{name} of {target}");
            }
            for response in [&plain, &coded, &again] {
                assert_eq!(response.field("vary"), Some("Accept-Encoding"), "{target}");
            }
            tags.push(tag.to_owned());
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 3, "{target}: a tag names two codings: {tags:?}");
    }
}

#[test]
fn a_range_of_a_text_is_a_range_of_its_identity_coding() {
    let folder = folder();
    let serving = serve(&folder);
    let plain = serving.get("/media/a.vtt", &[]);
    let fields = ["Accept-Encoding: gzip", "Range: bytes=7-99"];
    let part = serving.get("/media/a.vtt", &fields);
    assert_eq!(part.status, 206);
    assert_eq!(part.body, plain.body[7..100]);
    assert_eq!(part.field("content-encoding"), None);
    assert_eq!(part.field("etag"), plain.field("etag"));
    // A client that holds the start of the compressed text must not get the rest of the plain one.
    let coded = serving.get("/media/a.vtt", &["Accept-Encoding: gzip"]);
    let if_range = format!("If-Range: {}", coded.field("etag").unwrap());
    let whole = serving.get("/media/a.vtt", &[fields[0], fields[1], &if_range]);
    assert_eq!(whole.status, 200);
    assert_eq!(decoded(&whole), plain.body);
}
