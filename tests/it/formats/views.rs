//! Every view of every kind of title, and what the views of a set come from.

use std::fs;

use serde_json::Value;

use crate::support::{
    ffmpeg,
    folder::Folder,
    json::{json, post, read},
    manifests,
    rendered::Rendering,
    renditions::RENDITIONS,
    server::serve,
    wait::{until, until_slowly},
};

/// The views of a title.
const VIEWS: [&str; 15] = [
    "index.m3u8",
    "manifest.mpd",
    "play.mp4",
    "play.mp4?start=1&end=2",
    "inspect",
    "chapters.vtt",
    "poster.jpg",
    "thumbnail.jpg",
    "thumbnail.webp?time=2",
    "storyboard.jpg",
    "storyboard.webp",
    "storyboard.vtt",
    "storyboard.json",
    "storyboard.bif",
    "preview.webp",
];

const VIDEO: &str = "-f lavfi -i testsrc2=size=128x72:rate=10:duration=4";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=4";
const AVC: &str = "-c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p";
const AAC: &str = "-c:a aac -b:a 32k";

/// A kind of title.
struct Kind {
    /// A title of this kind.
    title: &'static str,
    /// Its files.
    files: Vec<(&'static str, Vec<u8>)>,
    has_video: bool,
}

fn make(name: &str, parts: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=4\ntitle=All of it\n";
    let metadata = folder.put("chapters.txt", chapters).display().to_string();
    let path = folder.path(name);
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    let words = words.map(|word| if word == "CHAPTERS" { metadata.as_str() } else { word });
    let arguments: Vec<_> = words.chain(["-y", path.to_str().expect("text")]).collect();
    ffmpeg::run(&arguments).expect("a movie");
    fs::read(path).expect("a file")
}

fn kinds() -> Vec<Kind> {
    const CHAPTERS: &str = "-i CHAPTERS -map_metadata 2";
    let one = |title: &'static str, parts: &[&str]| Kind {
        title,
        files: vec![(title, make(title, parts))],
        has_video: true,
    };
    let large = make("large.mp4", &[VIDEO, TONE, CHAPTERS, AVC, AAC]);
    let small = make("small.mp4", &[VIDEO, TONE, AVC, AAC, "-s 64x36"]);
    vec![
        one("plain.mp4", &[VIDEO, TONE, CHAPTERS, AVC, AAC]),
        one("silent.mp4", &[VIDEO, AVC]),
        one("fragmented.mp4", &[VIDEO, TONE, AVC, AAC, "-movflags frag_keyframe+empty_moov"]),
        one("quicktime.mov", &[VIDEO, TONE, CHAPTERS, AVC, AAC]),
        one("in-place.mkv", &[VIDEO, TONE, AVC, AAC]),
        one("remuxed.flv", &[VIDEO, TONE, AVC, AAC, "-ar 44100"]),
        Kind { has_video: false, ..one("audio.m4a", &[TONE, AAC]) },
        Kind {
            title: "film.set",
            files: vec![("film.set/a.mp4", small), ("film.set/b.mp4", large)],
            has_video: true,
        },
    ]
}

fn serve_kinds(kinds: &[Kind]) -> Rendering {
    let files = kinds.iter().flat_map(|kind| &kind.files);
    Rendering::serve(files.map(|(name, bytes)| (*name, bytes.as_slice())))
}

#[test]
fn every_kind_of_title_has_every_view() {
    if !ffmpeg::is_installed() {
        return;
    }
    let kinds = kinds();
    let serving = serve_kinds(&kinds);
    for kind in &kinds {
        until_slowly("the title plays", || {
            serving.program.get(&format!("/v/{}/play.mp4", kind.title), &[]).status == 200
        });
        for view in VIEWS {
            let target = format!("/v/{}/{view}", kind.title);
            let is_image = ["poster", "thumbnail", "storyboard", "preview"]
                .iter()
                .any(|image| view.starts_with(image));
            let expected = match view {
                _ if is_image && !kind.has_video => 422,
                _ => 200,
            };
            let response = serving.program.get(&target, &[]);
            let body = String::from_utf8_lossy(&response.body);
            assert_eq!(response.status, expected, "{target}: {body}");
            assert!(!response.body.is_empty(), "{target}");
            let head = serving.program.connect().request("HEAD", &target, &[]);
            assert_eq!(head.status, expected, "HEAD {target}");
            let post = serving.program.connect().request("POST", &target, &[]);
            assert_eq!(post.status, 405, "POST {target}");
        }
        let watched = serving.get(&format!("/watch/{}", kind.title));
        assert_eq!(watched.field("content-type"), Some("text/html; charset=utf-8"));
    }
}

