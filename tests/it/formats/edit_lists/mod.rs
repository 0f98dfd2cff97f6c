//! Edit lists of several parts (kind K3).
//!
//! The expected frames and times are computed here from the media without its edit list, as ISO/IEC
//! 14496-12 section 8.6.6 defines them: ffmpeg repeats media in the place of a gap, and plays a held frame
//! on. What ffmpeg decodes of HLS, DASH and a clip must be equal to it.

mod reports; // lists that cannot be meant, and what inspect says

use std::{
    fs,
    num::{NonZeroU32, NonZeroU64},
    sync::LazyLock,
    time::Duration,
};

use headwater::{
    extent::disk::PlainFile,
    movie::Movie,
    package::{cues, stills},
    transcode::renditions::{
        chunks::ChunkPlan,
        encode::{self, Colours, DecodeStart, EncodeSettings},
        spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
    },
};

use crate::support::{
    box_patches::{of_kind, patched, replaced},
    clips,
    ffmpeg::{self, Kind},
    folder::Folder,
    movies,
    server::{Serving, serve_with},
    streams::fetch,
};

/// Of the clip: 25 frames per second, key frames every two seconds, three B-frames, and audio.
const CLIP: &str = "b-frames.mp4";
const VIDEO_TIMESCALE: i64 = 12_800;
const AUDIO_TIMESCALE: i64 = 48_000;

/// The presentation times of both tracks begin here in the media: B-frame delay and priming.
const MEDIA_START: i64 = 1024;

/// Half an audio frame, in nanoseconds.
const HALF_FRAME_NS: i128 = 10_666_667;
const MS: i128 = 1_000_000;

/// A frame that lasts less is decoded for others, and not visible.
const VISIBLE_NS: i128 = MS;

/// A line of an edit list, in milliseconds of the presentation. Times of video are multiples of 40.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Plays the media from a time on, for a duration.
    Play(i64, i64),
    /// Nothing, for a duration.
    Gap(i64),
    /// The frame of a time (`media_rate` 0), for a duration.
    Hold(i64, i64),
}
use Line::{Gap, Hold, Play};

fn entry(duration: i64, media_time: i64, rate: u32) -> Vec<u8> {
    let duration = u32::try_from(duration).expect("short");
    let media_time = i32::try_from(media_time).expect("short");
    [duration.to_be_bytes(), media_time.to_be_bytes(), (rate << 16).to_be_bytes()].concat()
}

impl Line {
    fn entry(self, timescale: i64) -> Vec<u8> {
        let media_time = |from: i64| MEDIA_START + from * timescale / 1000;
        match self {
            Play(from, duration) => entry(duration, media_time(from), 1),
            Gap(duration) => entry(duration, -1, 1),
            Hold(from, duration) => entry(duration, media_time(from), 0),
        }
    }

    fn duration(self) -> i64 {
        match self {
            Play(_, duration) | Gap(duration) | Hold(_, duration) => duration,
        }
    }
}

/// Replaces the edit list of a track, by its place in the file.
fn with_entries(file: &[u8], track: usize, entries: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).expect("few");
    let elst = movies::full(b"elst", 0, 0, &[&count.to_be_bytes(), &entries.concat()]);
    match of_kind(file, b"elst").get(track) {
        Some(found) => replaced(file, found.start..found.end, &elst),
        None => {
            let tkhd = &of_kind(file, b"tkhd")[track];
            replaced(file, tkhd.end..tkhd.end, &movies::boxed(b"edts", &[&elst]))
        }
    }
}

fn with_lines(file: &[u8], track: usize, lines: &[Line]) -> Vec<u8> {
    let timescale = if track == 0 { VIDEO_TIMESCALE } else { AUDIO_TIMESCALE };
    let entries: Vec<_> = lines.iter().map(|line| line.entry(timescale)).collect();
    with_entries(file, track, &entries)
}

fn grid() -> NonZeroU32 {
    NonZeroU32::new(6000).expect("milliseconds")
}

fn clip_bytes() -> Vec<u8> {
    fs::read(clips::named(CLIP).path()).expect("a clip")
}

/// The clip with these edit lists.
fn edited(video: &[Line], audio: &[Line]) -> Vec<u8> {
    with_lines(&with_lines(&clip_bytes(), 0, video), 1, audio)
}

/// The decoded frames and the audio packets of the clip without an edit list: nanoseconds of the media after
/// `MEDIA_START`, and digests.
struct Media {
    frames: Vec<(i128, String)>,
    packets: Vec<(i128, String)>,
}

