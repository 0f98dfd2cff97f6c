//! Images of titles, rendered by the real ffmpeg from extents: the frame of each tile, complete
//! images, and minimal reads.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write as _,
    num::NonZeroU32,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use headwater::{
    extent::{Extent, Extents, ReadAt as _, ReadError, Source, disk::PlainFile},
    movie::{Movie, Track},
    package::{
        stills::{self, Stills, StillsError},
        storyboard::{COLUMNS, Geometry, ImageFormat, Sheet, display_size},
    },
    transcode::{
        images::{self, Fit, RenderPlan, SizeRequest, SourceVideo, dimensions},
        program::find_program,
    },
};

use crate::support::{clips, ffmpeg, folder::Folder};

/// Brightness of the clock's darkest and brightest seconds, and their number.
const SECONDS: u32 = 20;

/// A file whose reads may wait.
#[derive(Debug)]
struct OnDisk(PlainFile);

impl Source for OnDisk {
    fn len(&self) -> u64 {
        headwater::extent::ReadAt::len(&self.0)
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        self.0.read_exact_at(range.start, &mut bytes)?;
        Ok(Some(bytes.into()))
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let bytes = self.read_now(range).map(|bytes| bytes.expect("all of it"));
        async move { bytes }.boxed()
    }
}

/// A movie on the disk, with its index.
struct MovieFile {
    reader: PlainFile,
    source: Arc<dyn Source>,
    movie: Movie,
}

impl MovieFile {
    fn open(path: &Path) -> Option<Self> {
        let reader = PlainFile::open(path).expect("a file");
        let grid = NonZeroU32::new(6000).unwrap();
        let movie = Movie::read(&reader, grid).expect("readable").ok()?;
        let source: Arc<dyn Source> = Arc::new(OnDisk(PlainFile::open(path).expect("a file")));
        Some(Self { reader, source, movie })
    }

    fn clip(name: &str) -> Self {
        Self::open(clips::named(name).path()).expect("a movie")
    }

    fn track(&self) -> &Track {
        stills::track(&self.movie).expect("video")
    }

    fn duration_ms(&self) -> u64 {
        let ticks = u64::try_from(self.track().index.end).unwrap();
        ticks * 1000 / u64::from(self.track().timescale.get())
    }

    fn geometry(&self) -> Geometry {
        Geometry::new(self.duration_ms(), display_size(self.track()).expect("a size"))
    }

    fn nearest(&self, times_ms: &[u64]) -> Stills {
        stills::nearest(self.track(), times_ms, &self.reader).expect("key frames")
    }

    fn exact(&self, time_ms: u64) -> Stills {
        stills::exact(self.track(), time_ms, &self.reader).expect("key frames")
    }

    fn movie_of(&self, stills: &Stills) -> Extents {
        stills.movie(self.track(), &self.source).expect("readable")
    }

    /// Renders images in a folder.
    fn make(&self, stills: &Stills, plan: &RenderPlan) -> Folder {
        let folder = Folder::new();
        render(plan, &self.movie_of(stills), folder.path("").as_path()).expect("video");
        plan.verify(&folder.path("")).expect("whole images");
        folder
    }

    fn thumbnail(&self, stills: &Stills, request: SizeRequest) -> Folder {
        let size = request.resolve(display_size(self.track()).expect("a size"));
        let look = SourceVideo::from_track(self.track());
        self.make(stills, &images::plan_thumbnail(look, size, ImageFormat::Jpg, stills.second))
    }

    fn sheet(&self, sheet: Sheet) -> (Stills, Folder) {
        let geometry = self.geometry();
        let stills = self.nearest(&geometry.times_ms(sheet));
        let rendered = self.make(
            &stills,
            &images::plan_sheet(SourceVideo::from_track(self.track()), &geometry, sheet),
        );
        (stills, rendered)
    }
}

/// All bytes of extents.
fn bytes_of(extents: &Extents) -> Vec<u8> {
    let parts = extents.iter().map(|extent| match extent {
        Extent::Memory(bytes) => bytes.clone(),
        Extent::Source { source, range } => source.read_now(range.clone()).unwrap().unwrap(),
    });
    parts.collect::<Vec<_>>().concat()
}

