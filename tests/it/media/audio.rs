//! Audio that browsers cannot decode becomes AAC beside the title, by the real program and its
//! worker.

use std::fs;

use serde_json::Value;

use crate::support::{
    ffmpeg,
    folder::Folder,
    json::{json, post, read},
    manifests::{self, Attributes},
    program::Program,
    streams::fetch,
    wait::until,
};

/// Twenty seconds, with a key frame every ten.
const VIDEO: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=20";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=20";
const AVC: &str = "-map 0:v -c:v libx264 -preset ultrafast -crf 40 -pix_fmt yuv420p -g 250 -bf 2";

const AC3: &str =
    "-map 1:a -c:a ac3 -ac 6 -metadata:s:a:0 language=fra -metadata:s:a:0 handler_name=Film";

/// A title of that video and one tone.
fn make(folder: &Folder, name: &str, how: &str) {
    let path = folder.path(name);
    let arguments = format!("-y {VIDEO} {TONE} {AVC} {how}");
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    ffmpeg::run(&[&arguments[..], &[path.to_str().expect("text")]].concat()).expect(name);
}

/// A server of titles encoded in these ways.
fn serve(titles: &[(&str, &str)]) -> (Folder, Program) {
    let folder = Folder::new();
    fs::create_dir(folder.path("films")).expect("a folder");
    for (name, how) in titles {
        make(&folder, &format!("films/{name}"), how);
    }
    let [data, titles] = ["data", "films"].map(|name| folder.path(name).display().to_string());
    let program = Program::serve(&["--data", &data, &titles], &[]);
    (folder, program)
}

fn post_job(program: &Program, job_request: &str, status: u16) -> Value {
    let mut client = program.connect();
    client.send(post("/api/jobs", job_request));
    json(&read(&mut client), status)
}

/// All jobs of a title, by kind and state.
fn jobs(program: &Program) -> Vec<(String, String)> {
    let listed = json(&program.get("/api/jobs", &[]), 200);
    let text = |job: &Value, name: &str| job[name].as_str().expect("text").to_owned();
    let jobs = listed["jobs"].as_array().expect("jobs").iter();
    jobs.map(|job| (text(job, "kind"), text(job, "state"))).collect()
}

/// The audio group of this codec: its members, and the first variant that it belongs to.
fn group(playlist: &manifests::Multivariant, codec: &str) -> Option<(Vec<Attributes>, usize)> {
    let has = |(_, variant): &(String, Attributes)| variant["CODECS"].contains(codec);
    let place = playlist.variants.iter().position(has)?;
    let id = &playlist.variants[place].1["AUDIO"];
    let members = playlist.renditions.iter().filter(|rendition| rendition["GROUP-ID"] == *id);
    Some((members.cloned().collect(), place))
}

