//! Languages and track names (kind K12).

use std::{fs, path::Path};

use crate::support::{
    box_patches::{locate_boxes, of_kind, patched, replaced},
    ffmpeg,
    folder::Folder,
    manifests::{self, Attributes},
    movies::boxed,
    server::{Serving, serve},
    streams::fetch,
};

const VIDEO: [&str; 11] = [
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=128x72:rate=25:duration=3",
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-pix_fmt",
    "yuv420p",
    "-shortest",
];

/// Encodes a title with two audio tracks.
fn two_sounds(path: &Path, options: &[&str]) {
    let tone = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3"];
    let maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:a", "aac", "-b:a", "48k"];
    let path = path.to_str().expect("text");
    let arguments = [&VIDEO[..4], &tone, &tone, &VIDEO[4..], &maps, options, &[path]].concat();
    ffmpeg::run(&arguments).expect("a title");
}

/// The members of all groups of this type.
fn renditions(serving: &Serving, title: &str, kind: &str) -> Vec<Attributes> {
    let url = format!("/v/{title}/index.m3u8");
    let playlist = manifests::multivariant(&url, &fetch(&mut serving.connect(), &url).body);
    playlist.renditions.into_iter().filter(|media| media["TYPE"] == kind).collect()
}

fn values<'a>(renditions: &'a [Attributes], name: &str) -> Vec<Option<&'a str>> {
    renditions.iter().map(|rendition| rendition.get(name).map(String::as_str)).collect()
}

/// Sets the language field of the `mdhd` of a track, by its place.
fn with_language(file: &[u8], track: usize, code: u16) -> Vec<u8> {
    let mdhd = &of_kind(file, b"mdhd")[track];
    patched(file, mdhd.start + 8 + 20, &code.to_be_bytes())
}

#[test]
fn macintosh_language_codes_of_quicktime_are_read() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let languages = ["-metadata:s:a:0", "language=jpn", "-metadata:s:a:1", "language=fra"];
    two_sounds(&folder.path("ffmpeg.mov"), &languages);
    let file = fs::read(folder.path("ffmpeg.mov")).expect("a title");
    folder.put("more.mov", with_language(&with_language(&file, 1, 19), 2, 0));
    folder.put("late.mov", with_language(&with_language(&file, 1, 130), 2, 0x7fff));
    folder.put("unknown.mov", with_language(&with_language(&file, 1, 127), 2, 0x3ff));
    two_sounds(&folder.path("zero.mp4"), &languages);
    let file = fs::read(folder.path("zero.mp4")).expect("a title");
    folder.put("zero.mp4", with_language(&with_language(&file, 1, 0), 2, 32));
    let serving = serve(&folder);
    for (title, expected) in [
        ("ffmpeg.mov", [Some("ja"), Some("fr")]),
        ("more.mov", [Some("zh-Hant"), Some("en")]),
        ("late.mov", [Some("ca"), None]),
        ("unknown.mov", [None, None]),
        // Zero is a field that was never set, except in QuickTime.
        ("zero.mp4", [None, Some("ru")]),
    ] {
        let found = renditions(&serving, title, "AUDIO");
        assert_eq!(values(&found, "LANGUAGE"), expected, "{title}");
    }
    assert_eq!(
        values(&renditions(&serving, "ffmpeg.mov", "AUDIO"), "NAME"),
        [Some("日本語"), Some("Français")]
    );
}

/// The file with a box added to the user data of its track, by its place.
fn with_user_data(file: &[u8], track: usize, part: &[u8]) -> Vec<u8> {
    let trak = &of_kind(file, b"trak")[track];
    let own = locate_boxes(file)
        .into_iter()
        .find(|place| place.kind == *b"udta" && trak.start < place.start && place.end <= trak.end);
    let start = own.expect("user data").body().start;
    replaced(file, start..start, part)
}

#[test]
fn names_of_programs_are_not_names_of_tracks() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let serving = {
        for (name, [first, second]) in [
            ("android.mp4", ["(C) 2007 Google Inc. v08.13.2007.", "Ambarella AAC"]),
            ("programs.mp4", ["L-SMASH Audio Handler", "Lavf58.29.100"]),
            ("kinds.mp4", ["Audio", "GPAC ISO Audio Handler"]),
            ("own.mp4", ["Director's Commentary", "Surround 5.1"]),
        ] {
            let first = format!("handler_name={first}");
            let second = format!("handler_name={second}");
            let options = ["-metadata:s:a:0", &first, "-metadata:s:a:1", &second];
            two_sounds(&folder.path(name), &options);
        }
        serve(&folder)
    };
    for (title, expected) in [
        ("android.mp4", [Some("Audio 1"), Some("Audio 2")]),
        ("programs.mp4", [Some("Audio 1"), Some("Audio 2")]),
        ("kinds.mp4", [Some("Audio 1"), Some("Audio 2")]),
        ("own.mp4", [Some("Director's Commentary"), Some("Surround 5.1")]),
    ] {
        assert_eq!(values(&renditions(&serving, title, "AUDIO"), "NAME"), expected, "{title}");
    }
}

