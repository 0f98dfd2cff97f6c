//! All frames of a file, once each, with their times.

use std::{fs, num::NonZeroU32};

use headwater::movie::{Movie, Track};

use crate::support::{
    ffmpeg,
    matroska::{self, MERGED, OtherFrame, RECIPES},
    matroska_writer::{Form, Lacing, rewritten},
};

/// Segments begin with each key frame that is a second behind the one before.
const GRID_MS: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

fn read(file: &[u8]) -> Movie {
    Movie::read(file, GRID_MS).expect("in memory").unwrap_or_else(|why| panic!("{why}"))
}

/// A sample with its bytes.
struct Found {
    presented: i64,
    dts: i64,
    duration: u32,
    is_sync: bool,
    bytes: Vec<u8>,
}

/// All samples of a track, segment after segment, checked on the way.
fn samples(name: &str, track: &Track, file: &[u8]) -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    let segments = &track.index.segments;
    assert!(segments.windows(2).all(|two| two[0].start < two[1].start), "{name}: {segments:?}");
    for (number, segment) in segments.iter().enumerate() {
        let mut walk = track.walk_segment(file, number);
        let first = all.len();
        while let Some(sample) = walk.next_sample().expect("in memory") {
            let start = usize::try_from(sample.offset).expect("in memory");
            let in_file = sample.size as usize - track.prefix.len();
            let composition = i64::from(sample.composition);
            assert!(composition + i64::from(track.index.raise) >= 0, "{name}: {sample:?}");
            all.push(Found {
                presented: sample.dts + composition + track.timeline.shift,
                dts: sample.dts,
                duration: sample.duration,
                is_sync: sample.is_sync,
                bytes: [&track.prefix, &file[start..start + in_file]].concat(),
            });
        }
        assert!(all.len() > first, "{name}: segment {number} of {} is empty", track.handler);
        let begins = &all[first];
        assert!(begins.is_sync, "{name}: segment {number}");
        if track.is_video() {
            assert_eq!(begins.presented.max(0), segment.start, "{name}: segment {number}");
        } else if number > 0 {
            assert!(begins.presented >= segment.start - 24, "{name}: segment {number}");
        }
    }
    let is_continuous = |two: &[Found]| two[0].dts + i64::from(two[0].duration) == two[1].dts;
    assert!(all.windows(2).all(is_continuous), "{name}: {} has gaps or overlaps", track.handler);
    let last = all.iter().map(|sample| sample.presented + i64::from(sample.duration)).max();
    if !track.is_video() {
        assert_eq!(last, Some(track.index.end), "{name}");
    }
    all
}

/// Compares the samples of all tracks with the frames that the other reader finds, in a file whose ticks have
/// this many nanoseconds.
fn compare(name: &str, file: &[u8], scale_ns: i64, others: &[OtherFrame]) {
    let movie = read(file);
    assert!(!movie.tracks.is_empty() && movie.left_out.is_empty(), "{name}: {:?}", movie.left_out);
    for track in &movie.tracks {
        let found = samples(name, track, file);
        let expected: Vec<&OtherFrame> =
            others.iter().filter(|frame| frame.track == u64::from(track.id)).collect();
        assert_eq!(found.len(), expected.len(), "{name}: {} {}", track.handler, track.id);
        let ticks = |time: u64| {
            let ns = i128::from(time) * i128::from(scale_ns) * i128::from(track.timescale.get());
            i64::try_from(ns / 1_000_000_000).expect("a time")
        };
        let mut time_before = None;
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(found.bytes == expected.data, "{name}: {} frame {place}", track.handler);
            // Later frames of a lace have the time of the first.
            if time_before.replace(expected.time) == Some(expected.time) {
                continue;
            }
            let distance = (found.dts.max(found.presented - track.timeline.shift)
                - ticks(expected.time))
            .abs();
            if track.is_video() {
                let presented = found.presented - track.timeline.shift;
                assert_eq!(presented, ticks(expected.time), "{name}: frame {place}");
                assert_eq!(
                    expected.is_key.unwrap_or(found.is_sync),
                    found.is_sync,
                    "{name}: frame {place}"
                );
            } else {
                let limit = 2 * i64::from(track.timescale.get()) / 1000;
                assert!(distance <= limit, "{name}: audio frame {place} is {distance} off");
            }
        }
    }
}

#[test]
fn the_frames_of_ffmpegs_files_are_those_of_another_reader() {
    if !ffmpeg::is_installed() {
        return;
    }
    for (name, _) in RECIPES {
        let file = fs::read(matroska::encoded(name)).expect("a clip");
        compare(name, &file, 1_000_000, &matroska::demuxed(&file));
    }
}

#[test]
fn the_frames_of_mkvmerges_files_are_those_of_another_reader() {
    if !ffmpeg::is_installed() || !matroska::has_mkvmerge() {
        return;
    }
    for (name, arguments, _) in MERGED {
        let scale_ns = if arguments.contains(&"100000") { 100_000 } else { 1_000_000 };
        let file = fs::read(matroska::merged(name)).expect("a clip");
        compare(name, &file, scale_ns, &matroska::demuxed(&file));
    }
}

#[test]
fn the_frames_of_unusual_forms_are_those_of_the_usual_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    let all = Form {
        lacing: Lacing::Ebml,
        has_groups: true,
        has_unknown_sizes: true,
        scale_ns: 100_000,
        strips: true,
        has_voids: true,
        has_tracks_behind: true,
        cues: 2,
        late_ms: 3210,
        cluster_ms: 900,
    };
    let forms = [
        ("plain", "b-frames.mkv", Form::PLAIN),
        ("Xiph", "b-frames.mkv", Form { lacing: Lacing::Xiph, ..Form::PLAIN }),
        ("EBML", "b-frames.mkv", Form { lacing: Lacing::Ebml, ..Form::PLAIN }),
        ("fixed", "hevc-ac-3.mkv", Form { lacing: Lacing::Fixed, ..Form::PLAIN }),
        ("groups", "open-gop.mkv", Form { has_groups: true, ..Form::PLAIN }),
        ("unknown sizes", "b-frames.mkv", Form { has_unknown_sizes: true, ..Form::PLAIN }),
        ("no cues", "b-frames.mkv", Form { cues: 0, ..Form::PLAIN }),
        (
            "a recording",
            "opus.mkv",
            Form { cues: 0, has_unknown_sizes: true, cluster_ms: 1000, ..Form::PLAIN },
        ),
        ("sparse cues", "irregular-gops.mkv", Form { cues: 3, ..Form::PLAIN }),
        ("stripped", "hevc-ac-3.mkv", Form { strips: true, ..Form::PLAIN }),
        ("voids", "b-frames.mkv", Form { has_voids: true, ..Form::PLAIN }),
        ("tracks behind", "b-frames.mkv", Form { has_tracks_behind: true, ..Form::PLAIN }),
        ("fine ticks", "ntsc.mkv", Form { scale_ns: 100_000, ..Form::PLAIN }),
        ("late", "b-frames.mkv", Form { late_ms: 7250, ..Form::PLAIN }),
        ("all", "hevc-ac-3.mkv", all),
    ];
    for (name, source, form) in forms {
        let source = fs::read(matroska::encoded(source)).expect("a clip");
        let (file, expected) = rewritten(&source, form);
        compare(name, &file, i64::try_from(form.scale_ns).expect("a tick"), &expected);
    }
}
