//! Clips of every kind that a packager must handle, by ffmpeg: each encoded once, and cached in the
//! target directory across runs of the tests.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process,
    sync::{LazyLock, OnceLock},
    thread,
};

use crate::support::{boxes, ffmpeg};

/// Raise this when the steps after ffmpeg change: clips of another version are encoded again.
const VERSION: u32 = 1;

/// A clip, and how to encode it.
pub struct Clip {
    name: &'static str,
    /// The clip that is ffmpeg's first input, with the options before `-i`.
    input: Option<(&'static str, &'static str)>,
    /// ffmpeg's arguments, several in a string with spaces between them.
    arguments: Vec<&'static str>,
    then: Then,
    path: OnceLock<PathBuf>,
}

/// The step after ffmpeg.
#[derive(Clone, Copy, Hash)]
enum Then {
    Nothing,
    /// The video is rotated by 90 degrees.
    Turn,
    /// Chunk offsets have 64 bits.
    Widen,
    /// The media begin 4 GiB further back, behind a `free` box that is a hole in the file.
    PushFar,
}

fn clip(name: &'static str, arguments: &[&'static str]) -> Clip {
    let arguments = arguments.to_vec();
    Clip { name, input: None, arguments, then: Then::Nothing, path: OnceLock::new() }
}

impl Clip {
    fn with_input(self, other: &'static str, how: &'static str) -> Self {
        Self { input: Some((other, how)), ..self }
    }

    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }
}

const VIDEO: &str = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=9";
const NTSC: &str = "-f lavfi -i testsrc2=size=192x108:rate=30000/1001:duration=9";
const FEW: &str = "-f lavfi -i testsrc2=size=128x72:rate=10:duration=8";
const LONG: &str = "-f lavfi -i testsrc2=size=128x72:rate=25:duration=14";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=9";
const OTHER: &str = "-f lavfi -i sine=frequency=660:sample_rate=44100:duration=9";
const TONE_14_S: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=14";
const AVC: &str = "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -g 50 -sc_threshold 0";
/// Like `AVC`, with B-frames as references: the presentation order differs much from the decoding
/// order.
const AVC_B: &str = "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -g 50 -sc_threshold 0 \
    -bf 3 -x264-params b-adapt=0:b-pyramid=normal:ref=3";
const HEVC: &str = "-c:v libx265 -preset ultrafast -crf 36 -pix_fmt yuv420p \
    -x265-params keyint=50:min-keyint=50:scenecut=0:bframes=3:log-level=error";
const AAC: &str = "-c:a aac -b:a 48k";
const FRAGMENTS: &str = "-movflags frag_keyframe+empty_moov+default_base_moof";

