//! Files that are no movies: the real program and its worker remux them on the first request.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::Value;

use crate::support::{
    client::Response,
    clips,
    ffmpeg::{self, Kind},
    folder::Folder,
    json,
    program::Program,
    wait::{until, until_slowly},
};

const VIDEO: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=6";
const TONE: &str = "-f lavfi -i sine=sample_rate=48000:duration=6";
const AVC: &str = "-c:v libx264 -preset ultrafast -crf 30 -pix_fmt yuv420p -g 48 -bf 3";

/// The first bytes of a Matroska file.
const EBML: &[u8] = b"\x1A\x45\xDF\xA3";

/// A file of six seconds, by ffmpeg.
fn make(folder: &Folder, name: &str, how: &str) -> PathBuf {
    let path = folder.path(name);
    let arguments = format!("{VIDEO} {TONE} {how}");
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    ffmpeg::run(&[&["-y"], &arguments[..], &[path.to_str().expect("text")]].concat()).expect(name);
    path
}

fn serve(folder: &Folder) -> Program {
    Program::serve(&[folder.path("")], &[])
}

/// The detail of a problem document.
fn detail(response: &Response) -> String {
    assert_eq!(response.field("content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
    problem["detail"].as_str().expect("a sentence").to_owned()
}

/// The response to a first request, which must be that a job runs; and then the response once the
/// job has ended.
fn after_remux(program: &Program, url: &str) -> Response {
    let first = program.get(url, &[]);
    assert_eq!(first.status, 503, "{url}");
    assert_in_progress(&first);
    let mut client = program.connect();
    let mut last = first;
    until("the job has ended", || {
        last = client.request("GET", url, &[]);
        last.status != 503
    });
    last
}

/// Checks that the problem document gives progress, job and Retry-After.
fn assert_in_progress(response: &Response) {
    let after: u64 = response.field("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=10).contains(&after), "{after}");
    assert_eq!(response.field("cache-control"), Some("no-store"));
    let detail = detail(response);
    let percent = detail
        .strip_prefix("a job is preparing this title: ")
        .and_then(|rest| rest.strip_suffix(" %"))
        .expect("a percentage");
    assert!(percent.parse::<u8>().expect("a number") < 100, "{detail}");
    let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
    assert!(problem["job"].is_string(), "{problem}");
}

fn url(program: &Program, target: &str) -> String {
    format!("http://{}{target}", program.address)
}

/// Plays to the end by HLS, by DASH and as one file, without a single warning.
fn plays(program: &Program, title: &str) {
    for view in ["index.m3u8", "manifest.mpd", "play.mp4"] {
        let url = url(program, &format!("/v/{title}/{view}"));
        let played = ffmpeg::run(&["-xerror", "-i", &url, "-f", "null", "-"]);
        played.unwrap_or_else(|why| panic!("{url}: {why}"));
    }
}

/// The frames of a decoder.
fn frame_count(input: &str) -> usize {
    let tracks = ffmpeg::tracks(input).expect("tracks");
    let track = tracks.iter().find(|track| track.kind == Kind::Video).expect("video");
    ffmpeg::decode(input, &[track.index]).expect("decoded").remove(0).frames.len()
}

/// The samples of each track, by their digests.
fn samples(input: &str) -> BTreeMap<String, Vec<String>> {
    let listed = ["-i", input, "-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "framehash", "-"];
    let listed = String::from_utf8(ffmpeg::run(&listed).expect("a list")).expect("text");
    let mut samples: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in listed.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        samples.entry(fields[0].to_owned()).or_default().push(fields[5].to_owned());
    }
    samples
}

#[test]
fn matroska_plays_at_once_without_touching_a_sample() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let source = make(&folder, "film.mkv", &format!("{AVC} -c:a aac"));
    let program = serve(&folder);
    let movie = program.get("/v/film.mkv/play.mp4", &[]);
    assert_eq!(movie.status, 200);
    assert_eq!(movie.field("content-type"), Some("video/mp4"));
    plays(&program, "film.mkv");
    let (ours, theirs) =
        (samples(&url(&program, "/v/film.mkv/play.mp4")), samples(source.to_str().expect("text")));
    assert_eq!(ours, theirs);
    assert_eq!(theirs.values().map(Vec::len).min(), Some(150));
    for (view, media_type) in [
        ("poster.jpg", "image/jpeg"),
        ("thumbnail.webp?time=3", "image/webp"),
        ("storyboard.vtt", "text/vtt; charset=utf-8"),
        ("storyboard.jpg", "image/jpeg"),
    ] {
        let response = program.get(&format!("/v/film.mkv/{view}"), &[]);
        assert_eq!(response.status, 200, "{view}");
        assert_eq!(response.field("content-type"), Some(media_type), "{view}");
    }
}

#[test]
fn tracks_that_browsers_cannot_decode_are_encoded() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let titles = [
        ("a.avi", "-c:v mpeg4 -bf 2 -c:a mp3".to_owned(), "mp4a.40.2"),
        ("a.ts", format!("{AVC} -c:a ac3"), "mp4a.40.2"),
        ("a.flv", format!("{AVC} -c:a aac"), "mp4a.40.2"),
        ("a.wmv", "-c:v wmv2 -c:a wmav2".to_owned(), "mp4a.40.2"),
    ];
    let sources = titles.each_ref().map(|(name, how, _)| make(&folder, name, how));
    let program = serve(&folder);
    for ((name, _, audio), source) in titles.iter().zip(sources) {
        // A client that lists the library fetches images, which must not remux every file.
        assert_eq!(program.get(&format!("/v/{name}/storyboard.vtt"), &[]).status, 404);
        let manifest = after_remux(&program, &format!("/v/{name}/index.m3u8"));
        let manifest = String::from_utf8(manifest.body).expect("text");
        assert!(manifest.contains("CODECS=\"avc1."), "{name}: {manifest}");
        assert!(manifest.contains(audio), "{name}: {manifest}");
        plays(&program, name);
        let played = frame_count(&url(&program, &format!("/v/{name}/index.m3u8")));
        assert_eq!(played, frame_count(source.to_str().expect("text")), "{name}");
    }
}

#[test]
fn a_remuxed_title_has_renditions_and_the_subtitles_of_its_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let text = folder.put("text.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    let text = format!("-i {} -map 0 -map 1 -map 2 -c:s srt", text.display());
    // Matroska with this codec does not play in place.
    make(&folder, "film.mkv", &format!("{text} -c:v mpeg4 -g 50 -c:a aac"));
    let program = serve(&folder);
    let job_request = r#"{"kind":"rendition","title":"film.mkv","height":54,"codec":"h264"}"#;
    let post_job = |status| {
        let mut client = program.connect();
        client.send(json::post("/api/jobs", job_request));
        json::read(&mut client).status == status
    };
    assert!(post_job(503), "the remuxed movie does not exist yet");
    until("the movie is there, and its rendition is taken on", || post_job(202));
    let mut manifest = String::new();
    until("the rendition is part of the title", || {
        let response = program.get("/v/film.mkv/index.m3u8", &[]);
        manifest = String::from_utf8(response.body).expect("text");
        manifest.contains("RESOLUTION=96x54")
    });
    assert!(manifest.contains("TYPE=SUBTITLES"), "{manifest}");
    plays(&program, "film.mkv");
}

#[test]
fn a_file_that_cannot_be_remuxed_is_refused_with_a_reason() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let garbage: Vec<u8> =
        (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    folder.put("garbage.mkv", &garbage);
    folder.put("begins-well.mkv", [EBML, &garbage].concat());
    let text = "-map 2 -c:s srt";
    let words = folder.put("words.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    make(&folder, "words.mkv", &format!("-i {} {text}", words.display()));
    let program = serve(&folder);
    let refused = program.get("/v/garbage.mkv/index.m3u8", &[]);
    assert_eq!(refused.status, 422);
    assert_eq!(detail(&refused), "not an MP4 or MOV file, and not in another supported format");
    for (title, why) in [
        ("begins-well.mkv", "Invalid data found"),
        ("words.mkv", "the file has neither video nor audio"),
    ] {
        let refused = after_remux(&program, &format!("/v/{title}/manifest.mpd"));
        assert_eq!(refused.status, 422, "{title}");
        let detail = detail(&refused);
        assert!(detail.starts_with("transcoding failed: "), "{detail}");
        assert!(detail.contains(why), "{detail}");
        assert!(!detail.contains(folder.path("").to_str().expect("text")), "{detail}");
        // The file itself is still served.
        assert_eq!(program.get(&format!("/media/{title}"), &[]).status, 200);
    }
}

#[test]
fn a_playlist_of_other_files_is_never_followed() {
    let folder = Folder::new();
    let secret = folder.put("secret.txt", "a secret");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let entries = format!("file://{}\n#EXTINF:1,\nhttp://{address}/a.ts\n", secret.display());
    folder.put("list.avi", format!("#EXTM3U\n#EXTINF:1,\n{entries}"));
    folder.put("list.ts", format!("ffconcat version 1.0\nfile {}\n", secret.display()));
    let program = serve(&folder);
    for (title, what) in [("list.avi", "a playlist"), ("list.ts", "a concat script")] {
        for view in ["index.m3u8", "play.mp4", "poster.jpg"] {
            let refused = program.get(&format!("/v/{title}/{view}"), &[]);
            assert_eq!(refused.status, 422, "{title}/{view}");
            let detail = detail(&refused);
            let why =
                format!("it is {what}, which refers to other files; references are never followed");
            assert!(detail.ends_with(&why), "{detail}");
        }
    }
    let jobs = json::json(&program.get("/api/jobs", &[]), 200);
    assert_eq!(jobs["jobs"], serde_json::json!([]), "nothing was begun");
    let refused = listener.accept().expect_err("no connection came");
    assert_eq!(refused.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_folder_that_is_swapped_for_a_link_never_leads_ffmpeg_out_of_the_library() {
    const TITLES: usize = 24;
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    for name in ["library/films", "outside/films"] {
        fs::create_dir_all(folder.path(name)).expect("a folder");
    }
    let inside = make(&folder, "inside.flv", &format!("{AVC} -c:a aac -t 2"));
    let outside = make(&folder, "outside.flv", &format!("{AVC} -c:a aac -t 3"));
    for number in 0..TITLES {
        let name = format!("films/{number}.flv");
        fs::copy(&inside, folder.path("library").join(&name)).expect("a copy");
        fs::copy(&outside, folder.path("outside").join(&name)).expect("a copy");
    }
    let (films, link) = (folder.path("library/films"), folder.path("library/link"));
    symlink("../outside/films", &link).expect("a link");
    let program = Program::serve(&[folder.path("library")], &[]);
    let (over, is_over) = mpsc::channel::<()>();
    let ended: Vec<usize> = thread::scope(|scope| {
        let (films, link) = (&films, &link);
        scope.spawn(move || {
            let swap = || renameat_with(CWD, films, CWD, link, RenameFlags::EXCHANGE);
            // An even number of times. The pace is that of the steps of a job.
            while is_over.recv_timeout(Duration::from_millis(3))
                != Err(RecvTimeoutError::Disconnected)
            {
                swap().expect("swapped");
                let _ = is_over.recv_timeout(Duration::from_millis(3));
                swap().expect("swapped");
            }
        });
        let remuxes = |number: &usize| {
            let title = format!("films/{number}.flv");
            let request =
                json::post("/api/jobs", &format!(r#"{{"kind":"remux","title":"{title}"}}"#));
            let mut response = None;
            until_slowly("the title is there at this moment", || {
                let mut client = program.connect();
                client.send(&request);
                let answer = json::read(&mut client);
                let is_there = answer.status != 404;
                response = Some(answer);
                is_there
            });
            let response = response.expect("a response");
            let job = json::json(&response, response.status);
            let url =
                format!("/api/jobs/{}", job["id"].as_str().unwrap_or_else(|| panic!("{job}")));
            let mut state = String::new();
            until_slowly("the job ends", || {
                let job = json::json(&program.get(&url, &[]), 200);
                job["state"].as_str().expect("a state").clone_into(&mut state);
                matches!(&*state, "done" | "failed")
            });
            state == "done"
        };
        let ended = (0..TITLES).filter(remuxes).collect();
        drop(over);
        ended
    });
    assert!(!ended.is_empty(), "no title was remuxed");
    let expected = samples(inside.to_str().expect("text"));
    for number in &ended {
        let target = format!("/v/films/{number}.flv/play.mp4");
        until_slowly("the title is found", || program.get(&target, &[]).status == 200);
        assert!(samples(&url(&program, &target)) == expected, "{target} is another film");
    }
    println!("{} of {TITLES} titles were remuxed", ended.len());
}

#[test]
fn movies_play_without_database_and_ffmpeg_and_other_files_report_what_is_missing() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    fs::copy(clips::named("b-frames.mp4").path(), folder.path("film.mp4")).expect("a copy");
    folder.put("film.mkv", [EBML, &[0; 1000]].concat());
    for (name, value, missing) in [
        ("HEADWATER_DATABASE", "postgres://nobody@127.0.0.1:1/nothing", "no database"),
        ("PATH", "/nowhere", "ffmpeg is not installed"),
    ] {
        let program = Program::serve(&[folder.path("")], &[(name, value)]);
        assert_eq!(program.get("/v/film.mp4/index.m3u8", &[]).status, 200, "{name}");
        let refused = program.get("/v/film.mkv/index.m3u8", &[]);
        assert_eq!(refused.status, 503, "{name}");
        assert!(refused.field("retry-after").is_some(), "{name}");
        let detail = detail(&refused);
        assert!(detail.contains(missing), "{detail}");
    }
}

#[test]
fn a_cancelled_remux_stays_cancelled_when_requested_again() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    make(&folder, "film.mkv", &format!("{AVC} -c:a aac"));
    // No worker runs, so that the job stays as it is.
    let program = Program::serve(&[folder.path("")], &[("HEADWATER_LOCAL_WORKER", "false")]);
    let ask = || program.get("/v/film.mkv/play.mp4", &[]);
    let first = json::json(&ask(), 503);
    assert_eq!(json::json(&ask(), 503)["job"], first["job"], "one job for all clients");
    let job = format!("/api/jobs/{}", first["job"].as_str().expect("a job"));
    let mut client = program.connect();
    client.send(json::post(&format!("{job}/cancel"), ""));
    assert_eq!(json::read(&mut client).status, 200);
    let refused = ask();
    assert_eq!(refused.status, 422);
    assert_eq!(detail(&refused), "transcoding failed: the job was cancelled");
    client.send(json::post(&format!("{job}/retry"), ""));
    assert_eq!(json::read(&mut client).status, 200);
    assert_eq!(json::json(&ask(), 503)["job"], first["job"]);
}
