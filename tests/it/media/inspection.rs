//! Reports about a file, by HTTP and on the command line; and the extents of derived URLs.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{
    client::Client,
    clips, ffmpeg,
    folder::Folder,
    program,
    server::serve,
    streams::{CLOCK, Streams, fetch, put_sample},
};

/// The sample with its index behind the media.
const AT_END: &str = "Clock, moov at the end.mp4";
const AT_END_URL: &str = "Clock%2C%20moov%20at%20the%20end.mp4";

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Runs `headwater inspect` on a file: its exit status and output.
fn inspected(path: &Path, arguments: &[&str]) -> (i32, String) {
    let path = path.to_str().expect("text");
    let all = [&["inspect", path], arguments].concat();
    let (status, printed, logged) = program::run(&all);
    assert_eq!(logged, "", "{path}");
    (status.code().expect("no signal"), printed)
}

/// The report of a playable file, from the command line.
fn report(path: &Path) -> Value {
    let (code, printed) = inspected(path, &["--json"]);
    assert_eq!(code, 0, "{printed}");
    parsed(printed.as_bytes())
}

fn track<'a>(report: &'a Value, folder: &str) -> &'a Value {
    let tracks = report["tracks"].as_array().expect("tracks");
    tracks.iter().find(|track| track["folder"] == folder).expect("a track of this folder")
}

/// The sentences of all problems of this severity.
fn problems<'a>(report: &'a Value, severity: &str) -> Vec<&'a str> {
    let problems = report["problems"]
        .as_array()
        .expect("problems")
        .iter()
        .filter(|problem| problem["severity"] == severity);
    problems.map(|problem| problem["sentence"].as_str().expect("a sentence")).collect()
}

fn repairs(report: &Value) -> String {
    let repairs = report["repairs"].as_array().expect("repairs").iter();
    repairs.map(|repair| repair["what"].as_str().expect("a text").to_owned() + "\n").collect()
}

fn verdict<'a>(report: &'a Value, player: &str, way: &str) -> &'a str {
    let players = report["players"].as_array().expect("players");
    let player = players.iter().find(|found| found["name"] == player).expect("a player");
    player[way]["plays"].as_str().expect("a word")
}

#[test]
fn a_report_is_json_with_an_entity_tag() {
    let folder = Folder::new();
    put_sample(&folder, AT_END, AT_END);
    let serving = serve(&folder);
    let url = format!("/v/{AT_END_URL}/inspect");
    let response = serving.get(&url, &[]);
    assert_eq!(response.status, 200);
    assert_eq!(response.field("content-type"), Some("application/json"));
    assert_eq!(response.field("cache-control"), Some("no-cache"));
    let report = parsed(&response.body);
    assert_eq!(
        (&report["playable"], &report["file"]["index"]["place"]),
        (&true.into(), &"end".into())
    );
    assert!(repairs(&report).contains("index (moov) moves to the front"), "{report}");
    let tag = response.field("etag").expect("a tag");
    let again = serving.get(&url, &[&format!("If-None-Match: {tag}")]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = serving.request("HEAD", &url, &[]);
    assert_eq!(head.field("content-length"), response.field("content-length"));
    assert_eq!(serving.request("POST", &url, &[]).status, 405);
    assert_eq!(serving.get("/v/nothing.mp4/inspect", &[]).status, 404);
}

#[test]
fn the_version_and_the_tracks_of_a_report_are_those_of_urls() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let report = parsed(&fetch(client, &format!("/v/{CLOCK}/inspect")).body);
    let version = report["file"]["streams_version"].as_str().expect("a version");
    let title = parsed(&fetch(client, &format!("/api/titles/{CLOCK}")).body);
    assert_eq!(report["file"]["version"], title["version"]);
    for found in report["tracks"].as_array().expect("tracks") {
        let name = found["folder"].as_str().expect("all are offered");
        let segments = found["segments"]["count"].as_u64().expect("a number");
        let at = |number: u64| format!("/v/{CLOCK}/~{version}/{name}/{number}.m4s");
        fetch(client, &at(segments));
        assert_eq!(serving.get(&at(segments + 1), &[]).status, 404, "{name}");
    }
}

