//! What remuxing must keep (kind K10).

use serde_json::Value;

use crate::support::{
    client::Response,
    ffmpeg::{self, Kind},
    folder::Folder,
    json,
    made_titles::{AVC, MadeTitles, TONE, VIDEO, make, members, sentences},
    wait::until_slowly,
};

const AAC: &str = "-c:a aac -b:a 48k";

/// The text of a response.
fn text(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    String::from_utf8(response.body.clone()).expect("text")
}

/// The detail of a problem document.
fn detail(response: &Response) -> String {
    let problem: Value = serde_json::from_slice(&response.body).expect("JSON");
    problem["detail"].as_str().expect("a sentence").to_owned()
}

/// All subtitles of a title, as their WebVTT.
fn subtitles(made: &MadeTitles, title: &str) -> Vec<String> {
    let playlist = made.playlist(title);
    let whole = |uri: &String| uri.replace("media.m3u8", "all.vtt");
    let urls = members(&playlist, "SUBTITLES").into_iter().map(|text| whole(&text["URI"]));
    urls.map(|url| text(&made.program.get(&url, &[]))).collect()
}

/// The shown frames of the video that ffmpeg reads: their times, in nanoseconds.
fn frame_times(input: &str) -> Vec<i128> {
    let tracks = ffmpeg::tracks(input).expect("tracks");
    let track = tracks.iter().find(|track| track.kind == Kind::Video).expect("video");
    let mut times: Vec<_> =
        track.shown().map(|packet| track.shown_at(packet).nanoseconds()).collect();
    times.sort_unstable();
    let first = times[0];
    times.iter().map(|time| time - first).collect()
}

const ASS: &str = r"[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,{\i1}Guten{\i0} Tag\Nzweite Zeile
Dialogue: 0,0:00:02.00,0:00:04.00,Default,,0,0,0,,{\p1}m 0 0 l 100 0 100 100{\p0}
Dialogue: 0,0:00:02.00,0:00:05.00,Default,,0,0,0,,{\an8}Ein Schild
";

const CHAPTERS: &str = ";FFMETADATA1
[CHAPTER]
TIMEBASE=1/1000
START=0
END=2000
title=Eins
[CHAPTER]
TIMEBASE=1/1000
START=2000
END=6000
title=Zwei & mehr
";

#[test]
fn subtitles_of_matroska_stay_whole_in_a_remux_and_in_place() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let ass = folder.put("texts/a.ass", ASS).display().to_string();
    let srt =
        "1\n00:00:01,000 --> 00:00:04,000\n<i>one</i>\n\n2\n00:00:02,000 --> 00:00:03,000\ntwo\n";
    let srt = folder.put("texts/b.srt", srt).display().to_string();
    let empty = folder.put("texts/c.srt", "1\n00:00:01,000 --> 00:00:02,000\n \n");
    // FLAC has no priming, for which ffmpeg would shift all times of the file.
    let how = |codec: &str| {
        format!(
            "{VIDEO} {TONE} -i {ass} -i {srt} -i {} -map 0 -map 1 -map 2 -map 3 -map 4 {codec} -c:a flac -c:s copy -metadata:s:s:0 language=ger -metadata:s:s:0 title=Voll \
         -metadata:s:s:1 language=eng -disposition:s:0 0 -disposition:s:1 default+forced \
         -disposition:s:2 0 -metadata:s:s:2 title=Leer",
            empty.display()
        )
    };
    make(&folder, "film.mkv", &how(AVC));
    // Matroska with this codec does not play in place.
    make(&folder, "copied.mkv", &how("-c:v mpeg4 -g 50"));
    let made = MadeTitles::serve(folder, &[]);
    for title in ["film.mkv", "copied.mkv"] {
        has_whole_subtitles(&made, title);
    }
    assert!(made.inspect("film.mkv")["remux"].is_null());
    let report = made.inspect("copied.mkv");
    assert_eq!(report["remux"]["texts"], 2, "{report}");
    let said = sentences(&report);
    assert!(said.contains(&"Its 2 subtitles are WebVTT beside the movie."), "{said:?}");
    let lost = "Not in the remuxed movie: Leer: these subtitles are empty.";
    assert!(said.contains(&lost), "{said:?}");
}