/// The acceptance list.
static CLIPS: LazyLock<Vec<Clip>> = LazyLock::new(|| {
    vec![
        // B-frames, whose delay an edit list removes; moov at the end.
        clip("b-frames.mp4", &[VIDEO, TONE, AVC_B, AAC]),
        clip("moov-in-front.mp4", &[VIDEO, TONE, AVC_B, AAC, "-movflags faststart"]),
        clip("no-b-frames.mp4", &[NTSC, OTHER, AVC, AAC]),
        clip("video-only.mp4", &[NTSC, AVC_B]),
        // Frames of 40, 80 and 120 ms.
        clip(
            "vfr.mp4",
            &[VIDEO, TONE, r"-vf select=mod(n\,5)*mod(n\,7)*mod(n\,8)", AVC_B, AAC, PASS],
        ),
        clip("negative-ctts.mp4", &[VIDEO, TONE, AVC_B, AAC, "-movflags negative_cts_offsets"]),
        // Leading frames: shown before a sync sample, with references to frames before it.
        clip(
            "open-gop.mp4",
            &[
                VIDEO,
                TONE,
                "-c:v libx264 -preset ultrafast -crf 32 -pix_fmt yuv420p -x264-params",
                "open-gop=1:keyint=40:min-keyint=1:scenecut=0:bframes=3:b-adapt=0:b-pyramid=normal",
                AAC,
            ],
        ),
        clip(
            "irregular-gops.mp4",
            &[VIDEO, TONE, AVC_B, AAC, "-force_key_frames 0.6,1.04,3.32,3.4,5.2,8.88"],
        ),
        clip("single-key-frame.mp4", &[LONG, TONE_14_S, AVC_B, AAC, "-g 9999"]),
        clip(
            "two-audio.mp4",
            &[
                NTSC,
                TONE,
                OTHER,
                AVC_B,
                AAC,
                "-map 0:v -map 1:a -map 2:a -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu",
            ],
        ),
        // One variant for each audio codec.
        clip(
            "two-audio-codecs.mp4",
            &[VIDEO, TONE, OTHER, AVC, "-map 0:v -map 1:a -map 2:a -c:a:0 aac -c:a:1 ac3"],
        ),
        clip("hevc-hvc1.mp4", &[VIDEO, TONE, HEVC, AAC, "-tag:v hvc1"]),
        clip("hevc-hev1.mp4", &[VIDEO, TONE, HEVC, AAC, "-tag:v hev1"]),
        clip(
            "av1-opus.mp4",
            &[FEW, TONE, "-c:v libaom-av1 -usage realtime -cpu-used 8 -crf 50 -g 20", OPUS],
        ),
        clip("vp9.mp4", &[FEW, TONE, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20", AAC]),
        // Empty edits.
        clip("late-audio.mp4", &[VIDEO, "-itsoffset 1.5", TONE, AVC_B, AAC, PASS]),
        clip("late-video.mp4", &["-itsoffset 1.2", VIDEO, TONE, AVC_B, AAC, PASS]),
        // An edit that begins inside the media: 1.12 s of lead-in that must not be shown. It begins
        // at a frame, because ffmpeg shows a frame that begins later at once.
        clip("cut-mid-gop.mp4", &["-c copy"]).with_input("b-frames.mp4", "-ss 3.12"),
        clip("flac.mp4", &[VIDEO, TONE, AVC, "-c:a flac -strict -2"]),
        clip("ac-3.mp4", &[VIDEO, TONE, AVC, "-c:a ac3"]),
        clip("e-ac-3.mp4", &[VIDEO, TONE, AVC, "-c:a eac3"]),
        clip("mp3.mp4", &[VIDEO, TONE, AVC, "-c:a libmp3lame -b:a 64k"]),
        clip("opus.mp4", &[VIDEO, TONE, AVC_B, OPUS]),
        // `mp4a` of version 1 with its esds in `wave`.
        clip("wave.mov", &[VIDEO, TONE, AVC_B, AAC]),
        clip("portrait.mp4", &[VIDEO, TONE, AVC, AAC]).then(Then::Turn),
        clip("audio-only.m4a", &[TONE_14_S, AAC]),
        clip("alac.m4a", &[TONE, "-c:a alac"]),
        clip("co64.mp4", &[VIDEO, TONE, AVC_B, AAC]).then(Then::Widen),
        clip("past-4-gib.mp4", &[VIDEO, TONE, AVC_B, AAC]).then(Then::PushFar),
        clip("fragmented.mp4", &[VIDEO, TONE, AVC_B, AAC, FRAGMENTS]),
        clip(
            "fragmented-sidx.mp4",
            &[VIDEO, TONE, AVC_B, AAC, FRAGMENTS, "-movflags +global_sidx"],
        ),
        clip("fragmented-dash.mp4", &[VIDEO, TONE, AVC_B, AAC, FRAGMENTS, "-movflags +dash"]),
        // The first samples are in moov, all others in fragments.
        clip("partly-fragmented.mp4", &[VIDEO, TONE, AVC_B, AAC, "-movflags frag_keyframe"]),
    ]
});

/// Keeps the timestamps of the frames.
const PASS: &str = "-fps_mode passthrough";
const OPUS: &str = "-c:a libopus -b:a 32k";

/// All clips.
pub fn all() -> &'static [Clip] {
    &CLIPS
}

/// The clip of this name.
pub fn named(name: &str) -> &'static Clip {
    CLIPS.iter().find(|clip| clip.name == name).expect("a clip of this name")
}

/// The cache folder. It may hold other clips, of earlier runs.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Real files beside the repository, which are not part of it. Prints a line if there are none.
pub fn real_files() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/media");
    if !folder.is_dir() {
        eprintln!("this test did not run: there is no {}", folder.display());
        return None;
    }
    Some(folder)
}

