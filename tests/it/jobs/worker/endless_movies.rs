//! Small files of endless movies: the limits end their jobs, which fail with a reason.

use std::{fs, io::Write as _, path::Path};

use flate2::{Compression, write::ZlibEncoder};
use serde_json::Value;

use crate::support::{
    deployment::{Deployment, post_job},
    ffmpeg,
    folder::Tmpfs,
    json::json,
    program::Program,
    wait::until_slowly,
};

/// The largest file here, in bytes.
const SMALL: u64 = 1 << 20;

/// An element of EBML (RFC 8794), with the longest form of its length.
fn element(id: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = (body.len() as u64 | 1 << 56).to_be_bytes();
    [id, &length[..], &body].concat()
}

/// Matroska with 256 MiB of zeros as samples: blocks may be compressed (RFC
/// 9559, section 5.1.4.1.31), and each of these unpacks to a thousand times its size.
fn unpacks_without_end() -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&[0; 1 << 20]).expect("memory");
    let packed = packed.finish().expect("memory");
    let head = element(b"\x1a\x45\xdf\xa3", &[&element(b"\x42\x82", &[b"matroska"])]);
    let info = element(b"\x15\x49\xa9\x66", &[&element(b"\x2a\xd7\xb1", &[&[0x0f, 0x42, 0x40]])]);
    let zlib = element(b"\x50\x34", &[&element(b"\x42\x54", &[&[0]])]);
    let encodings = element(b"\x6d\x80", &[&element(b"\x62\x40", &[&zlib])]);
    let rate = element(b"\xb5", &[&48_000_f32.to_be_bytes()]);
    let track = [
        element(b"\xd7", &[&[1]]),
        element(b"\x73\xc5", &[&[1]]),
        element(b"\x83", &[&[2]]),
        element(b"\x86", &[b"A_AAC"]),
        element(b"\x63\xa2", &[&[0x11, 0x90]]),
        encodings,
        element(b"\xe1", &[&rate, &element(b"\x9f", &[&[2]])]),
    ];
    let tracks = element(b"\x16\x54\xae\x6b", &[&element(b"\xae", &[&track.concat()])]);
    let block = |number: i16| {
        let time_ms = (21 * number).to_be_bytes();
        element(b"\xa3", &[&[0x81], &time_ms, &[0x80], &packed])
    };
    let blocks: Vec<_> = (0..256).flat_map(block).collect();
    let cluster = element(b"\x1f\x43\xb6\x75", &[&element(b"\xe7", &[&[0]]), &blocks]);
    [head, element(b"\x18\x53\x80\x67", &[&info, &tracks, &cluster])].concat()
}

/// As many frames as a megabyte holds if all are alike: encoding them takes minutes.
fn put_endless_video(deployment: &Deployment, name: &str) {
    let [one, all] = ["one.mkv", name].map(|name| deployment.folder.path("library").join(name));
    let [one_text, all_text] = [&one, &all].map(|path| path.to_str().expect("text"));
    let video = ["-f", "lavfi", "-i", "color=size=1280x720:rate=25:duration=4"];
    let coded = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "1000"];
    ffmpeg::run(&[&video[..], &coded, &["-b:v", "10k", one_text]].concat()).expect("video");
    let again = ["-stream_loop", "-1", "-i", one_text, "-c", "copy", "-fs", "1000000", all_text];
    ffmpeg::run(&again).expect("a movie");
    fs::remove_file(one).expect("a file");
}

/// The size of the largest file in progress.
fn largest(deployment: &Deployment) -> u64 {
    let folders = fs::read_dir(deployment.data().join("artifacts/in-progress"))
        .into_iter()
        .flatten()
        .flatten();
    let files =
        folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten().flatten());
    files.filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap_or(0)
}

/// Requests the remux of a title. Returns the job, and the largest size of its output.
fn run_remux(deployment: &Deployment, program: &Program, title: &str) -> (Value, u64) {
    let file = fs::metadata(deployment.folder.path(Path::new("library").join(title)));
    assert!(file.expect("a file").len() <= SMALL);
    let response = post_job(program, &format!(r#"{{"kind":"remux","title":"{title}"}}"#));
    let job = json(&response, 202);
    let mut most = 0;
    until_slowly("the job ends", || {
        most = most.max(largest(deployment));
        deployment.live() == 0
    });
    assert!(deployment.ffmpegs().is_empty());
    let job =
        json(&program.get(&format!("/api/jobs/{}", job["id"].as_str().expect("text")), &[]), 200);
    assert_eq!(job["state"], "failed", "{job}");
    assert!(deployment.artifacts().is_empty());
    deployment.assert_consistent();
    (job, most)
}

/// Checks that a player of the title gets the reason, and that no job starts again.
fn assert_refused(
    deployment: &Deployment,
    program: &Program,
    title: &str,
    (status, why): (u16, &str),
) {
    for view in ["index.m3u8", "manifest.mpd", "play.mp4"] {
        let refused = json(&program.get(&format!("/v/{title}/{view}"), &[]), status);
        assert_eq!(refused["detail"], why, "{view}");
    }
    assert_eq!(deployment.jobs().len(), 1);
}

#[test]
fn the_output_limit_ends_a_movie_that_unpacks_without_end() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    deployment.folder.put("library/endless.mkv", unpacks_without_end());
    let program = deployment.serve(&["--artifacts-max-mib=16"]);
    let (job, most) = run_remux(&deployment, &program, "endless.mkv");
    let why = "the output of ffmpeg exceeds its limit of 16777216 bytes";
    assert_eq!(job["error"], why);
    assert_refused(
        &deployment,
        &program,
        "endless.mkv",
        (422, &format!("transcoding failed: {why}")),
    );
    assert_eq!(job["attempts"], 1, "it would end in the same way");
    assert!(most <= 16 << 20, "{most}");
}

#[test]
fn the_deadline_ends_a_movie_that_plays_without_end() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    put_endless_video(&deployment, "endless.mkv");
    let program = deployment.serve(&["--job-deadline-s=1"]);
    let (job, _) = run_remux(&deployment, &program, "endless.mkv");
    let why = "ffmpeg did not end within 1 s";
    assert_eq!(job["error"], why);
    assert_refused(
        &deployment,
        &program,
        "endless.mkv",
        (422, &format!("transcoding failed: {why}")),
    );
    assert_eq!(job["attempts"], job["max_attempts"], "another machine might have been faster");
}

#[test]
fn a_movie_that_unpacks_to_more_than_the_disk_holds_may_be_requested_again() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    deployment.folder.put("library/endless.mkv", unpacks_without_end());
    let artifacts = deployment.data().join("artifacts");
    let Some(_small) = Tmpfs::mount(&artifacts, "size=8m") else { return };
    let program = deployment.serve(&[]);
    let (job, most) = run_remux(&deployment, &program, "endless.mkv");
    let why = job["error"].as_str().expect("a reason");
    assert!(why.contains("the disk"), "{why}");
    assert_eq!(job["attempts"], job["max_attempts"], "a retry might have found enough space");
    assert!(most <= 8 << 20, "{most}");
    assert_refused(
        &deployment,
        &program,
        "endless.mkv",
        (503, &format!("cannot transcode this title now: {why}")),
    );
}
