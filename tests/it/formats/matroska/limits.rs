//! Files that have more than segments of Matroska can carry.

use std::{fs, num::NonZeroU32, process::Command};

use headwater::movie::{Movie, MovieRefused};
use tempfile::TempDir;

use crate::support::{ffmpeg, matroska};

const GRID_MS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

#[test]
fn a_picture_with_an_hour_of_audio_is_left_to_the_remux() {
    if !ffmpeg::is_installed() || !matroska::has_mkvmerge() {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let path = |name| folder.path().join(name).to_str().expect("text").to_owned();
    let (picture, audio, short) = (path("picture.mp4"), path("audio.m4a"), path("short.m4a"));
    let run = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        ffmpeg::run(&arguments).unwrap_or_else(|why| panic!("{why}"));
    };
    run(&format!("-f lavfi -i testsrc=s=64x36 -frames:v 1 -c:v libx264 {picture}"));
    run(&format!("-f lavfi -i sine -t 20 -c:a aac -b:a 32k {short}"));
    run(&format!("-stream_loop 180 -i {short} -c copy {audio}"));
    // It writes eight frames of audio into a block, so that the blocks of a segment are few.
    let merged = path("merged.mkv");
    let output = Command::new("mkvmerge").args(["-q", "-o", &merged, &picture, &audio]).output();
    assert!(output.expect("it runs").status.code().is_some_and(|code| code < 2));
    let file = fs::read(&merged).expect("the file");
    let refused = Movie::read(&file[..], GRID_MS).expect("in memory").expect_err("too long");
    assert!(matches!(refused, MovieRefused::NotInPlace(_)), "{refused:?}");
    assert!(refused.to_string().contains("too far apart"), "{refused}");
}
