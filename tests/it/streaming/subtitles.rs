//! Subtitles beside a title and inside it: how they join its manifests, and their cues.

use std::{fs, ops::Range};

use crate::support::{
    client::{Client, Response},
    ffmpeg,
    folder::Folder,
    manifests::{self, Attributes, Element, Multivariant, Playlist, resolve},
    renditions::RENDITIONS,
    server::{Serving, serve},
    streams::{CLOCK, Streams, fetch, put_sample},
};

/// A cue: its identifier, its presentation time in milliseconds, and its text.
type Cue = (String, Range<u64>, String);

/// Reads WebVTT as a strict player does: the signature, header blocks, then cues.
fn cues(text: &[u8]) -> Vec<Cue> {
    let text = str::from_utf8(text).expect("WebVTT is UTF-8");
    assert!(!text.contains('\r'), "{text:?}");
    let mut blocks = text.trim_end_matches('\n').split("\n\n");
    let head = blocks.next().expect("a head");
    assert_eq!(head.lines().next(), Some("WEBVTT"), "{text}");
    let cue = |block: &str| {
        let mut lines = block.lines();
        let mut times = lines.next().expect("a line");
        let mut id = String::new();
        if !times.contains("-->") {
            id = times.into();
            times = lines.next().expect("times behind an identifier");
        }
        let (start, end) = times.split_once(" --> ").expect("times");
        let end = end.split(' ').next().expect("an end");
        (id, ms(start)..ms(end), lines.collect::<Vec<_>>().join("\n"))
    };
    blocks.filter(|block| !block.starts_with("STYLE")).map(cue).collect()
}

fn ms(time: &str) -> u64 {
    let (rest, ms) = time.split_once('.').expect("milliseconds");
    let seconds = rest.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
    seconds * 1000 + ms.parse::<u64>().expect("digits")
}

/// SubRip of these cues.
fn srt(cues: &[(Range<u64>, &str)]) -> String {
    let time = |ms: u64| {
        let (s, ms) = (ms / 1000, ms % 1000);
        format!("{:02}:{:02}:{:02},{ms:03}", s / 3600, s / 60 % 60, s % 60)
    };
    let cue = |(number, (times, text)): (usize, &(Range<u64>, &str))| {
        format!("{}\n{} --> {}\n{text}\n\n", number + 1, time(times.start), time(times.end))
    };
    cues.iter().enumerate().map(cue).collect()
}

/// One cue that spans several segments of a clip of 20 s, and others.
const CUES: &[(Range<u64>, &str)] = &[
    (1000..3000, "first"),
    (4000..17_500, "long"),
    (5000..5500, "second"),
    (13_000..14_000, "third\nin two lines"),
    (19_000..19_900, "last"),
];

fn multivariant(client: &mut Client, title: &str) -> Multivariant {
    let url = format!("/v/{title}/index.m3u8");
    manifests::multivariant(&url, &fetch(client, &url).body)
}

fn subtitles(of: &Multivariant) -> Vec<&Attributes> {
    of.renditions.iter().filter(|rendition| rendition["TYPE"] == "SUBTITLES").collect()
}

/// The text adaptation sets of an MPD, and the URL of each one's file.
fn texts_of_mpd(client: &mut Client, title: &str) -> Vec<(Element, String)> {
    let url = format!("/v/{title}/manifest.mpd");
    let mpd = manifests::xml(str::from_utf8(&fetch(client, &url).body).expect("UTF-8"));
    let period = mpd.children.into_iter().find(|child| child.name == "Period").expect("a period");
    let sets = period.children.into_iter().filter(|set| {
        set.attributes.get("mimeType").is_some_and(|media_type| media_type == "text/vtt")
    });
    let with_url = |set: Element| {
        let representation = set.all("Representation").next().expect("a representation");
        let base = representation.all("BaseURL").next().expect("a file").text.clone();
        let file = resolve(&url, &base.replace("&amp;", "&"));
        (set, file)
    };
    sets.map(with_url).collect()
}

fn roles(set: &Element) -> Vec<&str> {
    set.all("Role").map(|role| role.attributes["value"].as_str()).collect()
}