static MEDIA: LazyLock<Media> = LazyLock::new(|| {
    let folder = Folder::new();
    let mut file = clip_bytes();
    for list in of_kind(&file, b"edts") {
        file = patched(&file, list.start + 4, b"free");
    }
    let path = folder.put("plain.mp4", file);
    let path = path.to_str().expect("text");
    let start = |timescale: i64| i128::from(MEDIA_START) * 1_000_000_000 / i128::from(timescale);
    let (frames, packets) = read(path);
    let before = |list: Vec<(i128, String)>, start: i128| {
        list.into_iter().map(|(at, digest)| (at - start, digest)).collect()
    };
    Media {
        frames: before(frames, start(VIDEO_TIMESCALE)),
        packets: before(packets, start(AUDIO_TIMESCALE)),
    }
});

type Timed = Vec<(i128, String)>;

/// The decoded frames and the audio packets of a file or URL.
fn read(input: &str) -> (Timed, Timed) {
    let tracks = ffmpeg::tracks(input).expect(input);
    let mut frames = Vec::new();
    if let Some(video) = tracks.iter().find(|track| track.kind == Kind::Video) {
        let decoded = ffmpeg::decode(input, &[video.index]).expect(input).remove(0);
        frames = decoded.frames.into_iter().map(|(at, it)| (at.nanoseconds(), it)).collect();
    }
    let audio = tracks.iter().find(|track| track.kind == Kind::Audio);
    let packets = audio.map_or_else(Vec::new, |audio| {
        let timed =
            |packet: &ffmpeg::Packet| (audio.shown_at(packet).nanoseconds(), packet.digest.clone());
        audio.shown().map(timed).collect()
    });
    (frames, packets)
}

/// The frames that an edit list shows, and when.
fn expected(lines: &[Line]) -> Timed {
    let mut at = 0_i128;
    let mut shown = Vec::new();
    for line in lines {
        let (from, duration) = match *line {
            Play(from, duration) => (from, duration),
            Hold(from, _) => (from, 40),
            Gap(_) => (0, 0),
        };
        let (from, until) = (i128::from(from) * MS, i128::from(from + duration) * MS);
        let frames = MEDIA.frames.iter().filter(|(time, _)| {
            // Rounding to nanoseconds must not decide.
            (from - 1000..until - 1000).contains(time)
        });
        shown.extend(frames.map(|(time, digest)| (time - from + at, digest.clone())));
        at += i128::from(line.duration()) * MS;
    }
    shown
}

/// The end of an edit list, in nanoseconds.
fn end_ns(lines: &[Line]) -> i128 {
    lines.iter().map(|line| i128::from(line.duration()) * MS).sum()
}

/// Compares the visible frames with those of an edit list. Returns how much later they are in the view.
fn same_frames(frames: &[(i128, String)], lines: &[Line]) -> Result<i128, String> {
    // The last frame may be one that is only decoded, just before the end.
    let end = frames.first().map_or(0, |(at, _)| *at) + end_ns(lines);
    let ends = frames.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let visible: Vec<_> =
        frames.iter().zip(ends).filter(|((at, _), end)| end - at > VISIBLE_NS).collect();
    let expected = expected(lines);
    if visible.len() != expected.len() {
        return Err(format!("{} visible frames instead of {}", visible.len(), expected.len()));
    }
    let offset = visible.first().map_or(0, |((at, _), _)| *at) - expected[0].0;
    for (number, (((at, digest), _), (due, original))) in visible.iter().zip(&expected).enumerate()
    {
        if digest != original {
            return Err(format!("frame {number}, at {} ms, is another one", due / MS));
        }
        if (at - due - offset).abs() > MS {
            return Err(format!("frame {number} comes at {} ms instead of {}", at / MS, due / MS));
        }
    }
    Ok(offset)
}

