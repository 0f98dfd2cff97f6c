//! Times that make no sense (kind K5).

use crate::support::{
    box_patches::{in_track, locate_boxes, numbers, of_kind, patched, with_table},
    clips, ffmpeg,
    movies::table,
    views::{Frame, Title, audio_packets, clip, frames},
};

const VIDEO: &[u8; 4] = b"vide";

/// A clip without B-frames, so that `stts` alone gives its times: 269 frames of 1001 ticks.
const PLAIN: &str = "no-b-frames.mp4";

/// The sentences about times, by a part of each.
const SENTENCES: [&str; 9] = [
    "a negative duration (stts)",
    "The samples have no duration",
    "The last sample would last",
    "a composition offset (ctts) far from all others",
    "pass their 32-bit limit",
    "(tfdt) go back",
    "(tfdt) begin",
    "The movie header (mvhd) has no timescale",
    "The media header (mdhd) has no timescale",
];

/// The clip with these runs of durations of its video.
fn with_durations(of: &str, runs: &[u32]) -> Vec<u8> {
    with_table(&clip(of), VIDEO, b"stts", &table(b"stts", 0, 2, runs))
}

/// The number of frames and the duration of one, by `stts`.
fn durations(of: &str) -> (u32, u32) {
    let table = numbers(&clip(of), VIDEO, b"stts");
    assert_eq!(table[0], 1, "frames of one duration");
    (table[1], table[2])
}

/// Checks that a title says this about its times, and nothing else.
fn says_only(title: &Title, sentence: &str) {
    assert!(SENTENCES.contains(&sentence));
    let said: Vec<_> = SENTENCES.into_iter().filter(|sentence| title.says(sentence)).collect();
    assert_eq!(said, [sentence], "{:?}", title.problems());
}

#[test]
fn right_files_are_not_corrected() {
    if !ffmpeg::is_installed() {
        return;
    }
    for clip in clips::all() {
        let headwater = |clip: &clips::Clip| {
            let bytes = std::fs::read(clip.path()).expect("a clip");
            let grid_ms = std::num::NonZeroU32::new(6000).expect("not zero");
            headwater::movie::Movie::read(&bytes[..], grid_ms).expect("in memory")
        };
        // Its media begin after 4 GiB.
        if clip.file_name() == "past-4-gib.mp4" {
            continue;
        }
        let movie = headwater(clip).expect("a movie");
        for track in &movie.tracks {
            let corrections = track.index.corrections;
            let is_right =
                !corrections.change_tables() && corrections.wraps + corrections.restarts == 0;
            assert!(
                is_right && corrections.late_start.is_none(),
                "{}: {corrections:?}",
                clip.file_name()
            );
        }
    }
}

#[test]
fn negative_durations_move_no_other_frame() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (count, delta) = durations(PLAIN);
    let back = 0_u32.wrapping_sub(delta);
    let runs =
        [100, delta, 1, 3 * delta, 1, back, 1, delta, 1, delta, count - 145, delta, 1, 3 * delta];
    let runs = [&runs[..], &[1, back, 1, delta, 1, delta, 37, delta]].concat();
    let title = Title::new("negative.mp4", &with_durations(PLAIN, &runs));
    says_only(&title, "a negative duration (stts)");
    assert!(title.says("2 samples have a negative duration"));
    assert!((title.duration_s("video-1") - 9.0).abs() < 0.05);
    // What ffmpeg makes of the same file.
    title.every_view_shows(&frames(&title.path()));
}

#[test]
fn composition_offsets_far_from_all_others_do_not_decide_the_end() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("b-frames.mp4");
    let place = in_track(&original, VIDEO, b"ctts").expect("composition offsets");
    // Entries of the first half and of the second, half an hour late and one too early.
    for (name, offset) in [("late.mp4", 1800 * 12_800), ("early.mp4", -1800 * 12_800_i32)] {
        let mut file = original.clone();
        for entry in [41, 97] {
            file = patched(&file, place.start + 16 + 8 * entry + 4, &offset.to_be_bytes());
        }
        let title = Title::new(name, &file);
        says_only(&title, "a composition offset (ctts) far from all others");
        assert!((title.duration_s("video-1") - 9.0).abs() < 0.2, "{}", title.duration_s("video-1"));
        let digests = |frames: Vec<Frame>| {
            let mut digests: Vec<_> = frames.into_iter().map(|(_, digest)| digest).collect();
            digests.sort();
            digests
        };
        let expected = digests(frames(clips::named("b-frames.mp4").path().to_str().expect("text")));
        for view in ["play.mp4", "index.m3u8"] {
            assert_eq!(digests(frames(&title.url(view))), expected, "{name}, {view}");
        }
    }
}

