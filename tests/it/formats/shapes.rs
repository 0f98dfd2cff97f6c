//! Shape and rotation told elsewhere than in `pasp` and `tkhd` (kind K7).

use std::fs;

use crate::support::{
    box_patches::{of_kind, patched, replaced},
    boxes, ffmpeg,
    folder::Folder,
    manifests::{self, Representation},
    movies::{boxed, words},
    rendered::Rendering,
    sentences::says,
    shown::{Frame, first_frame},
    views::{Title, frames},
};

const ONE: i32 = 1 << 16;

/// Clockwise by 90 degrees.
const QUARTER: [i32; 4] = [0, ONE, -ONE, 0];
const THREE_QUARTERS: [i32; 4] = [0, -ONE, ONE, 0];
const MIRRORED: [i32; 4] = [-ONE, 0, 0, ONE];

/// The clip that all are made of: a bright quarter at the top left of 128 by 72 pixels.
fn clip(folder: &Folder, how: &str) -> Vec<u8> {
    let path = folder.path("source.mp4");
    let video = "color=black:size=128x72:rate=10:duration=4,drawbox=w=64:h=36:color=white:t=fill";
    let arguments = format!(
        "-f lavfi -i {video} {how} -c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p -y {}",
        path.to_str().expect("text")
    );
    ffmpeg::run(&arguments.split_whitespace().collect::<Vec<_>>()).expect("a movie");
    fs::read(path).expect("a file")
}

/// Sets a, b, c and d of the matrix of `mvhd` or of the first `tkhd`.
fn with_matrix(movie: &[u8], kind: &[u8; 4], [a, b, c, d]: [i32; 4]) -> Vec<u8> {
    let at = of_kind(movie, kind)[0].body().start + if kind == b"mvhd" { 36 } else { 40 };
    let matrix = [a, b, 0, c, d].map(i32::to_be_bytes).concat();
    patched(movie, at, &matrix)
}

/// Sets width and height of the first `tkhd`, in pixels.
fn with_track_size(movie: &[u8], width: u32, height: u32) -> Vec<u8> {
    let at = of_kind(movie, b"tkhd")[0].body().start + 76;
    patched(movie, at, &[width << 16, height << 16].map(u32::to_be_bytes).concat())
}

/// Where a box lies inside a sample entry, which the list of boxes does not enter.
fn find(movie: &[u8], kind: &[u8; 4]) -> usize {
    movie.windows(4).position(|window| window == kind).expect("the box")
}

fn without_pasp(movie: &[u8]) -> Vec<u8> {
    patched(movie, find(movie, b"pasp"), b"free")
}

/// Where width and height are in the sample entry: the codec's configuration follows its fixed fields.
fn frame_size(movie: &[u8]) -> usize {
    find(movie, b"avcC") - 58
}

fn without_frame_size(movie: &[u8]) -> Vec<u8> {
    patched(movie, frame_size(movie), &[0; 4])
}

/// A file, and what is to be seen.
struct Case {
    name: &'static str,
    movie: Vec<u8>,
    size: (u32, u32),
    bright: &'static str,
    /// Whether ffmpeg displays the file itself like this.
    is_ffmpegs: bool,
}

