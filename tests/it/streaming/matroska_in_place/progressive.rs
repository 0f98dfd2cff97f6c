//! `play.mp4` and clips of Matroska: a new index in front of the file's own clusters.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::{assert_nothing_is_copied, plays, served};
use crate::support::{
    ffmpeg::{self, Kind, Track},
    folder::Folder,
    matroska,
    program::Program,
    server::{Serving, serve},
    wait::until,
};

/// The error of the milliseconds of Matroska, in nanoseconds: audio has exact times instead.
const ROUNDING_NS: i128 = 2_000_000;

/// A folder with a clip of [`matroska::RECIPES`], under its name.
fn put(folder: &Folder, name: &str) {
    fs::copy(matroska::encoded(name), folder.path(name)).expect("disk space");
}

fn url(serving: &Serving, target: &str) -> String {
    format!("http://{}/v/{target}", serving.address)
}

fn path(folder: &Folder, name: &str) -> String {
    folder.path(name).to_str().expect("text").to_owned()
}

fn of_kind(tracks: &[Track], kind: Kind) -> Vec<&Track> {
    tracks.iter().filter(|track| track.kind == kind).collect()
}

/// Compares what a demuxer reads and what a decoder makes of it, by kind of track, with times within rounding.
fn same(ours: &str, theirs: &str) {
    let our_tracks = ffmpeg::tracks(ours).expect(ours);
    let their_tracks = ffmpeg::tracks(theirs).expect(theirs);
    for kind in [Kind::Video, Kind::Audio] {
        let (of_ours, of_theirs) = (of_kind(&our_tracks, kind), of_kind(&their_tracks, kind));
        assert_eq!(of_ours.len(), of_theirs.len(), "{ours}: {kind:?}");
        for (our_track, their_track) in of_ours.into_iter().zip(of_theirs) {
            let digests = |track: &Track| -> Vec<String> {
                track.packets.iter().map(|packet| packet.digest.clone()).collect()
            };
            let is_same = digests(our_track) == digests(their_track);
            assert!(is_same, "{ours}: the samples of {kind:?} differ");
            let decoded = |input: &str, track: &Track| {
                ffmpeg::decode(input, &[track.index]).expect(input).remove(0).frames
            };
            let (our_frames, their_frames) =
                (decoded(ours, our_track), decoded(theirs, their_track));
            assert_eq!(our_frames.len(), their_frames.len(), "{ours}: {kind:?}");
            for (place, (our, their)) in our_frames.iter().zip(&their_frames).enumerate() {
                // ffmpeg cuts the padding at the end of Opus in Matroska, and not in MP4.
                let is_padded = our_track.codec == "opus" && place + 1 == our_frames.len();
                assert!(is_padded || our.1 == their.1, "{ours}: {kind:?} frame {place}");
                let late = our.0.nanoseconds() - their.0.nanoseconds();
                assert!(late.abs() <= ROUNDING_NS, "{ours}: {kind:?} frame {place}: {late} ns");
            }
        }
    }
}

