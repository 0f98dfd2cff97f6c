//! What lists tell of the media of titles.

use std::{
    fs::{self, File},
    path::Path,
};

use headwater::{store::Database, titles::fact_store};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::catalog::{all, json as read};
use crate::support::{
    clips, ffmpeg,
    folder::{Folder, pattern},
    movies::{self, Plan},
    program::Program,
    server::serve,
    streams::put_sample,
    wait::until,
};

fn facts(item: &Value) -> Value {
    json!([item["kind"], item["duration_s"], item["width"], item["height"], item["is_hdr"]])
}

#[test]
fn lists_tell_the_kind_the_duration_and_the_size_of_what_was_read() {
    let folder = Folder::new();
    let video = movies::plain(&[Plan::video(1, 100), Plan::audio(2, 100)]);
    folder.put("a film.mp4", &video);
    folder.put("b show.set/1080p.mp4", &video);
    folder.put("c sound.m4a", movies::plain(&[Plan::audio(1, 94)]));
    folder.put("d broken.mp4", pattern(100));
    folder.put("e empty.mkv", []);
    folder.put("f other.mp3", pattern(100));
    put_sample(&folder, "Clock.webm", "g clock.webm");
    let serving = serve(&folder);
    serving.until_indexed();
    let list = read(&serving.get("/api/titles", &[]));
    let shown: Vec<_> = list["titles"].as_array().expect("a list").iter().map(facts).collect();
    let film = json!(["video", 4.0, 64, 48, false]);
    assert_eq!(shown[..2], [film.clone(), film]);
    assert_eq!(shown[2][0], "audio");
    let duration_s = shown[2][1].as_f64().expect("a duration");
    assert!((1.9..2.1).contains(&duration_s), "{duration_s}");
    assert_eq!(
        shown[2].as_array().map(|facts| &facts[2..]),
        json!([null, null, null]).as_array().map(|none| &none[..])
    );
    assert_eq!(shown[3], json!(["video", null, null, null, null]));
    assert_eq!(shown[4], json!(["video", null, null, null, null]));
    assert_eq!(shown[5], json!(["audio", null, null, null, null]));
    // The head of a file in another container tells them, too.
    let duration_s = shown[6][1].as_f64().expect("a duration");
    assert!((19.0..21.0).contains(&duration_s), "{duration_s}");
    assert!(shown[6][0] == "video" && shown[6][2].is_u64() && shown[6][3].is_u64());
    // Unknown durations are last in either order.
    let by_duration = |sort: &str| all(&serving, &format!("?folder=&sort={sort}"));
    assert_eq!(by_duration("duration")[..2], ["c sound.m4a", "a film.mp4"]);
    assert_eq!(
        by_duration("-duration")[..4],
        ["g clock.webm", "b show.set", "a film.mp4", "c sound.m4a"]
    );
}

#[test]
fn a_replaced_file_is_read_again() {
    let folder = Folder::new();
    folder.put("film.mp4", movies::plain(&[Plan::video(1, 100)]));
    let serving = serve(&folder);
    serving.until_watching(&folder);
    let duration_s = || read(&serving.get("/api/titles", &[]))["titles"][0]["duration_s"].as_f64();
    until("the duration is known", || duration_s() == Some(4.0));
    folder.put("film.mp4", movies::plain(&[Plan::video(1, 40)]));
    until("the new duration is known", || duration_s() == Some(1.6));
}

#[test]
fn turned_and_high_dynamic_range_video_is_told_as_it_is_shown() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    fs::copy(clips::named("portrait.mp4").path(), folder.path("turned.mp4")).expect("a copy");
    let hdr = folder.path("hdr.mp4");
    let arguments = "-f lavfi -i testsrc2=size=128x72:rate=10:duration=1 -c:v libx265 -preset ultrafast \
        -pix_fmt yuv420p10le -x265-params log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -y";
    let arguments: Vec<_> = arguments.split_whitespace().chain(hdr.to_str()).collect();
    ffmpeg::run(&arguments).expect("a movie");
    let serving = serve(&folder);
    serving.until_indexed();
    let list = read(&serving.get("/api/titles?sort=name", &[]));
    let shown: Vec<_> = list["titles"].as_array().expect("a list").iter().map(facts).collect();
    assert_eq!(shown[0], json!(["video", 1.0, 128, 72, true]));
    assert_eq!((&shown[1][2], &shown[1][3]), (&json!(108), &json!(192)));
}

/// The paths of the rows in the database of a server.
fn stored(data: &Path) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = Database::open(None, data).await.expect("a database");
        let rows = fact_store::page_behind(&database, None).await.expect("rows");
        rows.iter().map(|stored| stored.encoded_path().to_owned()).collect()
    })
}

#[test]
fn a_restart_takes_what_it_knew_from_the_database_and_reads_no_file_again() {
    let (folder, data) = (Folder::new(), TempDir::new().expect("a data folder"));
    let movie = movies::plain(&[Plan::video(1, 100)]);
    for name in ["kept.mp4", "changed.mp4", "gone.mp4"] {
        folder.put(name, &movie);
    }
    let serve = || {
        let (library, data) = (folder.path(""), data.path());
        Program::serve(&[library.as_os_str(), "--data".as_ref(), data.as_os_str()], &[])
    };
    let duration_s = |program: &Program, name: &str| {
        let list = read(&program.get("/api/titles", &[]));
        let item = list["titles"].as_array()?.iter().find(|item| item["path"] == name)?.clone();
        (!item["kind"].is_null()).then(|| item["duration_s"].as_f64())
    };
    let program = serve();
    for name in ["kept.mp4", "changed.mp4", "gone.mp4"] {
        until("the file was read", || duration_s(&program, name) == Some(Some(4.0)));
    }
    until("the facts are stored", || {
        stored(data.path()) == ["changed.mp4", "gone.mp4", "kept.mp4"]
    });
    drop(program);
    // No movie any more, in the same version: another read of it finds no duration.
    let path = folder.path("kept.mp4");
    let modified = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    fs::write(&path, vec![0; movie.len()]).expect("written");
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_modified(modified))
        .expect("the same time");
    folder.put("changed.mp4", pattern(50));
    fs::remove_file(folder.path("gone.mp4")).expect("removed");
    let program = serve();
    until("it is known", || duration_s(&program, "kept.mp4").is_some());
    assert_eq!(duration_s(&program, "kept.mp4"), Some(Some(4.0)));
    until("the changed file was read", || duration_s(&program, "changed.mp4") == Some(None));
    until("the row of a title that is gone is deleted", || {
        stored(data.path()) == ["changed.mp4", "kept.mp4"]
    });
}
