//! Subtitles as whole files: the cues of `<track>` are those of ffmpeg's own conversion, in text and time.

use std::fs;

use crate::support::{
    client::Response,
    ffmpeg,
    folder::Folder,
    made_titles::{AVC, VIDEO, make},
    server::{Serving, serve},
    streams::{CLOCK, put_sample},
};

const SRT: &str = "\
1
00:00:00,500 --> 00:00:01,750
One & <i>two</i>

2
00:00:02,000 --> 00:00:03,000
Zwei Zeilen,
für alle
";

const ASS: &str = "\
[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour
Style: Default,Arial,20,&H00FFFFFF

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.50,0:00:01.75,Default,,0,0,0,,One {\\i1}two{\\i0}
Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,Zwei Zeilen,\\Nfür alle
";

/// A cue: its times, and its text without markup.
type Cue = (String, String);

/// The cues of WebVTT of any writer.
fn cues(text: &[u8]) -> Vec<Cue> {
    let text = str::from_utf8(text).expect("WebVTT is UTF-8");
    let blocks = text.trim_end().split("\n\n").filter(|block| block.contains("-->"));
    let cue = |block: &str| {
        let mut lines = block.lines().skip_while(|line| !line.contains("-->"));
        let times = lines.next().expect("times").split_whitespace();
        // ffmpeg leaves out hours of zero.
        let long =
            |time: &str| if time.len() == 9 { format!("00:{time}") } else { time.to_owned() };
        let times: Vec<_> = times.take(3).map(long).collect();
        (times.join(" "), without_markup(&lines.collect::<Vec<_>>().join("\n")))
    };
    blocks.map(cue).collect()
}

fn without_markup(text: &str) -> String {
    let mut plain = String::new();
    for (number, part) in text.split('<').enumerate() {
        let visible = part.split_once('>').map_or(part, |(_, visible)| visible);
        plain += if number == 0 { part } else { visible };
    }
    plain.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}

/// ffmpeg's conversion of the first subtitles of a file.
fn converted(path: &str) -> Vec<Cue> {
    let how = ["-i", path, "-map", "0:s:0", "-f", "webvtt", "-"];
    cues(&ffmpeg::run(&how).expect("ffmpeg converts it"))
}

#[track_caller]
fn vtt(serving: &Serving, target: &str) -> Response {
    let response = serving.get(target, &[]);
    assert_eq!(response.status, 200, "{target}: {}", String::from_utf8_lossy(&response.body));
    assert_eq!(response.field("content-type"), Some("text/vtt; charset=utf-8"), "{target}");
    response
}

#[test]
fn the_cues_are_those_of_ffmpegs_conversion() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let srt = folder.put("film.en.srt", SRT).display().to_string();
    let ass = folder.put("film.de.ass", ASS).display().to_string();
    make(&folder, "film.mp4", &format!("{VIDEO} {AVC}"));
    // The edit list delays the video, and so the time of play.mp4.
    let inside = format!("{VIDEO} -i {srt} {AVC} -bf 2 -c:s mov_text -metadata:s:s:0 language=fra");
    let inside = make(&folder, "inside.mp4", &inside);
    let serving = serve(&folder);
    for (target, original) in [
        ("/v/film.mp4/en.vtt", &srt),
        ("/v/film.mp4/de.vtt", &ass),
        ("/v/inside.mp4/fr.vtt", &inside),
    ] {
        let found = cues(&vtt(&serving, target).body);
        assert_eq!(found, converted(original), "{target}");
        assert_eq!(found.len(), 2, "{target}");
        assert_eq!(found[1].1, "Zwei Zeilen,\nfür alle", "{target}");
    }
}

#[test]
fn a_text_file_is_a_file_like_others() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "film.mp4");
    folder.put("film.en.srt", SRT);
    let serving = serve(&folder);
    let target = "/v/film.mp4/en.vtt";
    let whole = vtt(&serving, target);
    assert_eq!(whole.field("access-control-allow-origin"), Some("*"));
    assert_eq!(whole.field("x-content-type-options"), Some("nosniff"));
    let tag = format!("If-None-Match: {}", whole.field("etag").expect("a tag"));
    assert_eq!(serving.get(target, &[&tag]).status, 304);
    let part = serving.get(target, &["Range: bytes=0-5"]);
    assert_eq!((part.status, &part.body[..]), (206, &b"WEBVTT"[..]));
    let head = serving.request("HEAD", target, &[]);
    assert_eq!(head.field("content-length"), whole.field("content-length"));
    assert_eq!(serving.request("POST", target, &[]).status, 405);
    // A new file is there at once, under another tag.
    fs::write(folder.path("film.en.srt"), SRT.replace("One", "Eins")).expect("a file");
    let changed = serving.get(target, &[&tag]);
    assert_eq!(changed.status, 200);
    assert!(String::from_utf8_lossy(&changed.body).contains("Eins"));
}

#[test]
fn each_subtitles_have_a_name_of_their_own_and_others_are_404() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "film.mp4");
    for (name, text) in [
        ("film.en.srt", "plain"),
        ("film.en.2.srt", "second"),
        ("film.en.forced.srt", "forced"),
        ("film.pt-BR.sdh.srt", "sounds"),
        ("film.srt", "unknown"),
    ] {
        folder.put(name, SRT.replace("One", text));
    }
    let serving = serve(&folder);
    for (name, text) in [
        ("en", "second"),
        ("en.2", "plain"),
        ("en.forced", "forced"),
        ("pt-BR.sdh", "sounds"),
        ("text", "unknown"),
    ] {
        let found = cues(&vtt(&serving, &format!("/v/film.mp4/{name}.vtt")).body);
        assert_eq!(found[0].1, format!("{text} & two"), "{name}");
    }
    for name in ["de", "en.3", "EN", "text-1", "film.en", "en.vtt"] {
        assert_eq!(serving.get(&format!("/v/film.mp4/{name}.vtt"), &[]).status, 404, "{name}");
    }
    assert_eq!(serving.get("/v/none.mp4/en.vtt", &[]).status, 404);
    // These are other files.
    assert_eq!(vtt(&serving, "/v/film.mp4/chapters.vtt").body, b"WEBVTT\n");
}

#[test]
fn subtitles_beside_a_file_need_no_remux() {
    let folder = Folder::new();
    put_sample(&folder, "Clock.webm", "film.webm");
    folder.put("film.en.srt", SRT);
    let serving = serve(&folder);
    assert_eq!(cues(&vtt(&serving, "/v/film.webm/en.vtt").body).len(), 2);
    assert_eq!(serving.get("/v/film.webm/de.vtt", &[]).status, 404);
    let jobs = String::from_utf8(serving.get("/api/jobs", &[]).body).expect("text");
    assert!(jobs.contains(r#""jobs":[]"#), "a request for text started a job: {jobs}");
}
