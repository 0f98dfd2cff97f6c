//! The rules of HTTP for the URLs derived from a title: virtual MP4, manifests, init segments and
//! segments.

use std::{
    fs,
    io::{Read as _, Write as _},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::support::{
    boxes,
    client::Response,
    folder::Folder,
    server::{Serving, serve},
    streams::{CLOCK, Streams, fetch, put_sample},
    wait::until,
};

fn clock() -> (Folder, Serving, Streams) {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    let streams = Streams::read(&serving, CLOCK);
    (folder, serving, streams)
}

fn is_text(url: &str) -> bool {
    url.ends_with(".m3u8") || url.ends_with(".mpd")
}

/// The number in a directive of Cache-Control.
fn directive(response: &Response, name: &str) -> Option<u64> {
    let directives = response.list("cache-control");
    let value = directives.iter().find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
    value.map(|value| value.parse().expect("a number"))
}

#[test]
fn each_url_has_a_strong_tag_an_exact_length_and_an_exact_type() {
    let (_folder, serving, streams) = clock();
    let mut tags = Vec::new();
    let mut client = serving.connect();
    for url in streams.samples() {
        let response = fetch(&mut client, url);
        let tag = response.field("etag").expect("a tag");
        let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        assert!(opaque.is_some_and(|tag| !tag.is_empty() && !tag.contains('"')), "{url}: {tag}");
        tags.push(tag.to_owned());
        let length: usize = response.field("content-length").expect("a length").parse().unwrap();
        assert_eq!(response.body.len(), length, "{url}");
        assert_eq!(response.field("transfer-encoding"), None, "{url}");
        assert_eq!(response.field("accept-ranges"), Some("bytes"), "{url}");
        let allowed: &[&str] = match url.rsplit_once('/').expect("a path") {
            (_, name) if name.ends_with(".m3u8") => &["application/vnd.apple.mpegurl"],
            (_, name) if name.ends_with(".mpd") => &["application/dash+xml"],
            (_, "play.mp4") => &["video/mp4"],
            (track, "init.mp4") if track.contains("/video-") => &["video/mp4"],
            (track, "init.mp4") if track.contains("/audio-") => &["audio/mp4"],
            (track, _) if track.contains("/video-") => &["video/mp4", "video/iso.segment"],
            (track, _) if track.contains("/audio-") => &["audio/mp4", "video/iso.segment"],
            _ => panic!("an unknown kind of URL: {url}"),
        };
        let found = response.field("content-type").expect("a type");
        assert!(allowed.contains(&found), "{url}: {found}");
    }
    let count = tags.len();
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), count, "two responses share a tag: {tags:?}");
}

#[test]
fn head_sends_every_field_that_get_sends() {
    let (_folder, serving, streams) = clock();
    let of_one_response = ["date", "x-request-id", "server-timing", "cache-status"];
    let fields = |response: Response| {
        let mut fields = response.fields;
        fields.retain(|(name, _)| !of_one_response.contains(&name.as_str()));
        fields.sort();
        fields
    };
    let mut client = serving.connect();
    for url in streams.samples() {
        for fields_sent in [&[][..], &["Range: bytes=5-9"], &["Accept-Encoding: gzip"]] {
            let head = client.request("HEAD", url, fields_sent);
            assert_eq!((head.status, head.body.len()), (200, 0), "{url}");
            let without_range =
                if fields_sent[..] == ["Range: bytes=5-9"] { &[] } else { fields_sent };
            let get = client.request("GET", url, without_range);
            assert_eq!(fields(head), fields(get), "{url} {fields_sent:?}");
        }
    }
}

