//! `GET /api/titles/<path>`: a title with all that a program needs to play it, whatever its file is.

use headwater::extent::disk::PlainFile;
use serde_json::{Value, json};

use crate::support::{
    clips, ffmpeg,
    folder::Folder,
    fuzz_corpus,
    json::json as parsed,
    made_titles::{AVC, MadeTitles, TONE, VIDEO, make},
    server::{Serving, serve, serve_with},
    streams::{CLOCK, put_sample},
    wait::until_slowly,
};

/// The origin that the requests of a test client name.
const ORIGIN: &str = "http://localhost";

const SRT: &str = "1\n00:00:01,000 --> 00:00:02,000\nA word\n";

#[track_caller]
fn document(serving: &Serving, path: &str) -> Value {
    parsed(&serving.get(&format!("/api/titles/{path}"), &[]), 200)
}

/// The members of a document that tell what its file is.
fn facts(document: &Value) -> Value {
    let names = ["kind", "width", "height", "is_hdr"];
    names.iter().map(|name| document[name].clone()).collect()
}

/// Every URL of a document responds, by the status that a player expects.
#[track_caller]
fn urls_lead_to_resources(serving: &Serving, document: &Value) {
    let members = ["file", "mp4", "hls", "dash", "watch"].map(|name| &document[name]);
    let texts = document["texts"].as_array().expect("a list").iter().map(|text| &text["url"]);
    for url in members.into_iter().chain(texts).filter_map(Value::as_str) {
        let target = url.strip_prefix(ORIGIN).expect("an absolute URL of this server");
        let response = serving.get(target, &[]);
        assert_eq!(response.status, 200, "{url}: {}", String::from_utf8_lossy(&response.body));
    }
}

#[test]
fn an_ordinary_title_has_tracks_texts_and_absolute_urls() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "films/The clock.mp4");
    folder.put("films/The clock.en.srt", SRT);
    folder.put("films/The clock.de.sdh.srt", SRT);
    folder.put("films/The clock.fr.srt", "");
    let serving = serve(&folder);
    let found = document(&serving, "films/The%20clock.mp4");
    assert_eq!(facts(&found), json!(["video", 640, 360, false]), "{found}");
    assert_eq!((&found["name"], &found["folder"]), (&"The clock".into(), &"films".into()));
    assert!((found["duration_s"].as_f64().expect("a duration") - 20.0).abs() < 0.1, "{found}");
    assert_eq!(found["playable"], json!({ "file": true, "segments": true, "reasons": [] }));
    let tracks = found["tracks"].as_array().expect("tracks");
    assert_eq!(tracks.len(), 2, "{found}");
    assert_eq!((&tracks[0]["kind"], &tracks[0]["width"]), (&"video".into(), &640.into()));
    assert!(tracks[0]["codec"].as_str().is_some_and(|codec| codec.starts_with("H.264")));
    assert!(tracks[0]["codecs"].as_str().is_some_and(|codecs| codecs.starts_with("avc1.")));
    assert_eq!((&tracks[1]["kind"], &tracks[1]["is_default"]), (&"audio".into(), &true.into()));
    let [rendition] = &found["renditions"].as_array().expect("a list")[..] else {
        panic!("one: {found}");
    };
    assert_eq!(
        (&rendition["height"], &rendition["codec"], &rendition["is_original"]),
        (&360.into(), &"h264".into(), &true.into())
    );
    let at = |view: &str| format!("{ORIGIN}/v/films/The%20clock.mp4/{view}");
    let text = |name: &str, language: &str, label: &str, kind: &str| {
        let url = at(name);
        json!({ "url": url, "language": language, "label": label, "is_default": false,
            "is_forced": false, "kind": kind })
    };
    // The empty file is not offered.
    let texts = [
        text("de.sdh.vtt", "de", "Deutsch (SDH)", "captions"),
        text("en.vtt", "en", "English", "subtitles"),
    ];
    assert_eq!(found["texts"], json!(texts));
    assert_eq!(found["hls"], at("index.m3u8"));
    assert_eq!(found["chapters"], json!([]));
    assert_eq!(found["embed"], format!("{ORIGIN}/embed/films/The%20clock.mp4"));
    urls_lead_to_resources(&serving, &found);
}