/// Runs ffmpeg in a folder with a movie through a pipe.
fn render(plan: &RenderPlan, movie: &Extents, folder: &Path) -> Result<(), String> {
    let program = find_program("ffmpeg").expect("is_installed() checked it");
    let mut child = Command::new(program)
        .args(["-y", "-v", "error"])
        .args(&plan.arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let (mut pipe, movie) = (child.stdin.take().unwrap(), bytes_of(movie));
    // It may end before it has read everything.
    let feeding = thread::spawn(move || drop(pipe.write_all(&movie)));
    let output = child.wait_with_output().expect("it ends");
    feeding.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(errors.into_owned()) }
}

/// The average colour of a part of an image: red, green, blue.
fn colour(path: &Path, crop: &str) -> [u8; 3] {
    let filters = format!("{crop},scale=1:1:flags=area,format=rgb24");
    let arguments = ["-i", path.to_str().unwrap(), "-vf", &filters, "-f", "rawvideo", "-"];
    ffmpeg::run(&arguments).expect("an image")[..3].try_into().unwrap()
}

fn brightness(path: &Path) -> u8 {
    colour(path, "null")[1]
}

/// A movie whose brightness encodes the second that its clock shows.
fn clock(folder: &Folder, name: &str, coding: &[&str]) -> MovieFile {
    let path = folder.path(name);
    // The brightness at a time is that of `second_of`.
    let lavfi = format!(
        "color=black:size=320x180:rate=10:duration={SECONDS},format=gray,\
         geq=lum='20+floor(T)*10',format=yuv420p"
    );
    let start = ["-f", "lavfi", "-i", &lavfi];
    ffmpeg::run(&[&start, coding, &[path.to_str().unwrap()]].concat()).expect("a movie");
    MovieFile::open(&path).expect("a movie")
}

/// The second that a frame of the clock shows.
fn second_of(path: &Path) -> u64 {
    (u64::from(brightness(path)) + 5 - 20) / 10
}

const AVC: [&str; 8] =
    ["-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-sc_threshold", "0"];