/// The folder with all clips in it.
pub fn folder_of_all() -> PathBuf {
    let (one, other) = CLIPS.split_at(CLIPS.len() / 2);
    let make = |clips: &[Clip]| {
        clips.iter().for_each(|clip| {
            clip.path();
        });
    };
    thread::scope(|scope| {
        scope.spawn(|| make(one));
        make(other);
    });
    folder()
}

impl Clip {
    /// Its name, which describes its special feature.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name of its file in the [`folder`]. It contains a hash of the recipe, so that another
    /// recipe is another file.
    pub fn file_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash_to(&mut hasher);
        let (stem, extension) = self.name.rsplit_once('.').expect("an extension");
        format!("{stem}.{:016x}.{extension}", hasher.finish())
    }

    fn hash_to(&self, hasher: &mut DefaultHasher) {
        (VERSION, self.name, self.input, &self.arguments, self.then).hash(hasher);
        if let Some((other, _)) = self.input {
            named(other).hash_to(hasher);
        }
    }

    /// Its file, encoded if absent. Concurrent callers wait.
    pub fn path(&self) -> &Path {
        self.path.get_or_init(|| {
            let path = folder().join(self.file_name());
            if !path.exists() {
                self.encode(&path);
            }
            path
        })
    }

    fn encode(&self, path: &Path) {
        // Beside the folder, which a server may be serving, and on its file system. Other processes
        // may be encoding the same clip.
        let in_progress = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips-in-progress");
        fs::create_dir_all(&in_progress).expect("a folder");
        let unfinished = in_progress.join(format!("{}-{}", process::id(), self.name));
        let mut arguments = Vec::new();
        if let Some((other, how)) = self.input {
            arguments.extend(how.split_whitespace());
            arguments.push("-i");
            arguments.push(named(other).path().to_str().expect("text"));
        }
        arguments.extend(self.arguments.iter().flat_map(|several| several.split_whitespace()));
        arguments.extend(["-y", unfinished.to_str().expect("text")]);
        ffmpeg::run(&arguments)
            .unwrap_or_else(|why| panic!("could not encode {}: {why}", self.name));
        self.then.apply(&unfinished);
        fs::rename(&unfinished, path).expect("the same file system");
    }
}

impl Then {
    fn apply(self, path: &Path) {
        if matches!(self, Self::Nothing) {
            return;
        }
        let mut bytes = fs::read(path).expect("a file");
        match self {
            Self::Nothing => {}
            Self::Turn => {
                boxes::turn_first_track(&mut bytes);
                fs::write(path, bytes).expect("a file");
            }
            Self::Widen => {
                fs::write(path, boxes::with_wide_offsets(&bytes, 0)).expect("a file");
            }
            Self::PushFar => {
                let far = 1_u64 << 32;
                let moved = boxes::with_wide_offsets(&bytes, far);
                let (first, rest) = moved.split_at(boxes::all(&moved, "ftyp")[0].whole.end);
                let file = File::create(path).expect("a file");
                let at = first.len() as u64;
                let free = [&1_u32.to_be_bytes(), &b"free"[..], &far.to_be_bytes()].concat();
                file.write_all_at(first, 0).expect("disk space");
                file.write_all_at(&free, at).expect("disk space");
                file.write_all_at(rest, at + far).expect("disk space");
            }
        }
    }
}

