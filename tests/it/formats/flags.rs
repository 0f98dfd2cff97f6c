//! Enabled flags of video and audio (kind K9).

use std::fs;

use crate::support::{
    box_patches::{of_kind, patched},
    ffmpeg,
    folder::Folder,
    manifests::{self, Attributes, Element},
    rendered::Rendering,
    shown::first_frame,
};

const LARGE: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=13";
const SMALL: &str = "-f lavfi -i testsrc2=size=64x36:rate=25:duration=13";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=13";
const AVC: &str = "-c:v libx264 -preset ultrafast -crf 36 -pix_fmt yuv420p -sc_threshold 0";
const AAC: &str = "-c:a aac -b:a 32k";

fn make(parts: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path("made.mp4");
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    let arguments: Vec<_> = words.chain(["-y", path.to_str().expect("text")]).collect();
    ffmpeg::run(&arguments).expect("a movie");
    fs::read(path).expect("a file")
}

/// Sets the flag of each track (`tkhd`, the lowest bit of the flags).
fn with_enabled(movie: &[u8], enabled: &[bool]) -> Vec<u8> {
    let headers = of_kind(movie, b"tkhd");
    assert_eq!(headers.len(), enabled.len());
    headers.iter().zip(enabled).fold(movie.to_vec(), |movie, (header, is_enabled)| {
        let at = header.body().start + 3;
        let flags = movie[at] & !1 | u8::from(*is_enabled);
        patched(&movie, at, &[flags])
    })
}