/// The subtitles of a title are complete, and none of them is empty.
fn has_whole_subtitles(made: &MadeTitles, title: &str) {
    let playlist = made.settled(title);
    let texts = members(&playlist, "SUBTITLES");
    let flags: Vec<_> = texts
        .iter()
        .map(|text| {
            ["LANGUAGE", "NAME", "DEFAULT", "FORCED"].map(|name| text.get(name).map(String::as_str))
        })
        .collect();
    assert_eq!(
        flags,
        [
            [Some("de"), Some("Voll"), Some("NO"), Some("NO")],
            [Some("en"), Some("English (forced)"), Some("YES"), Some("YES")],
        ]
    );
    let [german, english] = &subtitles(made, title)[..] else { panic!("two") };
    let guten = "00:00:01.000 --> 00:00:03.000\n<i>Guten</i> Tag\nzweite Zeile";
    assert!(german.contains(guten), "{german}");
    assert!(german.contains("00:00:02.000 --> 00:00:05.000 line:0\nEin Schild"), "{german}");
    assert!(!german.contains("m 0 0"), "{german}");
    assert!(english.contains("00:00:01.000 --> 00:00:04.000\n<i>one</i>"), "{english}");
    assert!(english.contains("00:00:02.000 --> 00:00:03.000\ntwo"), "{english}");
    // Each segment has the cues of its time.
    let media = text(&made.program.get(&texts[0]["URI"], &[]));
    assert!(media.contains("#EXT-X-ENDLIST"), "{media}");
}

#[test]
fn chapters_names_and_the_default_audio_survive_a_remux() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let chapters = folder.put("texts/chapters.txt", CHAPTERS).display().to_string();
    let how = format!(
        "{VIDEO} {TONE} -i {chapters} -map 0 -map 1 -map 1 -map_chapters 2 {AVC} {AAC} \
         -metadata:s:a:0 language=jpn -metadata:s:a:0 title=Original -metadata:s:a:1 language=por \
         -metadata:s:a:1 title=Dublado -disposition:a:0 0 -disposition:a:1 default"
    );
    make(&folder, "film.mkv", &how);
    make(&folder, "plain.mkv", &format!("{VIDEO} {TONE} {AVC} {AAC}"));
    let made = MadeTitles::serve(folder, &[]);
    let playlist = made.settled("film.mkv");
    let audio = members(&playlist, "AUDIO");
    let names: Vec<_> = audio.iter().map(|audio| (&*audio["NAME"], &*audio["LANGUAGE"])).collect();
    assert_eq!(names, [("Original", "ja"), ("Dublado", "pt")]);
    assert!(members(&playlist, "SUBTITLES").is_empty(), "chapters are no subtitles");
    let report = made.inspect("film.mkv");
    let tracks = report["tracks"].as_array().expect("tracks").iter();
    let enabled: Vec<_> = tracks.map(|track| &track["is_enabled"]).collect();
    assert_eq!(enabled, [true, false, true]);
    let chapters = text(&made.get("film.mkv", "chapters.vtt"));
    assert!(chapters.contains("00:00:00.000 --> 00:00:02.000\nEins"), "{chapters}");
    assert!(chapters.contains("00:00:02.000 --> 00:00:06"), "{chapters}");
    assert!(chapters.contains("Zwei &amp; mehr"), "{chapters}");
    made.settled("plain.mkv");
    assert_eq!(text(&made.get("plain.mkv", "chapters.vtt")), "WEBVTT\n");
}