#[test]
fn every_kind_of_title_is_listed_with_targets_that_exist() {
    if !ffmpeg::is_installed() {
        return;
    }
    let kinds = kinds();
    let serving = serve_kinds(&kinds);
    let mut list = Value::Null;
    until("the scan is over", || {
        list = json(&serving.get("/api/titles"), 200);
        list["scanning"] == false
    });
    for kind in &kinds {
        let listed = list["titles"].as_array().expect("a list");
        let item = listed.iter().find(|item| item["path"] == kind.title);
        let item = item.unwrap_or_else(|| panic!("{} is not listed", kind.title));
        let shown = json(&serving.get(&format!("/api/titles/{}", kind.title)), 200);
        // The list tells the facts of a file once it is indexed.
        let known =
            item.as_object().expect("an object").iter().filter(|(_, value)| !value.is_null());
        for (member, value) in known {
            assert_eq!(*value, shown[member], "{}: {member}", kind.title);
        }
        let bytes: usize = kind.files.iter().map(|(_, bytes)| bytes.len()).sum();
        assert_eq!(item["size_bytes"], bytes, "{}", kind.title);
        let file = serving.get(item["href"].as_str().expect("a target"));
        assert_eq!(file.field("content-type"), item["media_type"].as_str(), "{}", kind.title);
        serving.get(&format!("{}inspect", item["views"].as_str().expect("a target")));
    }
    // The members of a set have views, and are no titles of the list.
    assert!(!list["titles"].to_string().contains("film.set/b.mp4"));
}

#[test]
fn the_views_of_a_set_are_those_of_its_largest_member() {
    if !ffmpeg::is_installed() {
        return;
    }
    let kinds = kinds();
    let serving = serve_kinds(&kinds);
    for view in VIEWS.into_iter().skip(2) {
        let of_set = serving.get(&format!("/v/film.set/{view}"));
        let of_member = serving.get(&format!("/v/film.set/b.mp4/{view}"));
        let refers = ["storyboard.vtt", "storyboard.json"].contains(&view);
        if !refers {
            assert!(of_set.body == of_member.body, "{view}");
            assert_eq!(of_set.field("etag"), of_member.field("etag"), "{view}");
        }
    }
    let tiles = String::from_utf8(serving.get("/v/film.set/storyboard.vtt").body).expect("text");
    let image = tiles.lines().find(|line| line.contains(".jpg")).expect("an image");
    serving.get(&manifests::resolve("/v/film.set/storyboard.vtt", image).replace('#', "?"));
    let text = serving.get("/v/film.set/storyboard.json").body;
    let described: Value = serde_json::from_slice(&text).expect("JSON");
    assert!(described.to_string().contains("b.mp4/~"), "{described}");
    let frame = serving.image("/v/film.set/poster.jpg");
    assert_eq!((frame.width, frame.height), (128, 72));
    assert_eq!(serving.multivariant("film.set").variants.len(), 2);
}

#[test]
fn a_job_of_a_set_is_one_of_its_largest_member() {
    if !ffmpeg::is_installed() {
        return;
    }
    let kinds = kinds();
    let serving = serve_kinds(&kinds);
    let mut client = serving.program.connect();
    client.send(post("/api/jobs", r#"{"kind":"storyboard","title":"film.set"}"#));
    assert_eq!(json(&read(&mut client), 202)["title"], "film.set/b.mp4");
    let mut client = serving.program.connect();
    client.send(post("/api/jobs", r#"{"kind":"storyboard","title":"none.set"}"#));
    json(&read(&mut client), 404);
}

#[test]
fn the_list_follows_the_members_of_a_set() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    folder.put("film.set/a.mp4", &RENDITIONS.small);
    folder.put("film.set/notes.txt", "no movie");
    folder.put("empty.set/notes.txt", "no movie");
    let serving = serve(&folder);
    serving.until_watching(&folder);
    let size = |title: &str| {
        let list = json(&serving.get("/api/titles", &[]), 200);
        let listed = list["titles"].as_array().expect("a list").clone();
        listed.iter().find(|item| item["path"] == title)?["size_bytes"].as_u64()
    };
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).ok();
    assert_eq!(size("film.set"), length(&RENDITIONS.small));
    assert_eq!(size("empty.set"), None);
    let both = length(&[&RENDITIONS.small[..], &RENDITIONS.large].concat());
    folder.put("film.set/b.mp4", &RENDITIONS.large);
    until("the new member counts", || size("film.set") == both);
    fs::remove_file(folder.path("film.set/a.mp4")).expect("removed");
    until("the removed member does not", || size("film.set") == length(&RENDITIONS.large));
    fs::rename(folder.path("film.set"), folder.path("other.set")).expect("renamed");
    until("the set has another name", || size("other.set") == length(&RENDITIONS.large));
    assert_eq!((size("film.set"), size("film.set/b.mp4")), (None, None));
    fs::remove_file(folder.path("other.set/b.mp4")).expect("removed");
    until("an empty folder is no set", || size("other.set").is_none());
    fs::rename(folder.path("other.set"), folder.path("folder")).expect("renamed");
}