#[test]
fn a_title_that_browsers_play_silently_gets_aac_after_its_first_request() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (_folder, program) = serve(&[("film.mp4", AC3)]);
    let url = "/v/film.mp4/index.m3u8";
    let client = &mut program.connect();
    // The request does not wait for it: other players play the source.
    let first = manifests::multivariant(url, &fetch(client, url).body);
    let (dolby, place) = group(&first, "ac-3").expect("the source");
    assert_eq!((place, first.variants.len()), (0, 1));
    let mut playlist = first;
    until("there is AAC", || {
        playlist = manifests::multivariant(url, &fetch(client, url).body);
        playlist.variants.len() == 2
    });
    // The one that every player decodes comes first, under the same name, and the other stays.
    let (aac, place) = group(&playlist, "mp4a.40.2").expect("AAC");
    assert_eq!(place, 0);
    assert_eq!(group(&playlist, "ac-3").map(|(members, _)| members.len()), Some(1));
    for name in ["NAME", "LANGUAGE", "DEFAULT"] {
        assert_eq!(aac[0][name], dolby[0][name], "{name}");
    }
    assert_eq!(aac[0]["CHANNELS"], "2");
    // All playlists of a title have one target duration.
    let [audio, video] = [&aac[0]["URI"], &playlist.variants[0].0]
        .map(|url| manifests::playlist(url, &fetch(client, url).body));
    assert_eq!((audio.target_s, video.target_s), (10, 10));
    assert!(audio.segments.len() > 2);
    for segment in &audio.segments {
        fetch(client, &segment.url);
    }
    let described = fetch(client, "/v/film.mp4/manifest.mpd").body;
    manifests::assert_lasts_until_its_end("/v/film.mp4/manifest.mpd", &described);
    let described = manifests::representations("/v/film.mp4/manifest.mpd", &described);
    let codecs: Vec<_> = described.iter().map(|of| &*of.attributes["codecs"]).collect();
    assert!(codecs.contains(&"mp4a.40.2") && codecs.contains(&"ac-3"), "{codecs:?}");
    for view in ["index.m3u8", "manifest.mpd"] {
        let url = format!("http://{}/v/film.mp4/{view}", program.address);
        ffmpeg::run(&["-xerror", "-i", &url, "-map", "0", "-f", "null", "-"]).expect(view);
    }
    // One job is enough, for any number of requests.
    assert_eq!(jobs(&program), [("audio".to_owned(), "done".to_owned())]);
}

#[test]
fn a_rendition_comes_with_audio_that_browsers_decode() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (_folder, program) = serve(&[
        ("both.mp4", "-map 1:a -map 1:a -c:a:0 aac -c:a:1 ac3"),
        ("plain.mp4", "-map 1:a -c:a aac"),
    ]);
    let client = &mut program.connect();
    // One track decodes without a job, so nothing is encoded before a client requests it.
    let url = "/v/both.mp4/index.m3u8";
    fetch(client, url);
    assert_eq!(jobs(&program), []);
    let why = post_job(&program, r#"{"kind":"audio","title":"plain.mp4"}"#, 422);
    assert!(why["detail"].as_str().expect("a reason").contains("no such audio track"), "{why}");
    let why = post_job(&program, r#"{"kind":"audio","title":"both.mp4","track":2}"#, 422);
    assert!(why["detail"].as_str().expect("a reason").contains("no such audio track"), "{why}");
    post_job(
        &program,
        r#"{"kind":"rendition","title":"both.mp4","height":54,"codec":"h264"}"#,
        202,
    );
    until("both are there", || {
        let playlist = manifests::multivariant(url, &fetch(client, url).body);
        // Two heights, each with AAC and with AC-3.
        playlist.variants.len() == 4
            && group(&playlist, "mp4a.40.2").is_some_and(|(members, _)| members.len() == 2)
    });
    let done = |kind: &str| (kind.to_owned(), "done".to_owned());
    let mut all = jobs(&program);
    all.sort();
    assert_eq!(all, [done("audio"), done("rendition")]);
}

#[test]
fn audio_that_no_segment_can_hold_is_sent_as_aac() {
    if !ffmpeg::is_installed() {
        return;
    }
    // QuickTime's 3:1 compression, in samples that no segment holds.
    let (_folder, program) = serve(&[("old.mov", "-map 1:a -c:a adpcm_ima_qt")]);
    let url = "/v/old.mov/index.m3u8";
    let client = &mut program.connect();
    let first = manifests::multivariant(url, &fetch(client, url).body);
    assert!(first.renditions.is_empty(), "{first:?}");
    until("there is AAC", || {
        let playlist = manifests::multivariant(url, &fetch(client, url).body);
        group(&playlist, "mp4a.40.2").is_some_and(|(members, _)| members[0]["NAME"] == "Audio 1")
    });
    let at = format!("http://{}{url}", program.address);
    ffmpeg::run(&["-xerror", "-i", &at, "-map", "0:v", "-map", "0:a", "-f", "null", "-"])
        .expect("both");
}