/// Video, and audio in these languages.
fn with_languages(languages: &[&str]) -> Vec<u8> {
    let mut parts = vec![LARGE.to_owned()];
    parts.extend(languages.iter().map(|_| TONE.to_owned()));
    parts.push(format!("{AVC} {AAC} -g 50 -map 0"));
    for (place, language) in languages.iter().enumerate() {
        parts.push(format!("-map {} -metadata:s:a:{place} language={language}", place + 1));
    }
    make(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// DEFAULT and AUTOSELECT of each audio track.
fn audio_flags(serving: &Rendering, title: &str) -> Vec<(bool, bool)> {
    let multivariant = serving.multivariant(title);
    let audio = multivariant.renditions.iter().filter(|rendition| rendition["TYPE"] == "AUDIO");
    let is = |attributes: &Attributes, name: &str| attributes[name] == "YES";
    audio.map(|attributes| (is(attributes, "DEFAULT"), is(attributes, "AUTOSELECT"))).collect()
}

/// The role of each audio set in the MPD.
fn audio_roles(serving: &Rendering, title: &str) -> Vec<String> {
    let text = serving.get(&format!("/v/{title}/manifest.mpd")).body;
    let document = manifests::xml(&String::from_utf8(text).expect("text"));
    let is_audio = |set: &&Element| set.attributes["contentType"] == "audio";
    let role = |set: &Element| set.all("Role").next().expect("a role").attributes["value"].clone();
    let sets = document.all("Period").flat_map(|period| period.all("AdaptationSet"));
    sets.filter(is_audio).map(role).collect()
}

#[test]
fn the_first_enabled_audio_track_is_the_default() {
    if !ffmpeg::is_installed() {
        return;
    }
    let three = with_languages(&["eng", "fra", "deu"]);
    let same = with_languages(&["eng", "eng"]);
    let second = with_enabled(&three, &[true, false, true, false]);
    let later = with_enabled(&three, &[true, false, true, true]);
    let none = with_enabled(&three, &[true, false, false, false]);
    let commentary = with_enabled(&same, &[true, false, true]);
    let serving = Rendering::serve([
        ("first.mp4", &three[..]),
        ("second.mp4", &second),
        ("later.mp4", &later),
        ("none.mp4", &none),
        ("commentary.mp4", &commentary),
    ]);
    // A viewer's language may select any of several languages, and the default among equal ones.
    let (default, other, hidden) = ((true, true), (false, true), (false, false));
    for (title, flags) in [
        ("first.mp4", &[default, other, other][..]),
        ("second.mp4", &[other, default, other]),
        ("later.mp4", &[other, default, other]),
        ("none.mp4", &[default, other, other]),
        ("commentary.mp4", &[hidden, default]),
    ] {
        assert_eq!(audio_flags(&serving, title), flags, "{title}");
        let roles = audio_roles(&serving, title);
        let main: Vec<_> = roles.iter().map(|role| role == "main").collect();
        let defaults: Vec<_> = flags.iter().map(|(is_default, _)| *is_default).collect();
        assert_eq!(main, defaults, "{title}");
    }
}

#[test]
fn a_disabled_video_track_leads_only_if_there_is_no_other() {
    if !ffmpeg::is_installed() {
        return;
    }
    // A preview of 64 by 36 with a key frame every second, and the video with one every two.
    let both =
        make(&[SMALL, LARGE, TONE, AVC, AAC, "-map 0:v -map 1:v -map 2:a -g:v:0 25 -g:v:1 50"]);
    let alone = make(&[LARGE, TONE, AVC, AAC, "-g 50"]);
    let preview = with_enabled(&both, &[false, true, true]);
    let all_disabled = with_enabled(&both, &[false, false, true]);
    let disabled = with_enabled(&alone, &[false, true]);
    let serving = Rendering::serve([
        ("preview.mp4", &preview[..]),
        ("both.mp4", &both),
        ("all-disabled.mp4", &all_disabled),
        ("disabled.mp4", &disabled),
    ]);
    for (title, size) in [
        ("preview.mp4", "192x108"),
        ("both.mp4", "64x36"),
        ("all-disabled.mp4", "64x36"),
        ("disabled.mp4", "192x108"),
    ] {
        let multivariant = serving.multivariant(title);
        let sizes: Vec<_> =
            multivariant.variants.iter().map(|(_, attributes)| &attributes["RESOLUTION"]).collect();
        assert_eq!(sizes, [size], "{title}");
        for view in ["thumbnail.jpg", "poster.jpg"] {
            let frame = serving.image(&format!("/v/{title}/{view}"));
            assert_eq!(format!("{}x{}", frame.width, frame.height), size, "{title}, {view}");
        }
        // The audio is cut where the leading video is.
        let media = &multivariant.variants[0].0;
        let audio = multivariant.renditions.iter().find_map(|rendition| rendition.get("URI"));
        let cuts = |url: &str| manifests::playlist(url, &serving.get(url).body).segments.len();
        assert_eq!(cuts(media), cuts(audio.expect("audio")), "{title}");
    }
    let urls = serving.renditions(&["preview.mp4"], 72);
    let frame = first_frame(&urls[0]).expect("video");
    assert_eq!((frame.width, frame.height), (128, 72));
    // The second track of the file, frame by frame.
    let decoded =
        |input: &str, index: usize| ffmpeg::decode(input, &[index]).expect("video").remove(0);
    let of_file = decoded(&serving.path("preview.mp4"), 1);
    for view in ["index.m3u8", "manifest.mpd"] {
        let url = serving.url(&format!("/v/preview.mp4/{view}"));
        let video =
            ffmpeg::tracks(&url).expect("tracks").into_iter().find(|track| track.pixels > 0);
        let shown = decoded(&url, video.expect("video").index);
        assert!(
            of_file
                .frames
                .iter()
                .map(|frame| &frame.1)
                .eq(shown.frames.iter().map(|frame| &frame.1))
        );
    }
}

#[test]
fn inspect_tells_which_tracks_are_enabled() {
    if !ffmpeg::is_installed() {
        return;
    }
    let movie = with_languages(&["eng", "fra"]);
    let second = with_enabled(&movie, &[true, false, true]);
    let serving = Rendering::serve([("second.mp4", &second[..])]);
    let report = serving.report("second.mp4");
    let tracks = report["tracks"].as_array().expect("a list");
    let enabled: Vec<_> = tracks.iter().map(|track| track["is_enabled"].as_bool()).collect();
    assert_eq!(enabled, [Some(true), Some(false), Some(true)]);
}
