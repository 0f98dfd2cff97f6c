//! Subtitles with unusual times, escapes and encodings (kind K13), and the flags of text tracks (K9).

use std::fs;

use serde_json::Value;

use crate::support::{
    box_patches::{of_kind, patched},
    ffmpeg,
    folder::Folder,
    manifests::{self, Attributes, resolve},
    movies::boxed,
    program,
    server::{Serving, serve},
    streams::{CLOCK, fetch, put_sample},
};

fn subtitles(serving: &Serving, title: &str) -> Vec<Attributes> {
    let url = format!("/v/{title}/index.m3u8");
    let playlist = manifests::multivariant(&url, &fetch(&mut serving.connect(), &url).body);
    playlist.renditions.into_iter().filter(|media| media["TYPE"] == "SUBTITLES").collect()
}

/// All WebVTT of a rendition.
fn vtt(serving: &Serving, rendition: &Attributes) -> String {
    let whole = fetch(&mut serving.connect(), &resolve(&rendition["URI"], "all.vtt"));
    String::from_utf8(whole.body).expect("WebVTT is UTF-8")
}

/// The WebVTT of the only sidecar of a title, with this content.
fn read_as(folder: &Folder, serving: &Serving, name: &str, content: &[u8]) -> String {
    folder.put(format!("film.{name}"), content);
    let found = subtitles(serving, "film.mp4");
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    let text = vtt(serving, &found[0]);
    fs::remove_file(folder.path(format!("film.{name}"))).expect("a file");
    let is_control = |letter: char| letter.is_control() && letter != '\n';
    assert!(!text.contains(is_control), "{name}: {text:?}");
    text
}

fn folder_with_title() -> Folder {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "film.mp4");
    folder
}

fn inspected(serving: &Serving, title: &str) -> Value {
    let response = serving.get(&format!("/v/{title}/inspect"), &[]);
    serde_json::from_slice(&response.body).expect("a report")
}

fn sentences(report: &Value) -> Vec<&str> {
    let problems = report["problems"].as_array().expect("problems").iter();
    problems.map(|problem| problem["sentence"].as_str().expect("a sentence")).collect()
}

#[test]
fn times_with_spaces_semicolons_dots_and_other_arrows_are_times() {
    let folder = folder_with_title();
    let serving = serve(&folder);
    for (place, content) in [
        "1\n00:00:01, 000 --> 00:00:02, 000\na\n\n2\n00: 00: 03,500 --> 00: 00: 04,500\nb\n",
        "1\n00;00;01;000 --> 00;00;02;000\na\n\n2\n00;00;03;500 --> 00;00;04;500\nb\n",
        "1\n0:0:1.0 --> 0:0:2.0\na\n\n2\n0:00:03.5 --> 0:00:04.5\nb\n",
        "1\n00.00.01.000 -> 00.00.02.000\na\n\n2\n00.00.03.500 → 00.00.04.500\nb\n",
        "WEBVTT\n\n00:01 . 000 --> 00:02 . 000\na\n\n00:00:03,500 -- > 00:00:04,500\nb\n",
    ]
    .into_iter()
    .enumerate()
    {
        let text = read_as(&folder, &serving, &format!("{place}.srt"), content.as_bytes());
        let expected = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\na\n\n\
                        00:00:03.500 --> 00:00:04.500\nb\n";
        assert_eq!(text, expected, "{content}");
    }
}

#[test]
fn escapes_of_other_formats_are_not_shown() {
    let folder = folder_with_title();
    let serving = serve(&folder);
    for (place, (raw, expected)) in [
        (r"line\Nbreak\hhere", "line\nbreak&nbsp;here"),
        ("{y:i}micro", "<i>micro</i>"),
        (r"{Y:b}{c:$0000ff}a{\an8}", "<b>a</b>"),
        ("caf&eacute; &mdash; &hellip;&nbsp;&amp;", "café — …&nbsp;&amp;"),
        ("bell \u{7} and \u{92}quoted\u{94}", "bell  and ’quoted”"),
    ]
    .into_iter()
    .enumerate()
    {
        let srt = format!("1\n00:00:01,000 --> 00:00:02,000\n{raw}\n");
        let text = read_as(&folder, &serving, &format!("{place}.srt"), srt.as_bytes());
        let shown = text.split_once("00:00:02.000").expect("a cue").1;
        let shown = shown.split_once('\n').expect("a line").1.trim_end();
        assert_eq!(shown, expected, "{raw}");
    }
}