/// Checks that each audio packet comes when an edit list has it, within half a frame, and that none is
/// missing.
fn same_audio(packets: &[(i128, String)], lines: &[Line], offset: i128) -> Result<(), String> {
    let mut wanted = 0;
    let mut at = 0;
    let mut placed = Vec::new();
    for line in lines {
        let until = at + i128::from(line.duration()) * MS;
        if let Play(_, duration) = *line {
            wanted += duration * AUDIO_TIMESCALE / 1000;
        }
        placed.push((at, until, *line));
        at = until;
    }
    let mut played = 0;
    for (time, digest) in packets {
        let time = time - offset;
        let middle = time + HALF_FRAME_NS;
        // The first and the last frame may reach beyond the list.
        if middle < 0 || (middle >= at && time < at) {
            continue;
        }
        let is_media = MEDIA.packets.iter().any(|(_, original)| original == digest);
        played += i64::from(is_media) * 1024;
        // At a border within rounding, either side is right.
        let mut around =
            placed.iter().filter(|(at, until, _)| (at - 2 * MS..until + 2 * MS).contains(&middle));
        let fits = around.any(|(at, _, line)| match *line {
            Play(from, _) => {
                let due = time - at + i128::from(from) * MS;
                let is_same = |(original_at, original): &(i128, String)| {
                    (original_at - due).abs() <= HALF_FRAME_NS + MS && original == digest
                };
                MEDIA.packets.iter().any(is_same)
            }
            // A frame of silence.
            _ => !is_media,
        });
        if !fits {
            return Err(format!("the audio at {} ms is another one", time / MS));
        }
    }
    let tolerance = 1024 * (2 + i64::try_from(lines.len()).expect("few"));
    if (played - wanted).abs() > tolerance {
        return Err(format!("{played} audio samples instead of {wanted}"));
    }
    Ok(())
}

/// Serves files with segments of two seconds, so that pieces span segments and segments span pieces.
fn serving(folder: &Folder) -> Serving {
    serve_with(&[folder.path("")], "segment_ms = 2000")
}

/// Plays a title with these edit lists as HLS, DASH and a clip.
fn plays(name: &str, video: &[Line], audio: &[Line]) {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let file = format!("{name}.mp4");
    folder.put(&file, edited(video, audio));
    let serving = serving(&folder);
    for view in ["index.m3u8", "manifest.mpd", "play.mp4?start=0&end=100"] {
        let url = format!("http://{}/v/{file}/{view}", serving.address);
        let (frames, packets) = read(&url);
        let compared =
            same_frames(&frames, video).and_then(|offset| same_audio(&packets, audio, offset));
        if let Err(why) = compared {
            panic!("{view}: {why}");
        }
    }
    for (folder, lines) in [("video-1", video), ("audio-1", audio)] {
        let lasts = playlist_ns(&serving, &file, folder);
        let due = end_ns(lines);
        assert!((lasts - due).abs() < 30 * MS, "{folder} lasts {lasts} ns instead of {due}");
    }
}

/// The sum of the EXTINF of a media playlist.
fn playlist_ns(serving: &Serving, title: &str, folder: &str) -> i128 {
    let client = &mut serving.connect();
    let master = fetch(client, &format!("/v/{title}/index.m3u8")).body;
    let master = String::from_utf8(master).expect("text");
    let is_its = |url: &&str| url.contains(&format!("/{folder}/")) && url.ends_with("media.m3u8");
    let url = master.split(['"', '\n']).find(is_its).expect("a playlist").to_owned();
    let target = crate::support::manifests::resolve(&format!("/v/{title}/index.m3u8"), &url);
    let playlist = String::from_utf8(fetch(client, &target).body).expect("text");
    let durations = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    let ns = |duration: &str| {
        let seconds: f64 = duration.trim_end_matches(',').parse().expect("a number");
        i128::try_from(Duration::from_secs_f64(seconds).as_nanos()).expect("short")
    };
    durations.map(ns).sum()
}

// ---- Pieces ----------------------------------------------------------------

#[test]
fn two_parts_play_one_after_the_other() {
    let lines = [Play(0, 2000), Play(6000, 3000)];
    plays("two", &lines, &lines);
}

#[test]
fn media_that_an_edit_list_repeats_plays_twice() {
    let lines = [Play(0, 4000), Play(0, 4000)];
    plays("twice", &lines, &lines);
}

#[test]
fn parts_that_go_back_between_key_frames_play_as_listed() {
    // No key frame, and in the middle of B-frames.
    let lines = [Play(5080, 1000), Play(2760, 2120), Play(840, 1560), Play(6360, 1000)];
    plays("back", &lines, &lines);
}

#[test]
fn a_frame_that_is_cut_out_is_the_only_one_missing() {
    let lines = [Play(0, 3000), Play(3040, 3000)];
    plays("cut", &lines, &lines);
}

#[test]
fn many_short_parts_stay_in_sync() {
    let lines: Vec<_> = (0..40).map(|part| Play(part * 200 % 7000, 120)).collect();
    plays("short", &lines, &lines);
}