#[test]
fn a_file_that_is_no_movie_has_a_report_and_no_manifest() {
    let folder = Folder::new();
    folder.put("empty.mp4", b"");
    folder.put("text.mp4", b"this is no movie at all");
    put_sample(&folder, AT_END, "whole.mp4");
    let whole = fs::read(folder.path("whole.mp4")).expect("a file");
    folder.put("cut.mp4", &whole[..whole.len() / 2]);
    let serving = serve(&folder);
    for (name, reason, boxes, manifest) in [
        ("empty.mp4", "not an MP4", 0, 422),
        ("text.mp4", "not an MP4", 0, 422),
        ("cut.mp4", "no index (moov)", 3, 422),
    ] {
        let report = parsed(&fetch(&mut serving.connect(), &format!("/v/{name}/inspect")).body);
        assert_eq!(report["playable"], false, "{name}");
        let reasons = report["reasons"].as_array().expect("a list");
        let first = reasons[0].as_str().expect("a text");
        assert!(first.contains(reason), "{name}: {first}");
        assert_eq!(report["file"]["boxes"].as_array().expect("a list").len(), boxes, "{name}");
        assert_eq!(problems(&report, "error").len(), 1, "{name}: {report}");
        assert_eq!(serving.get(&format!("/v/{name}/index.m3u8"), &[]).status, manifest, "{name}");
        let (code, printed) = inspected(&folder.path(name), &[]);
        assert_eq!(code, 1, "{name}");
        assert!(printed.contains("  playable      no"), "{printed}");
    }
}

#[test]
fn http_and_command_line_give_the_same_report() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    let by_http = parsed(&fetch(&mut serving.connect(), &format!("/v/{CLOCK}/inspect")).body);
    assert_eq!(report(&folder.path(CLOCK)), by_http);
}

#[test]
fn the_command_prints_text_for_people() {
    let folder = Folder::new();
    put_sample(&folder, AT_END, AT_END);
    let (code, printed) = inspected(&folder.path(AT_END), &[]);
    assert_eq!(code, 0);
    assert!(printed.is_ascii(), "{printed}");
    let first = printed.lines().next().expect("a line");
    assert!(first.ends_with(AT_END), "{first}");
    for line in [
        "  index (moov)  at the end, ",
        "  duration      0:20.000",
        "track 1, video-1",
        "  codec         H.264 High, level ",
        "    HLS         yes",
    ] {
        assert!(printed.lines().any(|found| found.starts_with(line)), "{line:?} in {printed}");
    }
    assert!(printed.lines().all(|line| line.len() <= 100 && line == line.trim_end()), "{printed}");
}