/// The extents that `?layout` lists: where each comes from.
fn extents(layout: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(layout).expect("text");
    let (_, listed) = text.split_once("from\n").expect("a list");
    listed
        .lines()
        .map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn the_whole_movie_is_the_file_with_an_index_in_front() {
    if !ffmpeg::is_installed() {
        return;
    }
    let data = TempDir::new().expect("a data folder");
    let (serving, clips) = served(&data);
    let mut failures = Vec::new();
    for (name, path) in &clips {
        let target = format!("/v/{name}/play.mp4");
        let whole = serving.get(&target, &[]);
        assert_eq!(whole.status, 200, "{name}: {}", String::from_utf8_lossy(&whole.body));
        assert_eq!(whole.field("content-type"), Some("video/mp4"));
        let length = whole.body.len().to_string();
        assert_eq!(whole.field("content-length"), Some(&*length), "{name}");
        let path = path.to_str().expect("text");
        if let Err(why) = plays(path, &url(&serving, &format!("{name}/play.mp4"))) {
            failures.push(format!("{name}: {why}"));
        }
        let layout = serving.get(&format!("{target}?layout"), &[]);
        let extents = extents(&layout.body);
        let (last, index) = extents.split_last().expect("extents");
        assert!(last.starts_with("file "), "{name}: {extents:?}");
        assert!(index.iter().all(|extent| extent == "memory"), "{name}: {extents:?}");
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_nothing_is_copied(&serving, &data);
}

#[test]
fn the_decoded_frames_of_all_tracks_are_those_of_the_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let names = [
        "b-frames.mkv",
        "open-gop.mkv",
        "hevc-ac-3.mkv",
        "av1-opus.mkv",
        "vp9-flac.mkv",
        "two-audio.mkv",
    ];
    names.iter().for_each(|name| put(&folder, name));
    let serving = serve(&folder);
    for name in names {
        same(&url(&serving, &format!("{name}/play.mp4")), &path(&folder, name));
    }
}

#[test]
fn ranges_are_cuts_of_the_whole_and_every_server_makes_the_same() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    put(&folder, "b-frames.mkv");
    let (serving, other) = (serve(&folder), serve(&folder));
    for target in ["/v/b-frames.mkv/play.mp4", "/v/b-frames.mkv/play.mp4?start=2.5&end=6"] {
        let whole = serving.get(target, &[]);
        let tag = whole.field("etag").expect("a tag").to_owned();
        let again = other.get(target, &[]);
        assert!(again.body == whole.body && again.field("etag") == Some(&*tag));
        let length = whole.body.len();
        let mut client = other.connect();
        // Places all over the file, and around the end of the index.
        let places = (0..40).map(|number| number * 7919 * 1013 % length);
        for start in places.chain([0, length - 1]) {
            let end = (start + 1 + start % 30_011).min(length);
            let range = format!("Range: bytes={start}-{}", end - 1);
            let response = client.request("GET", target, &[&range, &format!("If-Range: {tag}")]);
            assert_eq!(response.status, 206, "{range}");
            assert!(response.body == whole.body[start..end], "{range}");
        }
    }
}

#[test]
fn a_clip_or_a_selection_of_tracks_copies_nothing() {
    if !ffmpeg::is_installed() {
        return;
    }
    let data = TempDir::new().expect("a data folder");
    let (serving, _) = served(&data);
    for part in ["start=1&end=3", "start=2", "tracks=audio-1", "tracks=video-1&end=4"] {
        let target = format!("/v/b-frames.mkv/play.mp4?{part}");
        assert_eq!(serving.get(&target, &[]).status, 200, "{target}");
    }
    assert_nothing_is_copied(&serving, &data);
}

#[test]
fn a_clip_equals_that_of_the_remuxed_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    for name in ["b-frames", "open-gop", "hevc-ac-3", "ntsc"] {
        put(&folder, &format!("{name}.mkv"));
        let remuxed = path(&folder, &format!("{name}-remuxed.mp4"));
        let source = path(&folder, &format!("{name}.mkv"));
        let arguments = ["-i", &source, "-map", "0", "-c", "copy", "-strict", "-2", &remuxed];
        ffmpeg::run(&arguments).expect(name);
    }
    let serving = serve(&folder);
    for name in ["b-frames", "open-gop", "hevc-ac-3", "ntsc"] {
        for part in ["start=2.5&end=6", "start=0&end=1.7", "start=4.02", "start=3&end=3.5"] {
            let of = |file: &str| url(&serving, &format!("{file}/play.mp4?{part}"));
            let (ours, theirs) = (of(&format!("{name}.mkv")), of(&format!("{name}-remuxed.mp4")));
            let frames = |input: &str| {
                let tracks = ffmpeg::tracks(input).expect(input);
                let video = of_kind(&tracks, Kind::Video)[0].index;
                ffmpeg::decode(input, &[video]).expect(input).remove(0).frames
            };
            let (our_frames, their_frames) = (frames(&ours), frames(&theirs));
            assert!(!our_frames.is_empty(), "{ours}");
            assert_eq!(our_frames.len(), their_frames.len(), "{ours}");
            for (our, their) in our_frames.iter().zip(&their_frames) {
                assert_eq!(our.1, their.1, "{ours}");
                let late = our.0.nanoseconds() - their.0.nanoseconds();
                assert!(late.abs() <= ROUNDING_NS, "{ours}: {late} ns");
            }
            let heard = |input: &str| -> Vec<String> {
                let tracks = ffmpeg::tracks(input).expect(input);
                let audio = of_kind(&tracks, Kind::Audio)[0];
                audio.shown().map(|packet| packet.digest.clone()).collect()
            };
            let (ours, theirs) = (heard(&ours), heard(&theirs));
            // Times in milliseconds may put one more frame at either end.
            let is_within = |short: &[String], long: &[String]| {
                long.len() - short.len() <= 2
                    && long.windows(short.len()).any(|window| window == short)
            };
            let (short, long) =
                if ours.len() < theirs.len() { (&ours, &theirs) } else { (&theirs, &ours) };
            assert!(is_within(short, long), "{name} {part}: {} {}", ours.len(), theirs.len());
        }
    }
}