/// The fragments of a file, without what follows them.
fn fragments(file: &[u8]) -> (usize, usize) {
    let boxes = locate_boxes(file);
    let start = boxes.iter().find(|place| place.kind == *b"moof").expect("a fragment").start;
    let end = boxes.iter().rfind(|place| place.kind == *b"mdat").expect("media").end;
    (start, end)
}

#[test]
fn fragments_whose_times_begin_again_go_on() {
    if !ffmpeg::is_installed() {
        return;
    }
    for (name, times) in [("twice.mp4", 2), ("thrice.mp4", 3)] {
        let original = clip("fragmented.mp4");
        let (start, end) = fragments(&original);
        let parts = original[start..end].repeat(times - 1);
        let title = Title::new(name, &[&original[..end], &parts].concat());
        says_only(&title, "(tfdt) go back");
        let once = frames(clips::named("fragmented.mp4").path().to_str().expect("text"));
        // Audio begins before the video, so that it is longer.
        let part_ns = 9_080_000_000;
        let later = |part: usize| i128::try_from(part).expect("a few") * part_ns;
        let all: Vec<Frame> = (0..times)
            .flat_map(|part| {
                once.iter().map(move |(at, digest)| (at + later(part), digest.clone()))
            })
            .collect();
        title.every_view_shows(&all);
        let audio = audio_packets(clips::named("fragmented.mp4").path().to_str().expect("text"));
        let all: Vec<_> = audio.iter().cycle().take(audio.len() * times).cloned().collect();
        title.every_view_has_audio(&all);
        let apart = title.duration_s("video-1") - title.duration_s("audio-1");
        assert!(apart.abs() < 0.03, "{apart}");
    }
}

/// Changes the decoding times of all fragments of a track, in ticks.
fn with_decode_times(file: &[u8], track: u32, change: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut changed = file.to_vec();
    for traf in of_kind(file, b"traf") {
        let inside = locate_boxes(file).into_iter();
        let tfdt = inside.filter(|place| place.kind == *b"tfdt" && traf.start < place.start);
        let tfdt = tfdt.into_iter().find(|place| place.end <= traf.end).expect("a decoding time");
        if file[traf.start + 20..][..4] == track.to_be_bytes() {
            let field = tfdt.start + 12..tfdt.start + 20;
            let time = u64::from_be_bytes(file[field.clone()].try_into().expect("eight bytes"));
            changed[field].copy_from_slice(&change(time).to_be_bytes());
        }
    }
    changed
}

#[test]
fn decoding_times_go_on_where_they_pass_32_bits() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("fragmented.mp4");
    // Both tracks pass the limit after five seconds, and begin far apart.
    let truncated = |ticks: u64| move |time: u64| (time + (1 << 32) - 5 * ticks) & 0xffff_ffff;
    let file = with_decode_times(&original, 1, truncated(12_800));
    let file = with_decode_times(&file, 2, truncated(48_000));
    let title = Title::new("wrap.mp4", &file);
    assert!(title.says("pass their 32-bit limit 1 time:") && title.says("(tfdt) begin"));
    assert!((title.duration_s("video-1") - 9.0).abs() < 0.1);
    let original = clips::named("fragmented.mp4").path().to_str().expect("text");
    title.every_view_shows(&frames(original));
    title.every_view_has_audio(&audio_packets(original));
    // One track alone, in the same timescale as before.
    let file = with_decode_times(&clip("fragmented-dash.mp4"), 1, |time| time + (1 << 31));
    let file = with_decode_times(&file, 2, |time| time + (1 << 31) / 12_800 * 48_000);
    let high = Title::new("high.mp4", &file);
    assert!(
        !high.says("pass their 32-bit limit") && !high.says("(tfdt) begin"),
        "{:?}",
        high.problems()
    );
}

#[test]
fn a_short_step_back_of_decoding_times_is_kept() {
    if !ffmpeg::is_installed() {
        return;
    }
    let file =
        with_decode_times(&clip("fragmented.mp4"), 2, |time| time.saturating_sub(time / 100));
    let title = Title::new("short.mp4", &file);
    assert!(!title.says("(tfdt) go back"), "{:?}", title.problems());
}

