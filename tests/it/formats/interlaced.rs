//! Interlaced video: images and renditions without combs and ghosts (kind K11).

use std::fs;

use crate::support::{
    box_patches::patched,
    ffmpeg,
    folder::Folder,
    rendered::Rendering,
    shown::{Frame, first_frame},
    views::{Title, frames},
};

/// Bars of 16 pixels that move by 8 in each field: adjacent lines differ everywhere.
const BARS: &str = "-f lavfi -i color=white:size=320x240:rate=50:duration=3,\
    geq=lum=255*mod(floor((X+8*N)/16)\\,2):cb=128:cr=128";
const TOP_FIRST: &str = "-vf tinterlace=interleave_top,setfield=tff";
const BOTTOM_FIRST: &str = "-vf tinterlace=interleave_bottom,setfield=bff";
const WHOLE_FRAMES: &str = "-vf fps=25";
const AVC: &str = "-c:v libx264 -preset ultrafast -crf 18 -g 25 -pix_fmt yuv420p";
/// ffmpeg writes `fiel` with it; its own headers are not in the sample entry.
const MPEG_2: &str = "-c:v mpeg2video -q:v 2 -g 25 -pix_fmt yuv420p";
const FIELDS: &str = "-flags +ildct+ilme";

fn make(name: &str, parts: &[&str]) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path(name);
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    let arguments: Vec<_> = words.chain(["-y", path.to_str().expect("text")]).collect();
    ffmpeg::run(&arguments).expect("a movie");
    fs::read(path).expect("a file")
}

/// Interlaced files, by name.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let made = |name: &'static str, parts: &[&str]| (name, make(name, &[&[BARS], parts].concat()));
    vec![
        made("top.mp4", &[TOP_FIRST, AVC, FIELDS]),
        made("bottom.mp4", &[BOTTOM_FIRST, AVC, FIELDS]),
        made("fragmented.mp4", &[TOP_FIRST, AVC, FIELDS, "-movflags frag_keyframe+empty_moov"]),
        // Two fields, the upper first, where the aspect ratio was.
        ("declared.mov", {
            let movie = made("declared.mov", &[TOP_FIRST, AVC, FIELDS]).1;
            patched(&movie, find(&movie, b"pasp"), b"fiel\x02\x09")
        }),
        made("mpeg-2.mp4", &[TOP_FIRST, MPEG_2, FIELDS]),
    ]
}

fn find(movie: &[u8], kind: &[u8; 4]) -> usize {
    movie.windows(4).position(|window| window == kind).expect("the box")
}

/// The share of pixels that are neither dark nor bright, in percent: where two fields are mixed.
fn ghosts(frame: &Frame) -> usize {
    let grey = frame.brightness.iter().filter(|pixel| (64..192).contains(*pixel)).count();
    100 * grey / frame.brightness.len()
}

#[test]
fn images_of_interlaced_video_have_no_combs() {
    if !ffmpeg::is_installed() {
        return;
    }
    let files = files();
    let serving = Rendering::serve(files.iter().map(|(name, bytes)| (*name, &bytes[..])));
    for (name, _) in &files {
        let source = first_frame(&serving.path(name)).expect("video");
        assert!(source.combs() > 60, "{name} is interlaced: {}", source.combs());
        for view in [
            "thumbnail.jpg",
            "thumbnail.jpg?time=1",
            "thumbnail.jpg?time=1.52&exact=1",
            "thumbnail.webp?time=2",
            "poster.jpg",
        ] {
            let frame = serving.image(&format!("/v/{name}/{view}"));
            assert_eq!((frame.width, frame.height), (320, 240));
            assert!(frame.combs() < 6, "{name}, {view}: {}", frame.combs());
        }
        // A sheet shows the bars at the same size. Its unused tiles are black.
        let sheet = serving.image(&format!("/v/{name}/storyboard.jpg"));
        assert!(sheet.combs() < 6, "{name}, storyboard.jpg: {}", sheet.combs());
    }
}

/// Segments and files keep the fields.
#[test]
fn every_view_has_the_frames_of_the_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    for (name, bytes) in files().into_iter().filter(|(name, _)| *name != "mpeg-2.mp4") {
        let title = Title::new(name, &bytes);
        title.every_view_shows(&frames(&title.path()));
    }
}

#[test]
fn renditions_of_interlaced_video_have_neither_combs_nor_ghosts() {
    if !ffmpeg::is_installed() {
        return;
    }
    let files = files();
    let serving = Rendering::serve(files.iter().map(|(name, bytes)| (*name, &bytes[..])));
    let names = ["top.mp4", "bottom.mp4", "fragmented.mp4", "declared.mov"];
    for (name, url) in names.iter().zip(serving.renditions(&names, 240)) {
        let frame = first_frame(&url).expect("video");
        assert!(frame.combs() < 6, "{name}: {}", frame.combs());
    }
    for (name, url) in names.iter().zip(serving.renditions(&names, 120)) {
        let frame = first_frame(&url).expect("video");
        assert!(ghosts(&frame) < 25, "{name}: {}", ghosts(&frame));
        // All frames at their times.
        let tracks = |input: &str| ffmpeg::tracks(input).expect("a movie").remove(0);
        let times = |input: &str| -> Vec<i128> {
            let track = tracks(input);
            let mut times: Vec<_> =
                track.shown().map(|packet| track.shown_at(packet).nanoseconds()).collect();
            times.sort_unstable();
            times
        };
        assert_eq!(times(&url), times(&serving.path(name)), "{name}");
    }
}

#[test]
fn inspect_tells_interlaced_video() {
    if !ffmpeg::is_installed() {
        return;
    }
    let mut files = files();
    files.push(("whole.mp4", make("whole.mp4", &[BARS, WHOLE_FRAMES, AVC])));
    let declared = make("mpeg-2.mp4", &[BARS, TOP_FIRST, MPEG_2, FIELDS]);
    files.push(("unknown.mp4", patched(&declared, find(&declared, b"fiel"), b"free")));
    let serving = Rendering::serve(files.iter().map(|(name, bytes)| (*name, &bytes[..])));
    const DECLARED: &str = "The video is interlaced.";
    const ALLOWED: &str = "The stream allows interlaced frames.";
    for (name, scan, sentence) in [
        ("declared.mov", Some("interlaced"), Some(DECLARED)),
        ("top.mp4", Some("mixed"), Some(ALLOWED)),
        ("mpeg-2.mp4", Some("interlaced"), Some(DECLARED)),
        ("unknown.mp4", None, None),
        ("whole.mp4", Some("progressive"), None),
    ] {
        let report = serving.report(name);
        assert_eq!(report["tracks"][0]["video"]["scan"].as_str(), scan, "{name}");
        let problems = report["problems"].to_string();
        for known in [DECLARED, ALLOWED] {
            assert_eq!(problems.contains(known), sentence == Some(known), "{name}: {problems}");
        }
    }
}
