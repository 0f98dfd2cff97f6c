//! Renditions beside a title, and folders of renditions that form a title: alignment, and complete
//! manifests.

use std::{fs, path::Path};

use crate::support::{
    ffmpeg,
    folder::Folder,
    manifests::{self, Attributes, Playlist},
    program::Program,
    renditions::RENDITIONS,
    server::{Serving, serve},
    streams::{CLOCK, Streams, fetch, put_sample},
    wait::until,
};

/// Checks that everything in the manifests of a title exists, and that all video playlists are cut
/// at the same times.
fn is_whole(serving: &Serving, title: &str, renditions: usize) {
    let client = &mut serving.connect();
    let streams = Streams::read(serving, title);
    let of_title = &streams.multivariant.1;
    assert_eq!(of_title.variants.len(), renditions, "{of_title:?}");
    assert_eq!(of_title.i_frames.len(), renditions);
    for i_frames in &of_title.i_frames {
        fetch(client, &i_frames["URI"]);
    }
    for url in streams.segments() {
        fetch(client, url);
    }
    let durations = |(_, playlist): &(String, Playlist)| -> Vec<i128> {
        playlist.segments.iter().map(|segment| segment.duration_ns).collect()
    };
    let cuts: Vec<_> = streams.playlists.iter().take(renditions).map(durations).collect();
    assert!(cuts.iter().all(|other| *other == cuts[0]), "{cuts:?}");
    assert!(cuts[0].len() > 2, "{cuts:?}");
    let is_video = |attributes: &Attributes| attributes["mimeType"] == "video/mp4";
    let (_, described) = &streams.description;
    let described: Vec<_> =
        described.iter().filter(|representation| is_video(&representation.attributes)).collect();
    assert_eq!(described.len(), renditions);
    for representation in described {
        fetch(client, &representation.init);
        for segment in &representation.segments {
            fetch(client, &segment.url);
        }
    }
}

#[test]
fn a_rendition_with_equal_key_frames_joins_and_others_are_left_out_and_logged_once() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    folder.put("a film.mp4", &RENDITIONS.large);
    folder.put("a film.180p.mp4", &RENDITIONS.small);
    let program = Program::serve(&[folder.path("")], &[]);
    let title = "/v/a%20film.mp4/index.m3u8";
    let client = &mut program.connect();
    let both = fetch(client, title);
    assert_eq!(manifests::multivariant(title, &both.body).variants.len(), 2);
    assert!(!program.logged().contains("left out"), "{}", program.logged());
    folder.put("a film.240p.mp4", &RENDITIONS.other);
    folder.put("a film.270p.mp4", &RENDITIONS.short);
    folder.put("a film.360p.mp4", "this is no movie".repeat(100));
    for _ in 0..5 {
        let same = fetch(client, title);
        assert!(same.body == both.body);
        assert_eq!(same.field("etag"), both.field("etag"));
    }
    let times = |what: &str| program.logged().matches(what).count();
    until("all three are logged", || times("left out of its title") >= 3);
    // A second log line would have come before this.
    let response = program.get("/v/a%20film.mp4/nonsense", &[]);
    assert_eq!(response.status, 404);
    for name in ["a film.240p.mp4", "a film.270p.mp4", "a film.360p.mp4"] {
        assert_eq!(times(name), 1, "{}", program.logged());
    }
    drop(program);
    let serving = serve(&folder);
    is_whole(&serving, "a%20film.mp4", 2);
    // A client may encode the slash of a title's folder too.
    folder.put("b/film.mp4", &RENDITIONS.large);
    folder.put("b/film.180p.mp4", &RENDITIONS.small);
    is_whole(&serving, "b/film.mp4", 2);
    is_whole(&serving, "b%2Ffilm.mp4", 2);
    // Each is also a title of its own.
    is_whole(&serving, "a%20film.180p.mp4", 1);
    is_whole(&serving, "a%20film.270p.mp4", 1);
}

#[test]
fn a_folder_of_renditions_is_a_title_with_any_file_names() {
    if !ffmpeg::is_installed() {
        return;
    }
    for names in [
        ["1080p.mp4", "180p.mp4"],
        ["a b#1?.mp4", "%20 100%.mp4"],
        ["é ü 東京 🎬.mp4", "x:y&'\"<z>;$Number$.mp4"],
    ] {
        let folder = Folder::new();
        let set = Path::new("films & more").join("a #film.set");
        folder.put(set.join(names[0]), &RENDITIONS.large);
        folder.put(set.join(names[1]), &RENDITIONS.small);
        folder.put(set.join("broken.mp4"), "this is no movie");
        folder.put(set.join("notes.txt"), "no movie at all");
        let serving = serve(&folder);
        is_whole(&serving, "films%20%26%20more/a%20%23film.set", 2);
    }
}

#[test]
fn urls_that_are_not_of_a_set_are_404() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "film.set/a.mp4");
    put_sample(&folder, CLOCK, "films/a.mp4");
    folder.put("broken.set/a.mp4", "this is no movie");
    fs::create_dir(folder.path("empty.set")).expect("a folder");
    let serving = serve(&folder);
    assert_eq!(serving.get("/v/film.set/index.m3u8", &[]).status, 200);
    let init = {
        let client = &mut serving.connect();
        let url = "/v/film.set/index.m3u8";
        manifests::multivariant(url, &fetch(client, url).body).variants[0].0.clone()
    };
    let version = init.split('/').find(|name| name.starts_with('~')).expect("a version");
    for target in [
        &format!("/v/film.set/{version}/video-1/init.mp4"),
        &format!("/v/film.set/{version}/text-1/all.vtt"),
        "/media/film.set",
        "/v/films/index.m3u8",
        "/v/broken.set/index.m3u8",
        "/v/broken.set/play.mp4",
        "/v/broken.set/poster.jpg",
        "/v/films/play.mp4",
        "/v/empty.set/inspect",
        "/v/empty.set/manifest.mpd",
        "/v/none.set/index.m3u8",
        "/v/.set/index.m3u8",
    ] {
        let response = serving.get(target, &[]);
        assert_eq!(response.status, 404, "{target}");
        assert_eq!(response.field("content-type"), Some("application/problem+json"), "{target}");
    }
}