fn cases(folder: &Folder) -> Vec<Case> {
    let plain = clip(folder, "");
    let bare = without_pasp(&plain);
    let anamorphic = clip(folder, "-vf setsar=4/3");
    let fragmented = clip(folder, "-movflags frag_keyframe+empty_moov");
    let case = |name, movie, size, bright| Case { name, movie, size, bright, is_ffmpegs: true };
    let turned = |movie: &[u8], matrix| with_matrix(movie, b"mvhd", matrix);
    let in_track = |movie: &[u8], matrix| with_matrix(movie, b"tkhd", matrix);
    vec![
        case("movie-turned.mp4", turned(&plain, QUARTER), (72, 128), "top right"),
        case("movie-turned-fragmented.mp4", turned(&fragmented, QUARTER), (72, 128), "top right"),
        case(
            "both-turned.mp4",
            turned(&in_track(&plain, QUARTER), QUARTER),
            (128, 72),
            "bottom right",
        ),
        case(
            "turned-and-back.mp4",
            turned(&in_track(&plain, QUARTER), THREE_QUARTERS),
            (128, 72),
            "top left",
        ),
        case("movie-mirrored.mp4", turned(&plain, MIRRORED), (128, 72), "top right"),
        case("wide-matrix.mp4", in_track(&bare, [2 * ONE, 0, 0, ONE]), (256, 72), "top left"),
        case("high-matrix.mp4", in_track(&bare, [ONE, 0, 0, 2 * ONE]), (64, 72), "top left"),
        case("wide-movie-matrix.mp4", turned(&bare, [2 * ONE, 0, 0, ONE]), (256, 72), "top left"),
        case("wide-track.mp4", with_track_size(&bare, 256, 108), (171, 72), "top left"),
        case("track-without-size.mp4", with_track_size(&bare, 0, 0), (128, 72), "top left"),
        case("rounded-track.mp4", with_track_size(&plain, 129, 72), (128, 72), "top left"),
        case(
            "aspect-of-stream.mp4",
            with_track_size(&without_pasp(&anamorphic), 128, 72),
            (171, 72),
            "top left",
        ),
        case(
            "aspect-of-pasp-turned.mp4",
            turned(&anamorphic, THREE_QUARTERS),
            (72, 171),
            "bottom left",
        ),
        case("entry-without-size.mp4", without_frame_size(&plain), (128, 72), "top left"),
        Case {
            is_ffmpegs: false,
            ..case(
                "size-after-rotation.mp4",
                with_track_size(&in_track(&bare, QUARTER), 72, 128),
                (72, 128),
                "top right",
            )
        },
    ]
}

/// Checks an aspect ratio, but for rounding to whole and even pixels.
#[track_caller]
fn has_aspect(case: &Case, view: &str, (width, height): (f64, f64)) {
    let expected = f64::from(case.size.0) / f64::from(case.size.1);
    let is_equal = (width / height / expected - 1.0).abs() < 0.04;
    assert!(is_equal, "{}, {view}: {width} x {height} for {:?}", case.name, case.size);
}

fn sides(frame: &Frame) -> (f64, f64) {
    let side = |pixels: usize| f64::from(u32::try_from(pixels).expect("a small image"));
    (side(frame.width), side(frame.height))
}

#[track_caller]
fn is_shown(frame: &Frame, case: &Case, view: &str) {
    has_aspect(case, view, sides(frame));
    assert_eq!(frame.bright_corner(), case.bright, "{}, {view}", case.name);
}

fn number(value: &str) -> f64 {
    value.parse().expect("a number")
}

fn serve(cases: &[Case]) -> Rendering {
    Rendering::serve(cases.iter().map(|case| (case.name, case.movie.as_slice())))
}

