//! Matroska in place: HLS, DASH and play.mp4 of a file at the first request, without a copy of it.

mod progressive; // play.mp4 and clips

use std::{fs, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    ffmpeg::{self, Kind, Seconds, Track},
    json,
    made_titles::MadeTitles,
    matroska::{self, MERGED, RECIPES},
    server::{Serving, serve_in},
    streams::Streams,
    wait::until,
};

/// Codecs that segments can hold.
const CODECS: [&str; 10] =
    ["h264", "hevc", "av1", "vp9", "aac", "ac3", "eac3", "opus", "flac", "alac"];

/// Block times are rounded to milliseconds, and those of audio are computed again from its frames.
const SLACK_MS: i64 = 2;

fn is_required(track: &Track) -> bool {
    CODECS.contains(&track.codec.as_str())
}

/// The clips, made if absent; those of mkvmerge only if it is installed.
fn clips() -> Vec<PathBuf> {
    let by_ffmpeg = RECIPES.iter().map(|(name, _)| matroska::encoded(name));
    let merged = MERGED.iter().filter(|_| matroska::has_mkvmerge());
    by_ffmpeg.chain(merged.map(|(name, ..)| matroska::merged(name))).collect()
}

/// A server of all clips.
fn served(data: &TempDir) -> (Serving, Vec<(String, PathBuf)>) {
    let clips = clips();
    let folder = clips[0].parent().expect("a folder").to_owned();
    let name = |path: &PathBuf| path.file_name().expect("a name").display().to_string();
    let named = clips.iter().map(|path| (name(path), path.clone())).collect();
    (serve_in(data.path(), &[folder], "local_worker = false"), named)
}

#[test]
fn the_first_playlist_is_that_of_the_whole_title_and_nothing_is_copied() {
    if !ffmpeg::is_installed() {
        return;
    }
    let data = TempDir::new().expect("a data folder");
    let (serving, clips) = served(&data);
    for (name, path) in &clips {
        // The playlists end with EXT-X-ENDLIST, or they could not be read.
        let streams = Streams::read(&serving, name);
        let source = ffmpeg::tracks(path.to_str().expect("text")).expect("tracks");
        for (url, playlist) in &streams.playlists {
            let kind = if url.contains("/video-") { Kind::Video } else { Kind::Audio };
            let track = source.iter().find(|track| track.kind == kind).expect("a track");
            let ends = track.shown().map(|packet| track.shown_until(packet).nanoseconds());
            let end_ns = ends.max().expect("a frame");
            let sum_ns: i128 = playlist.segments.iter().map(|segment| segment.duration_ns).sum();
            let is_first_audio = kind == Kind::Video || url.contains("/audio-1/");
            // The last frame is shorter than ffmpeg says: its end is padding.
            let padding_ms = if matches!(&*track.codec, "opus" | "mp3") { 27 } else { 0 };
            // Nor does the file tell that the last frame of ALAC, of 4096 samples, is shorter than others.
            let rest_ms = if track.codec == "alac" { 93 } else { 0 };
            let apart_ms = (sum_ns - end_ns) / 1_000_000;
            let is_exact = (-2 - padding_ms..=2 + rest_ms).contains(&apart_ms);
            assert!(!is_first_audio || is_exact, "{url}: {apart_ms} ms too long");
        }
    }
    assert_nothing_is_copied(&serving, &data);
}

/// Checks that no job copies or indexes a title, and that no artifact is there.
fn assert_nothing_is_copied(serving: &Serving, data: &TempDir) {
    let jobs: Value = json::json(&serving.get("/api/jobs", &[]), 200);
    let copies = |job: &Value| job["kind"] == "remux" || job["kind"] == "index";
    assert!(!jobs["jobs"].as_array().expect("a list").iter().any(copies), "{jobs}");
    let artifacts = fs::read_dir(data.path().join("artifacts")).expect("a folder");
    let names: Vec<_> = artifacts.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(names.iter().all(|name| name == "store.id" || name == "in-progress"), "{names:?}");
}

