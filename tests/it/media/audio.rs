//! Sound that browsers do not play becomes AAC beside the film, by the real program and its worker.

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
const PICTURE: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=20";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=20";
const AVC: &str = "-map 0:v -c:v libx264 -preset ultrafast -crf 40 -pix_fmt yuv420p -g 250 -bf 2";

const AC3: &str =
    "-map 1:a -c:a ac3 -ac 6 -metadata:s:a:0 language=fra -metadata:s:a:0 handler_name=Film";

/// A film of that picture and one tone.
fn make(folder: &Folder, name: &str, how: &str) {
    let path = folder.path(name);
    let arguments = format!("-y {PICTURE} {TONE} {AVC} {how}");
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    ffmpeg::run(&[&arguments[..], &[path.to_str().expect("text")]].concat()).expect(name);
}

/// A server of films that are made so.
fn serve(films: &[(&str, &str)]) -> (Folder, Program) {
    let folder = Folder::new();
    fs::create_dir(folder.path("films")).expect("a folder");
    for (name, how) in films {
        make(&folder, &format!("films/{name}"), how);
    }
    let [data, films] = ["data", "films"].map(|name| folder.path(name).display().to_string());
    let program = Program::serve(&["--data", &data, &films], &[]);
    (folder, program)
}

fn wish(program: &Program, wish: &str, status: u16) -> Value {
    let mut client = program.connect();
    client.send(post("/api/jobs", wish));
    json(&read(&mut client), status)
}

/// The jobs of a title that there are or were, by kind and state.
fn jobs(program: &Program) -> Vec<(String, String)> {
    let listed = json(&program.get("/api/jobs", &[]), 200);
    let text = |job: &Value, name: &str| job[name].as_str().expect("text").to_owned();
    let jobs = listed["jobs"].as_array().expect("jobs").iter();
    jobs.map(|job| (text(job, "kind"), text(job, "state"))).collect()
}

/// The group of sound with this codec: its members, and the first variant that it belongs to.
fn group(playlist: &manifests::Multivariant, codec: &str) -> Option<(Vec<Attributes>, usize)> {
    let has = |(_, variant): &(String, Attributes)| variant["CODECS"].contains(codec);
    let place = playlist.variants.iter().position(has)?;
    let id = &playlist.variants[place].1["AUDIO"];
    let members = playlist.renditions.iter().filter(|rendition| rendition["GROUP-ID"] == *id);
    Some((members.cloned().collect(), place))
}

#[test]
fn a_film_that_browsers_would_play_in_silence_is_heard_once_somebody_has_asked_for_it() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (_folder, program) = serve(&[("film.mp4", AC3)]);
    let url = "/v/film.mp4/index.m3u8";
    let client = &mut program.connect();
    // It is not waited for: others play the film as it is.
    let first = manifests::multivariant(url, &fetch(client, url).body);
    let (dolby, place) = group(&first, "ac-3").expect("as it is");
    assert_eq!((place, first.variants.len()), (0, 1));
    let mut playlist = first;
    until("there is AAC", || {
        playlist = manifests::multivariant(url, &fetch(client, url).body);
        playlist.variants.len() == 2
    });
    // The one that everybody plays comes first, under the same name, and the other stays.
    let (aac, place) = group(&playlist, "mp4a.40.2").expect("AAC");
    assert_eq!(place, 0);
    assert_eq!(group(&playlist, "ac-3").map(|(members, _)| members.len()), Some(1));
    for name in ["NAME", "LANGUAGE", "DEFAULT"] {
        assert_eq!(aac[0][name], dolby[0][name], "{name}");
    }
    assert_eq!(aac[0]["CHANNELS"], "2");
    // All of a title have one target duration.
    let [sound, pictures] = [&aac[0]["URI"], &playlist.variants[0].0]
        .map(|url| manifests::playlist(url, &fetch(client, url).body));
    assert_eq!((sound.target_s, pictures.target_s), (10, 10));
    assert!(sound.segments.len() > 2);
    for segment in &sound.segments {
        fetch(client, &segment.url);
    }
    let described = fetch(client, "/v/film.mp4/manifest.mpd").body;
    let described = manifests::representations("/v/film.mp4/manifest.mpd", &described);
    let codecs: Vec<_> = described.iter().map(|of| &*of.attributes["codecs"]).collect();
    assert!(codecs.contains(&"mp4a.40.2") && codecs.contains(&"ac-3"), "{codecs:?}");
    for view in ["index.m3u8", "manifest.mpd"] {
        let url = format!("http://{}/v/film.mp4/{view}", program.address);
        ffmpeg::run(&["-xerror", "-i", &url, "-map", "0", "-f", "null", "-"]).expect(view);
    }
    // Once is enough, however often it is asked for.
    assert_eq!(jobs(&program), [("audio".to_owned(), "done".to_owned())]);
}

#[test]
fn a_rendition_brings_sound_that_browsers_play_along() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (_folder, program) = serve(&[
        ("both.mp4", "-map 1:a -map 1:a -c:a:0 aac -c:a:1 ac3"),
        ("plain.mp4", "-map 1:a -c:a aac"),
    ]);
    let client = &mut program.connect();
    // Something of it is heard as it is, so that nothing is made until that is wished for.
    let url = "/v/both.mp4/index.m3u8";
    fetch(client, url);
    assert_eq!(jobs(&program), []);
    let why = wish(&program, r#"{"kind":"sound","title":"plain.mp4"}"#, 422);
    assert!(why["detail"].as_str().expect("a reason").contains("no such sound"), "{why}");
    let why = wish(&program, r#"{"kind":"sound","title":"both.mp4","track":2}"#, 422);
    assert!(why["detail"].as_str().expect("a reason").contains("no such sound"), "{why}");
    wish(&program, r#"{"kind":"rendition","title":"both.mp4","height":54,"codec":"h264"}"#, 202);
    until("both are there", || {
        let playlist = manifests::multivariant(url, &fetch(client, url).body);
        // Two heights, each with AAC and with AC-3.
        playlist.variants.len() == 4
            && group(&playlist, "mp4a.40.2").is_some_and(|(members, _)| members.len() == 2)
    });
    let done = |kind: &str| (kind.to_owned(), "done".to_owned());
    let mut all = jobs(&program);
    all.sort();
    assert_eq!(all, [done("rendition"), done("audio")]);
}

#[test]
fn sound_that_cannot_be_sent_as_it_is_is_sent_as_aac() {
    if !ffmpeg::is_installed() {
        return;
    }
    // QuickTime has it compressed three to one, in samples that nobody takes in segments.
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