#[test]
fn a_document_tells_which_files_beside_its_title_are_left_out_and_why() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "films/clock.mp4");
    folder.put("films/clock.en.srt", SRT);
    folder.put("films/clock.de.srt", b"\0\x01\x02 no subtitles");
    folder.put("films/clock.fr.srt", SRT.repeat((16 << 20) / SRT.len() + 1));
    folder.put("films/clock.720p.mp4", b"no movie");
    let serving = serve(&folder);
    assert_eq!(serving.get("/v/films/clock.mp4/index.m3u8", &[]).status, 200);
    // The manifest has read the subtitles, and nothing reads them again.
    let refused = PlainFile::open(&folder.path("films/clock.de.srt")).expect("a file");
    let known = serving.site().titles.cache.subtitles(refused.identity(), 0);
    assert!(known.is_some_and(|cues| cues.is_err()));
    let found = document(&serving, "films/clock.mp4");
    let left_out = found["left_out"].as_array().expect("a list").iter();
    let left_out: Vec<_> = left_out
        .map(|file| {
            (file["file"].as_str().expect("a path"), file["reason"].as_str().expect("text"))
        })
        .collect();
    let (files, reasons): (Vec<_>, Vec<_>) = left_out.into_iter().unzip();
    let expected = ["films/clock.720p.mp4", "films/clock.de.srt", "films/clock.fr.srt"];
    assert_eq!(files, expected, "{found}");
    assert!(reasons[0].contains("not an MP4"), "{reasons:?}");
    assert_eq!(reasons[1], "the file has no subtitles");
    assert_eq!(reasons[2], "the subtitles are too long");
    assert_eq!(found["texts"].as_array().map(Vec::len), Some(1), "{found}");
    let report = parsed(&serving.get("/v/films/clock.mp4/inspect", &[]), 200);
    let refused = report["subtitle_files"].as_array().expect("a list").iter();
    assert_eq!(refused.filter(|file| !file["not_offered"].is_null()).count(), 2, "{report}");
}

#[test]
fn urls_have_the_host_and_the_scheme_of_the_client() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, CLOCK);
    let serving = serve(&folder);
    let fields = ["Host: tv.localhost:8443", "X-Forwarded-Proto: https"];
    let mut client = serving.connect();
    client.send(format!("GET /api/titles/{CLOCK} HTTP/1.1\r\n{}\r\n\r\n", fields.join("\r\n")));
    let found = parsed(&crate::support::json::read(&mut client), 200);
    assert_eq!(found["mp4"], format!("https://tv.localhost:8443/v/{CLOCK}/play.mp4"));
}

#[test]
fn files_that_do_not_play_have_a_document_with_the_reason() {
    let folder = Folder::new();
    folder.put("empty.mp4", b"");
    folder.put("text.mp4", b"this is no movie at all");
    folder.put("list.mkv", b"#EXTM3U\nhttp://10.0.0.1/secret\n");
    put_sample(&folder, "Clock, moov at the end.mp4", "whole.mp4");
    let whole = std::fs::read(folder.path("whole.mp4")).expect("a file");
    folder.put("cut.mp4", &whole[..whole.len() / 2]);
    let serving = serve(&folder);
    for (name, reason) in [
        ("empty.mp4", "not an MP4 or MOV file"),
        ("text.mp4", "not an MP4 or MOV file"),
        ("list.mkv", "references are never followed"),
        ("cut.mp4", "no index (moov)"),
    ] {
        let found = document(&serving, name);
        let playable = &found["playable"];
        assert_eq!((&playable["file"], &playable["segments"]), (&false.into(), &false.into()));
        let first = playable["reasons"][0].as_str().expect("a reason");
        assert!(first.contains(reason), "{name}: {first}");
        assert_eq!(found["tracks"], json!([]), "{name}");
        assert_eq!(facts(&found), json!(["video", null, null, null]), "{name}");
        for absent in ["mp4", "hls", "dash", "poster", "storyboard"] {
            assert_eq!(found[absent], Value::Null, "{name}: {absent}");
        }
        urls_lead_to_resources(&serving, &found);
    }
    assert_eq!(serving.get("/api/titles/none.mp4", &[]).status, 404);
}