/// All cues of a subtitle playlist: each segment has exactly the cues shown in it, and a cue is the
/// same in each.
fn cues_of(client: &mut Client, url: &str, video: &Playlist) -> Vec<Cue> {
    let playlist = manifests::playlist(url, &fetch(client, url).body);
    let starts = |playlist: &Playlist| -> Vec<i128> {
        let durations = playlist.segments.iter().map(|segment| segment.duration_ns);
        durations.scan(0, |at, duration| Some(std::mem::replace(at, *at + duration))).collect()
    };
    assert_eq!(starts(&playlist), starts(video), "cut elsewhere than the video");
    let mut ends = starts(&playlist).into_iter().skip(1);
    let mut begin = 0;
    let mut all: Vec<Cue> = Vec::new();
    let mut shown = Vec::new();
    for segment in &playlist.segments {
        let response = fetch(client, &segment.url);
        assert_eq!(response.field("content-type"), Some("text/vtt; charset=utf-8"));
        let text = String::from_utf8(response.body.clone()).expect("UTF-8");
        assert!(text.starts_with("WEBVTT\nX-TIMESTAMP-MAP="), "{text}");
        let end = ends.next().map_or(u64::MAX, |ns| (ns / 1_000_000).try_into().expect("a time"));
        let found = cues(&response.body);
        for cue in &found {
            assert!(!cue.0.is_empty(), "no identifier: {cue:?}");
            assert!(cue.1.start < end && cue.1.end > begin, "{cue:?} is not in {begin}..{end}");
            if !all.contains(cue) {
                assert!(all.iter().all(|other| other.0 != cue.0), "{cue:?} differs");
                all.push(cue.clone());
            }
        }
        shown.push((begin..end, found));
        begin = end;
    }
    for cue in &all {
        for (range, found) in &shown {
            let overlaps = cue.1.start < range.end && cue.1.end > range.start;
            assert_eq!(found.contains(cue), overlaps, "{cue:?} in {range:?}");
        }
    }
    all
}

/// Times and texts.
fn plain(cues: Vec<Cue>) -> Vec<(Range<u64>, String)> {
    cues.into_iter().map(|(_, times, text)| (times, text)).collect()
}

fn expected(cues: &[(Range<u64>, &str)]) -> Vec<(Range<u64>, String)> {
    cues.iter().map(|(times, text)| (times.clone(), (*text).to_owned())).collect()
}

/// The cues of a URL by ffmpeg, as SubRip.
fn read_by_ffmpeg(serving: &Serving, url: &str) -> Vec<String> {
    let url = format!("http://{}{url}", serving.address);
    let text = ffmpeg::run(&["-i", &url, "-f", "srt", "-"]).expect("ffmpeg reads it");
    let text = String::from_utf8(text).expect("UTF-8").replace("\r\n", "\n");
    text.split("\n\n").filter(|block| block.contains("-->")).map(str::to_owned).collect()
}

/// A folder with a title of 20 s.
fn folder_with_title() -> Folder {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "film.mp4");
    folder
}