#[test]
fn every_view_of_a_title_has_one_shape() {
    if !ffmpeg::is_installed() {
        return;
    }
    let cases = cases(&Folder::new());
    let serving = serve(&cases);
    for case in &cases {
        let Case { name, size, is_ffmpegs, .. } = *case;
        if is_ffmpegs {
            is_shown(&first_frame(&serving.path(name)).expect("video"), case, "the file");
        }
        let clip = serving.url(&format!("/v/{name}/play.mp4?start=1"));
        is_shown(&first_frame(&clip).expect("video"), case, "the clip");
        is_shown(&first_segment(&serving, name), case, "the segments");
        for view in ["thumbnail.jpg?time=1", "poster.jpg", "storyboard.jpg"] {
            let frame = serving.image(&format!("/v/{name}/{view}"));
            match view {
                // Five by five tiles, of which four are used.
                "storyboard.jpg" => has_aspect(case, view, sides(&frame)),
                _ => is_shown(&frame, case, view),
            }
        }
        let multivariant = serving.multivariant(name);
        let variants = multivariant.variants.iter().map(|(_, attributes)| attributes);
        for attributes in variants.chain(&multivariant.i_frames) {
            let resolution = attributes["RESOLUTION"].split_once('x').expect("a size");
            has_aspect(case, "RESOLUTION", (number(resolution.0), number(resolution.1)));
        }
        let description = format!("/v/{name}/manifest.mpd");
        let representations =
            manifests::representations(&description, &serving.get(&description).body);
        let is_video = |found: &&Representation| found.attributes["mimeType"] == "video/mp4";
        let video = &representations.iter().find(is_video).expect("video").attributes;
        let sar = video["sar"].split_once(':').expect("a ratio");
        let width = number(&video["width"]) * number(sar.0) / number(sar.1);
        has_aspect(case, "manifest.mpd", (width, number(&video["height"])));
        let video = serving.report(name)["tracks"][0]["video"].take();
        let shown = (video["shown_width"].as_u64(), video["shown_height"].as_u64());
        assert_eq!(shown, (Some(size.0.into()), Some(size.1.into())), "{name}");
    }
}

#[test]
fn every_view_has_the_frames_of_the_file() {
    if !ffmpeg::is_installed() {
        return;
    }
    let names =
        ["movie-turned.mp4", "movie-turned-fragmented.mp4", "wide-matrix.mp4", "wide-track.mp4"];
    let cases = cases(&Folder::new()).into_iter();
    for Case { name, movie, .. } in cases.filter(|case| names.contains(&case.name)) {
        let title = Title::new(name, &movie);
        title.every_view_shows(&frames(&title.path()));
    }
}

#[test]
fn renditions_have_the_shape_of_their_title() {
    if !ffmpeg::is_installed() {
        return;
    }
    let mut cases = cases(&Folder::new());
    let names = ["movie-turned.mp4", "both-turned.mp4", "wide-matrix.mp4", "wide-track.mp4"];
    cases.retain(|case| names.contains(&case.name));
    let serving = serve(&cases);
    let urls = serving.renditions(&cases.iter().map(|case| case.name).collect::<Vec<_>>(), 36);
    for (case, url) in cases.iter().zip(urls) {
        is_shown(&first_frame(&url).expect("video"), case, "the rendition");
        for (_, attributes) in serving.multivariant(case.name).variants {
            let resolution = attributes["RESOLUTION"].split_once('x').expect("a size");
            has_aspect(case, "RESOLUTION", (number(resolution.0), number(resolution.1)));
        }
    }
}

/// The first frame of an init segment and a segment. (ffmpeg's reader of playlists loses the aspect ratio.)
fn first_segment(serving: &Rendering, title: &str) -> Frame {
    let media = serving.multivariant(title).variants.remove(0).0;
    let playlist = manifests::playlist(&media, &serving.get(&media).body);
    let parts = [&playlist.init, &playlist.segments[0].url].map(|url| serving.get(url).body);
    let folder = Folder::new();
    let joined = folder.put("joined.mp4", parts.concat());
    first_frame(joined.to_str().expect("text")).expect("video")
}

/// The init segment of a title's video.
fn init(serving: &Rendering, title: &str) -> Vec<u8> {
    let media = serving.multivariant(title).variants.remove(0).0;
    serving.get(&manifests::playlist(&media, &serving.get(&media).body).init).body
}