#[test]
fn an_encrypted_title_says_so() {
    let serving = serve_with(&[fuzz_corpus::movies()], "");
    let found = document(&serving, "ffmpeg-encrypted.mp4");
    let playable = &found["playable"];
    assert_eq!((&playable["file"], &playable["segments"]), (&false.into(), &false.into()));
    let reason = playable["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("encrypted, and Headwater delivers no keys"), "{reason}");
    assert_eq!(reason.matches("encrypted").count(), 1, "{reason}");
    assert_eq!(found["tracks"][0]["is_encrypted"], true, "{found}");
    assert_eq!((&found["hls"], &found["poster"]), (&Value::Null, &Value::Null));
}

#[test]
fn audio_has_no_images_and_chapters_are_in_the_document() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let chapters = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=One\n\
                    [CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=6000\ntitle=Two & more\n";
    let metadata = folder.put("chapters.txt", chapters).display().to_string();
    make(&folder, "song.m4a", &format!("{TONE} -i {metadata} -map_metadata 1 -c:a aac"));
    let serving = serve(&folder);
    let found = document(&serving, "song.m4a");
    assert_eq!(facts(&found), json!(["audio", null, null, null]), "{found}");
    let expected =
        json!([{ "start_s": 0.0, "title": "One" }, { "start_s": 1.5, "title": "Two & more" }]);
    assert_eq!(found["chapters"], expected);
    assert_eq!((&found["poster"], &found["storyboard"]), (&Value::Null, &Value::Null));
    assert_eq!(found["playable"]["file"], true);
    assert_eq!(found["renditions"], json!([]));
    urls_lead_to_resources(&serving, &found);
}

#[test]
fn hevc_does_not_play_commonly_and_ac_3_needs_aac() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    for name in ["hevc-hev1.mp4", "ac-3.mp4"] {
        folder.put(name, std::fs::read(clips::named(name).path()).expect("a clip"));
    }
    let serving = serve(&folder);
    for (name, reason) in [
        ("hevc-hev1.mp4", "Chrome: HEVC depends on a hardware decoder"),
        ("ac-3.mp4", "Chrome: no decoder for AC-3; plays video only"),
    ] {
        let playable = &document(&serving, name)["playable"];
        assert_eq!((&playable["file"], &playable["segments"]), (&false.into(), &true.into()));
        let first = playable["reasons"][0].as_str().expect("a reason");
        assert!(first.starts_with(reason), "{name}: {first}");
    }
}

#[test]
fn a_set_is_one_title_with_the_video_of_its_members() {
    let folder = Folder::new();
    for name in ["180p", "360p"] {
        put_sample(&folder, CLOCK, &format!("film.set/{name}.mp4"));
    }
    folder.put("film.set/180p.en.srt", SRT);
    folder.put("none.set/text.mp4", b"no movie");
    let serving = serve(&folder);
    let found = document(&serving, "film.set");
    assert_eq!(facts(&found), json!(["video", 640, 360, false]), "{found}");
    assert_eq!(found["renditions"].as_array().map(Vec::len), Some(2), "{found}");
    let file = found["file"].as_str().expect("a URL");
    assert!(file.ends_with("/media/film.set/180p.mp4"), "{file}");
    assert_eq!(found["texts"].as_array().map(Vec::len), Some(1), "{found}");
    urls_lead_to_resources(&serving, &found);
    let none = document(&serving, "none.set");
    assert_eq!(none["playable"]["reasons"], json!(["no file of the set is a movie"]));
}

#[test]
fn lists_tell_the_same_of_a_file_in_another_container() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.webm", "clock.webm");
    let serving = serve(&folder);
    serving.until_indexed();
    let list = parsed(&serving.get("/api/titles", &[]), 200);
    let (item, shown) = (&list["titles"][0], document(&serving, "clock.webm"));
    assert_eq!(facts(item), json!(["video", 640, 360, false]), "{item}");
    assert_eq!((facts(&shown), &shown["duration_s"]), (facts(item), &item["duration_s"]));
}

