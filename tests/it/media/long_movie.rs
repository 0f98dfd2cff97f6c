//! A title of a day at 60 frames a second: the memory of its index, and the time to build its
//! views.

use std::{num::NonZeroU32, time::Instant};

use headwater::{
    extent::{ReadAt, ReadError},
    movie::Movie,
    package::clip::{self, Clip, ClipRefused},
};

use crate::support::{
    broken_movies::BrokenMovie,
    client::Client,
    folder::Folder,
    movies::{Plan, boxed, full, moov_of, table, words},
    program::Program,
};

/// The memory limit of its index, in bytes.
const INDEX_BYTES_MAX: usize = 3_000_000;

/// Frames of a day.
const VIDEO_FRAMES: u32 = 24 * 60 * 60 * 60;
/// Audio frames of a day: 1024 samples each at 48 kHz.
const AUDIO_FRAMES: u32 = 24 * 60 * 60 * 48_000 / 1024;
/// Average bytes of a video frame and of an audio frame: 4.8 Mbit/s and 128 kbit/s.
const VIDEO_FRAME_BYTES: u32 = 10_000;
const AUDIO_FRAME_BYTES: u32 = 341;
/// Each half second has a chunk of video and one of audio.
const CHUNKS: u32 = 24 * 60 * 60 * 2;

/// The file except for its media, which are zeros.
struct Day {
    front: Vec<u8>,
    len: u64,
}

impl Day {
    fn new() -> Self {
        let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4], b"isom"]);
        // The media follow the index, whose length does not depend on their offset.
        let start = (ftyp.len() + Self::moov(0).len() + 16) as u64;
        let moov = Self::moov(start);
        let media =
            u64::from(VIDEO_FRAMES) * u64::from(VIDEO_FRAME_BYTES) + u64::from(CHUNKS) * 8192;
        let mdat = [&words([1])[..], b"mdat", &(media + 16).to_be_bytes()].concat();
        Self { front: [ftyp, moov, mdat].concat(), len: start + media }
    }

    fn moov(start: u64) -> Vec<u8> {
        let frames_of_chunk = VIDEO_FRAMES / CHUNKS;
        let stride = u64::from(frames_of_chunk * VIDEO_FRAME_BYTES) + 8192;
        let offsets = |skipped: u64| {
            let offsets = (0..u64::from(CHUNKS)).map(|chunk| start + chunk * stride + skipped);
            let entries: Vec<u8> = offsets.flat_map(u64::to_be_bytes).collect();
            full(b"co64", 0, 0, &[&words([CHUNKS]), &entries])
        };
        // I P B B …, and sizes that vary.
        let compositions =
            (0..VIDEO_FRAMES).flat_map(|frame| [1, [1, 3, 0, 0][frame as usize % 4] * 1000]);
        let sizes = (0..VIDEO_FRAMES).map(|frame| VIDEO_FRAME_BYTES - 1 + frame % 3);
        let video = [
            table(b"stts", 0, 2, &[VIDEO_FRAMES, 1000]),
            table(b"ctts", 0, 2, &compositions.collect::<Vec<_>>()),
            table(b"stss", 0, 1, &(1..=VIDEO_FRAMES).step_by(120).collect::<Vec<_>>()),
            table(b"stsc", 0, 3, &[1, frames_of_chunk, 1]),
            full(b"stsz", 0, 0, &[&words([0, VIDEO_FRAMES]), &words(sizes)]),
            offsets(8192),
        ];
        // 23 or 24 in each chunk.
        let frames_before = |chunk: u64| {
            u32::try_from(chunk * u64::from(AUDIO_FRAMES) / u64::from(CHUNKS)).unwrap()
        };
        let runs = (0..u64::from(CHUNKS)).flat_map(|chunk| {
            let count = frames_before(chunk + 1) - frames_before(chunk);
            [u32::try_from(chunk).unwrap() + 1, count, 1]
        });
        let audio = [
            table(b"stts", 0, 2, &[AUDIO_FRAMES, 1024]),
            table(b"stsc", 0, 3, &runs.collect::<Vec<_>>()),
            full(
                b"stsz",
                0,
                0,
                &[
                    &words([0, AUDIO_FRAMES]),
                    &words((0..AUDIO_FRAMES).map(|frame| AUDIO_FRAME_BYTES - 1 + frame % 3)),
                ],
            ),
            offsets(0),
        ];
        let mut plan = Plan::video(1, 0);
        plan.timescale = 60_000;
        plan.edits = vec![(0, 1000)];
        let slices = |tables: &[Vec<u8>]| tables.to_vec();
        moov_of(&[(plan, slices(&video)), (Plan::audio(2, 0), slices(&audio))])
    }
}