/// Players of segments ignore a matrix that stretches, and the movie's matrix is not in an init segment.
#[test]
fn an_init_segment_tells_the_shape_in_tkhd() {
    if !ffmpeg::is_installed() {
        return;
    }
    let cases = cases(&Folder::new());
    let serving = serve(&cases);
    let identity = [ONE, 0, 0, ONE];
    for (name, matrix, width, height) in [
        ("movie-turned.mp4", QUARTER, 128, 72),
        ("turned-and-back.mp4", identity, 128, 72),
        ("wide-matrix.mp4", identity, 256, 72),
        ("wide-movie-matrix.mp4", identity, 256, 72),
        // As in the file.
        ("wide-track.mp4", identity, 256, 108),
        ("rounded-track.mp4", identity, 129, 72),
    ] {
        let init = init(&serving, name);
        let fields = &boxes::contents(&init, "moov/trak/tkhd")[0][40..];
        let words: Vec<u32> = fields.chunks(4).map(boxes::number).collect();
        let found = [words[0], words[1], words[3], words[4]].map(u32::cast_signed);
        assert_eq!((found, words[9] >> 16, words[10] >> 16), (matrix, width, height), "{name}");
    }
}

/// Chromium's Media Source refuses an entry without a size.
#[test]
fn an_entry_without_a_size_gets_that_of_the_stream() {
    if !ffmpeg::is_installed() {
        return;
    }
    let plain = clip(&Folder::new(), "");
    let none = without_frame_size(&plain);
    let serving = Rendering::serve([("plain.mp4", &plain[..]), ("none.mp4", &none)]);
    for name in ["plain.mp4", "none.mp4"] {
        let play = serving.get(&format!("/v/{name}/play.mp4")).body;
        for movie in [init(&serving, name), play] {
            let at = frame_size(&movie);
            assert_eq!(movie[at..at + 4], [0, 128, 0, 72], "{name}");
        }
        let repairs = serving.report(name)["repairs"].to_string();
        assert_eq!(repairs.contains("frame size added"), name == "none.mp4", "{repairs}");
    }
}

#[test]
fn inspect_names_the_rotation_of_movie_and_track_together() {
    if !ffmpeg::is_installed() {
        return;
    }
    let cases = cases(&Folder::new());
    let serving = serve(&cases);
    let problems = |name: &str| serving.report(name)["problems"].to_string();
    for (name, sentence) in [
        ("movie-turned.mp4", "The video is rotated by 90 degrees."),
        ("both-turned.mp4", "The video is rotated by 180 degrees."),
        ("movie-mirrored.mp4", "The video is mirrored."),
    ] {
        assert!(problems(name).contains(sentence), "{name}: {}", problems(name));
    }
    for name in ["turned-and-back.mp4", "wide-matrix.mp4", "wide-track.mp4"] {
        let problems = problems(name);
        assert!(!problems.contains("rotated") && !problems.contains("mirrored"), "{problems}");
    }
}

/// Adds a clean aperture to the sample entry, in front of `pasp`.
fn with_aperture(movie: &[u8], width: u32, height: u32) -> Vec<u8> {
    let fields = [width, 1, height, 1, 0, 1, 0, 1];
    let aperture = boxed(b"clap", &[&words(fields)]);
    let at = find(movie, b"pasp") - 4;
    let longer = replaced(movie, at..at, &aperture);
    let entry = frame_size(&longer) - 32;
    let size = boxes::number(&movie[entry..]) + u32::try_from(aperture.len()).expect("a small box");
    patched(&longer, entry, &size.to_be_bytes())
}

/// Neither ffmpeg nor Chromium applies it.
#[test]
fn inspect_tells_a_clean_aperture_that_is_not_applied() {
    if !ffmpeg::is_installed() {
        return;
    }
    let plain = clip(&Folder::new(), "");
    let part = with_aperture(&plain, 120, 64);
    let whole = with_aperture(&plain, 128, 72);
    says("The sample entry crops the frames to * x * (clap).", &part, &whole);
    says(
        "Apple's players do. Browsers, and Headwater's images and renditions, show the whole frames.",
        &part,
        &whole,
    );
    let serving = Rendering::serve([("part.mp4", &part[..])]);
    let frame = serving.image("/v/part.mp4/thumbnail.jpg");
    assert_eq!((frame.width, frame.height), (128, 72));
}