#[test]
fn an_unreadable_file_is_named_and_exits_with_2() {
    let folder = Folder::new();
    for (path, why) in [
        (folder.path("nothing.mp4"), "No such file"),
        (folder.path(""), "is a folder"),
        ("/dev/null".into(), "not a regular file"),
    ] {
        let path = path.to_str().expect("text");
        let (status, printed, logged) = program::run(&["inspect", path]);
        assert_eq!((status.code(), printed.as_str()), (Some(2), ""), "{path}");
        assert!(logged.contains(path) && logged.contains(why), "{logged}");
    }
    for arguments in [&["inspect"][..], &["inspect", "--yaml", "x.mp4"]] {
        assert_eq!(program::run(arguments).0.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_help_text_lists_the_exit_codes() {
    let (status, printed, _) = program::run(&["inspect", "--help"]);
    assert!(status.success());
    for word in ["--json", "FILE", "Exit status: 0"] {
        assert!(printed.contains(word), "{word} in {printed}");
    }
}

#[test]
fn hev1_is_repaired_to_hvc1_and_depends_on_the_device() {
    if !ffmpeg::is_installed() {
        return;
    }
    let report = report(clips::named("hevc-hev1.mp4").path());
    let video = track(&report, "video-1");
    assert_eq!(video["format"], "hev1");
    assert!(video["codecs"].as_str().expect("a text").starts_with("hvc1."), "{video}");
    assert!(repairs(&report).contains("hev1 changed to hvc1"), "{report}");
    assert_eq!(verdict(&report, "Safari", "hls"), "yes");
    assert_eq!(verdict(&report, "Firefox", "hls"), "depends");
    assert_eq!(report["transcodes"][0]["to"], "H.264 (8 bit, 4:2:0)");
}

#[test]
fn a_single_key_frame_and_a_rotation_are_reported() {
    if !ffmpeg::is_installed() {
        return;
    }
    let single = report(clips::named("single-key-frame.mp4").path());
    let warnings = problems(&single, "warning");
    assert!(matches!(&warnings[..], [only] if only.contains("one key frame in 14")), "{single}");
    assert_eq!(track(&single, "video-1")["segments"]["count"], 1);
    let turned = report(clips::named("portrait.mp4").path());
    let video = &track(&turned, "video-1")["video"];
    assert_eq!(
        (&video["width"], &video["shown_width"], &video["rotation_degrees"]),
        (&192.into(), &108.into(), &90.into()),
    );
    assert!(problems(&turned, "warning").is_empty(), "{turned}");
}

#[test]
fn shifts_by_an_edit_list_are_reported_in_words() {
    if !ffmpeg::is_installed() {
        return;
    }
    let late = report(clips::named("late-audio.mp4").path());
    let timing = &track(&late, "audio-1")["timing"];
    assert!(timing["words"].as_str().expect("words").starts_with("starts 1."), "{timing}");
    // The encoder's own delay is subtracted from the second and a half.
    let start_s = timing["start_s"].as_f64().expect("a number");
    assert!((1.45..=1.5).contains(&start_s), "{timing}");
    let cut = report(clips::named("cut-mid-gop.mp4").path());
    let timing = &track(&cut, "video-1")["timing"];
    assert!(timing["words"].as_str().expect("words").contains("decoded and not shown"), "{timing}");
    assert!(timing["hidden_s"].as_f64().expect("a number") > 1.0, "{timing}");
    let varies = report(clips::named("vfr.mp4").path());
    assert_eq!(track(&varies, "video-1")["video"]["frame_rate"]["is_variable"], true);
    let even = report(clips::named("no-b-frames.mp4").path());
    let rate = &track(&even, "video-1")["video"]["frame_rate"];
    assert_eq!((&rate["is_variable"], &rate["average"]), (&false.into(), &29.97.into()));
}

#[test]
fn fragments_are_counted_and_merged_into_one_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let report = report(clips::named("fragmented.mp4").path());
    let fragments = report["file"]["fragments"].as_u64().expect("a number");
    assert!(fragments > 1, "{report}");
    assert!(
        repairs(&report).contains(&format!("{fragments} fragments become one MP4")),
        "{report}"
    );
}

#[test]
fn quicktime_pcm_needs_transcoding_for_segments() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let path = folder.path("pcm.mov");
    let name = path.to_str().expect("text");
    ffmpeg::run(&[
        "-i",
        clips::named("b-frames.mp4").path().to_str().expect("text"),
        "-t",
        "2",
        "-c:v",
        "copy",
        "-c:a",
        "pcm_s16le",
        name,
    ])
    .expect("a movie with PCM");
    let report = report(&path);
    assert_eq!(report["file"]["container"], "QuickTime");
    let audio =
        report["tracks"].as_array().expect("tracks").iter().find(|it| it["kind"] == "audio");
    let audio = audio.expect("audio");
    assert_eq!((&audio["folder"], &audio["audio"]["sample_bits"]), (&Value::Null, &16.into()));
    let transcode = &report["transcodes"][0];
    assert_eq!((&transcode["track"], &transcode["to"]), (&audio["id"], &"AAC".into()));
    assert_eq!(verdict(&report, "Chrome", "hls"), "depends");
    assert_eq!(verdict(&report, "Android", "progressive"), "yes");
    assert_eq!(problems(&report, "warning").len(), 1, "{report}");
}

/// Inspects all files of a folder. Returns their number.
fn inspects_all_of(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        eprintln!("{} is not there", folder.display());
        return 0;
    };
    let paths = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let inspect = |path| {
        let (code, printed) = inspected(path, &["--json"]);
        let report = parsed(printed.as_bytes());
        assert_eq!(code == 0, report["playable"] == true, "{}: {code}", path.display());
        assert_eq!(inspected(path, &[]).0, code, "{}", path.display());
    };
    let paths: Vec<_> = paths.collect();
    paths.iter().for_each(|path| inspect(path));
    paths.len()
}

