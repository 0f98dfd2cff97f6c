//! Automatic renditions: the key `auto_renditions`.

use std::{collections::BTreeSet, fs};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    ffmpeg, folder::Folder, json::json, manifests, program::Program, wait::until_slowly,
};

/// A movie of four seconds in the library of a folder.
fn put_movie(folder: &Folder, name: &str, size: &str, coded: &str) {
    let path = folder.path(format!("library/{name}"));
    let video = format!("testsrc2=size={size}:rate=25:duration=4");
    let coded: Vec<_> = coded.split_whitespace().collect();
    let output = ffmpeg::run(
        &[
            &["-f", "lavfi", "-i", &video],
            &coded[..],
            &["-pix_fmt", "yuv420p", "-g", "50", path.to_str().expect("text")],
        ]
        .concat(),
    );
    output.expect("a movie");
}

/// The resolutions in the manifest of a title, if it has one.
fn sizes(program: &Program, title: &str) -> BTreeSet<String> {
    let url = format!("/v/{title}/index.m3u8");
    let response = program.get(&url, &[]);
    if response.status != 200 {
        // No browser decodes its video, which is encoded meanwhile.
        assert!([422, 503].contains(&response.status), "{title}: {}", response.status);
        return BTreeSet::new();
    }
    let variants = manifests::multivariant(&url, &response.body).variants;
    variants.into_iter().filter_map(|(_, mut variant)| variant.remove("RESOLUTION")).collect()
}

/// The requested jobs: titles, and heights of their renditions.
fn requested_jobs(program: &Program) -> BTreeSet<(String, u64)> {
    let jobs = json(&program.get("/api/jobs", &[]), 200);
    let title_and_height = |job: &Value| {
        let height = job["height"].as_u64().expect("a rendition");
        (job["title"].as_str().expect("text").to_owned(), height)
    };
    jobs["jobs"].as_array().expect("a list").iter().map(title_and_height).collect()
}

/// Plays all its video to the end, without a single warning, and checks its duration in seconds.
fn plays(program: &Program, title: &str, seconds: u32) {
    let manifest = program.get(&format!("/v/{title}/manifest.mpd"), &[]);
    let manifest = String::from_utf8(manifest.body).expect("text");
    let duration = format!("mediaPresentationDuration=\"PT{seconds}.000000S\"");
    assert!(manifest.contains(&duration), "{title}: {manifest}");
    for view in ["index.m3u8", "manifest.mpd"] {
        let url = format!("http://{}/v/{title}/{view}", program.address);
        let played = ffmpeg::run(&["-xerror", "-i", &url, "-map", "0:v", "-f", "null", "-"]);
        played.unwrap_or_else(|why| panic!("{url}: {why}"));
    }
}

#[test]
fn the_policy_transcodes_what_browsers_cannot_decode_or_the_ladder_of_every_title() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    fs::create_dir(folder.path("library")).expect("a folder");
    let audio = "-f lavfi -i sine=sample_rate=48000:duration=2 -c:a aac";
    put_movie(&folder, "modern.mp4", "640x400", "-c:v libx264 -preset ultrafast");
    put_movie(&folder, "old.mp4", "192x108", "-c:v mpeg4");
    put_movie(&folder, "audio.mp4", "192x108", &format!("{audio} -c:v mpeg4"));
    let policy = |name: &str| {
        let lines = format!("auto_renditions = \"{name}\"\nmin_free_disk_mib = 0\n");
        folder.put("headwater.toml", lines)
    };
    let arguments = ["--config".into(), policy("off"), folder.path("library")];
    let program = Program::serve(&arguments, &[]);
    until_slowly("all titles are listed", || {
        let titles = json(&program.get("/api/titles", &[]), 200);
        titles["titles"].as_array().is_some_and(|titles| titles.len() == 3)
    });
    let take_over = |name: &str| {
        policy(name);
        program.signal(Signal::HUP);
    };
    let has = |title: &str, expected: &[&str]| {
        let found = sizes(&program, title);
        found.iter().map(String::as_str).eq(expected.iter().copied())
    };
    assert!(has("old.mp4", &[]) && has("audio.mp4", &[]), "no browser decodes them");
    take_over("unplayable");
    for old in ["old.mp4", "audio.mp4"] {
        until_slowly("its video plays", || has(old, &["192x108"]));
        plays(&program, old, 4);
    }
    let mut expected = BTreeSet::from(["old.mp4", "audio.mp4"].map(|old| (old.to_owned(), 108)));
    assert_eq!(requested_jobs(&program), expected, "the other one plays without transcoding");
    take_over("all");
    let ladder = ["384x240", "576x360", "640x400"];
    until_slowly("the other one has a ladder", || has("modern.mp4", &ladder));
    plays(&program, "modern.mp4", 4);
    expected.extend([240, 360].map(|height| ("modern.mp4".to_owned(), height)));
    assert_eq!(requested_jobs(&program), expected);
}