#[test]
fn language_tags_with_a_region_survive_a_remux() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let text = folder.put("texts/a.srt", "1\n00:00:01,000 --> 00:00:02,000\nola\n");
    let how = format!(
        "{VIDEO} {TONE} -i {} -map 0 -map 1 -map 1 -map 2 {AVC} {AAC} -c:s srt \
         -metadata:s:a language=por -metadata:s:a:0 title=REGION -metadata:s:s:0 language=chi \
         -metadata:s:s:0 title=SCRIPT",
        text.display()
    );
    let path = make(&folder, "film.mkv", &how);
    let mut bytes = std::fs::read(&path).expect("a file");
    // Name becomes LanguageBCP47, whose identifier is a byte longer.
    for (name, tag) in [("REGION", "pt-BR"), ("SCRIPT", "zh-TW")] {
        let element = |id: &[u8], text: &str| {
            [id, &[0x80 | u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
        };
        let (from, to) = (element(&[0x53, 0x6E], name), element(&[0x22, 0xB5, 0x9D], tag));
        let at = bytes.windows(from.len()).position(|found| found == from).expect("the name");
        bytes[at..at + to.len()].copy_from_slice(&to);
    }
    folder.put("film.mkv", bytes);
    let made = MadeTitles::serve(folder, &[]);
    let playlist = made.settled("film.mkv");
    let languages = |kind| -> Vec<_> {
        members(&playlist, kind).iter().map(|member| member["LANGUAGE"].clone()).collect()
    };
    assert_eq!(languages("AUDIO"), ["pt-BR", "pt"]);
    assert_eq!(languages("SUBTITLES"), ["zh-TW"]);
}

#[test]
fn one_program_of_a_transport_stream_is_the_title() {
    if !ffmpeg::is_installed() {
        return;
    }
    let other = "-f lavfi -i sine=frequency=880:sample_rate=48000:duration=6";
    let made = MadeTitles::new(&[
        (
            "two.ts",
            &format!(
                "{VIDEO} {TONE} {VIDEO} {other} -map 0 -map 1 -map 2 -map 3 {AVC} {AAC} \
                 -program title=One:st=0:st=1 -program title=Two:st=2:st=3"
            ),
        ),
        // Radio comes first.
        (
            "radio.ts",
            &format!(
                "{other} {VIDEO} {TONE} -map 0 -map 1 -map 2 {AVC} {AAC} \
                 -program title=Radio:st=0 -program title=Film:st=1:st=2"
            ),
        ),
        ("one.ts", &format!("{VIDEO} {TONE} {other} -map 0 -map 1 -map 2 {AVC} {AAC}")),
    ]);
    for (title, audio, program) in
        [("two.ts", 1, Some("Two")), ("radio.ts", 1, Some("Radio")), ("one.ts", 2, None)]
    {
        let playlist = made.settled(title);
        assert_eq!(members(&playlist, "AUDIO").len(), audio, "{title}: {playlist:?}");
        assert!(playlist.variants[0].1.contains_key("RESOLUTION"), "{title}");
        let report = made.inspect(title);
        let said = sentences(&report).join(" ");
        let what = program.map(|name| format!("belongs to another program of the file ({name})."));
        assert_eq!(said.contains("another program"), program.is_some(), "{title}: {said}");
        assert!(what.is_none_or(|what| said.contains(&what)), "{title}: {said}");
    }
}

#[test]
fn inspect_tells_the_truth_before_during_and_after_a_remux() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    for name in ["film.mkv", "film.avi", "film.wmv", "film.ts"] {
        let codecs = match name {
            "film.wmv" => "-c:v wmv2 -c:a wmav2".to_owned(),
            // Matroska with these codecs does not play in place.
            "film.avi" | "film.mkv" => "-c:v mpeg4 -c:a mp3".to_owned(),
            _ => format!("{AVC} {AAC}"),
        };
        make(&folder, name, &format!("{VIDEO} {TONE} {codecs}"));
    }
    let garbage = [b"\x1A\x45\xDF\xA3", &[7; 4096][..]].concat();
    folder.put("broken.mkv", garbage);
    folder.put("words.avi", "these words are no video");
    let advice = |report: &Value| report.to_string().contains("put it into MP4");
    // Without a worker the job stays queued.
    let made = MadeTitles::serve(folder, &[("HEADWATER_LOCAL_WORKER", "false")]);
    for title in ["film.mkv", "film.avi", "film.wmv", "film.ts"] {
        let before = made.inspect(title);
        assert_eq!(
            (&before["playable"], &before["remux"]["state"]),
            (&true.into(), &"not-started".into())
        );
        assert!(sentences(&before)[0].contains("which Headwater remuxes into MP4"), "{before}");
        assert!(!advice(&before), "{before}");
        assert_eq!(made.get(title, "index.m3u8").status, 503, "{title}");
        let during = made.inspect(title);
        assert_eq!(
            (&during["playable"], &during["remux"]["state"]),
            (&true.into(), &"running".into())
        );
        assert!(sentences(&during)[0].ends_with("is remuxing it into MP4: 0 %."), "{during}");
    }
    let words = made.inspect("words.avi");
    assert_eq!((&words["playable"], &words["remux"]), (&false.into(), &Value::Null));
    let MadeTitles { folder, program } = made;
    drop(program);
    let made = MadeTitles::serve(folder, &[("PATH", "/nowhere")]);
    let without = made.inspect("film.mkv");
    assert_eq!(
        (&without["playable"], &without["remux"]["state"]),
        (&false.into(), &"unavailable".into())
    );
    assert!(without["reasons"][0].as_str().expect("a reason").contains("ffmpeg is not installed"));
    let MadeTitles { folder, program } = made;
    drop(program);
    let made = MadeTitles::serve(folder, &[]);
    for (title, container) in
        [("film.mkv", "Matroska"), ("film.avi", "AVI"), ("film.ts", "MPEG transport stream")]
    {
        made.settled(title);
        let after = made.inspect(title);
        assert_eq!(
            (&after["playable"], &after["remux"]["state"]),
            (&true.into(), &"done".into()),
            "{title}"
        );
        assert!(after["file"]["container"].as_str().expect("text").contains(container), "{after}");
        let size = std::fs::metadata(made.folder.path(title)).expect("a file").len();
        assert_eq!(after["file"]["size_bytes"], size, "{title}");
        let kinds: Vec<_> = after["tracks"]
            .as_array()
            .expect("tracks")
            .iter()
            .map(|track| &track["kind"])
            .collect();
        assert_eq!(kinds, ["video", "audio"], "{title}");
        assert!(
            sentences(&after).iter().any(|said| said.contains("Headwater has remuxed it into MP4"))
        );
        assert!(!advice(&after), "{after}");
    }
    assert_eq!(made.when_ready("broken.mkv", "index.m3u8").status, 422);
    let failed = made.inspect("broken.mkv");
    assert_eq!((&failed["playable"], &failed["remux"]["state"]), (&false.into(), &"failed".into()));
    assert!(sentences(&failed)[0].contains("could not remux it into MP4: "), "{failed}");
}