/// Checks in the bytes of a clip what its name promises: an encoder or muxer that stops writing it
/// must not make the tests pass for nothing.
#[test]
fn each_clip_has_what_its_name_promises() {
    if !ffmpeg::is_installed() {
        return;
    }
    let bytes = |name: &str| fs::read(named(name).path()).expect("a clip");
    let has = |name: &str, what: &[u8]| {
        let found = bytes(name).windows(what.len()).any(|window| window == what);
        assert!(found, "{name} has no {}", what.escape_ascii());
    };
    let order = |name: &str| -> String {
        let bytes = bytes(name);
        let list = boxes::list(&bytes, 0..bytes.len()).expect("boxes");
        list.iter().map(|found| format!("{} ", found.kind.escape_ascii())).collect()
    };
    assert_eq!(order("b-frames.mp4"), "ftyp free mdat moov ");
    assert_eq!(order("moov-in-front.mp4"), "ftyp moov free mdat ");
    let fragments = order("fragmented.mp4");
    assert!(fragments.starts_with("ftyp moov moof mdat moof mdat "), "{fragments}");
    assert!(order("fragmented-sidx.mp4").starts_with("ftyp moov sidx "));
    assert!(order("fragmented-dash.mp4").contains("sidx moof mdat sidx sidx moof mdat "));
    let partly = order("partly-fragmented.mp4");
    assert!(partly.starts_with("ftyp moov mdat moof mdat "), "{partly}");
    for name in ["late-audio.mp4", "late-video.mp4"] {
        let bytes = bytes(name);
        let edits = boxes::contents(&bytes, "moov/trak/edts/elst");
        let is_empty =
            |edits: &&&[u8]| boxes::number(&edits[4..]) == 2 && edits[12..16] == [255; 4];
        assert_eq!(edits.iter().filter(is_empty).count(), 1, "{name}: {edits:?}");
    }
    for (name, lead_in_min) in [("b-frames.mp4", 1), ("cut-mid-gop.mp4", 12_000)] {
        let edits = bytes(name);
        let media_time = boxes::number(&boxes::contents(&edits, "moov/trak/edts/elst")[0][12..]);
        assert!(media_time >= lead_in_min, "{name}: {media_time}");
    }
    let negative = bytes("negative-ctts.mp4");
    let offsets = boxes::contents(&negative, "moov/trak/mdia/minf/stbl/ctts")[0];
    let mut entries = offsets[8..].chunks(8);
    assert!(entries.any(|entry| entry[4] == 255), "no negative offset");
    let vfr = bytes("vfr.mp4");
    let durations = boxes::contents(&vfr, "moov/trak/mdia/minf/stbl/stts")[0];
    assert!(boxes::number(&durations[4..]) > 10, "a constant frame rate");
    let sync_samples = |name: &str| {
        let bytes = bytes(name);
        boxes::number(&boxes::contents(&bytes, "moov/trak/mdia/minf/stbl/stss")[0][4..])
    };
    assert_eq!(sync_samples("single-key-frame.mp4"), 1);
    assert!(sync_samples("open-gop.mp4") > 4);
    assert!(sync_samples("irregular-gops.mp4") > 6);
    for name in ["co64.mp4", "past-4-gib.mp4"] {
        let moov = if name == "co64.mp4" { bytes(name) } else { tail(named(name).path()) };
        assert!(moov.windows(4).any(|window| window == b"co64"), "{name}");
        assert!(!moov.windows(4).any(|window| window == b"stco"), "{name}");
    }
    for (name, entry) in [
        ("hevc-hvc1.mp4", &b"hvc1"[..]),
        ("hevc-hev1.mp4", b"hev1"),
        ("av1-opus.mp4", b"av01"),
        ("av1-opus.mp4", b"Opus"),
        ("vp9.mp4", b"vp09"),
        ("flac.mp4", b"fLaC"),
        ("ac-3.mp4", b"ac-3"),
        ("e-ac-3.mp4", b"ec-3"),
        ("alac.m4a", b"alac"),
        ("wave.mov", b"wave"),
    ] {
        has(name, entry);
    }
    // The version of a QuickTime sound description is eight bytes into the sample entry.
    let wave = bytes("wave.mov");
    let entries = boxes::contents(&wave, "moov/trak/mdia/minf/stbl/stsd");
    let entry = entries.iter().find(|entries| &entries[12..16] == b"mp4a").expect("an audio entry");
    assert_eq!(entry[24..26], [0, 1], "version 1");
    let turned = ffmpeg::tracks(named("portrait.mp4").path().to_str().unwrap()).expect("a movie");
    assert_eq!(turned[0].rotation.map(i64::abs), Some(90));
}

/// The end of a file that is too long to read.
fn tail(path: &Path) -> Vec<u8> {
    let file = File::open(path).expect("a file");
    let length = file.metadata().expect("a file").len();
    assert!(length > 1 << 32, "{length}");
    let mut bytes = vec![0; 20_000];
    file.read_exact_at(&mut bytes, length - 20_000).expect("its end");
    bytes
}