/// The bytes of Mac Roman for these letters.
fn mac_roman(text: &str) -> Vec<u8> {
    const LETTERS: [(char, u8); 9] = [
        ('à', 0x88),
        ('ç', 0x8d),
        ('é', 0x8e),
        ('è', 0x8f),
        ('ê', 0x90),
        ('ù', 0x9d),
        ('ö', 0x9a),
        ('ü', 0x9f),
        ('ß', 0xa7),
    ];
    let byte = |letter: char| {
        let known = LETTERS.iter().find(|(known, _)| *known == letter);
        known.map_or_else(|| u8::try_from(letter).expect("ASCII"), |(_, byte)| *byte)
    };
    text.chars().map(byte).collect()
}

#[test]
fn encodings_that_no_web_page_has_are_decoded() {
    let folder = folder_with_title();
    let serving = serve(&folder);
    let srt = |text: &str| format!("1\n00:00:01,000 --> 00:00:02,000\n{text}\n");
    let french = "Où êtes-vous allé, garçon ? Près de là.";
    let german = "Größe, Straße, schöne Grüße für alle";
    let latin_9 = |text: &str| -> Vec<u8> {
        let byte = |letter| match letter {
            'œ' => 0xbd,
            '€' => 0xa4,
            other => u8::try_from(other).expect("ISO 8859-1"),
        };
        text.chars().map(byte).collect()
    };
    let twice = |text: &str| -> String {
        // The UTF-8 of letters up to U+00FF, each byte as a letter of ISO 8859-1.
        text.bytes().map(char::from).collect()
    };
    let japanese = srt("\u{1b}$BL@F|$OEl5~$X\u{1b}(B");
    let utf_32: Vec<u8> =
        srt("東京 🎬").chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect();
    for (name, bytes, expected) in [
        ("fr.srt", mac_roman(&srt(french)), french),
        ("1.srt", mac_roman(&srt(french)), french),
        ("de.srt", mac_roman(&srt(german)), german),
        ("fr.srt", latin_9(&srt("mon œil à 5 €")), "mon œil à 5 €"),
        ("2.srt", latin_9(&srt("mon œil")), "mon œil"),
        ("ja.srt", japanese.into_bytes(), "明日は東京へ"),
        ("3.srt", twice(&srt("é à ç, où ?")).into_bytes(), "é à ç, où ?"),
        ("4.srt", utf_32, "東京 🎬"),
    ] {
        let text = read_as(&folder, &serving, name, &bytes);
        assert!(text.contains(expected), "{name}: {text}");
    }
}

#[test]
fn subtitles_without_a_cue_are_not_offered_and_inspect_says_why() {
    let folder = folder_with_title();
    folder.put("film.de.srt", "1\n00:00:0x,000 --> 00:00:02,000\na\n");
    folder
        .put("film.en.srt", "1\n00:00:01,000 --> 00:00:02,000\nkept\n\n2\n0:0:5 --> 0:0:4\nlost\n");
    folder.put("film.es.srt", "");
    folder.put("film.fr.srt", "1\n\n0:: --> 00:00:02,000\na\n");
    folder.put("film.it.srt", "1\n00:00:01,000 --> 00:00:02,000\nwhole\n");
    let serving = serve(&folder);
    let languages = || -> Vec<String> {
        let found = subtitles(&serving, "film.mp4");
        found.iter().map(|rendition| rendition["LANGUAGE"].clone()).collect()
    };
    assert_eq!(languages(), ["en", "it"]);
    let refused = [
        "The subtitle file film.de.srt is not offered: the file has no subtitles.",
        "The subtitle file film.en.srt loses 1 of its cues, the first in line 6: \
         the cue does not end after its start.",
        "The subtitle file film.es.srt is not offered: it has no cue.",
        "The subtitle file film.fr.srt is not offered: no cue is valid; in line 3, a time is invalid.",
    ];
    let report = inspected(&serving, "film.mp4");
    assert_eq!(sentences(&report), refused);
    let files = report["subtitle_files"].as_array().expect("files");
    let cues: Vec<_> = files.iter().map(|file| file["cues"].as_u64().expect("a number")).collect();
    assert_eq!(cues, [0, 1, 0, 0, 1]);
    assert_eq!((&files[1]["first_lost_line"], &files[4]["label"]), (&6.into(), &"Italiano".into()));
    // The command line finds the same files.
    let movie = folder.path("film.mp4");
    let (_, printed, _) = program::run(&["inspect", movie.to_str().expect("text"), "--json"]);
    assert_eq!(sentences(&serde_json::from_str(&printed).expect("a report")), refused);
    let (_, printed, _) = program::run(&["inspect", movie.to_str().expect("text")]);
    assert!(printed.contains("film.es.srt: Espa"), "{printed}");

    // The report follows the files.
    folder.put("film.de.srt", "1\n00:00:01,000 --> 00:00:02,000\nmended\n");
    folder.put("film.en.srt", "1\n00:00:01,000 --> 00:00:02,000\nkept, and nothing lost\n");
    for name in ["es", "fr"] {
        fs::remove_file(folder.path(format!("film.{name}.srt"))).expect("a file");
    }
    assert_eq!(languages(), ["de", "en", "it"]);
    assert!(sentences(&inspected(&serving, "film.mp4")).is_empty());
}