#[test]
fn video_that_segments_cannot_hold_is_encoded_before_the_first_manifest() {
    if !ffmpeg::is_installed() {
        return;
    }
    let cover = "-f lavfi -i testsrc2=size=64x64:rate=1:duration=1";
    let made = MadeTitles::new(&[
        ("old.mp4", &format!("{VIDEO} {TONE} -c:v mpeg4 -bf 2 -g 50 {AAC}")),
        ("edit.mov", &format!("{VIDEO} {TONE} -c:v prores_ks -profile:v 0 -c:a pcm_s16le")),
        ("silent.mp4", &format!("{VIDEO} -c:v mpeg4")),
        ("camera.mov", &format!("{VIDEO} {TONE} -c:v mjpeg -q:v 10 -pix_fmt yuvj420p {AAC}")),
        ("song.mp4", &format!("{cover} {TONE} -c:v mjpeg -pix_fmt yuvj420p {AAC}")),
    ]);
    for title in ["old.mp4", "edit.mov", "silent.mp4", "camera.mov"] {
        let first = made.get(title, "manifest.mpd");
        assert_eq!(first.status, 503, "{title}");
        assert!(first.field("retry-after").is_some(), "{title}");
        assert!(detail(&first).starts_with("a job is preparing this title: "), "{title}");
        let playlist = made.settled(title);
        assert_eq!(playlist.variants[0].1["RESOLUTION"], "192x108", "{title}: {playlist:?}");
        let expected = frame_times(&made.path(title));
        for view in ["index.m3u8", "manifest.mpd"] {
            let shown = frame_times(&made.url(title, view));
            let is_near = |(a, b): (&i128, &i128)| (a - b).abs() < 1_000_000;
            let is_same = shown.len() == expected.len() && shown.iter().zip(&expected).all(is_near);
            assert!(is_same, "{title}/{view}: {} of {}", shown.len(), expected.len());
        }
    }
    // The file as one MP4 is as it was, and one image beside audio is no video.
    let tracks = ffmpeg::tracks(&made.url("old.mp4", "play.mp4")).expect("tracks");
    assert!(tracks.iter().any(|track| track.codec == "mpeg4"), "{tracks:?}");
    assert_eq!(made.get("song.mp4", "index.m3u8").status, 200);
    let song = made.inspect("song.mp4").to_string();
    assert!(!song.contains("plays the H.264"), "{song}");
    let said = made.inspect("old.mp4").to_string();
    assert!(said.contains("Headwater encodes it as H.264 with ffmpeg"), "{said}");
    assert!(said.contains("plays the H.264 that Headwater makes of it"), "{said}");
    let MadeTitles { folder, program } = made;
    drop(program);
    folder.put("other.mp4", std::fs::read(folder.path("old.mp4")).expect("a file"));
    let made = MadeTitles::serve(folder, &[("PATH", "/nowhere")]);
    for view in ["index.m3u8", "manifest.mpd"] {
        let refused = made.get("other.mp4", view);
        assert_eq!(refused.status, 422, "{view}");
        let why = "MPEG-4 Visual video needs transcoding: players do not support it in segments; \
                   transcoding is off: ffmpeg is not installed on the server";
        assert_eq!(detail(&refused), why);
    }
    assert_eq!(made.get("other.mp4", "play.mp4").status, 200);
}

