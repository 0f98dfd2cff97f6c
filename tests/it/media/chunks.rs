//! Renditions that are encoded in chunks: no frame is lost, repeated or shifted, and the whole
//! joins its title.

use std::{
    fs,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
};

use headwater::{
    extent::disk::PlainFile,
    movie::{Movie, Track, codec::VideoRange},
    package::{clip::Span, renditions::check_alignment},
    transcode::{
        ffmpeg::probe_report::{self, ProbeReport},
        renditions::{
            audio,
            chunks::ChunkPlan,
            encode::{self, Colours, DecodeStart, EncodeSettings},
            join::{self, RenditionError},
            remux::{RemuxPlan, StreamAction},
            spec::{self, Effort, RenditionSpec, VideoCodec, VideoTrack},
        },
    },
};

use crate::support::{
    clips,
    ffmpeg::{self, Kind, Seconds},
    folder::Folder,
};

const GRID_MS: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// A title, as the ladder sees it.
struct MovieFile {
    path: PathBuf,
    movie: Movie,
    file: PlainFile,
}

impl MovieFile {
    fn open(path: &Path) -> Self {
        let file = PlainFile::open(path).expect("a file");
        let movie = Movie::read(&file, GRID_MS).expect("it is read").expect("a movie");
        Self { path: path.to_owned(), movie, file }
    }

    fn track(&self) -> &Track {
        self.movie.tracks.iter().find(|track| track.is_video()).expect("video")
    }

    fn plan(&self, chunk_ms: u64) -> ChunkPlan {
        let chunk_ms = NonZeroU64::new(chunk_ms).expect("a time");
        ChunkPlan::new(self.track(), &self.file, chunk_ms).expect("it is read")
    }

    fn encoder(&self, height: u32, codec: VideoCodec) -> EncodeSettings {
        let video = VideoTrack::from_track(self.track()).expect("video");
        let rendition =
            RenditionSpec::new(&video, height, codec, Effort::Quick).expect("it is smaller");
        EncodeSettings {
            rendition,
            colours: Colours::for_codec(&video, codec),
            may_be_interlaced: video.may_be_interlaced,
            is_turned: video.is_turned,
            threads: 1,
            start: DecodeStart::KeyFrame,
        }
    }

    /// Encodes all chunks, each on its own, the last first: none depends on the one before.
    fn encode(&self, folder: &Folder, plan: &ChunkPlan, encoder: &EncodeSettings) -> Vec<PathBuf> {
        let numbered = plan.chunks.iter().enumerate().rev();
        let mut files: Vec<PathBuf> = numbered
            .map(|(number, chunk)| {
                let path = folder.path(format!("chunk-{number}.mp4"));
                let output = path.to_str().expect("text");
                let arguments = encode::arguments(&self.path, plan, chunk, encoder, output);
                let arguments: Vec<_> =
                    arguments.iter().map(|argument| argument.to_str().expect("text")).collect();
                ffmpeg::run(&[&["-y"], &arguments[..]].concat()).expect("it is encoded");
                path
            })
            .collect();
        files.reverse();
        files
    }

    /// The rendition in chunks of about this many milliseconds.
    fn rendition(
        &self,
        folder: &Folder,
        chunk_ms: u64,
        encoder: &EncodeSettings,
    ) -> (PathBuf, usize) {
        let plan = self.plan(chunk_ms);
        let files = self.encode(folder, &plan, encoder);
        let output = folder.path(format!("rendition-{chunk_ms}.mp4"));
        let joined = join::join(&plan, GRID_MS, opened(&files), &output, |_| true)
            .unwrap_or_else(|why| panic!("{}: {why}", self.path.display()));
        assert_eq!(joined.lost, 0);
        assert_eq!(joined.frames, plan.frames());
        assert_eq!(joined.bytes, fs::metadata(&output).expect("a file").len());
        (output, files.len())
    }
}

/// The files of chunks, to join them.
fn opened<P: AsRef<Path>>(files: &[P]) -> impl ExactSizeIterator<Item = PlainFile> {
    files.iter().map(|file| PlainFile::open(file.as_ref()).expect("a file"))
}

