//! Time to parse the index of a movie of two hours, and to package it: segments, playlists, clips.
//!
//! ffmpeg makes the movie: 20 s of 720p at 30 fps and 2.5 Mbit/s with stereo AAC, repeated by stream
//! copy, with ffmpeg's interleaving and the index at the end. Nothing reads samples here, so that the
//! file has a hole in their place.
//!
//! There are two readers of the index: one from the page cache, as on an I/O thread, and one from
//! memory, whose time excludes the kernel.

use std::{
    fs::{self, File as Written},
    hint::black_box,
    num::NonZeroU32,
    os::unix::fs::FileExt as _,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use headwater::{
    extent::{
        File, Place, ReadAt, ReadError, Source,
        disk::{Buffers, DiskPoolSettings, Root, RootSettings},
    },
    movie::{Movie, Track},
    package::{
        clip::{self, Clip},
        cmaf, dash,
        faststart::faststart,
        hls, title,
    },
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The grid of segments in milliseconds: the default.
const GRID_MS: u32 = 6000;

/// A segment in the middle of the movie.
const SEGMENT: usize = 600;

/// Repetitions of 20 s after the first: two hours.
const MORE: &str = "359";

/// Everything that is derived from a movie.
pub fn packaging(criterion: &mut Criterion) {
    let Some(source) = SourceFile::create() else {
        eprintln!("! packaging is left out: ffmpeg is missing, or failed");
        return;
    };
    let grid_ms = NonZeroU32::new(GRID_MS).expect("not zero");
    let movie = Movie::read(&source.memory, grid_ms).expect("read").expect("a movie");
    let place = |is: fn(&Track) -> bool| movie.tracks.iter().position(is).expect("it has one");
    let (video, audio) = (place(Track::is_video), place(Track::is_audio));
    let version = title::version(source.file.identity().version(), GRID_MS);

    let mut group = criterion.benchmark_group("movie of 2 h");
    group.sample_size(20);
    group.bench_function("index, in memory", |bencher| {
        bencher.iter(|| Movie::read(black_box(&source.memory), grid_ms));
    });
    let index = || Movie::read(black_box(&source.file.nonblocking_reader()), grid_ms);
    index().expect("it is in the page cache").expect("a movie");
    group.bench_function("index, page cache", |bencher| bencher.iter(index));
    for (name, track) in [("video", &movie.tracks[video]), ("audio", &movie.tracks[audio])] {
        segment(&mut group, &format!("{name} segment, in memory"), &source, track, &source.memory);
        let reader = source.file.nonblocking_reader();
        segment(&mut group, &format!("{name} segment, page cache"), &source, track, &reader);
    }
    let whole = title::presentation(&movie, "A title", version);
    group.bench_function("presentation", |bencher| {
        bencher.iter(|| title::presentation(black_box(&movie), "A title", version));
    });
    group.bench_function("video playlist", |bencher| {
        bencher.iter(|| hls::media(black_box(&whole.tracks[0])));
    });
    group.bench_function("multivariant playlist", |bencher| {
        bencher.iter(|| hls::multivariant(black_box(&whole)));
    });
    group.bench_function("mpd", |bencher| bencher.iter(|| dash::manifest(black_box(&whole))));
    let in_front = || faststart(black_box(&movie), &source.file.nonblocking_reader());
    in_front().expect("read").expect("its index is at the end");
    group.bench_function("faststart", |bencher| bencher.iter(in_front));
    let minute = Clip { start_ms: 3_600_000, end_ms: Some(3_660_000), tracks: vec![video, audio] };
    let video = Clip { start_ms: 1, end_ms: None, tracks: vec![video] };
    let reader = source.file.nonblocking_reader();
    for (name, wanted) in [("clip of 60 s", minute), ("clip of the video of two hours", video)] {
        let clipped = || {
            let selection = clip::select(black_box(&movie), &wanted, &reader);
            selection.expect("a clip").layout(&movie)
        };
        group.bench_function(name, |bencher| bencher.iter(clipped));
        let (layout, file) = (clipped(), source.source());
        let middle = layout.len() / 2..layout.len();
        let window = || layout.window(black_box(middle.clone()), &file);
        window().expect("a window");
        group.bench_function(format!("window of a {name}"), |bencher| bencher.iter(window));
    }
    group.finish();
}

fn segment<R: ReadAt>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    sample: &SourceFile,
    track: &Track,
    reader: &R,
) {
    let source = sample.source();
    let segment = || cmaf::segment(black_box(track), SEGMENT, &source, reader);
    segment().expect("read").expect("a segment");
    group.bench_function(name, |bencher| bencher.iter(segment));
}

/// The movie as a file that Headwater has opened, and without its samples in memory.
struct SourceFile {
    file: Arc<File>,
    memory: Memory,
    /// Runs the threads of the file's disk pool.
    _runtime: Runtime,
    _folder: TempDir,
}

impl SourceFile {
    /// `None` without a working ffmpeg.
    fn create() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        encode(&at("short.mp4"), &at("whole.mp4"))?;
        let memory = Memory::of(&at("whole.mp4"));
        memory.write(&at("movie.mp4"));
        fs::remove_file(at("whole.mp4")).expect("removed");

        let runtime = Runtime::new().expect("a runtime");
        let deadline = Duration::from_secs(60);
        let settings = RootSettings {
            pool: DiskPoolSettings { threads: 1, queue: 16, deadline },
            open_files: 4,
            revalidate_after: Duration::from_secs(3600),
            quiet_period: None,
        };
        let root = Root::open("bench", folder.path(), Buffers::new(1 << 20), settings);
        let root = runtime.block_on(root).expect("a root");
        let place = Place::from(root);
        let file = runtime.block_on(place.open_file(Path::new("movie.mp4"))).expect("a file");
        // Fills the page cache.
        let mut index = vec![0; memory.tail.len()];
        file.blocking_reader().read_exact_at(memory.tail_at, &mut index).expect("read");
        Some(Self { file, memory, _runtime: runtime, _folder: folder })
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.file) as _
    }
}