#[test]
fn a_first_edit_of_one_tick_does_not_end_the_track() {
    let lines = [Play(0, 1), Play(40, 7000)];
    // The frame of one millisecond is not visible.
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    folder.put("tiny.mp4", edited(&lines, &lines));
    let serving = serving(&folder);
    let url = format!("http://{}/v/tiny.mp4/index.m3u8", serving.address);
    let (frames, _) = read(&url);
    same_frames(&frames[1..], &lines[1..]).expect("the rest");
    let lasts = playlist_ns(&serving, "tiny.mp4", "video-1");
    assert!((lasts - 7001 * MS).abs() < MS, "{lasts}");
}

#[test]
fn an_audio_title_plays_its_parts() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let audio = folder.path("audio.m4a");
    let (from, to) = (clips::named(CLIP).path(), audio.to_str().expect("text"));
    ffmpeg::run(&["-i", from.to_str().expect("text"), "-vn", "-c", "copy", to]).expect("a copy");
    let lines = [Play(4000, 1500), Play(1000, 2500), Gap(500), Play(0, 3000)];
    let file = fs::read(&audio).expect("a file");
    let entries: Vec<_> = lines.iter().map(|line| line.entry(AUDIO_TIMESCALE)).collect();
    folder.put("audio.m4a", with_entries(&file, 0, &entries));
    let serving = serving(&folder);
    for view in ["index.m3u8", "manifest.mpd"] {
        let (_, packets) = read(&format!("http://{}/v/audio.m4a/{view}", serving.address));
        let first = packets.first().expect("packets").0;
        // The frame before the start is decoded as well, and hidden or not.
        let offset = if first < -MS { 0 } else { first };
        same_audio(&packets, &lines, offset).unwrap_or_else(|why| panic!("{view}: {why}"));
    }
}

#[test]
fn cues_follow_the_pieces_of_their_track() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let cues = "1\n00:00:01,000 --> 00:00:02,500\none\n\n2\n00:00:05,000 --> 00:00:06,000\ntwo\n\n";
    let cues = folder.put("cues.srt", cues);
    let path = folder.path("cues.mp4");
    let (from, output) = (cues.to_str().expect("text"), path.to_str().expect("text"));
    ffmpeg::run(&["-i", from, "-c:s", "mov_text", output]).expect("a text track");
    let file = fs::read(&path).expect("a file");
    // A text track's media begins at 0 and has microseconds. Cue two, then one from its middle on.
    let entries = [entry(1500, 4_800_000, 1), entry(1000, 1_500_000, 1)];
    fs::write(&path, with_entries(&file, 0, &entries)).expect("a file");
    let file = PlainFile::open(&path).expect("a file");
    let movie = Movie::read(&file, grid()).expect("readable").expect("MP4");
    let read = cues::read(&movie.tracks[0], &file).expect("readable");
    let times: Vec<_> =
        read.cues().iter().map(|cue| (cue.start_ms, cue.end_ms, cue.text.as_str())).collect();
    assert_eq!(times, [(200, 1200, "two"), (1500, 2500, "one")]);
}

// ---- Gaps and held frames -------------------------------------------------------

#[test]
fn after_a_gap_both_tracks_play_on_in_time() {
    let lines = [Play(0, 3000), Gap(2000), Play(3000, 4000)];
    plays("gap", &lines, &lines);
}

#[test]
fn a_gap_in_the_audio_alone_keeps_it_in_sync() {
    let audio = [Play(0, 3000), Gap(2000), Play(3000, 3960)];
    plays("silent", &[Play(0, 8960)], &audio);
}

#[test]
fn a_gap_in_the_video_alone_holds_its_last_frame() {
    let video = [Play(0, 2000), Gap(1400), Play(5000, 2000)];
    plays("blind", &video, &[Play(0, 5400)]);
}

#[test]
fn an_edit_of_rate_zero_holds_a_frame() {
    plays("hold", &[Hold(0, 2000), Play(0, 6000)], &[Play(0, 8000)]);
    plays(
        "hold-in-the-middle",
        &[Play(0, 3000), Hold(3000, 1000), Play(3000, 4000)],
        &[Play(0, 8000)],
    );
    plays("hold-at-the-end", &[Play(0, 3000), Hold(2960, 1000)], &[Play(0, 4000)]);
}

// ---- Clips and images -----------------------------------------------------------