/// A title with two text tracks, German and English, of these texts.
fn with_text_tracks(
    folder: &Folder,
    name: &str,
    [german, english]: [&str; 2],
    options: &[&str],
) -> Vec<u8> {
    let put = |language: &str, text: &str| {
        folder.put(language, format!("1\n00:00:01,000 --> 00:00:02,000\n{text}\n"))
    };
    let (german, english) = (put("german.vtt", german), put("english.vtt", english));
    let title = folder.path(name);
    put_sample(folder, CLOCK, "clock.mp4");
    let clock = folder.path("clock.mp4");
    let [clock, german, english, path] =
        [&clock, &german, &english, &title].map(|path| path.to_str().expect("text"));
    let inputs = ["-i", clock, "-f", "srt", "-i", german, "-f", "srt", "-i", english];
    let maps = ["-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-c:s", "mov_text"];
    let languages = ["-metadata:s:s:0", "language=deu", "-metadata:s:s:1", "language=eng"];
    ffmpeg::run(&[&inputs[..], &maps, &languages, options, &[path]].concat()).expect("a title");
    for unused in ["german.vtt", "english.vtt", "clock.mp4"] {
        fs::remove_file(folder.path(unused)).expect("a file");
    }
    fs::read(title).expect("a title")
}

/// Sets the enabled flag of the track headers of the two text tracks.
fn enabled(file: &[u8], flags: [bool; 2]) -> Vec<u8> {
    let headers = of_kind(file, b"tkhd");
    let texts = &headers[headers.len() - 2..];
    let set = |file: Vec<u8>, (header, is_enabled): (usize, bool)| {
        let flags = file[header + 11] & !1 | u8::from(is_enabled);
        patched(&file, header + 11, &[flags])
    };
    texts.iter().map(|header| header.start).zip(flags).fold(file.to_vec(), set)
}

/// Sets the display flags of the sample entry of the second text track.
fn displayed(file: &[u8], flags: u32) -> Vec<u8> {
    let entry = file.windows(4).rposition(|kind| kind == b"tx3g").expect("an entry");
    patched(file, entry + 12, &flags.to_be_bytes())
}

/// Adds a `kind` box to the second text track, which is the last one, behind the media.
fn with_kind(file: &[u8], scheme: &str, value: &str) -> Vec<u8> {
    let kind = boxed(b"kind", &[&[0; 4], scheme.as_bytes(), &[0], value.as_bytes(), &[0]]);
    let trak = of_kind(file, b"trak").pop().expect("a track");
    let udta = boxed(b"udta", &[&kind]);
    // A box at the end of `trak` is inside of it, and outside of the box before.
    let mut grown = file[..trak.end].to_vec();
    grown.extend(&udta);
    grown.extend(&file[trak.end..]);
    let added = u32::try_from(udta.len()).expect("a small box");
    let moov = &of_kind(file, b"moov")[0];
    for start in [trak.start, moov.start] {
        let size = u32::from_be_bytes(grown[start..start + 4].try_into().expect("four bytes"));
        grown[start..start + 4].copy_from_slice(&(size + added).to_be_bytes());
    }
    grown
}

const TEXTS: [&str; 2] = ["Deutsch", "English"];
const SOME_FORCED: &str =
    "Only some of the subtitles are forced: players show all of them, or none.";

