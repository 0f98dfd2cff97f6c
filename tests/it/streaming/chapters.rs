//! Chapters of a movie by ffmpeg, in both places where a file stores them.

use std::fs;

use crate::support::{boxes, ffmpeg, folder::Folder, server::serve};

const METADATA: &str = "\
;FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1500
title=In the beginning
[CHAPTER]
TIMEBASE=1/1000
START=1500
END=4000
title=Cat & <mouse>
";

const VTT: &str = "WEBVTT

00:00:00.000 --> 00:00:01.500
In the beginning

00:00:01.500 --> 00:00:04.000
Cat &amp; &lt;mouse&gt;
";

/// A movie of four seconds with two chapters, which ffmpeg stores both in a track and in a list.
fn chaptered(folder: &Folder) -> Vec<u8> {
    let metadata = folder.put("chapters.txt", METADATA);
    let movie = folder.path("film.mp4");
    let video = "testsrc2=size=128x72:rate=25:duration=4";
    ffmpeg::run(&[
        "-f",
        "lavfi",
        "-i",
        video,
        "-i",
        metadata.to_str().expect("text"),
        "-map_metadata",
        "1",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        movie.to_str().expect("text"),
    ])
    .expect("a movie");
    fs::read(movie).expect("a movie")
}

#[test]
fn chapters_are_webvtt_cues_and_part_of_the_report() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let mut movie = chaptered(&folder);
    // Without the track the list remains.
    for reference in boxes::all(&movie, "moov/trak/tref/chap") {
        movie[reference.whole.start + 4..reference.content.start].copy_from_slice(b"free");
    }
    folder.put("list.mp4", &movie);
    for list in boxes::all(&movie, "moov/udta/chpl") {
        movie[list.whole.start + 4..list.content.start].copy_from_slice(b"free");
    }
    folder.put("none.mp4", &movie);
    let serving = serve(&folder);
    let none = serving.get("/v/none.mp4/chapters.vtt", &[]);
    assert_eq!((none.status, &none.body[..]), (200, &b"WEBVTT\n"[..]));
    for name in ["film", "list"] {
        let vtt = serving.get(&format!("/v/{name}.mp4/chapters.vtt"), &[]);
        assert_eq!(vtt.field("content-type"), Some("text/vtt; charset=utf-8"), "{vtt:?}");
        assert_eq!(String::from_utf8(vtt.body).expect("text"), VTT, "{name}");
        let report = serving.get(&format!("/v/{name}.mp4/inspect"), &[]);
        let report: serde_json::Value = serde_json::from_slice(&report.body).expect("JSON");
        assert_eq!(report["chapters"][1]["title"], "Cat & <mouse>");
        assert_eq!(report["chapters"][1]["start_s"], 1.5);
    }
}