#[test]
fn a_clip_across_two_pieces_has_the_frames_of_both() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let lines = [Play(0, 2000), Play(5080, 3000)];
    folder.put("two.mp4", edited(&lines, &lines));
    let serving = serving(&folder);
    for (start, end, parts) in [
        ("1.2", "3.2", vec![Play(1200, 800), Play(5080, 1200)]),
        ("2.4", "3.2", vec![Play(5480, 800)]),
    ] {
        let view = format!("play.mp4?start={start}&end={end}");
        let (frames, packets) = read(&format!("http://{}/v/two.mp4/{view}", serving.address));
        let offset = same_frames(&frames, &parts).unwrap_or_else(|why| panic!("{view}: {why}"));
        same_audio(&packets, &parts, offset).unwrap_or_else(|why| panic!("{view}: {why}"));
    }
}

#[test]
fn an_image_shows_the_frame_of_its_time_in_the_second_piece() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    // Key frames of the media are at 0, 2, 4, 6 and 8 s: at 4.92 s of the title.
    let lines = [Play(0, 2000), Play(5080, 3000)];
    let path = folder.put("two.mp4", edited(&lines, &lines));
    let file = PlainFile::open(&path).expect("a file");
    let movie = Movie::read(&file, grid()).expect("readable").expect("MP4");
    let track = stills::track(&movie).expect("video");
    let exact = |time_ms: u64| {
        let stills = stills::exact(track, time_ms, &file).expect("a frame");
        stills.times_ms[stills.second as usize]
    };
    for time_ms in [0, 1999, 2000, 2039, 2040, 2920, 4900] {
        assert_eq!(exact(time_ms), time_ms / 40 * 40, "at {time_ms} ms");
    }
    // The key frames that are shown: what is cut out is no image.
    let key_frames = stills::nearest(track, &[0, 1000, 1900, 2100, 2900], &file).expect("frames");
    assert_eq!(key_frames.times_ms, [0, 0, 2920, 2920, 2920]);
}

#[test]
fn a_rendition_has_the_frames_of_all_pieces_that_begin_with_a_key_frame() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let lines = [Play(0, 2000), Play(6000, 2000)];
    let path = folder.put("edited.mp4", edited(&lines, &[Play(0, 4000)]));
    let file = PlainFile::open(&path).expect("a file");
    let movie = Movie::read(&file, grid()).expect("readable").expect("MP4");
    let track = stills::track(&movie).expect("video");
    let chunk_ms = NonZeroU64::new(2000).expect("milliseconds");
    let plan = ChunkPlan::new(track, &file, chunk_ms).expect("readable");
    let video = VideoTrack::from_track(track).expect("video");
    let rendition =
        RenditionSpec::new(&video, 54, VideoCodec::H264, Effort::Quick).expect("smaller");
    let colours = Colours::for_codec(&video, VideoCodec::H264);
    let settings = EncodeSettings {
        rendition,
        colours,
        may_be_interlaced: false,
        is_turned: false,
        threads: 1,
        start: DecodeStart::KeyFrame,
    };
    let output = folder.path("chunk.mp4");
    let output = output.to_str().expect("text");
    // There is no place in the file to seek to, so that all is one chunk.
    assert_eq!(plan.chunks.len(), 1);
    let arguments = encode::arguments(&path, &plan, &plan.chunks[0], &settings, output);
    let arguments: Vec<_> =
        arguments.iter().map(|argument| argument.to_str().expect("text")).collect();
    ffmpeg::run(&[&["-y"], &arguments[..]].concat()).expect("it is encoded");
    let times: Vec<_> = read(output).0.into_iter().map(|(at, _)| at).collect();
    let due: Vec<_> = expected(&lines).into_iter().map(|(at, _)| at).collect();
    assert_eq!(u64::try_from(due.len()).expect("few"), plan.frames());
    assert_eq!(times.len(), due.len());
    for (at, due) in times.iter().zip(&due) {
        assert!((at - due).abs() < MS, "a frame at {at} ns instead of {due}: {times:?}");
    }
}

#[test]
fn a_lead_in_between_key_frames_takes_no_time_in_segments() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let lines = [Play(3120, 5000)];
    let path = folder.put("cut.mp4", edited(&lines, &lines));
    plays("cut", &lines, &lines);
    let file = PlainFile::open(&path).expect("a file");
    let movie = Movie::read(&file, grid()).expect("readable").expect("MP4");
    // A player that ignores the edit list of the init segment is late by this: the delay of B-frames.
    let (start, media_time) = movie.tracks[0].output_times();
    let late_ms = (media_time - start) * 1000 / i64::from(movie.tracks[0].timescale.get());
    assert!(late_ms <= 125, "{late_ms} ms");
}