#[test]
fn flags_of_text_tracks_are_those_of_the_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let file = with_text_tracks(&folder, "made.mp4", TEXTS, &[]);
    let second = enabled(&file, [false, true]);
    folder.put("forced.mp4", displayed(&second, 0xc000_0000));
    folder.put("some.mp4", displayed(&file, 0x4000_0000));
    folder.put("second.mp4", &second);
    folder.put("all.mp4", enabled(&file, [true, true]));
    folder.put("none.mp4", enabled(&file, [false, false]));
    let dash = "urn:mpeg:dash:role:2011";
    folder.put("role.mp4", with_kind(&file, dash, "forced-subtitle"));
    folder.put("caption.mp4", with_kind(&file, dash, "caption"));
    folder.put("html.mp4", with_kind(&file, "about:html-kind", "captions"));
    folder.put("other.mp4", with_kind(&file, "urn:other", "caption"));
    let serving = serve(&folder);
    // Forced, default, and the name of the second track.
    for (title, forced, default, name) in [
        ("forced.mp4", "YES", "YES", "English (forced)"),
        ("some.mp4", "NO", "NO", "English"),
        ("second.mp4", "NO", "YES", "English"),
        ("all.mp4", "NO", "NO", "English"),
        ("none.mp4", "NO", "NO", "English"),
        ("role.mp4", "YES", "NO", "English (forced)"),
        ("caption.mp4", "NO", "NO", "English (SDH)"),
        ("html.mp4", "NO", "NO", "English (SDH)"),
        ("other.mp4", "NO", "NO", "English"),
    ] {
        let found = subtitles(&serving, title);
        let [_, second] = &found[..] else { panic!("{title}: {found:?}") };
        let flags = [&second["FORCED"], &second["DEFAULT"], &second["NAME"]];
        assert_eq!(flags, [forced, default, name], "{title}");
        let is_described = second.get("CHARACTERISTICS").is_some();
        assert_eq!(is_described, name.contains("SDH"), "{title}");
        let report = inspected(&serving, title);
        let text = &report["tracks"][3]["text"];
        assert_eq!(text["is_forced"], forced == "YES", "{title}");
        assert_eq!(text["is_default"], default == "YES", "{title}");
        assert_eq!(sentences(&report).contains(&SOME_FORCED), title == "some.mp4", "{title}");
    }
    // By what ffmpeg wrote, the first is the enabled one.
    let first = &subtitles(&serving, "made.mp4")[0];
    assert_eq!((first["DEFAULT"].as_str(), first["NAME"].as_str()), ("YES", "Deutsch"));
    let mpd =
        String::from_utf8(serving.get("/v/forced.mp4/manifest.mpd", &[]).body).expect("UTF-8");
    assert!(mpd.contains("value=\"forced-subtitle\""), "{mpd}");
}

#[test]
fn a_text_track_without_a_cue_is_not_offered_and_inspect_says_so() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let file = with_text_tracks(&folder, "both.mp4", TEXTS, &[]);
    // A sample of a length of zero is a gap; and one of spaces shows nothing.
    let at = |text: &str| file.windows(text.len()).position(|found| found == text.as_bytes());
    let german = at(TEXTS[0]).expect("the text of the sample");
    folder.put("gap.mp4", patched(&file, german - 2, &[0, 0]));
    folder.put("blank.mp4", patched(&file, german, b"       "));
    let serving = serve(&folder);
    let sentence = "The text track has no cue: HLS and DASH do not list it.";
    for title in ["gap.mp4", "blank.mp4"] {
        let found = subtitles(&serving, title);
        assert_eq!(found.len(), 1, "{title}");
        assert_eq!(found[0]["LANGUAGE"], "en");
        assert!(found[0]["URI"].contains("/text-2/"), "it keeps its number");
        let report = inspected(&serving, title);
        assert!(sentences(&report).contains(&sentence), "{title}: {:?}", sentences(&report));
        let tracks = report["tracks"].as_array().expect("tracks");
        assert_eq!(tracks[2]["not_offered"], "it has no cue");
        assert_eq!((&tracks[2]["folder"], &tracks[3]["folder"]), (&Value::Null, &"text-2".into()));
    }
    assert_eq!(subtitles(&serving, "both.mp4").len(), 2);
    assert!(!sentences(&inspected(&serving, "both.mp4")).contains(&sentence));
}
