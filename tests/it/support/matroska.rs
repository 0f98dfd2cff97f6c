//! Matroska of every form: by ffmpeg, by mkvmerge, and by a writer that writes the same frames in ways that
//! neither of them offers.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::{Mutex, PoisonError},
};

use headwater::transcode::program::find_program;
use matroska_demuxer::{Frame, MatroskaFile};

use crate::support::ffmpeg;

/// Raise this when the clips change.
const VERSION: u32 = 1;

/// Whether mkvmerge is installed. Prints a line if not.
pub fn has_mkvmerge() -> bool {
    let is_installed = find_program("mkvmerge").is_some();
    if !is_installed {
        eprintln!("this test did not run in full: mkvmerge is not installed");
    }
    is_installed
}

/// A clip: its name, and ffmpeg's arguments in strings with spaces between them.
pub type Recipe = (&'static str, &'static [&'static str]);

const VIDEO: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=9";
const NTSC: &str = "-f lavfi -i testsrc2=size=192x108:rate=30000/1001:duration=9";
const FEW: &str = "-f lavfi -i testsrc2=size=128x72:rate=10:duration=8";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=9";
const OTHER: &str = "-f lavfi -i sine=frequency=660:sample_rate=44100:duration=9";
const AVC: &str = "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -g 50 -sc_threshold 0";
const AVC_B: &str = "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -g 50 -sc_threshold 0 \
    -bf 3 -x264-params b-adapt=0:b-pyramid=normal:ref=3";
const HEVC: &str = "-c:v libx265 -preset ultrafast -crf 36 -pix_fmt yuv420p \
    -x265-params keyint=50:min-keyint=50:scenecut=0:bframes=3:log-level=error";
const OPEN_GOP: &str = "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -x264-params \
    open-gop=1:keyint=40:min-keyint=1:scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal";
const AAC: &str = "-c:a aac -b:a 48k";
const OPUS: &str = "-c:a libopus -b:a 32k";

/// Clips of codecs and of options of ffmpeg's muxer.
pub const RECIPES: [Recipe; 19] = [
    ("b-frames.mkv", &[VIDEO, TONE, AVC_B, AAC]),
    ("ntsc.mkv", &[NTSC, OTHER, AVC_B, AAC]),
    ("video-only.mkv", &[NTSC, AVC_B]),
    ("open-gop.mkv", &[VIDEO, TONE, OPEN_GOP, AAC]),
    (
        "irregular-gops.mkv",
        &[VIDEO, TONE, AVC_B, AAC, "-force_key_frames 0.6,1.04,3.32,3.4,5.2,8.88"],
    ),
    ("hevc-ac-3.mkv", &[VIDEO, TONE, HEVC, "-c:a ac3"]),
    (
        "av1-opus.mkv",
        &[FEW, TONE, "-c:v libaom-av1 -usage realtime -cpu-used 8 -crf 50 -g 20", OPUS],
    ),
    (
        "vp9-flac.mkv",
        &[FEW, TONE, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20 -c:a flac"],
    ),
    ("vp9-opus.webm", &[FEW, TONE, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20", OPUS]),
    ("opus.mkv", &[VIDEO, TONE, AVC_B, OPUS]),
    ("e-ac-3.mkv", &[VIDEO, TONE, AVC, "-c:a eac3"]),
    ("mp3.mkv", &[VIDEO, OTHER, AVC, "-c:a libmp3lame -b:a 64k"]),
    ("alac.mkv", &[VIDEO, TONE, AVC, "-c:a alac"]),
    (
        "two-audio.mkv",
        &[VIDEO, TONE, OTHER, AVC_B, "-map 0:v -map 1:a -map 2:a -c:a:0 aac -c:a:1 ac3"],
    ),
    ("live.mkv", &[VIDEO, TONE, AVC_B, AAC, "-live 1"]),
    ("cues-in-front.mkv", &[VIDEO, TONE, AVC_B, AAC, "-reserve_index_space 4096"]),
    ("small-clusters.mkv", &[VIDEO, TONE, AVC_B, AAC, "-cluster_time_limit 700"]),
    ("late.mkv", &[VIDEO, TONE, AVC_B, AAC, "-output_ts_offset 7.25"]),
    ("audio-only.mka", &[TONE, AAC]),
];

/// Clips by mkvmerge: its arguments, and the clip that it copies.
pub const MERGED: [(&str, &[&str], &str); 6] = [
    ("merged.mkv", &[], "b-frames.mkv"),
    ("merged-hevc.mkv", &[], "hevc-ac-3.mkv"),
    ("merged-opus.mkv", &[], "opus.mkv"),
    ("merged-no-cues.mkv", &["--no-cues"], "b-frames.mkv"),
    ("merged-mp3.mkv", &[], "mp3.mkv"),
    ("merged-fine.mkv", &["--timestamp-scale", "100000"], "ntsc.mkv"),
];

static MAKING: Mutex<()> = Mutex::new(());

fn cached(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("matroska-{VERSION}"));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    let _turn = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.exists() {
        let extension = path.extension().and_then(|end| end.to_str()).expect("an extension");
        let unfinished = folder.join(format!("in-progress-{}.{extension}", process::id()));
        make(&unfinished);
        fs::rename(&unfinished, &path).expect("the same file system");
    }
    path
}

/// The clip of a recipe, encoded if absent.
pub fn encoded(name: &str) -> PathBuf {
    let (name, recipe) =
        RECIPES.iter().find(|recipe| recipe.0 == name).expect("a clip of this name");
    cached(name, |path| {
        let mut arguments: Vec<&str> =
            recipe.iter().flat_map(|several| several.split_whitespace()).collect();
        arguments.extend(["-y", path.to_str().expect("text")]);
        ffmpeg::run(&arguments).unwrap_or_else(|why| panic!("could not encode {name}: {why}"));
    })
}

/// A clip by mkvmerge, made if absent.
pub fn merged(name: &str) -> PathBuf {
    let (name, arguments, source) =
        MERGED.iter().find(|clip| clip.0 == name).expect("a clip of this name");
    let source = encoded(source);
    cached(name, |path| {
        let program = find_program("mkvmerge").expect("has_mkvmerge() checked it");
        let output = Command::new(program)
            .arg("-q")
            .arg("-o")
            .arg(path)
            .args(*arguments)
            .arg(source)
            .output();
        let output = output.expect("the program runs");
        assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    })
}

/// A frame as another reader finds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OtherFrame {
    /// Number of its track.
    pub track: u64,
    /// In ticks of the file.
    pub time: u64,
    /// `None` if its block does not tell it.
    pub is_key: Option<bool>,
    pub data: Vec<u8>,
}

/// All frames of a file, in its order, by the other reader.
pub fn demuxed(file: &[u8]) -> Vec<OtherFrame> {
    let mut reader = MatroskaFile::open(io::Cursor::new(file)).expect("a file of Matroska");
    let mut frame = Frame::default();
    let mut frames = Vec::new();
    while reader.next_frame(&mut frame).expect("frames") {
        frames.push(OtherFrame {
            track: frame.track,
            time: frame.timestamp,
            is_key: frame.is_keyframe,
            data: frame.data.clone(),
        });
    }
    frames
}
