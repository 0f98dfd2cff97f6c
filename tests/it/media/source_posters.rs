//! Posters of files that are no movies themselves, before anything remuxes them.

use serde_json::Value;

use crate::support::{
    ffmpeg,
    folder::Folder,
    made_titles::{TONE, make},
    program::Program,
    wait::until_slowly,
};

const VIDEO: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=6";

/// Width and height of an image that the program sends.
fn size(program: &Program, target: &str) -> String {
    let response = program.get(target, &[]);
    assert_eq!(
        (response.status, response.field("content-type")),
        (200, Some("image/jpeg")),
        "{target}"
    );
    let folder = Folder::new();
    let image = folder.put("image.jpg", &response.body);
    let entries = ["-show_entries", "stream=width,height", "-of", "csv=p=0"];
    let probed = ffmpeg::probe(&[&entries[..], &[image.to_str().expect("text")]].concat());
    String::from_utf8(probed.expect("an image")).expect("text").trim().to_owned()
}

/// The kinds of all jobs.
fn job_kinds(program: &Program) -> Vec<String> {
    let list: Value =
        serde_json::from_slice(&program.get("/api/jobs?limit=100", &[]).body).expect("JSON");
    let jobs = list["jobs"].as_array().expect("a list");
    jobs.iter().map(|job| job["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[test]
fn a_file_of_every_container_has_a_poster_and_is_not_remuxed_for_it() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let names = ["a.mkv", "a.webm", "a.avi", "a.ts", "a.flv", "a.wmv", "a.mpg"];
    for name in names {
        let codecs = match name {
            "a.webm" => "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus",
            "a.avi" => "-c:v mpeg4 -c:a mp3",
            "a.wmv" => "-c:v wmv2 -c:a wmav2",
            "a.mpg" => "-c:v mpeg2video -c:a mp2",
            _ => "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac",
        };
        make(&folder, name, &format!("{VIDEO} {TONE} {codecs}"));
    }
    make(&folder, "wide.mkv", &format!("{VIDEO} -vf setsar=2 -c:v libx264 -preset ultrafast"));
    let program = Program::serve(&[folder.path("")], &[]);
    for name in names {
        assert_eq!(size(&program, &format!("/v/{name}/poster.jpg?width=160")), "160,90", "{name}");
    }
    assert_eq!(
        size(&program, "/v/wide.mkv/poster.jpg?width=160"),
        "160,46",
        "pixels of two to one"
    );
    assert!(job_kinds(&program).iter().all(|kind| kind == "poster"), "{:?}", job_kinds(&program));
}

#[test]
fn the_poster_of_audio_is_its_cover_art() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let cover = "-f lavfi -i color=red:size=200x200:duration=0.04:rate=25";
    make(
        &folder,
        "song.mp3",
        &format!("{TONE} {cover} -map 0 -map 1 -c:v mjpeg -disposition:v attached_pic"),
    );
    make(
        &folder,
        "song.m4a",
        &format!("{TONE} {cover} -map 0 -map 1 -c:v mjpeg -disposition:v attached_pic"),
    );
    make(&folder, "bare.mp3", TONE);
    let program = Program::serve(&[folder.path("")], &[]);
    assert_eq!(size(&program, "/v/song.mp3/poster.jpg?width=160"), "160,160");
    assert_eq!(size(&program, "/v/song.m4a/poster.jpg?width=160"), "160,160");
    until_slowly("it is remuxed", || program.get("/v/song.mp3/play.mp4", &[]).status == 200);
    assert_eq!(size(&program, "/v/song.mp3/poster.jpg?width=200"), "200,200", "and stays");
    let response = program.get("/v/bare.mp3/poster.jpg", &[]);
    assert_eq!(response.status, 422);
    let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert_eq!(problem["detail"], "cannot render this image: it has no video");
}