/// A file of more than 256 MiB: noise, which FLAC cannot compress, beside small video.
fn make_long(path: &Path) {
    let arguments = "-f lavfi -i testsrc2=size=64x36:rate=5:duration=1000 \
        -f lavfi -i anoisesrc=r=48000:d=1000:a=1:seed=1 -f lavfi -i anoisesrc=r=48000:d=1000:a=1:seed=2 \
        -filter_complex [1:a][2:a]amerge=inputs=2[a] -map 0:v -map [a] \
        -c:v libx264 -preset ultrafast -bf 2 -g 25 \
        -c:a flac -sample_fmt s32 -bits_per_raw_sample 24 -compression_level 0";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    ffmpeg::run(&[&arguments[..], &[path.to_str().expect("text")]].concat()).expect("a file");
    assert!(fs::metadata(path).expect("a file").len() > 256 << 20);
}

#[test]
fn the_index_of_a_long_file_is_written_by_a_job() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    make_long(&folder.path("long.mkv"));
    let program = Program::serve(&[folder.path("")], &[]);
    let target = "/v/long.mkv/play.mp4";
    // A short clip needs no index.
    assert_eq!(program.get(&format!("{target}?start=500&end=510"), &[]).status, 200);
    let mut first = program.get(target, &[]);
    assert_eq!(first.status, 503, "{}", String::from_utf8_lossy(&first.body));
    assert!(first.field("retry-after").is_some());
    until("the index is written", || {
        first = program.get(target, &["Range: bytes=0-999"]);
        first.status != 503
    });
    assert_eq!(first.status, 206, "{}", String::from_utf8_lossy(&first.body));
    let jobs: Value = serde_json::from_slice(&program.get("/api/jobs", &[]).body).expect("JSON");
    let kinds: Vec<&str> = jobs["jobs"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|job| job["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["index"], "{jobs}");
    let layout = program.get(&format!("{target}?layout"), &[]);
    let from = extents(&layout.body);
    assert_eq!(from.len(), 2, "{from:?}");
    assert!(from.iter().all(|extent| extent.starts_with("file ")), "{from:?}");
    let whole = format!("http://{}{target}", program.address);
    let samples = |input: &str| -> Vec<Vec<String>> {
        let tracks = ffmpeg::tracks(input).expect(input);
        let digests = |track: &Track| track.packets.iter().map(|it| it.digest.clone()).collect();
        tracks.iter().map(digests).collect()
    };
    let ours = samples(&whole);
    assert!(ours == samples(&path(&folder, "long.mkv")), "the samples differ");
    // A long clip is made of the index, and its samples are those of the whole.
    let clip = samples(&format!("{whole}?start=10"));
    for (of_clip, of_whole) in clip.iter().zip(&ours) {
        assert!(of_clip.len() < of_whole.len());
        assert!(of_whole.ends_with(of_clip), "the samples of the clip differ");
    }
}