#[test]
fn hls_and_dash_have_the_packets_and_the_frames_of_the_file_at_their_times() {
    if !ffmpeg::is_installed() {
        return;
    }
    let data = TempDir::new().expect("a data folder");
    let (serving, clips) = served(&data);
    let mut failures = Vec::new();
    for (name, path) in &clips {
        for view in ["index.m3u8", "manifest.mpd"] {
            let url = format!("http://{}/v/{name}/{view}", serving.address);
            if let Err(why) = plays(path.to_str().expect("text"), &url) {
                failures.push(format!("{name}/{view}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Plays a URL and compares it with the file: the same packets, at the same times up to one offset.
fn plays(path: &str, url: &str) -> Result<(), String> {
    let (source, package) = (ffmpeg::tracks(path)?, ffmpeg::tracks(url)?);
    let mut offset = None;
    for ours in source.iter().filter(|track| is_required(track)) {
        let same_bytes = |theirs: &&Track| {
            let digests = |track: &Track| -> Vec<String> {
                track.packets.iter().map(|packet| packet.digest.clone()).collect()
            };
            theirs.kind == ours.kind && digests(theirs) == digests(ours)
        };
        let what = format!("{:?} track {} ({})", ours.kind, ours.index, ours.codec);
        let theirs = package.iter().find(same_bytes).ok_or(format!("{what} has other packets"))?;
        for (ours_at, theirs_at) in ours.packets.iter().zip(&theirs.packets) {
            let late = theirs.shown_at(theirs_at) - ours.shown_at(ours_at);
            let apart = late - *offset.get_or_insert(late);
            if apart.magnitude() > Seconds::from_ticks(SLACK_MS, (1, 1000)) {
                return Err(format!("{what}: a packet is {} ns late", apart.nanoseconds()));
            }
        }
        if ours.kind == Kind::Video {
            let digests = |input: &str, index: usize| -> Result<Vec<String>, String> {
                let frames = ffmpeg::decode(input, &[index])?.remove(0).frames;
                Ok(frames.into_iter().map(|(_, digest)| digest).collect())
            };
            if digests(path, ours.index)? != digests(url, theirs.index)? {
                return Err(format!("{what} has other frames"));
            }
        }
    }
    Ok(())
}

#[test]
fn matroska_in_place_has_renditions() {
    if !ffmpeg::is_installed() {
        return;
    }
    let how = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=9 -c:v libx264 -bf 3 -g 50";
    let made = MadeTitles::new(&[("film.mkv", how)]);
    let job = r#"{"kind":"rendition","title":"film.mkv","height":54,"codec":"h264"}"#;
    let mut client = made.program.connect();
    client.send(json::post("/api/jobs", job));
    assert_eq!(json::read(&mut client).status, 202);
    until("the rendition is part of the title", || {
        made.playlist("film.mkv")
            .variants
            .iter()
            .any(|(_, attributes)| attributes.get("RESOLUTION").is_some_and(|size| size == "96x54"))
    });
    let played = ffmpeg::tracks(&made.url("film.mkv", "index.m3u8")).expect("tracks");
    let counts: Vec<_> = played.iter().map(|track| track.packets.len()).collect();
    assert_eq!(counts, [225, 225]);
}

#[test]
fn segments_are_equal_on_two_servers_and_whether_they_are_remembered_or_not() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folders = [(); 2].map(|()| TempDir::new().expect("a data folder"));
    let [(one, clips), (other, _)] = folders.each_ref().map(served);
    for (name, _) in clips.iter().filter(|(name, _)| name.contains("b-frames")) {
        let streams = Streams::read(&one, name);
        for url in streams.segments() {
            let first = one.get(url, &[]);
            assert_eq!(first.status, 200, "{url}");
            assert_eq!(one.get(url, &[]).body, first.body, "{url} again");
            let elsewhere = other.get(url, &[]);
            assert_eq!(elsewhere.body, first.body, "{url} elsewhere");
            assert_eq!(elsewhere.field("etag"), first.field("etag"), "{url}");
        }
    }
}