#[test]
fn subtitles_beside_a_title_are_in_its_manifests_with_all_their_cues() {
    let folder = folder_with_title();
    let utf_16 = |text: String| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let vtt = "WEBVTT\n\nname\n00:02.000 --> 00:14.000 line:0\nÄpfel &amp; <i>Öl</i>\n";
    // windows-1252: not UTF-8, and with the dash that ISO 8859-1 does not have.
    let french =
        srt(&[(1000..2000, "\u{c7}a a \u{e9}t\u{e9} \u{e0} Gen\u{e8}ve - c\u{f4}t\u{e9} gauche")]);
    let french: Vec<u8> = french.chars().map(|letter| letter as u8).collect();
    folder.put("film.en.srt", srt(CUES));
    folder.put("film.de.forced.vtt", vtt);
    folder.put("film.fr.sdh.srt", french);
    folder.put("film.ja.srt", utf_16(srt(&[(1000..2000, "東京")])));
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let of_title = multivariant(client, "film.mp4");
    let found = subtitles(&of_title);
    let in_language = |language: &str| {
        let found = found.iter().find(|rendition| rendition["LANGUAGE"] == language);
        *found.unwrap_or_else(|| panic!("none in {language}: {of_title:?}"))
    };
    assert_eq!(found.len(), 4);
    for (language, name, forced, characteristics) in [
        ("en", "English", "NO", None),
        ("de", "Deutsch (forced)", "YES", None),
        (
            "fr",
            "Français (SDH)",
            "NO",
            Some(
                "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",
            ),
        ),
        ("ja", "日本語", "NO", None),
    ] {
        let rendition = in_language(language);
        assert_eq!(rendition["NAME"], name);
        assert_eq!(rendition.get("FORCED").map_or("NO", String::as_str), forced, "{language}");
        assert_eq!(rendition.get("CHARACTERISTICS").map(String::as_str), characteristics);
        assert_eq!(rendition.get("DEFAULT").map_or("NO", String::as_str), "NO");
    }
    for (_, variant) in &of_title.variants {
        assert_eq!(variant["SUBTITLES"], found[0]["GROUP-ID"]);
    }
    let video =
        manifests::playlist(&of_title.variants[0].0, &fetch(client, &of_title.variants[0].0).body);
    assert!(video.segments.len() > 2, "{video:?}");
    let german = (2000..14_000, "Äpfel &amp; <i>Öl</i>");
    let of_each = [
        ("en", "subtitle", expected(CUES)),
        ("de", "forced-subtitle", expected(&[german])),
        ("fr", "caption", expected(&[(1000..2000, "Ça a été à Genève - côté gauche")])),
        ("ja", "subtitle", expected(&[(1000..2000, "東京")])),
    ];
    let sets = texts_of_mpd(client, "film.mp4");
    assert_eq!(sets.len(), 4);
    for (language, role, expected) in of_each {
        let cues_found = cues_of(client, &in_language(language)["URI"], &video);
        assert_eq!(plain(cues_found), expected, "{language}");
        let of_language = |(set, _): &&(Element, String)| set.attributes["lang"] == language;
        let (set, file) = sets.iter().find(of_language).expect("a set in this language");
        assert_eq!(roles(set), [role]);
        let whole = fetch(client, file);
        assert_eq!(whole.field("content-type"), Some("text/vtt; charset=utf-8"));
        assert_eq!(plain(cues(&whole.body)), expected, "{language}");
        if ffmpeg::is_installed() {
            assert_eq!(read_by_ffmpeg(&serving, file).len(), expected.len(), "{language}");
        }
    }
    // An identifier of the file itself stays.
    assert_eq!(cues_of(client, &in_language("de")["URI"], &video)[0].0, "name");
}

fn response(serving: &Serving, target: &str) -> Response {
    serving.get(target, &[])
}

#[test]
fn subtitles_and_their_urls_follow_changes_of_the_files() {
    let folder = folder_with_title();
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let bare = response(&serving, "/v/film.mp4/index.m3u8");
    assert!(subtitles(&multivariant(client, "film.mp4")).is_empty());

    folder.put("film.en.srt", srt(CUES));
    let added = response(&serving, "/v/film.mp4/index.m3u8");
    let first = subtitles(&multivariant(client, "film.mp4"))[0]["URI"].clone();
    let file = texts_of_mpd(client, "film.mp4").remove(0).1;
    assert_eq!(plain(cues(&fetch(client, &file).body)), expected(CUES));

    // Files that belong to no title, or to another.
    folder.put("other.en.srt", srt(CUES));
    folder.put("films.en.srt", srt(CUES));
    folder.put("film.en.txt", srt(CUES));
    folder.put("film.jpg", "");
    folder.put(".film.de.srt", srt(CUES));
    let same = response(&serving, "/v/film.mp4/index.m3u8");
    assert!(same.body == added.body && same.field("etag") == added.field("etag"));

    folder.put("film.en.srt", srt(&[(1000..2000, "changed, and longer than before")]));
    let changed = response(&serving, "/v/film.mp4/index.m3u8");
    let second = subtitles(&multivariant(client, "film.mp4"))[0]["URI"].clone();
    assert_ne!(first, second);
    assert_ne!(added.field("etag"), changed.field("etag"));
    let old_segment = resolve(&first, "1.vtt");
    for old in [&first, &old_segment, &file] {
        assert_eq!(response(&serving, old).status, 404, "{old}");
    }
    let segment = fetch(client, &resolve(&second, "1.vtt"));
    assert!(String::from_utf8_lossy(&segment.body).contains("changed"));

    fs::remove_file(folder.path("film.en.srt")).expect("a file");
    // No date reveals a removal; a client that has a date still revalidates.
    let dated = changed.field("last-modified").or(changed.field("date")).expect("a date");
    let since = serving.get("/v/film.mp4/index.m3u8", &[&format!("If-Modified-Since: {dated}")]);
    assert_eq!(since.status, 200);
    assert!(since.body == bare.body, "as it was without");
    assert_eq!(since.field("etag"), bare.field("etag"));
    for old in [&second, &resolve(&second, "1.vtt"), &resolve(&second, "all.vtt")] {
        assert_eq!(response(&serving, old).status, 404, "{old}");
    }
}