#[test]
fn ranges_are_slices_of_the_whole() {
    let (_folder, serving, streams) = clock();
    let mut client = serving.connect();
    for url in streams.samples() {
        let whole = fetch(&mut client, url);
        let size = whole.body.len();
        let mut check = |range: String, first: usize, last: usize| {
            let part = client.request("GET", url, &[&format!("Range: bytes={range}")]);
            assert_eq!(part.status, 206, "{url} {range}");
            let named = format!("bytes {first}-{last}/{size}");
            assert_eq!(part.field("content-range"), Some(named.as_str()), "{url} {range}");
            for name in ["etag", "last-modified", "cache-control", "vary", "content-type"] {
                assert_eq!(part.field(name), whole.field(name), "{name} of {url} {range}");
            }
            assert!(part.body == whole.body[first..=last], "{url} {range}: other bytes");
            part.body
        };
        check("0-0".into(), 0, 0);
        check("0-1".into(), 0, 1);
        check("0-".into(), 0, size - 1);
        check("-1".into(), size - 1, size - 1);
        check("-100".into(), size - 100, size - 1);
        check(format!("-{}", size + 1), 0, size - 1);
        check(format!("{}-{}", size / 2, size + 99), size / 2, size - 1);
        // Across bytes in memory and bytes of the file.
        if !is_text(url) {
            for found in boxes::list(&whole.body, 0..size).expect("boxes") {
                for edge in [found.whole.start, found.content.start] {
                    let (first, last) = (edge.saturating_sub(3), (edge + 4).min(size - 1));
                    check(format!("{first}-{last}"), first, last);
                }
            }
        }
        // Any partition, concatenated, is the whole.
        let mut put_together = Vec::new();
        let mut step = 1;
        while put_together.len() < size {
            let first = put_together.len();
            let last = (first + step).min(size) - 1;
            put_together.extend(check(format!("{first}-{last}"), first, last));
            step = step * 5 + 2;
        }
        assert!(put_together == whole.body, "{url}");
        for range in [format!("{size}-"), format!("{}-{}", size + 5, size + 9), "-0".into()] {
            let past = client.request("GET", url, &[&format!("Range: bytes={range}")]);
            let named = format!("bytes */{size}");
            assert_eq!((past.status, past.field("content-range")), (416, Some(&*named)), "{url}");
        }
    }
}

#[test]
fn preconditions_are_evaluated() {
    let (_folder, serving, streams) = clock();
    let mut client = serving.connect();
    for url in streams.samples() {
        let tag = fetch(&mut client, url).field("etag").expect("a tag").to_owned();
        for (fields, status) in [
            (vec![format!("If-None-Match: {tag}")], 304),
            (vec!["If-None-Match: \"other\"".into()], 200),
            (vec![format!("If-Match: {tag}")], 200),
            (vec!["If-Match: \"other\"".into()], 412),
            (vec![format!("If-Range: {tag}"), "Range: bytes=0-1".into()], 206),
            (vec![format!("If-Range: W/{tag}"), "Range: bytes=0-1".into()], 200),
            (vec!["If-Range: \"other\"".into(), "Range: bytes=0-1".into()], 200),
        ] {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let response = client.request("GET", url, &fields);
            assert_eq!(response.status, status, "{url} {fields:?}");
        }
    }
}

#[test]
fn versioned_urls_are_immutable_and_only_shared_caches_keep_manifests() {
    let (_folder, serving, streams) = clock();
    let mut client = serving.connect();
    for url in streams.samples() {
        let response = fetch(&mut client, url);
        let control = response.field("cache-control").expect("a class");
        if url.contains("/~") {
            assert_eq!(control, "public, max-age=31536000, immutable", "{url}");
            continue;
        }
        let directives = response.list("cache-control");
        assert!(directives.contains(&"public".into()), "{url}: {control}");
        assert!(!directives.contains(&"immutable".into()), "{url}: {control}");
        let max_age = directive(&response, "max-age").expect("a time");
        if is_text(url) {
            // A player that caches a manifest requests segments that vanish when the title is
            // replaced.
            assert_eq!(max_age, 0, "{url}: {control}");
            let shared = directive(&response, "s-maxage").expect("a time");
            assert!((60..=3600).contains(&shared), "{url}: {control}");
            let for_cdn = response.field("cdn-cache-control").expect("a class");
            assert!(for_cdn.contains("stale-while-revalidate="), "{url}: {for_cdn}");
        } else {
            assert!(max_age <= 3600, "{url}: {control}");
        }
    }
}