#[test]
fn lists_documents_and_pages_tell_length_size_and_poster_of_every_container() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let cover = "-f lavfi -i color=red:size=200x200:duration=0.04:rate=25";
    let with_cover = format!("{TONE} {cover} -map 0 -map 1 -c:v mjpeg -disposition:v attached_pic");
    let video = json!(["video", 192, 108, true]);
    let (covered, bare) = (json!(["audio", null, null, true]), json!(["audio", null, null, false]));
    let titles = [
        ("a.mp3", with_cover.clone(), &covered),
        ("b.flac", with_cover.clone(), &covered),
        ("bb.m4a", with_cover.clone(), &covered),
        ("c.mp3", TONE.to_owned(), &bare),
        ("d.flac", TONE.to_owned(), &bare),
        ("e.ogg", format!("{TONE} -c:a libopus"), &bare),
        ("f.wav", TONE.to_owned(), &bare),
        ("g.avi", format!("{VIDEO} {TONE} -c:v mpeg4 -c:a mp3"), &video),
        ("h.ts", format!("{VIDEO} {TONE} {AVC} -c:a aac"), &video),
        ("i.ts", format!("{VIDEO} -c:v mpeg2video"), &video),
        ("j.wmv", format!("{VIDEO} {TONE} -c:v wmv2 -c:a wmav2"), &video),
    ];
    for (name, how, _) in &titles {
        make(&folder, name, how);
    }
    folder.put("k broken.avi", b"RIFF\x10\0\0\0AVI LIST\x04\0\0\0hdrl");
    let made = MadeTitles::serve(folder, &[]);
    let get = |target: &str| made.program.get(target, &[]);
    let list = || parsed(&get("/api/titles"), 200)["titles"].as_array().expect("a list").clone();
    until_slowly("every title was read", || list().iter().all(|item| !item["kind"].is_null()));
    let told = |of: &Value| json!([of["kind"], of["width"], of["height"], of["has_poster"]]);
    for (item, (name, _, expected)) in list().iter().zip(&titles) {
        let shown = parsed(&get(&format!("/api/titles/{name}")), 200);
        for of in [item, &shown] {
            assert_eq!(of["path"], *name);
            assert_eq!(told(of), **expected, "{name}: {of}");
            let duration_s = of["duration_s"].as_f64().expect(name);
            assert!((5.9..6.2).contains(&duration_s), "{name}: {duration_s}");
        }
        let page = get(&format!("/watch/{name}")).body;
        let has_poster = String::from_utf8_lossy(&page).contains("/poster.jpg?wait=0");
        assert_eq!(
            (shown["poster"].is_string(), has_poster),
            (expected[3] == true, expected[3] == true)
        );
    }
    let broken = &list()[titles.len()];
    assert_eq!(told(broken), json!(["video", null, null, false]), "not worth a job");
    let refused = parsed(&get("/v/k%20broken.avi/poster.jpg"), 422);
    assert_eq!(refused["detail"], "cannot render this image: its head names no tracks");
}

#[test]
fn a_file_in_another_container_tells_what_is_known_before_its_remux_and_after() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    put_sample(&folder, "Clock.webm", "clock.webm");
    folder.put("clock.en.srt", SRT);
    let srt = folder.put("words.srt", SRT).display().to_string();
    // Matroska with this codec does not play in place.
    let film = format!("{VIDEO} -i {srt} -c:v mpeg4 -c:s srt -metadata:s:s:0 language=ger");
    make(&folder, "film.mkv", &film);
    let made = MadeTitles::serve(folder, &[]);
    let document = |path: &str| parsed(&made.program.get(&format!("/api/titles/{path}"), &[]), 200);
    let webm = document("clock.webm");
    assert_eq!(webm["playable"], json!({ "file": true, "segments": true, "reasons": [] }));
    assert_eq!(facts(&webm), json!(["video", 640, 360, false]), "{webm}");
    let count = |list: &Value| list.as_array().map(Vec::len);
    assert_eq!(
        (count(&webm["tracks"]), count(&webm["texts"])),
        (Some(2), Some(1)),
        "it plays in place"
    );
    let before = document("film.mkv");
    assert_eq!(
        (&before["playable"]["file"], &before["playable"]["segments"]),
        (&false.into(), &true.into())
    );
    assert_eq!(facts(&before), json!(["video", 192, 108, false]), "{before}");
    let reasons = before["playable"]["reasons"].as_array().expect("a list");
    assert!(reasons[1].as_str().expect("text").contains("remuxes into MP4"), "{before}");
    assert_eq!((&before["tracks"], &before["storyboard"]), (&json!([]), &Value::Null));
    assert!(before["poster"].is_string(), "of its own key frames: {before}");
    made.settled("film.mkv");
    let after = document("film.mkv");
    assert_eq!(after["tracks"].as_array().map(Vec::len), Some(1), "{after}");
    assert_eq!(after["texts"][0]["language"], "de", "{after}");
    assert_eq!(
        (&after["playable"]["file"], &after["playable"]["segments"]),
        (&false.into(), &true.into())
    );
    let text = after["texts"][0]["url"].as_str().expect("a URL");
    let target = &text[text.find("/v/").expect("a view")..];
    let body = made.program.get(target, &[]).body;
    assert!(String::from_utf8_lossy(&body).contains("A word"));
    assert!(after["poster"].is_string() && after["storyboard"].is_string(), "{after}");
}