/// The presentation times of the frames of a file, without those that an edit hides.
fn times(path: &Path) -> Vec<Seconds> {
    let path = path.to_str().expect("text");
    let tracks = ffmpeg::tracks(path).expect("tracks");
    let track = tracks.iter().find(|track| track.kind == Kind::Video).expect("video");
    let decoded = ffmpeg::decode(path, &[track.index]).expect("it is decoded").remove(0);
    decoded.frames.into_iter().map(|(time, _)| time).collect()
}

/// Checks that a rendition in some chunks has the same frames at the same times.
fn is_seamless(path: &Path, height: u32, codec: VideoCodec, chunk_ms: u64) -> usize {
    let name = path.display();
    let movie_file = MovieFile::open(path);
    let folder = Folder::new();
    let (output, chunks) =
        movie_file.rendition(&folder, chunk_ms, &movie_file.encoder(height, codec));
    let (expected, actual) = (times(path), times(&output));
    if expected != actual {
        let place = expected.iter().zip(&actual).position(|(ours, theirs)| ours != theirs);
        panic!(
            "{name}: {} frames and {} in the rendition; the first at another time is {place:?}: \
             {:?} {:?}",
            expected.len(),
            actual.len(),
            place.map(|place| (expected[place].nanoseconds(), actual[place].nanoseconds())),
            (expected.first(), actual.first())
        );
    }
    let rendition = MovieFile::open(&output);
    assert_eq!(check_alignment(&movie_file.movie, &rendition.movie), Ok(()), "{name}");
    let segments = |movie_file: &MovieFile| -> Vec<i64> {
        movie_file.track().index.segments.iter().map(|segment| segment.start).collect()
    };
    assert_eq!(segments(&movie_file), segments(&rendition), "{name}");
    assert_eq!(movie_file.track().index.end, rendition.track().index.end, "{name}");
    assert_eq!(movie_file.track().timescale, rendition.track().timescale, "{name}");
    // Decoding times rise, and no frame is shown before its own.
    let tracks = ffmpeg::tracks(output.to_str().expect("text")).expect("tracks");
    let packets = &tracks[0].packets;
    assert!(packets.is_sorted_by(|a, b| a.dts < b.dts), "{name}");
    assert!(packets.iter().all(|packet| packet.dts <= Some(packet.pts)), "{name}");
    chunks
}

#[test]
fn every_frame_of_every_kind_of_movie_keeps_its_time() {
    if !ffmpeg::is_installed() {
        return;
    }
    for (name, chunks) in [
        ("b-frames.mp4", 3),
        ("no-b-frames.mp4", 3),
        ("vfr.mp4", 3),
        ("negative-ctts.mp4", 3),
        ("open-gop.mp4", 3),
        ("irregular-gops.mp4", 3),
        ("single-key-frame.mp4", 1),
        ("hevc-hvc1.mp4", 3),
        ("late-audio.mp4", 3),
        ("late-video.mp4", 3),
        ("cut-mid-gop.mp4", 2),
        ("fragmented.mp4", 3),
        ("fragmented-sidx.mp4", 3),
        ("partly-fragmented.mp4", 3),
        ("portrait.mp4", 3),
        ("wave.mov", 3),
        ("av1-opus.mp4", 3),
        ("vp9.mp4", 3),
    ] {
        let encoded = is_seamless(clips::named(name).path(), 36, VideoCodec::H264, 3000);
        assert_eq!(encoded, chunks, "{name}");
    }
}

#[test]
fn a_chunk_decoded_from_an_earlier_key_frame_is_the_same() {
    if !ffmpeg::is_installed() {
        return;
    }
    for name in ["open-gop.mp4", "irregular-gops.mp4", "fragmented.mp4"] {
        let movie_file = MovieFile::open(clips::named(name).path());
        let chunks = movie_file.plan(3000);
        let encoder = movie_file.encoder(36, VideoCodec::H264);
        let encode = |start| {
            let folder = Folder::new();
            let files = movie_file.encode(&folder, &chunks, &EncodeSettings { start, ..encoder });
            for (number, file) in (1..).zip(&files) {
                let lost = join::check(&chunks, number, GRID_MS, file);
                assert_eq!(lost.expect("the chunk"), 0, "{name}");
            }
            files.iter().map(|file| fs::read(file).expect("a file")).collect::<Vec<_>>()
        };
        assert!(encode(DecodeStart::KeyFrame) == encode(DecodeStart::PreviousKeyFrame), "{name}");
    }
}