impl ReadAt for Day {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(into.len() as u64).filter(|end| *end <= self.len);
        end.ok_or(ReadError::Truncated)?;
        into.fill(0);
        if let Ok(start) = usize::try_from(offset)
            && let Some(front) = self.front.get(start..)
        {
            let length = front.len().min(into.len());
            into[..length].copy_from_slice(&front[..length]);
        }
        Ok(())
    }
}

#[test]
fn the_index_of_a_day_at_sixty_frames_a_second_is_small() {
    let grid_ms = NonZeroU32::new(6000).unwrap();
    let movie = Movie::read(&Day::new(), grid_ms).expect("it can be read").expect("it is a movie");
    let [video, audio] = &movie.tracks[..] else { panic!("two tracks: {movie:?}") };
    for (track, samples) in [(video, VIDEO_FRAMES), (audio, AUDIO_FRAMES)] {
        assert_eq!((track.index.end_sample, track.index.fault), (samples, None));
        assert_eq!(track.index.segments.len(), 24 * 60 * 60 / 6);
    }
    assert!(movie.bytes() < INDEX_BYTES_MAX, "{}", movie.bytes());
}

#[test]
fn a_clip_of_a_day_is_refused_by_the_index_alone() {
    let grid_ms = NonZeroU32::new(6000).unwrap();
    let movie = Movie::read(&Day::new(), grid_ms).expect("it can be read").expect("it is a movie");
    let hours = |start: u64, end: Option<u64>| {
        let in_ms = |hours| hours * 3_600_000;
        let tracks = vec![0, 1];
        clip::check(&movie, &Clip { start_ms: in_ms(start), end_ms: end.map(in_ms), tracks })
    };
    assert!(matches!(hours(0, None), Err(ClipRefused::TooLong)));
    assert!(matches!(hours(1, Some(23)), Err(ClipRefused::TooLong)));
    assert!(matches!(hours(24, None), Err(ClipRefused::Empty { title_ms: 86_400_000, .. })));
    assert!(hours(22, None).is_ok() && hours(1, Some(2)).is_ok());
}

/// `cargo test --release --test it -- --ignored --nocapture figures_of_a_day`
#[test]
#[ignore = "it asserts nothing; it prints figures"]
fn figures_of_a_day() {
    let folder = Folder::new();
    folder.put("short.mp4", &crate::support::movies::valid_movies()[0].1);
    let Day { front, len } = Day::new();
    BrokenMovie::sparse("a day", vec![(0, front)], len).write(&folder.path("day.mp4"));
    let program = Program::serve(&[folder.path("")], &[]);
    let get = |target: &str| Client::connect(program.address).request("GET", target, &[]);
    get("/v/short.mp4/index.m3u8");
    let (_, idle) = program.memory_kib();
    let timed = |what: &str, target: &str| {
        let begun = Instant::now();
        let response = get(target);
        let (took, (peak, now)) = (begun.elapsed(), program.memory_kib());
        println!(
            "{what:<20} {} {took:>10.1?} {:>9} B, peak {:>3} MiB above idle, after {:>3}",
            response.status,
            response.body.len(),
            peak.saturating_sub(idle) / 1024,
            now.saturating_sub(idle) / 1024
        );
        response
    };
    let multivariant = timed("index and playlist", "/v/day.mp4/index.m3u8");
    let text = String::from_utf8(multivariant.body).expect("text");
    let video = text.lines().find(|line| line.contains("/video-1/media")).expect("a variant");
    let folder_of = video.rsplit_once('/').unwrap().0;
    timed("media playlist", &format!("/v/day.mp4/{video}"));
    timed("I-frame playlist", &format!("/v/day.mp4/{folder_of}/iframes.m3u8"));
    timed("MPD", "/v/day.mp4/manifest.mpd");
    timed("MPD again", "/v/day.mp4/manifest.mpd");
    for number in [1, 7200, 14_400] {
        timed(&format!("segment {number}"), &format!("/v/day.mp4/{folder_of}/{number}.m4s"));
    }
    timed("a clip of a minute", "/v/day.mp4/play.mp4?start=40000&end=40060");
    timed("a clip of a day", "/v/day.mp4/play.mp4?start=1");
}