#[test]
fn manifests_are_compressed_and_media_never_is() {
    let (_folder, serving, streams) = clock();
    let mut client = serving.connect();
    let mut compressed = 0;
    for url in streams.samples() {
        let plain = fetch(&mut client, url);
        let coded = client.request("GET", url, &["Accept-Encoding: gzip"]);
        assert_eq!(coded.status, 200, "{url}");
        if !is_text(url) {
            assert_eq!(coded.field("content-encoding"), None, "{url}");
            assert_eq!((coded.field("vary"), plain.field("vary")), (None, None), "{url}");
            assert_eq!(coded.field("etag"), plain.field("etag"), "{url}");
            continue;
        }
        // A text that fits into one packet may be sent uncompressed.
        if coded.field("content-encoding").is_none() {
            assert!(plain.body.len() < 1400, "{url}: {} bytes", plain.body.len());
            continue;
        }
        compressed += 1;
        assert_eq!(coded.field("content-encoding"), Some("gzip"), "{url}");
        assert!(coded.body.len() < plain.body.len(), "{url}");
        let mut text = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(coded.body.as_slice());
        decoder.read_to_end(&mut text).expect("gzip");
        assert!(text == plain.body, "{url}");
        assert_ne!(coded.field("etag"), plain.field("etag"), "{url}");
        for response in [&plain, &coded] {
            assert!(response.list("vary").contains(&"accept-encoding".into()), "{url}");
        }
    }
    assert!(compressed > 0, "nothing is compressed");
}

#[test]
fn scripts_of_other_origins_may_use_every_url() {
    let (_folder, serving, streams) = clock();
    let mut client = serving.connect();
    let preflight = [
        "Origin: https://a.example",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: range,if-range,cmcd-session",
    ];
    let missing = format!("/v/{CLOCK}/~0000000000000000/video-1/1.m4s");
    let missing = [missing.as_str(), "/v/none.mp4/index.m3u8"];
    for url in streams.samples().into_iter().chain(missing) {
        let response = client.request("GET", url, &preflight[..1]);
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{url}");
        assert_eq!(response.field("timing-allow-origin"), Some("*"), "{url}");
        assert_eq!(response.field("cross-origin-resource-policy"), Some("cross-origin"), "{url}");
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{url}");
        let exposed = response.list("access-control-expose-headers");
        for name in ["content-length", "content-range", "etag", "server-timing"] {
            assert!(exposed.contains(&name.into()), "{name} of {url}");
        }
        let response = client.request("OPTIONS", url, &preflight);
        assert_eq!(response.status, 204, "{url}");
        assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{url}");
        assert!(response.list("access-control-allow-headers").contains(&"range".into()), "{url}");
        assert!(response.field("access-control-max-age").is_some(), "{url}");
    }
}

#[test]
fn derived_urls_allow_only_get_head_and_options() {
    let (_folder, serving, streams) = clock();
    let mut client = serving.connect();
    for url in streams.samples() {
        for method in ["POST", "PUT", "DELETE"] {
            let response = client.request(method, url, &[]);
            assert_eq!(response.status, 405, "{method} {url}");
            assert_eq!(response.list("allow"), ["get", "head", "options"], "{method} {url}");
        }
        let response = client.request("OPTIONS", url, &[]);
        assert_eq!(response.status, 204, "{url}");
        assert_eq!(response.list("allow"), ["get", "head", "options"], "{url}");
    }
}

#[test]
fn an_unknown_url_is_404_and_cached_for_a_short_time() {
    let (_folder, serving, streams) = clock();
    let version = streams.version();
    let video = &streams.playlists[0].1.segments;
    let of_track = |track: &str, file: &str| format!("/v/{CLOCK}/~{version}/{track}/{file}");
    assert_eq!(of_track("video-1", "1.m4s"), video[0].url, "the URLs are as the design says");
    let other_version: String =
        version.chars().map(|digit| if digit == '0' { '1' } else { '0' }).collect();
    let mut missing: Vec<_> = ["play.mp4", "index.m3u8", "manifest.mpd", "media.m3u8", "", "x"]
        .iter()
        .map(|view| format!("/v/none.mp4/{view}"))
        .collect();
    for wrong in [other_version.as_str(), "", "0", "x", &version[1..], &version.to_uppercase()] {
        if wrong != version {
            let of_version = |file: &str| format!("/v/{CLOCK}/~{wrong}/video-1/{file}");
            missing.extend(["1.m4s", "init.mp4", "media.m3u8"].map(of_version));
        }
    }
    let files = ["0.m4s", "-1.m4s", "+1.m4s", "01.m4s", "1.mp4", "1", ".m4s", "x.m4s", "init.m4s"];
    missing.extend(files.map(|file| of_track("video-1", file)));
    missing.push(of_track("video-1", &format!("{}.m4s", video.len() + 1)));
    missing.push(of_track("video-1", "18446744073709551616.m4s"));
    missing.push(of_track("video-1", "99999999999999999999999999.m4s"));
    for track in
        ["video-0", "video-2", "video", "video-01", "audio-0", "audio-2", "text-1", "x", ""]
    {
        missing.extend(["1.m4s", "init.mp4", "media.m3u8"].map(|file| of_track(track, file)));
    }
    missing.extend(["/v", "/v/", "/v/../media/Clock.mp4/play.mp4"].map(Into::into));
    missing.extend(
        ["", "/", "/none", "/init.mp4", "/~", "/media.m3u8"]
            .map(|rest| format!("/v/{CLOCK}{rest}")),
    );
    let mut client = serving.connect();
    for url in &missing {
        for method in ["GET", "HEAD"] {
            let response = client.request(method, url, &[]);
            assert_eq!(response.status, 404, "{method} {url}");
            if method == "GET" {
                let problem = response.field("content-type");
                assert_eq!(problem, Some("application/problem+json"), "{url}");
                let max_age = directive(&response, "max-age");
                let control = response.field("cache-control");
                assert!(control == Some("no-store") || max_age <= Some(60), "{url}: {control:?}");
            }
        }
    }
}