/// A movie of this many seconds, by ffmpeg.
fn make(folder: &Folder, name: &str, how: &str) -> PathBuf {
    let path = folder.path(name);
    let arguments: Vec<_> = how.split_whitespace().collect();
    let output = ["-y", path.to_str().expect("text")];
    ffmpeg::run(&[&arguments[..], &output].concat()).expect("a movie");
    path
}

const AVC: &str = "-c:v libx264 -preset ultrafast -crf 30 -pix_fmt yuv420p -g 48 -bf 3";

#[test]
fn frame_rates_that_do_not_divide_the_timescale_keep_every_tick() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    for (name, rate) in [("film.mp4", "24000/1001"), ("sport.mp4", "60000/1001")] {
        let video = format!("-f lavfi -i testsrc2=size=192x108:rate={rate}:duration=12");
        let path = make(&folder, name, &format!("{video} {AVC}"));
        assert_eq!(is_seamless(&path, 54, VideoCodec::H264, 4000), 3, "{name}");
    }
}

#[test]
fn renditions_in_other_codecs_join_seamlessly() {
    if !ffmpeg::is_installed() {
        return;
    }
    let path = clips::named("vfr.mp4").path();
    for codec in [VideoCodec::Hevc, VideoCodec::Av1] {
        assert_eq!(is_seamless(path, 72, codec, 3000), 3, "{codec}");
    }
}

/// The similarity of a rendition and its title: SSIM, averaged over all frames.
fn similarity(rendition: &Path, title: &Path) -> f64 {
    let [rendition, title] = [rendition, title].map(|path| path.to_str().expect("text"));
    let compared =
        "[1:v][0:v]scale2ref=flags=bicubic[title][encoded];[encoded][title]ssim=stats_file=-";
    let inputs = ["-i", rendition, "-i", title, "-lavfi", compared, "-f", "null", "/dev/null"];
    let lines = String::from_utf8(ffmpeg::run(&inputs).expect("it is compared")).expect("text");
    let all =
        |line: &str| -> Option<f64> { line.split_once("All:")?.1.split(' ').next()?.parse().ok() };
    let frames: Vec<f64> = lines.lines().filter_map(all).collect();
    assert!(frames.len() > 100, "{lines}");
    frames.iter().sum::<f64>() / frames.len() as f64
}

#[test]
fn a_rendition_in_chunks_has_the_quality_of_a_rendition_in_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let source = "-f lavfi -i mandelbrot=size=640x360:rate=25 -t 16";
    let path = make(&folder, "film.mp4", &format!("{source} {AVC} -crf 16"));
    let movie_file = MovieFile::open(&path);
    let encoder = movie_file.encoder(240, VideoCodec::H264);
    let (whole, one) = movie_file.rendition(&folder, 1_000_000, &encoder);
    let (joined, several) = movie_file.rendition(&folder, 4000, &encoder);
    assert_eq!((one, several), (1, 4));
    let (whole, joined) = (similarity(&whole, &path), similarity(&joined, &path));
    assert!((whole - joined).abs() < 0.002, "{joined} in chunks, {whole} in one");
    assert!(joined > 0.9, "{joined}");
}