#[test]
fn each_tile_is_the_key_frame_nearest_to_its_time() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let hevc = "keyint=20:min-keyint=20:scenecut=0:log-level=error";
    let codings: [(&str, Vec<&str>); 6] = [
        ("avc.mp4", AVC.to_vec()),
        ("fragmented.mp4", [&AVC[..], &["-movflags", "frag_keyframe+empty_moov"]].concat()),
        // Every third frame is missing in every other second.
        ("vfr.mp4", [&AVC[..], &["-vf", VFR, "-fps_mode", "passthrough"]].concat()),
        ("hevc.mp4", vec!["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", hevc]),
        (
            "vp9.mp4",
            vec!["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "20"],
        ),
        ("av1.mp4", vec!["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "20"]),
    ];
    for (name, coding) in codings {
        let movie_file = clock(&folder, name, &coding);
        let geometry = movie_file.geometry();
        assert_eq!((geometry.interval_ms, geometry.tiles), (1000, SECONDS), "{name}");
        let (stills, rendered) = movie_file.sheet(geometry.sheet(1).unwrap());
        let key_frames = stills.times_ms.iter().collect::<BTreeSet<_>>().len();
        assert!(key_frames >= 9, "{name}: {:?}", stills.times_ms);
        for tile in 0..SECONDS {
            let time_ms = geometry.time_ms(tile);
            let shown = second_of(&rendered.path(format!("{}.jpg", tile + 1)));
            let told_ms = stills.times_ms[tile as usize];
            assert_eq!(shown, told_ms / 1000, "{name}, tile {tile}");
            assert!(told_ms.abs_diff(time_ms) <= 1500, "{name}: {shown} s for {time_ms} ms");
        }
    }
}

/// The frames that are kept.
const VFR: &str = r"select=mod(floor(t)\,2)+mod(n\,3)";

#[test]
fn a_sheet_is_its_tiles_in_rows_and_black_behind_the_last() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let movie_file = clock(&folder, "clock.mp4", &AVC);
    let geometry = movie_file.geometry();
    let (_, rendered) = movie_file.sheet(geometry.sheet(1).unwrap());
    let (width, height) = (geometry.tile_width, geometry.tile_height);
    for tile in 0..SECONDS {
        let (_, x, y) = geometry.place(tile);
        let of_tile = colour(&rendered.path(format!("{}.jpg", tile + 1)), "null");
        for sheet in ["sheet.jpg", "sheet.webp"] {
            let of_sheet = colour(&rendered.path(sheet), &format!("crop={width}:{height}:{x}:{y}"));
            let far = of_sheet.iter().zip(of_tile).map(|(one, other)| one.abs_diff(other)).max();
            assert!(far < Some(6), "tile {tile} of {sheet}: {of_sheet:?}, {of_tile:?}");
        }
    }
    let (x, y) = (SECONDS % COLUMNS * width, SECONDS / COLUMNS * height);
    let rest = colour(&rendered.path("sheet.jpg"), &format!("crop={width}:{height}:{x}:{y}"));
    assert!(rest.iter().all(|part| *part < 8), "{rest:?}");
    assert!(!rendered.path(format!("{}.jpg", SECONDS + 1)).exists());
}

#[test]
fn a_frame_that_does_not_decode_shifts_no_other() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let movie_file = clock(&folder, "clock.mp4", &AVC);
    let geometry = movie_file.geometry();
    let sheet = geometry.sheet(1).unwrap();
    let stills = movie_file.nearest(&geometry.times_ms(sheet));
    let movie = movie_file.movie_of(&stills);
    let broken = movie.iter().enumerate().map(|(place, extent)| match extent {
        // Behind the index: the fourth key frame, that of 6 s.
        Extent::Source { range, .. } if place == 4 => {
            Extent::Memory(vec![0; (range.end - range.start) as usize].into())
        }
        extent => extent.clone(),
    });
    let mut with_broken = Extents::default();
    broken.for_each(|extent| with_broken.push(extent).unwrap());
    let plan = images::plan_sheet(SourceVideo::from_track(movie_file.track()), &geometry, sheet);
    let rendered = Folder::new();
    render(&plan, &with_broken, &rendered.path("")).expect("video");
    plan.verify(&rendered.path("")).expect("whole images");
    for tile in 0..SECONDS {
        let shown = second_of(&rendered.path(format!("{}.jpg", tile + 1)));
        let expected = match stills.times_ms[tile as usize] / 1000 {
            6 => 4,
            second => second,
        };
        assert_eq!(shown, expected, "tile {tile}");
    }
}

#[test]
fn an_exact_thumbnail_shows_the_frame_of_its_time() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let b_frames = ["-bf", "3", "-x264-params", "b-adapt=0:b-pyramid=normal:ref=3"];
    let open = "open-gop=1:keyint=25:min-keyint=1:scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal";
    let codings: [(&str, Vec<&str>); 4] = [
        ("plain.mp4", AVC.to_vec()),
        ("b-frames.mp4", [&AVC[..], &b_frames].concat()),
        ("open-gop.mp4", [&AVC[..4], &["-x264-params", open]].concat()),
        (
            "fragmented.mp4",
            [&AVC[..], &b_frames, &["-movflags", "frag_keyframe+delay_moov"]].concat(),
        ),
    ];
    for (name, coding) in codings {
        let movie_file = clock(&folder, name, &coding);
        for time_ms in [0, 950, 1050, 2450, 3000, 5999, 7600, 12_345, 19_999, 1_000_000] {
            let stills = movie_file.exact(time_ms);
            let rendered = movie_file.thumbnail(&stills, SizeRequest::default());
            let shown = second_of(&rendered.path("thumbnail.jpg"));
            assert_eq!(shown, (time_ms / 1000).min(19), "{name} at {time_ms} ms");
            let shown = stills.times_ms[stills.second as usize];
            assert!(time_ms.min(19_999).abs_diff(shown) <= 100, "{name} at {time_ms}: {shown}");
            assert!(stills.times_ms.len() <= 50, "{name} at {time_ms} ms");
        }
    }
}

