//! Jobs that cannot succeed: they fail, with a reason, and leave nothing behind.

use std::{fs, net::TcpListener, path::Path};

use headwater::queue::State;
use serde_json::Value;

use crate::support::{
    box_patches,
    deployment::{Deployment, TITLES, request_rendition},
    ffmpeg,
    folder::Tmpfs,
    json::json,
    manifests,
    program::Program,
    streams::fetch,
    wait::until_slowly,
};

/// Requests a poster until the server reports that there is none, and returns the reason.
fn refused_poster(program: &Program, title: &str) -> String {
    let mut problem = None;
    until_slowly("the poster is refused", || {
        let response = program.get(&format!("/v/{title}/poster.jpg"), &[]);
        assert_ne!(response.status, 200, "{title}");
        if response.status == 422 {
            problem = Some(json(&response, 422));
        }
        problem.is_some()
    });
    problem.expect("just found")["detail"].as_str().expect("text").to_owned()
}

/// Requests a poster until the server reports that it is unavailable now, and returns the reason.
fn unavailable_poster(program: &Program, title: &str) -> String {
    let mut why = None;
    until_slowly("the poster is put off", || {
        let response = program.get(&format!("/v/{title}/poster.jpg"), &[]);
        let problem = json(&response, 503);
        let detail = problem["detail"].as_str().expect("text");
        why = detail.strip_prefix("cannot render this image now: ").map(str::to_owned);
        if why.is_some() {
            assert_eq!(response.field("retry-after"), Some("60"));
        }
        why.is_some()
    });
    why.expect("just found")
}

fn assert_failed_once(deployment: &Deployment, title: &str) {
    let jobs = deployment.jobs();
    let jobs: Vec<_> = jobs.iter().filter(|job| job.title == title).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].state, State::Failed, "{jobs:?}");
}

#[test]
fn a_full_disk_fails_the_job_with_that_reason_and_leaves_no_file_behind() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    let program = deployment.serve(&["--min-free-disk-mib=1073741823"]);
    let why = unavailable_poster(&program, "one.mp4");
    assert!(why.contains("the disk of the data folder has"), "{why}");
    assert_failed_once(&deployment, "one.mp4");
    let rendition = request_rendition(&program, "two.mp4", 90);
    deployment.wait_for_the_end();
    let target = format!("/api/jobs/{}", rendition["id"].as_str().expect("an id"));
    let rendition: Value = json(&program.get(&target, &[]), 200);
    assert_eq!(rendition["state"], "failed");
    let why = rendition["error"].as_str().expect("a reason");
    assert!(why.contains("the disk of the data folder has"), "{why}");
    assert!(deployment.artifacts().is_empty());
    deployment.assert_consistent();
}

#[test]
fn a_disk_that_fills_up_fails_the_job_with_that_reason_and_leaves_no_file_behind() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    let artifacts = deployment.data().join("artifacts");
    let Some(_small) = Tmpfs::mount(&artifacts, "size=17m") else { return };
    let program = deployment.serve(&[]);
    // Enough space when the job begins, and none when it writes its image.
    let filled = artifacts.join("filled");
    program.get("/v/two.mp4/poster.jpg?wait=0", &[]);
    deployment.wait_for_the_end();
    let artifacts = deployment.artifacts().len();
    assert_eq!(artifacts, 1, "{:?}", deployment.jobs());
    fs::write(&filled, vec![1; 15 << 20]).expect("disk space");
    let why = unavailable_poster(&program, "one.mp4");
    assert!(why.contains("the disk of the data folder has 1 MiB left"), "{why}");
    assert_failed_once(&deployment, "one.mp4");
    fs::remove_file(&filled).expect("a file");
    deployment.assert_consistent();
    assert_eq!(deployment.artifacts().len(), artifacts);
}

/// A movie with headers that declare key frames of ten thousand million pixels.
fn put_huge_frames(deployment: &Deployment, name: &str) {
    let path = deployment.folder.path("library").join(name);
    let path_text = path.to_str().expect("text");
    let video = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1:duration=3"];
    let output = ffmpeg::run(&[&video[..], &["-c:v", "png", "-y", path_text]].concat());
    output.expect("a movie of PNG");
    let mut movie = fs::read(&path).expect("a movie");
    let headers: Vec<_> =
        (0..movie.len() - 4).filter(|&at| &movie[at..at + 4] == b"IHDR").collect();
    assert!(!headers.is_empty());
    for at in headers {
        movie[at + 4..at + 12].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
        let mut check = flate2::Crc::new();
        check.update(&movie[at..at + 17]);
        movie[at + 17..at + 21].copy_from_slice(&check.sum().to_be_bytes());
    }
    fs::write(&path, movie).expect("written");
}