#[test]
fn chunks_that_do_not_make_up_the_title_are_refused() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let movie_file = MovieFile::open(clips::named("b-frames.mp4").path());
    let chunks = movie_file.plan(3000);
    let files = movie_file.encode(&folder, &chunks, &movie_file.encoder(54, VideoCodec::H264));
    let output = folder.path("rendition.mp4");
    let join = |files: &[&PathBuf]| join::join(&chunks, GRID_MS, opened(files), &output, |_| true);
    let [first, second, third] = &files[..] else { panic!("{files:?}") };
    let refused = join(&[first, second]).expect_err("a chunk is missing");
    assert!(matches!(refused, RenditionError::Chunks { found: 2, expected: 3 }), "{refused}");
    let refused = join(&[first, third, second]).expect_err("they are in disorder");
    assert!(
        matches!(refused, RenditionError::Frames { .. } | RenditionError::Segments { .. }),
        "{refused}"
    );
    let other =
        movie_file.encode(&Folder::new(), &chunks, &movie_file.encoder(36, VideoCodec::H264));
    assert_eq!(other.len(), 3);
    let cut = folder.path("cut.mp4");
    let bytes = fs::read(second).expect("a file");
    fs::write(&cut, &bytes[..bytes.len() / 2]).expect("a file");
    let refused = join(&[first, &cut, third]).expect_err("a chunk is truncated");
    assert!(matches!(refused, RenditionError::InvalidChunk { number: 2, .. }), "{refused}");
    assert!(!output.exists(), "nothing is written before it is known to be right");
    let stopped = join::join(&chunks, GRID_MS, opened(&files), &output, |_| false);
    assert!(matches!(stopped, Err(RenditionError::Stopped)));
    join(&[first, second, third]).expect("a rendition");
}

/// A movie remuxed from any file, and which tracks were encoded.
fn remuxed(folder: &Folder, path: &Path) -> (PathBuf, RemuxPlan) {
    let path_text = path.to_str().expect("text");
    let report =
        ffmpeg::probe(&[&probe_report::ARGUMENTS[..], &[path_text]].concat()).expect("a report");
    let remux = RemuxPlan::new(&ProbeReport::parse(&report).expect("a report")).expect("a movie");
    let output = folder.path("movie.mp4");
    let arguments = remux.arguments(path, &folder.path(""), 1);
    let arguments: Vec<_> =
        arguments.iter().map(|argument| argument.to_str().expect("text")).collect();
    ffmpeg::run(&[&["-y"], &arguments[..]].concat()).expect("a movie");
    (output, remux)
}

#[test]
fn other_containers_and_codecs_become_movies_that_browsers_decode() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let video = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=6";
    let tone = "-f lavfi -i sine=sample_rate=48000:duration=6";
    folder.put("film.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    let text = folder.path("film.srt");
    let text = format!("-i {} -c:s srt", text.display());
    for (name, how, encodes_pictures, encodes_sound) in [
        ("a.mkv", format!("{video} {tone} {text} {AVC} -c:a ac3"), false, true),
        ("b.mkv", format!("{video} {tone} {AVC} -c:a flac"), false, false),
        ("a.ts", format!("{video} {tone} {AVC} -c:a aac"), false, false),
        ("b.ts", format!("{video} {tone} -c:v mpeg2video -c:a mp2"), true, true),
        ("a.avi", format!("{video} {tone} -c:v mpeg4 -bf 2 -c:a mp3"), true, true),
        (
            "a.webm",
            format!("{video} {tone} -c:v libvpx -deadline realtime -c:a libvorbis"),
            true,
            true,
        ),
        ("a.wmv", format!("{video} {tone} -c:v wmv2 -c:a wmav2"), true, true),
        ("a.flv", format!("{video} {tone} {AVC} -c:a aac"), false, false),
    ] {
        let source = make(&folder, name, &how);
        let (path, remux) = remuxed(&folder, &source);
        assert_eq!(remux.encodes_video(), encodes_pictures, "{name}");
        let is_encoded =
            |(_, fate): &(u32, StreamAction)| matches!(fate, StreamAction::EncodeAudio { .. });
        assert_eq!(remux.streams.iter().any(is_encoded), encodes_sound, "{name}");
        let movie_file = MovieFile::open(&path);
        let is_fine = |track: &Track| track.entry.packageable().is_ok();
        assert_eq!(movie_file.movie.tracks.len(), 2, "{name}");
        assert_eq!(remux.texts.len(), usize::from(name == "a.mkv"), "{name}");
        assert!(
            movie_file.movie.tracks.iter().take(2).all(is_fine),
            "{name}: {:?}",
            movie_file.movie
        );
        assert!(VideoTrack::from_track(movie_file.track()).expect("video").is_playable, "{name}");
        let (count, expected) = (times(&path).len(), times(&source).len());
        assert_eq!(count, expected, "{name}");
        if name.starts_with("a.") {
            is_seamless(&path, 54, VideoCodec::H264, 2000);
        }
    }
}