#[test]
fn another_language_in_the_name_is_another_url_because_the_charset_may_differ() {
    let folder = folder_with_title();
    let path = folder.put("film.fr.srt", srt(CUES));
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let url = |client: &mut Client| subtitles(&multivariant(client, "film.mp4"))[0]["URI"].clone();
    let french = url(client);
    fs::rename(path, folder.path("film.ru.srt")).expect("one folder");
    let russian = url(client);
    assert_ne!(french, russian);
    assert_eq!(response(&serving, &french).status, 404);
    assert_eq!(response(&serving, &russian).status, 200);
}

#[test]
fn a_text_track_works_like_a_sidecar() {
    if !ffmpeg::is_installed() {
        return;
    }
    // A sample lasts until the next, so that cues do not overlap.
    let apart = [CUES[0].clone(), CUES[1].clone(), CUES[4].clone()];
    let folder = folder_with_title();
    let inside = folder.put("inside.srt", srt(&apart));
    let movie_file = folder.path("film.mp4");
    ffmpeg::run(&[
        "-i",
        movie_file.to_str().expect("text"),
        "-i",
        inside.to_str().expect("text"),
        "-c",
        "copy",
        "-c:s",
        "mov_text",
        "-metadata:s:s:0",
        "language=deu",
        folder.path("both.mp4").to_str().expect("text"),
    ])
    .expect("a movie");
    fs::remove_file(inside).expect("a file");
    folder.put("both.en.srt", srt(&[(1000..2000, "beside")]));
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let of_title = multivariant(client, "both.mp4");
    let found = subtitles(&of_title);
    let languages: Vec<_> = found.iter().map(|rendition| rendition["LANGUAGE"].as_str()).collect();
    assert_eq!(languages, ["de", "en"]);
    let url = &of_title.variants[0].0;
    let video = manifests::playlist(url, &fetch(client, url).body);
    assert_eq!(plain(cues_of(client, &found[0]["URI"], &video)), expected(&apart));
    assert_eq!(
        plain(cues_of(client, &found[1]["URI"], &video)),
        expected(&[(1000..2000, "beside")])
    );
    let sets = texts_of_mpd(client, "both.mp4");
    assert_eq!(sets.len(), 2);
    assert_eq!(sets[0].0.attributes["lang"], "de");
    assert_eq!(plain(cues(&fetch(client, &sets[0].1).body)), expected(&apart));
    let blocks = read_by_ffmpeg(&serving, &sets[0].1);
    assert_eq!(blocks.len(), apart.len());
    assert!(blocks[1].contains("00:00:04,000 --> 00:00:17,500\nlong"), "{}", blocks[1]);
    // In a clip they are shifted, and cut at its ends.
    let blocks = read_by_ffmpeg(&serving, "/v/both.mp4/play.mp4?start=2&end=10");
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    assert!(blocks[0].contains("00:00:00,000 --> 00:00:01,000\nfirst"), "{}", blocks[0]);
    assert!(blocks[1].contains("00:00:02,000 --> 00:00:08,000\nlong"), "{}", blocks[1]);
}