#[test]
fn every_kind_of_movie_has_its_tiles_in_place() {
    if !ffmpeg::is_installed() {
        return;
    }
    for clip in clips::all() {
        let movie_file = MovieFile::open(clip.path()).expect("a movie");
        if let Err(refused) = stills::track(&movie_file.movie) {
            assert!(matches!(refused, StillsError::NoVideo), "{}", clip.name());
            assert!(clip.name().ends_with(".m4a"), "{}: {refused}", clip.name());
            continue;
        }
        let (stills, _) = movie_file.sheet(movie_file.geometry().sheet(1).unwrap());
        // As the decoder sees it: all key frames, in order, and no other frames.
        let path = stills_of(&movie_file, &stills);
        let path = path.1.to_str().unwrap();
        let mut distinct = stills.times_ms.clone();
        distinct.dedup();
        let decoded = ffmpeg::decode(path, &[0]).expect("video");
        assert_eq!(decoded[0].frames.len(), distinct.len(), "{}", clip.name());
        let tracks = ffmpeg::tracks(path).expect("a movie");
        let whole = ffmpeg::tracks(clip.path().to_str().unwrap()).expect("a movie");
        let video = whole.iter().find(|track| track.kind == ffmpeg::Kind::Video).unwrap();
        for packet in &tracks[0].packets {
            let same = video.packets.iter().find(|other| other.digest == packet.digest);
            assert!(same.is_some_and(|same| same.is_key), "{}: {packet:?}", clip.name());
        }
        movie_file
            .thumbnail(&movie_file.exact(movie_file.duration_ms() / 2), SizeRequest::default());
    }
}

/// The small movie as a file.
fn stills_of(movie_file: &MovieFile, stills: &Stills) -> (Folder, PathBuf) {
    let folder = Folder::new();
    let path = folder.put("stills.mp4", bytes_of(&movie_file.movie_of(stills)));
    (folder, path)
}

#[test]
fn a_rotated_movie_has_upright_images() {
    if !ffmpeg::is_installed() {
        return;
    }
    let movie_file = MovieFile::clip("portrait.mp4");
    assert_eq!(display_size(movie_file.track()), Some((108, 192)));
    let rendered = movie_file.thumbnail(&movie_file.nearest(&[0]), SizeRequest::default());
    let bytes = fs::read(rendered.path("thumbnail.jpg")).unwrap();
    assert_eq!(dimensions::read_dimensions(&bytes), Some((108, 192)));
    // As upright as ffmpeg makes the whole movie.
    let upright = rendered.path("upright.jpg");
    let source = clips::named("portrait.mp4").path().to_str().unwrap();
    let first = ["-i", source, "-frames:v", "1", "-q:v", "2", upright.to_str().unwrap()];
    ffmpeg::run(&first).expect("an image");
    for corner in ["crop=20:20:0:0", "crop=20:20:80:0", "crop=20:20:0:170", "crop=20:20:80:170"] {
        let (one, other) = (rendered.path("thumbnail.jpg"), &upright);
        let (one, other) = (colour(&one, corner), colour(other, corner));
        let far = one.iter().zip(other).map(|(one, other)| one.abs_diff(other)).max();
        assert!(far < Some(40), "{corner}: {one:?}, {other:?}");
    }
}