#[test]
fn a_movie_that_browsers_cannot_decode_gets_a_rendition_in_its_own_size() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let source = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=9";
    let path = make(&folder, "old.mp4", &format!("{source} -c:v mpeg4 -bf 2 -g 50"));
    let movie_file = MovieFile::open(&path);
    let video = VideoTrack::from_track(movie_file.track()).expect("video");
    let renditions = spec::build_ladder(&video, VideoCodec::H264, Effort::Quick);
    let [own] = renditions[..] else { panic!("{renditions:?}") };
    assert_eq!((own.frame_width, own.frame_height), (192, 108));
    let encoder = EncodeSettings {
        rendition: own,
        colours: Colours::Sdr,
        may_be_interlaced: false,
        is_turned: true,
        threads: 1,
        start: DecodeStart::KeyFrame,
    };
    let (output, chunks) = movie_file.rendition(&folder, 3000, &encoder);
    assert_eq!(chunks, 3);
    assert_eq!(times(&output), times(&path));
}

#[test]
fn high_dynamic_range_becomes_standard_where_the_codec_has_no_hdr() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let high = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=4 -c:v libx265 -preset ultrafast \
        -pix_fmt yuv420p10le -x265-params log-level=error:keyint=25 -color_primaries bt2020 \
        -color_trc smpte2084 -colorspace bt2020nc -tag:v hvc1";
    let movie_file = MovieFile::open(&make(&folder, "high.mp4", high));
    for (codec, range) in [(VideoCodec::H264, VideoRange::Sdr), (VideoCodec::Hevc, VideoRange::Pq)]
    {
        let (output, _) = movie_file.rendition(&folder, 2000, &movie_file.encoder(54, codec));
        let rendition = MovieFile::open(&output);
        assert_eq!(
            VideoTrack::from_track(rendition.track()).expect("video").range,
            range,
            "{codec}"
        );
    }
}

#[test]
fn audio_that_browsers_cannot_decode_becomes_aac_and_stays_in_sync() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let video = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=6";
    let tone = "-itsoffset 1.5 -f lavfi -i sine=frequency=440:sample_rate=48000:duration=4";
    let how = format!("{video} {tone} {AVC} -c:a ac3 -ac 6 -fps_mode passthrough");
    let movie_file = MovieFile::open(&make(&folder, "film.mp4", &how));
    let is_audio = |track: &&Track| track.is_audio();
    let track = movie_file.movie.tracks.iter().find(is_audio).expect("audio");
    assert!(audio::is_encodable(track));
    let output = folder.path("audio.mp4");
    let output = output.to_str().expect("text");
    let stream = audio::stream(&movie_file.movie, track);
    let arguments = audio::arguments(&movie_file.path, &stream, audio::channels(track), output);
    let arguments: Vec<_> =
        arguments.iter().map(|argument| argument.to_str().expect("text")).collect();
    ffmpeg::run(&[&["-y"], &arguments[..]].concat()).expect("audio");
    let encoded = MovieFile::open(Path::new(output));
    let [aac] = &encoded.movie.tracks[..] else { panic!("{:?}", encoded.movie) };
    assert!(audio::is_playable(aac));
    assert_eq!(aac.index.segments[0].start, 0);
    // The start of the tone, and the end of the file.
    let raw = ["-i", output, "-ac", "1", "-ar", "48000", "-f", "s16le", "-"];
    let pcm = ffmpeg::run(&raw).expect("samples");
    let samples = pcm.chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]]));
    let heard = samples.clone().position(|sample| sample.unsigned_abs() > 200).expect("a tone");
    let (heard_ms, duration_ms) = (heard / 48, samples.len() / 48);
    assert!((1490..1515).contains(&heard_ms), "{heard_ms}");
    assert!((5450..5600).contains(&duration_ms), "{duration_ms}");
}

#[test]
fn the_samples_of_a_movie_whose_edit_list_hides_some_are_not_piped() {
    for (name, is_piped) in [("b-frames.mp4", true), ("cut-mid-gop.mp4", false)] {
        let file = MovieFile::open(clips::named(name).path());
        let span = Span::new(file.track(), 0..i64::MAX, &file.file).expect("it is read");
        assert_eq!(span.is_some(), is_piped, "{name}");
    }
}