#[test]
fn files_that_are_no_subtitles_are_not_listed_and_the_title_plays() {
    let folder = folder_with_title();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    folder.put("film.de.srt", noise);
    folder.put("film.en.srt", srt(CUES));
    folder.put("film.es.srt", "");
    let long = fs::File::create(folder.path("film.fr.srt")).expect("a file");
    long.set_len(17 << 20).expect("a hole");
    folder.put("film.it.vtt", "<html>not found</html>");
    fs::create_dir(folder.path("film.pt.srt")).expect("a folder");
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let of_title = multivariant(client, "film.mp4");
    let found = subtitles(&of_title);
    let languages: Vec<_> = found.iter().map(|rendition| rendition["LANGUAGE"].as_str()).collect();
    assert_eq!(languages, ["en"]);
    assert_eq!(texts_of_mpd(client, "film.mp4").len(), 1);
    let url = &of_title.variants[0].0;
    let video = manifests::playlist(url, &fetch(client, url).body);
    assert_eq!(plain(cues_of(client, &found[0]["URI"], &video)), expected(CUES));
    for url in Streams::read(&serving, "film.mp4").samples() {
        fetch(client, url);
    }
    // A sidecar that is left out keeps its number, so that the others' numbers do not depend on its
    // content.
    let neighbour = &found[0]["URI"];
    assert!(neighbour.contains("/text-2/"), "{neighbour}");
}

#[test]
fn subtitles_beyond_the_limit_are_left_out_and_all_listed_ones_exist() {
    let folder = folder_with_title();
    for number in 0..40 {
        folder.put(format!("film.number {number:02}.srt"), srt(CUES));
        let rendition = folder.path(format!("film.{}p.mp4", 100 + number));
        fs::hard_link(folder.path("film.mp4"), rendition).expect("one file system");
    }
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let of_title = multivariant(client, "film.mp4");
    assert_eq!(of_title.variants.len(), 33);
    let found = subtitles(&of_title);
    assert_eq!(found.len(), 32);
    let mut names: Vec<_> = found.iter().map(|rendition| &rendition["NAME"]).collect();
    names.dedup();
    assert_eq!(names.len(), 32);
    for rendition in [found[0], found[31]] {
        fetch(client, &rendition["URI"]);
    }
    assert!(found[31]["URI"].contains("/text-32/"));
    let beyond = found[31]["URI"].replace("/text-32/", "/text-33/");
    assert_eq!(response(&serving, &beyond).status, 404);
    for (url, _) in [&of_title.variants[0], &of_title.variants[32]] {
        fetch(client, url);
    }
}

#[test]
fn a_title_named_like_a_rendition_is_a_title() {
    let folder = Folder::new();
    put_sample(&folder, CLOCK, "film.720p.mp4");
    folder.put("film.720p.en.srt", srt(CUES));
    folder.put("film.de.srt", srt(CUES));
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let languages = |client: &mut Client, title: &str| -> Vec<String> {
        let of_title = multivariant(client, title);
        subtitles(&of_title).iter().map(|found| found["LANGUAGE"].clone()).collect()
    };
    assert_eq!(languages(client, "film.720p.mp4"), ["en"]);
    assert_eq!(multivariant(client, "film.720p.mp4").variants.len(), 1);
    // Beside the title that it is a rendition of, it keeps its own sidecars.
    put_sample(&folder, CLOCK, "film.mp4");
    assert_eq!(languages(client, "film.720p.mp4"), ["en"]);
    assert_eq!(multivariant(client, "film.720p.mp4").variants.len(), 1);
    assert_eq!(languages(client, "film.mp4"), ["de"]);
    assert_eq!(multivariant(client, "film.mp4").variants.len(), 2);
    for url in Streams::read(&serving, "film.720p.mp4").samples() {
        fetch(client, url);
    }
}

#[test]
fn a_set_has_the_subtitles_of_its_largest_member() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    folder.put("film.set/large.mp4", &RENDITIONS.large);
    folder.put("film.set/small.mp4", &RENDITIONS.small);
    folder.put("film.set/large.en.srt", srt(CUES));
    let serving = serve(&folder);
    let client = &mut serving.connect();
    let of_title = multivariant(client, "film.set");
    let found = subtitles(&of_title);
    assert_eq!(found.len(), 1);
    let url = &of_title.variants[0].0;
    let video = manifests::playlist(url, &fetch(client, url).body);
    assert_eq!(plain(cues_of(client, &found[0]["URI"], &video)), expected(CUES));
    let file = texts_of_mpd(client, "film.set").remove(0).1;
    assert_eq!(plain(cues(&fetch(client, &file).body)), expected(CUES));
}