#[test]
fn frames_without_durations_share_the_duration_of_the_track() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (count, _) = durations(PLAIN);
    let title = Title::new("zero.mp4", &with_durations(PLAIN, &[count, 0]));
    says_only(&title, "The samples have no duration");
    assert!((title.duration_s("video-1") - 9.0).abs() < 0.05);
    let original = frames(clips::named(PLAIN).path().to_str().expect("text"));
    title.every_view_shows(&original);
    // Headers without a duration: 25 frames a second.
    let mut file = with_durations(PLAIN, &[count, 0]);
    for (kind, field) in [(b"mdhd", 24), (b"tkhd", 28), (b"mvhd", 24)] {
        let places = of_kind(&file, kind);
        for place in places {
            file[place.start + field..][..4].copy_from_slice(&[0; 4]);
        }
    }
    for elst in of_kind(&file, b"elst") {
        file[elst.start + 16..][..4].copy_from_slice(&[0; 4]);
    }
    let title = Title::new("nothing.mp4", &file);
    let expected = f64::from(count) / 25.0;
    assert!(
        (title.duration_s("video-1") - expected).abs() < 0.1,
        "{}",
        title.duration_s("video-1")
    );
    // One frame of another duration is a duration.
    let (count, delta) = durations(PLAIN);
    let some = Title::new("some.mp4", &with_durations(PLAIN, &[1, 0, count - 1, delta]));
    assert!(!some.says("The samples have no duration"));
}

#[test]
fn frames_of_fragments_without_durations_share_the_time_of_their_fragment() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("fragmented.mp4");
    let mut file = original.clone();
    for tfhd in of_kind(&original, b"tfhd") {
        // With a default duration after the number of the track.
        assert_eq!(original[tfhd.start + 11] & 0x0b, 8);
        if original[tfhd.start + 12..][..4] == [0, 0, 0, 1] {
            file[tfhd.start + 16..][..4].copy_from_slice(&[0; 4]);
        }
    }
    let title = Title::new("zero.mp4", &file);
    says_only(&title, "The samples have no duration");
    assert!((title.duration_s("video-1") - 9.0).abs() < 0.1, "{}", title.duration_s("video-1"));
    title.every_view_shows(&frames(clips::named("fragmented.mp4").path().to_str().expect("text")));
}

#[test]
fn a_last_frame_of_an_hour_lasts_as_long_as_the_others() {
    if !ffmpeg::is_installed() {
        return;
    }
    let (count, delta) = durations(PLAIN);
    let title =
        Title::new("hour.mp4", &with_durations(PLAIN, &[count - 1, delta, 1, 30_000 * 3600]));
    says_only(&title, "The last sample would last");
    assert!(title.says("would last 3600.000 s"));
    assert!((title.duration_s("video-1") - 9.0).abs() < 0.05);
    let original = frames(clips::named(PLAIN).path().to_str().expect("text"));
    title.every_view_shows(&original);
    // A still image: the headers give its duration, too.
    let mut file = with_durations(PLAIN, &[count - 1, delta, 1, 30_000 * 3600]);
    let mdhd = in_track(&file, VIDEO, b"mdhd").expect("a header");
    file[mdhd.start + 24..][..4].copy_from_slice(&(30_000_u32 * 3609).to_be_bytes());
    let still = Title::new("still.mp4", &file);
    assert!(!still.says("The last sample would last"));
}

#[test]
fn a_header_without_a_timescale_does_not_refuse_the_movie() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip(PLAIN);
    let mvhd = of_kind(&original, b"mvhd").remove(0);
    let mut file = patched(&original, mvhd.start + 20, &[0; 4]);
    // Edit lists are in ticks of the movie.
    for elst in of_kind(&original, b"elst") {
        file[elst.start + 16..][..4].copy_from_slice(&[0; 4]);
    }
    let title = Title::new("movie.mp4", &file);
    says_only(&title, "The movie header (mvhd) has no timescale");
    title.every_view_shows(&frames(clips::named(PLAIN).path().to_str().expect("text")));
}

#[test]
fn a_track_without_a_timescale_has_that_of_the_movie() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip(PLAIN);
    let mvhd = of_kind(&original, b"mvhd").remove(0);
    let mdhd = in_track(&original, VIDEO, b"mdhd").expect("a header");
    let mut file = patched(&original, mvhd.start + 20, &30_000_u32.to_be_bytes());
    file = patched(&file, mdhd.start + 20, &[0; 4]);
    for elst in of_kind(&file, b"elst") {
        file[elst.start + 16..][..4].copy_from_slice(&[0; 4]);
    }
    let title = Title::new("media.mp4", &file);
    says_only(&title, "The media header (mdhd) has no timescale");
    title.every_view_shows(&frames(clips::named(PLAIN).path().to_str().expect("text")));
}
