//! ffmpeg as a client of the program: it decodes the same files over HTTP as from the disk.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use headwater::{library::media_type, transcode::program::find_program};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::program::Program;

/// The variable that names a folder of more files to try.
const SAMPLES: &str = "TEST_MEDIA_SAMPLES";

/// All titles in a folder and below it.
fn titles(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let found = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => titles(&path),
        path if media_type::is_title(entry.file_name().as_encoded_bytes()) => vec![path],
        _ => Vec::new(),
    });
    found.collect()
}

/// Whether ffmpeg decodes a whole input without an error. Prints the reason only on demand.
fn decodes(ffmpeg: &Path, input: &str, prints_errors: bool) -> bool {
    Command::new(ffmpeg)
        .args(["-v", "error", "-xerror", "-i", input, "-f", "null", "-"])
        .stdin(Stdio::null())
        .stderr(if prints_errors { Stdio::inherit() } else { Stdio::null() })
        .status()
        .expect("ffmpeg runs")
        .success()
}

/// Returns the number of files played.
fn plays_all_of(folder: &Path) -> usize {
    let Some(ffmpeg) = find_program("ffmpeg") else {
        eprintln!("this test did not run: ffmpeg is not installed");
        return 1;
    };
    let program = Program::serve(&[folder], &[]);
    let play = |path: &PathBuf| {
        // Some samples are broken on purpose.
        if !decodes(&ffmpeg, path.to_str().expect("text"), false) {
            return 0;
        }
        let below = path.strip_prefix(folder).expect("found there").to_str().expect("text");
        let encoded = below
            .split('/')
            .map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string())
            .collect::<Vec<_>>()
            .join("/");
        let url = format!("http://{}/media/{encoded}", program.address);
        assert!(decodes(&ffmpeg, &url, true), "{below} plays from the disk, but not from here");
        1
    };
    let titles = titles(folder);
    let (one, other) = titles.split_at(titles.len() / 2);
    thread::scope(|scope| {
        let one = scope.spawn(|| one.iter().map(play).sum::<usize>());
        other.iter().map(play).sum::<usize>() + one.join().expect("all of them play")
    })
}

#[test]
fn ffmpeg_plays_every_clip_of_the_sample_library() {
    assert!(plays_all_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("media")) > 0);
}

#[test]
fn ffmpeg_plays_every_further_sample_that_it_can_play() {
    match env::var_os(SAMPLES) {
        Some(folder) => assert!(plays_all_of(Path::new(&folder)) > 0),
        None => eprintln!("this test did not run: {SAMPLES} names no folder"),
    }
}