#[test]
fn video_whose_size_changes_has_images_of_its_whole_length() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let mut joined = Vec::new();
    for (number, size) in ["192x108", "128x72", "256x144"].iter().enumerate() {
        let video = format!("-f lavfi -i testsrc2=size={size}:rate=25:duration=6");
        let how = format!("{video} {TONE} {AVC} {AAC} -output_ts_offset {}", 6 * number);
        let part = make(&folder, &format!("parts{number}.ts"), &how);
        joined.extend(std::fs::read(part).expect("a part"));
    }
    folder.put("film.ts", joined);
    let path = folder.path("film.ts").display().to_string();
    make(&folder, "film.mp4", &format!("-i {path} -c copy"));
    let made = MadeTitles::serve(folder, &[]);
    for title in ["film.mp4", "film.ts"] {
        made.settled(title);
        for view in [
            "poster.jpg",
            "storyboard.jpg",
            "storyboard.webp",
            "preview.webp",
            "thumbnail.jpg?time=16",
        ] {
            let response = made.when_ready(title, view);
            assert_eq!(
                response.status,
                200,
                "{title}/{view}: {}",
                String::from_utf8_lossy(&response.body)
            );
        }
        let job = format!(r#"{{"kind":"rendition","title":"{title}","height":72,"codec":"h264"}}"#);
        let mut client = made.program.connect();
        client.send(json::post("/api/jobs", &job));
        assert_eq!(json::read(&mut client).status, 202, "{title}");
        let is_small = |variant: &(String, std::collections::BTreeMap<String, String>)| {
            variant.1["RESOLUTION"] == "128x72"
        };
        until_slowly("there is a rendition", || made.playlist(title).variants.iter().any(is_small));
    }
}

#[test]
fn smooth_streaming_files_are_served_as_mp4() {
    if !ffmpeg::is_installed() {
        return;
    }
    let made = MadeTitles::new(&[
        ("film.ismv", &format!("{VIDEO} {TONE} {AVC} {AAC} -f ismv")),
        ("song.isma", &format!("{TONE} {AAC} -f ismv")),
    ]);
    for (title, media_type) in [("film.ismv", "video/mp4"), ("song.isma", "audio/mp4")] {
        let file = made.program.get(&format!("/media/{title}"), &[]);
        assert_eq!(file.field("content-type"), Some(media_type));
        let url = made.url(title, "index.m3u8");
        ffmpeg::run(&["-xerror", "-i", &url, "-f", "null", "-"]).expect(title);
    }
    let count = frame_times(&made.url("film.ismv", "index.m3u8")).len();
    assert_eq!(count, frame_times(&made.path("film.ismv")).len());
}