#[test]
fn every_real_file_has_a_report() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(inspects_all_of(&here.join("media")) > 3);
    inspects_all_of(&here.join("../shared/media"));
}

/// A line of the extents view: the place of the extent, its length, and its range of the file.
type Line = (usize, usize, Option<(usize, usize)>);

fn layout(client: &mut Client, url: &str) -> Vec<Line> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let response = fetch(client, &format!("{url}{separator}layout"));
    assert_eq!(response.field("content-type"), Some("text/plain; charset=utf-8"), "{url}");
    let text = String::from_utf8(response.body).expect("text");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let range = match words[2..] {
            ["memory"] | ["computed", _] => None,
            ["file", range] => {
                let (start, end) = range.split_once("..").expect("a range");
                Some((number(start), number(end)))
            }
            _ => panic!("{line:?} in {url}"),
        };
        (number(words[0]), number(words[1]), range)
    };
    text.lines().skip(8).map(line).collect()
}

#[test]
fn the_extents_view_matches_the_response() {
    let folder = Folder::new();
    put_sample(&folder, AT_END, AT_END);
    let whole = fs::read(folder.path(AT_END)).expect("a file");
    let serving = serve(&folder);
    let streams = Streams::read(&serving, AT_END_URL);
    let segments = streams.segments();
    let segment = segments.iter().find(|url| url.ends_with("/video-1/2.m4s")).expect("a segment");
    let iframe = segment.replace("/2.m4s", "/i-2.m4s");
    let clip = format!("{}?start=3&end=7.5", streams.play);
    let client = &mut serving.connect();
    for url in [&streams.play, &clip, &streams.playlists[0].1.init, *segment, &iframe] {
        let sent = fetch(client, url).body;
        let lines = layout(client, url);
        let mut end = 0;
        for &(offset, length, range) in &lines {
            assert_eq!(offset, end, "{url}: a gap");
            end += length;
            if let Some((first, behind)) = range {
                assert_eq!(behind - first, length, "{url}");
                assert!(sent[offset..end] == whole[first..behind], "{url}: other bytes");
            }
        }
        assert_eq!(end, sent.len(), "{url}");
    }
    let of_segment = layout(client, segment);
    assert!(of_segment.len() > 1 && of_segment[0].2.is_none(), "a header, then samples");
}

#[test]
fn the_extents_view_has_its_own_rules() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    let play = format!("/v/{CLOCK}/play.mp4");
    let plain = serving.get(&play, &[]);
    let layout = serving.get(&format!("{play}?layout"), &[]);
    assert_eq!(layout.field("cache-control"), Some("no-cache"));
    assert_ne!(layout.field("etag"), plain.field("etag"));
    let text = String::from_utf8(layout.body).expect("text");
    let total = |what: &str| {
        let number = text.lines().find_map(|line| line.strip_prefix(what)).expect(what);
        number.trim().parse::<usize>().expect("a number")
    };
    let length = plain.body.len();
    assert_eq!((total("extents"), total("bytes"), total("average")), (1, length, length));
    assert_eq!((total("memory"), total("file"), total("computed")), (0, length, 0));
    assert_eq!(serving.get(&format!("/v/{CLOCK}/~0/video-1/1.m4s?layout"), &[]).status, 404);
}