#[test]
fn user_data_names_a_track_whatever_its_name_is() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    // ffmpeg writes the title of a track as `name` into its user data; longer ones make room for others.
    let options = ["-metadata:s:a:0", "title=Ambarella AAC 2007", "-metadata:s:a:1", "title=x"];
    two_sounds(&folder.path("name.mp4"), &options);
    let file = fs::read(folder.path("name.mp4")).expect("a title");
    let titl = boxed(b"titl", &[&[0; 4], &[0x15, 0xc7], "Zweiter Ton".as_bytes(), &[0]]);
    let nam = boxed(b"\xa9nam", &[&[0, 5, 0, 0], b"Third"]);
    // The media are in front of the index, so that it may grow.
    let renamed = |part: &[u8]| {
        let mut file = with_user_data(&file, 2, part);
        let udta = of_kind(&file, b"name").pop().expect("a name");
        file[udta.start + 4..udta.start + 8].copy_from_slice(b"free");
        file
    };
    folder.put("titl.mp4", renamed(&titl));
    folder.put("nam.mp4", renamed(&nam));
    let serving = serve(&folder);
    for (title, second) in [("name.mp4", "x"), ("titl.mp4", "Zweiter Ton"), ("nam.mp4", "Third")] {
        let found = renditions(&serving, title, "AUDIO");
        assert_eq!(values(&found, "NAME"), [Some("Ambarella AAC 2007"), Some(second)], "{title}");
    }
}

#[test]
fn text_tracks_are_named_like_audio_tracks() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let text = folder.put("text.srt", "1\n00:00:00,500 --> 00:00:01,000\na\n");
    let text_name = text.to_str().expect("text");
    let title = folder.path("title.mp4");
    let inputs = ["-i", text_name, "-i", text_name, "-map", "0:v", "-map", "1", "-map", "2"];
    let languages = ["-c:s", "mov_text", "-metadata:s:s:0", "language=deu"];
    let arguments =
        [&VIDEO[..4], &inputs, &VIDEO[4..10], &languages, &[title.to_str().expect("text")]]
            .concat();
    ffmpeg::run(&arguments).expect("a title");
    fs::remove_file(text).expect("a file");
    let serving = serve(&folder);
    let found = renditions(&serving, "title.mp4", "SUBTITLES");
    assert_eq!(values(&found, "NAME"), [Some("Deutsch"), Some("Subtitles")]);
    assert_eq!(values(&found, "LANGUAGE"), [Some("de"), None]);
}

#[test]
fn subtitles_match_their_title_in_any_normal_form_and_in_the_words_of_translators() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let (composed, decomposed) = ("Am\u{e9}lie", "Ame\u{301}lie");
    let title = folder.path(format!("{composed}.mp4"));
    ffmpeg::run(&[&VIDEO[..10], &[title.to_str().expect("text")]].concat()).expect("a title");
    let text = "1\n00:00:00,500 --> 00:00:01,000\na\n";
    let words =
        ["chs&eng", "cmn-Hans", "cht", "zh-TW", "pt-BR.forced", "en.hi", "ja.default", "tc"];
    for word in words {
        folder.put(format!("{decomposed}.{word}.srt"), text);
    }
    let other = folder.path("Ame\u{301}lie 2.mp4");
    fs::copy(&title, other).expect("a title");
    folder.put("Am\u{e9}lie 2.sc.srt", text);
    let serving = serve(&folder);
    let found = renditions(&serving, "Am%C3%A9lie.mp4", "SUBTITLES");
    let of = |language: &str| {
        let found = found.iter().find(|rendition| rendition["LANGUAGE"] == language);
        found.unwrap_or_else(|| panic!("none in {language}"))
    };
    assert_eq!(found.len(), words.len());
    assert_eq!(of("zh-Hans")["NAME"], "中文 (简体, English)");
    assert_eq!(of("zh-TW")["NAME"], "中文 (台灣)");
    assert_eq!((of("pt-BR")["FORCED"].as_str(), of("zh-TW")["FORCED"].as_str()), ("YES", "NO"));
    assert!(of("en")["CHARACTERISTICS"].contains("describes-music-and-sound"));
    assert_eq!((of("ja")["DEFAULT"].as_str(), of("en")["DEFAULT"].as_str()), ("YES", "NO"));
    assert_eq!(found.iter().filter(|rendition| rendition["LANGUAGE"] == "zh-Hant").count(), 2);
    assert_eq!(found.iter().filter(|rendition| rendition["LANGUAGE"] == "zh-Hans").count(), 2);
    let other = renditions(&serving, "Ame%CC%81lie%202.mp4", "SUBTITLES");
    assert_eq!(values(&other, "LANGUAGE"), [Some("zh-Hans")]);
}