#[test]
fn colours_are_those_of_the_movie() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    // Green is where the matrices differ most: the wrong one is off by thirty.
    for (size, matrix) in [("1280x720", "bt709"), ("320x180", "bt601")] {
        let path = folder.path(format!("{matrix}.mp4"));
        let lavfi = format!("color=0x20c040:size={size}:rate=10:duration=1,format=rgb24");
        let filters = format!("scale=out_color_matrix={matrix}:out_range=tv,format=yuv420p");
        let start = ["-f", "lavfi", "-i", &lavfi, "-vf", &filters];
        ffmpeg::run(&[&start[..], &AVC, &[path.to_str().unwrap()]].concat()).expect("a movie");
        let movie_file = MovieFile::open(&path).expect("a movie");
        let stills = movie_file.nearest(&[0]);
        let size = SizeRequest::default().resolve(display_size(movie_file.track()).unwrap());
        for (coding, name) in
            [(ImageFormat::Jpg, "thumbnail.jpg"), (ImageFormat::Webp, "thumbnail.webp")]
        {
            let plan = images::plan_thumbnail(
                SourceVideo::from_track(movie_file.track()),
                size,
                coding,
                0,
            );
            let rendered = movie_file.make(&stills, &plan);
            let shown = colour(&rendered.path(name), "scale=in_color_matrix=bt601");
            let far = shown.iter().zip([0x20, 0xc0, 0x40]).map(|(a, b)| a.abs_diff(b)).max();
            assert!(far < Some(6), "{matrix} {name}: {shown:?}");
        }
    }
}

#[test]
fn a_poster_is_not_black_unless_everything_is() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let black = "color=black:size=320x180:rate=10:duration=20,format=yuv420p[out0]".to_owned();
    let mostly = "color=black:size=320x180:rate=10:duration=5.9[a];\
        testsrc2=size=320x180:rate=10:duration=4[b];[a][b]concat,tpad=stop_duration=10,\
        format=yuv420p[out0]";
    for (name, lavfi, is_black) in
        [("black.mp4", black.as_str(), true), ("late.mp4", mostly, false)]
    {
        let path = folder.path(name);
        let start = ["-f", "lavfi", "-i", lavfi];
        ffmpeg::run(&[&start, &AVC[..], &[path.to_str().unwrap()]].concat()).expect("a movie");
        let movie_file = MovieFile::open(&path).expect("a movie");
        let stills = movie_file.nearest(&images::poster_times_ms(movie_file.duration_ms()));
        let size = SizeRequest::default().resolve((320, 180));
        let rendered = movie_file.make(
            &stills,
            &images::plan_poster(
                SourceVideo::from_track(movie_file.track()),
                size,
                ImageFormat::Jpg,
            ),
        );
        assert_eq!(brightness(&rendered.path("poster.jpg")) < 10, is_black, "{name}");
    }
}

#[test]
fn a_preview_is_animated_and_loops_for_ever() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let movie_file = clock(&folder, "clock.mp4", &AVC);
    let stills = movie_file.nearest(&images::preview_times_ms(movie_file.duration_ms()));
    let size = SizeRequest::new(Some(160), None, Fit::Contain).unwrap().resolve((320, 180));
    let rendered = movie_file
        .make(&stills, &images::plan_preview(SourceVideo::from_track(movie_file.track()), size));
    let bytes = fs::read(rendered.path("preview.webp")).unwrap();
    let chunks: Vec<usize> =
        (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"ANMF")).collect();
    // Twelve times, at some of which the same key frame is the nearest.
    assert!((9..=12).contains(&chunks.len()), "{chunks:?}");
    let duration =
        |at: &usize| u32::from_le_bytes([bytes[at + 20], bytes[at + 21], bytes[at + 22], 0]);
    assert_eq!(chunks.iter().map(duration).sum::<u32>(), 6000);
    let control = bytes.windows(4).position(|kind| kind == b"ANIM").expect("an animation");
    assert_eq!(bytes[control + 12..control + 14], [0, 0], "loops");
}

#[test]
fn only_the_samples_of_the_images_are_read() {
    if !ffmpeg::is_installed() {
        return;
    }
    let movie_file = MovieFile::clip("b-frames.mp4");
    let stills = movie_file
        .nearest(&movie_file.geometry().times_ms(movie_file.geometry().sheet(1).unwrap()));
    let extents = movie_file.movie_of(&stills);
    let of_file = extents.iter().filter(|extent| matches!(extent, Extent::Source { .. }));
    assert_eq!(of_file.map(Extent::len).sum::<u64>(), stills.bytes());
    assert!(extents.len() - stills.bytes() < 2048, "a small index");
    assert!(stills.bytes() < movie_file.track().index.bytes / 2);
    // A sample that several tiles show is read once.
    let one = MovieFile::clip("single-key-frame.mp4");
    let stills = one.nearest(&[0, 3000, 6000, 9000, 13_000]);
    assert_eq!(stills.times_ms, [0; 5]);
    assert_eq!(one.nearest(&[0]).bytes(), stills.bytes());
}