/// A movie with these bytes in place of its samples.
fn put_filled_with(deployment: &Deployment, name: &str, bytes: &[u8]) {
    let mut movie = fs::read(deployment.folder.path("library").join(TITLES[0])).expect("a movie");
    let media = box_patches::of_kind(&movie, b"mdat").remove(0).body();
    let end = media.end;
    for at in media.step_by(bytes.len()) {
        let part = &bytes[..bytes.len().min(end - at)];
        movie[at..at + part.len()].copy_from_slice(part);
    }
    deployment.folder.put(Path::new("library").join(name), movie);
}

#[test]
fn a_hostile_movie_is_a_failed_job_with_its_reason_and_nothing_is_fetched() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let network = format!("http://{}/a.ts", listener.local_addr().expect("an address"));
    let secret = deployment.folder.path("library").join(TITLES[1]);
    let playlist = |target: &str| format!("#EXTM3U\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n");
    put_huge_frames(&deployment, "huge.mov");
    put_filled_with(&deployment, "noise.mp4", &[0xa5, 0x01, 0x65, 0xff]);
    put_filled_with(&deployment, "names-network.mp4", playlist(&network).as_bytes());
    put_filled_with(
        &deployment,
        "names-file.mp4",
        playlist(secret.to_str().expect("text")).as_bytes(),
    );
    for target in [network.as_str(), secret.to_str().expect("text")] {
        // No movie at all: no job starts.
        deployment.folder.put("library/playlist.mp4", playlist(target));
    }
    let program = deployment.serve(&[]);
    assert_eq!(program.get("/v/playlist.mp4/poster.jpg", &[]).status, 422);
    assert!(deployment.jobs().is_empty());
    for title in ["huge.mov", "noise.mp4", "names-network.mp4", "names-file.mp4"] {
        let why = refused_poster(&program, title);
        eprintln!("{title}: {why}");
        let data = deployment.folder.path("");
        assert!(!why.contains(data.to_str().expect("text")), "{title}: {why}");
        assert_failed_once(&deployment, title);
    }
    assert!(listener.accept().is_err(), "no connection came");
    assert!(deployment.artifacts().is_empty());
    assert!(deployment.ffmpegs().is_empty());
    deployment.assert_consistent();
    // Other titles are served as before.
    until_slowly("a poster is ready", || program.get("/v/two.mp4/poster.jpg", &[]).status == 200);
}

#[test]
fn an_artifact_lost_from_the_disk_is_rendered_again() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    let poster = |program: &Program| program.get("/v/one.mp4/poster.jpg", &[]).status == 200;
    let program = deployment.serve(&[]);
    until_slowly("a poster is ready", || poster(&program));
    drop(program);
    fs::remove_dir_all(deployment.data().join("artifacts")).expect("a folder");
    let program = deployment.serve(&[]);
    until_slowly("the poster is ready again", || poster(&program));
    assert_eq!(deployment.jobs().len(), 2);
}

#[test]
fn a_rendition_lost_from_the_disk_leaves_its_title_which_plays_on() {
    if !ffmpeg::is_installed() {
        return;
    }
    let deployment = Deployment::new(None);
    let program = deployment.serve(&[]);
    let title = "/v/one.mp4/index.m3u8";
    let playlists = || {
        let manifest = fetch(&mut program.connect(), title);
        let variants = manifests::multivariant(title, &manifest.body).variants;
        variants.into_iter().map(|(url, _)| url).collect::<Vec<_>>()
    };
    let segments = |url: &str| {
        let playlist = manifests::playlist(url, &fetch(&mut program.connect(), url).body);
        playlist.segments.into_iter().map(|segment| segment.url).collect::<Vec<_>>()
    };
    request_rendition(&program, "one.mp4", 90);
    until_slowly("it is part of its title", || playlists().len() == 2);
    let [own, rendition] = &playlists()[..] else { panic!("{:?}", playlists()) };
    let lost = segments(rendition);
    fetch(&mut program.connect(), &lost[0]);
    let rows = deployment.artifacts();
    let [rendition] = &rows[..] else { panic!("{rows:?}") };
    // A request for an unknown version removes nothing.
    let other = format!("-{}/", rendition.token + 1);
    let other = lost[0].replace(&format!("-{}/", rendition.token), &other);
    assert_eq!(program.get(&other, &[]).status, 404);
    let folder = deployment.data().join("artifacts").join(&rendition.key);
    fs::remove_dir_all(folder).expect("a folder");
    // An open file counts as present for a while.
    until_slowly("its segments are 404", || program.get(&lost[0], &[]).status == 404);
    until_slowly("no manifest lists it", || playlists() == [own.clone()]);
    until_slowly("no row names it", || deployment.artifacts().is_empty());
    segments(own).iter().for_each(|url| drop(fetch(&mut program.connect(), url)));
    request_rendition(&program, "one.mp4", 90);
    until_slowly("it is part of its title once more", || playlists().len() == 2);
    deployment.assert_consistent();
}