/// A title is everything in front of a view, however it is spelt.
#[test]
fn a_title_may_have_any_name() {
    let folder = Folder::new();
    let names = [
        "Été/Horloge à 5 %.mp4",
        "play.mp4",
        "a/index.m3u8/b.mp4",
        "a/~0123456789abcdef/video-1/1.mp4",
        "~0123456789abcdef.mp4",
        "question? number#.mp4",
    ];
    for name in names {
        put_sample(&folder, CLOCK, name);
    }
    let serving = serve(&folder);
    let mut client = serving.connect();
    for name in names {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_~".contains(&byte);
        let escape = |byte: u8| {
            if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        let title: String = name.bytes().map(escape).collect();
        let streams = Streams::read(&serving, &title);
        for url in streams.samples() {
            fetch(&mut client, url);
        }
    }
}

#[test]
fn a_replaced_file_has_new_urls_and_the_old_ones_are_404() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "a.mp4");
    let serving = serve(&folder);
    let before = Streams::read(&serving, "a.mp4");
    let mut client = serving.connect();
    let play_tag = |client: &mut _| fetch(client, &before.play).field("etag").unwrap().to_owned();
    let tag = play_tag(&mut client);
    put_sample(&folder, "Portrait.mp4", ".unfinished");
    fs::rename(folder.path(".unfinished"), folder.path("a.mp4")).expect("the same folder");
    let old_name = format!("~{}/", before.version());
    until("the new version is named", || {
        let named = fetch(&mut client, &before.multivariant.0).body;
        !String::from_utf8_lossy(&named).contains(&old_name)
    });
    let after = Streams::read(&serving, "a.mp4");
    let old = before.segments().into_iter().chain(before.playlists.iter().map(|(url, _)| &**url));
    for url in old {
        assert_eq!(client.request("GET", url, &[]).status, 404, "{url}");
        let fields = ["Range: bytes=0-1", "If-None-Match: *"];
        assert_eq!(client.request("GET", url, &fields).status, 404, "{url}");
    }
    for url in after.samples() {
        fetch(&mut client, url);
    }
    assert_ne!(play_tag(&mut client), tag);
}