#[test]
fn a_thumbnail_far_from_any_key_frame_shows_the_key_frame() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let path = folder.path("long.mp4");
    let lavfi = "color=gray:size=64x64:rate=60:duration=20";
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "9999"];
    let start = ["-f", "lavfi", "-i", lavfi];
    ffmpeg::run(&[&start[..], &coding, &[path.to_str().unwrap()]].concat()).expect("a movie");
    let movie_file = MovieFile::open(&path).expect("a movie");
    assert_eq!(movie_file.exact(9_000).times_ms.len(), 541);
    assert_eq!(movie_file.exact(15_000), movie_file.nearest(&[0]));
}

#[test]
fn a_truncated_image_is_detected() {
    if !ffmpeg::is_installed() {
        return;
    }
    let movie_file = MovieFile::clip("b-frames.mp4");
    let geometry = movie_file.geometry();
    let plan = images::plan_sheet(
        SourceVideo::from_track(movie_file.track()),
        &geometry,
        geometry.sheet(1).unwrap(),
    );
    let (_, rendered) = movie_file.sheet(geometry.sheet(1).unwrap());
    for name in ["sheet.jpg", "sheet.webp", "9.jpg"] {
        let path = rendered.path(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(plan.verify(&rendered.path("")).is_err(), "{name}");
        fs::remove_file(&path).unwrap();
        let missing = plan.verify(&rendered.path("")).expect_err("a missing file").to_string();
        assert!(missing.starts_with(name), "{missing}");
        fs::write(&path, &bytes).unwrap();
        plan.verify(&rendered.path("")).expect("whole again");
    }
}

#[test]
fn real_files_have_images() {
    let Some(samples) = env::var_os("TEST_MEDIA_SAMPLES") else {
        eprintln!("this test did not run: TEST_MEDIA_SAMPLES names no folder");
        return;
    };
    if !ffmpeg::is_installed() {
        return;
    }
    let mut with_pictures = 0;
    for entry in fs::read_dir(samples).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !path
            .extension()
            .is_some_and(|ending| ending == "mp4" || ending == "mov" || ending == "MOV")
        {
            continue;
        }
        let Some(movie_file) = MovieFile::open(&path) else { continue };
        let Ok(track) = stills::track(&movie_file.movie) else { continue };
        let middle = movie_file.duration_ms() / 2;
        let Ok(stills) = stills::nearest(track, &[middle], &movie_file.reader) else {
            eprintln!("{name}: no key frames");
            continue;
        };
        movie_file.thumbnail(&stills, SizeRequest::default());
        movie_file.thumbnail(&movie_file.exact(middle), SizeRequest::default());
        movie_file.sheet(movie_file.geometry().sheet(1).unwrap());
        with_pictures += 1;
    }
    assert!(with_pictures > 0);
}

#[test]
fn audio_and_encrypted_titles_have_no_images_and_name_the_reason() {
    if !ffmpeg::is_installed() {
        return;
    }
    let refused = |path: &Path| {
        let movie_file = MovieFile::open(path).expect("a movie");
        stills::track(&movie_file.movie).expect_err("no images").to_string()
    };
    let reason = refused(clips::named("audio-only.m4a").path());
    assert_eq!(reason, "the title has no video");
    let folder = Folder::new();
    let path = folder.path("encrypted.mp4");
    let source = clips::named("b-frames.mp4").path().to_str().unwrap();
    let key = "00112233445566778899aabbccddeeff";
    let how =
        ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key];
    let copy = ["-i", source, "-map", "0:v", "-c", "copy"];
    ffmpeg::run(&[&copy[..], &how, &[path.to_str().unwrap()]].concat()).expect("a movie");
    assert_eq!(refused(&path), "the video of the title is encrypted");
}