/// Encodes the movie with ffmpeg; `None` if that fails.
fn encode(short: &Path, whole: &Path) -> Option<()> {
    let run = |arguments: &[&str], output: &Path| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(arguments).arg(output);
        command.status().ok()?.success().then_some(())
    };
    let frames = "testsrc2=s=1280x720:r=30:d=20,noise=alls=12:allf=t";
    // Audio longer than the video would shift each repetition.
    let tone = "sine=440:r=48000:d=19.9";
    let input = ["-f", "lavfi", "-i", frames, "-f", "lavfi", "-i", tone];
    let video = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "60"];
    let rate = ["-sc_threshold", "0", "-b:v", "2500k", "-maxrate", "2500k", "-bufsize", "2500k"];
    let audio = ["-c:a", "aac", "-b:a", "128k", "-ac", "2"];
    run(&[&input[..], &video, &rate, &audio].concat(), short)?;
    run(&["-stream_loop", MORE, "-i", short.to_str()?, "-c", "copy"], whole)
}

/// A movie file without its samples, each part at its offset.
struct Memory {
    len: u64,
    head: Vec<u8>,
    tail_at: u64,
    tail: Vec<u8>,
}

impl Memory {
    fn of(path: &Path) -> Self {
        let file = Written::open(path).expect("opened");
        let len = file.metadata().expect("a file").len();
        let mut at = 0;
        loop {
            let mut header = [0; 16];
            file.read_exact_at(&mut header, at).expect("a box");
            let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &b| sum << 8 | u64::from(b));
            let (header_len, size) = match number(&header[..4]) {
                1 => (16, number(&header[8..])),
                size => (8, size),
            };
            if &header[4..8] == b"mdat" {
                let read = |from: u64, to: u64| {
                    let mut bytes = vec![0; usize::try_from(to - from).expect("short")];
                    file.read_exact_at(&mut bytes, from).expect("read");
                    bytes
                };
                let end = at + size;
                let (head, tail) = (read(0, at + header_len), read(end, len));
                return Self { len, head, tail_at: end, tail };
            }
            at += size;
        }
    }

    /// Writes it as a sparse file.
    fn write(&self, path: &Path) {
        let file = Written::create_new(path).expect("created");
        file.set_len(self.len).expect("a hole");
        file.write_all_at(&self.head, 0).expect("written");
        file.write_all_at(&self.tail, self.tail_at).expect("written");
    }
}

impl ReadAt for Memory {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        match offset.checked_sub(self.tail_at) {
            Some(in_tail) => self.tail[..].read_exact_at(in_tail, into),
            None => self.head[..].read_exact_at(offset, into),
        }
    }
}