#[test]
fn two_nodes_with_copies_of_one_file_send_equal_bytes_and_tags() {
    let modified = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    let node = || {
        let folder = Folder::new();
        put_sample(&folder, CLOCK, "a.mp4");
        let file = fs::File::options().write(true).open(folder.path("a.mp4")).expect("a file");
        file.set_modified(modified).expect("a time");
        let serving = serve(&folder);
        (folder, serving)
    };
    let (_one_folder, one) = node();
    let (_other_folder, other) = node();
    let streams = Streams::read(&one, "a.mp4");
    let (mut one, mut other) = (one.connect(), other.connect());
    let urls = streams.texts().into_iter().chain(streams.segments()).chain([streams.play.as_str()]);
    for url in urls {
        let (ours, theirs) = (fetch(&mut one, url), fetch(&mut other, url));
        assert!(ours.body == theirs.body, "{url}: other bytes");
        for name in ["etag", "last-modified", "content-type", "cache-control"] {
            assert_eq!(ours.field(name), theirs.field(name), "{name} of {url}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_packaged_is_422_with_a_reason() {
    let folder = Folder::new();
    folder.put("text.mp4", "this is not a movie\n".repeat(1000));
    folder.put("empty.mp4", "");
    folder.put("short.mp4", b"\0\0\0\x18ftypisom");
    put_sample(&folder, CLOCK, "cut.mp4");
    let cut = fs::read(folder.path("cut.mp4")).expect("a file");
    folder.put("cut.mp4", &cut[..1000]);
    let serving = serve(&folder);
    let mut client = serving.connect();
    for title in ["text.mp4", "empty.mp4", "short.mp4", "cut.mp4"] {
        for view in ["play.mp4", "index.m3u8", "manifest.mpd"] {
            let url = format!("/v/{title}/{view}");
            let response = client.request("GET", &url, &["Range: bytes=0-1"]);
            assert_eq!(response.status, 422, "{url}");
            let problem = response.field("content-type");
            assert_eq!(problem, Some("application/problem+json"), "{url}");
            assert_eq!(response.field("access-control-allow-origin"), Some("*"), "{url}");
            let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
            assert_eq!(problem["status"], 422, "{url}");
            let detail = problem["detail"].as_str().expect("a reason");
            assert!(detail.trim().len() > 10, "{url}: {detail}");
            let below = folder.path("");
            assert!(!detail.contains(below.to_str().unwrap()), "{url}: {detail}");
            let head = client.request("HEAD", &url, &[]);
            assert_eq!(head.status, 422, "{url}");
        }
        // The file itself is still served.
        assert_eq!(client.request("GET", &format!("/media/{title}"), &[]).status, 200);
    }
}

#[test]
fn a_virtual_mp4_has_its_moov_in_front_and_all_chunk_offsets_point_into_mdat() {
    let folder = Folder::new();
    let names = [CLOCK, "Clock, moov at the end.mp4", "Portrait.mp4"];
    names.iter().for_each(|name| put_sample(&folder, name, &name.replace([',', ' '], "")));
    let serving = serve(&folder);
    let mut client = serving.connect();
    for name in names {
        let url = format!("/v/{}/play.mp4", name.replace([',', ' '], ""));
        let movie = fetch(&mut client, &url).body;
        let found = boxes::list(&movie, 0..movie.len()).expect("boxes");
        let place = |kind: &[u8; 4]| found.iter().position(|found| &found.kind == kind);
        assert_eq!(place(b"ftyp"), Some(0), "{name}");
        assert!(place(b"moov").expect("a moov") < place(b"mdat").expect("an mdat"), "{name}");
        let media: Vec<_> = found.iter().filter(|found| &found.kind == b"mdat").collect();
        let tables = [("stco", 4), ("co64", 8)].map(|(table, width)| {
            let path = format!("moov/trak/mdia/minf/stbl/{table}");
            boxes::contents(&movie, &path)
                .into_iter()
                .map(|table| (table, width))
                .collect::<Vec<_>>()
        });
        let mut count = 0;
        for (table, width) in tables.into_iter().flatten() {
            for offset in table[8..].chunks(width) {
                let offset = offset.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
                let is_inside = media.iter().any(|media| media.content.contains(&offset));
                assert!(is_inside, "{name}: a chunk at {offset}");
                count += 1;
            }
        }
        assert!(count > 1, "{name}: {count} chunks");
    }
}

/// A recent modification time proves little; a growing length proves that the file is incomplete.
#[test]
fn a_growing_title_is_503_with_retry_after() {
    let (folder, serving, streams) = clock();
    let mut client = serving.connect();
    let multivariant = streams.samples().into_iter().find(|url| url.ends_with("index.m3u8"));
    let multivariant = multivariant.expect("a multivariant playlist").to_owned();
    assert_eq!(fetch(&mut client, &multivariant).status, 200);
    let mut file = fs::OpenOptions::new().append(true).open(folder.path(CLOCK)).unwrap();
    file.write_all(&[0, 0, 0, 8, b'f', b'r', b'e', b'e']).unwrap();
    let growing = client.request("GET", &multivariant, &[]);
    assert_eq!(growing.status, 503);
    assert_eq!(growing.field("content-type"), Some("application/problem+json"));
    assert!(growing.field("retry-after").is_some());
    // The file itself is served meanwhile.
    assert_eq!(fetch(&mut client, &format!("/media/{CLOCK}")).status, 200);
}
