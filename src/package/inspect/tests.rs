use std::{fs, num::NonZeroU32, path::Path};

use super::{
    inspect,
    report::{Kind, Place, Plays, Report, Severity},
};
use crate::{extent::disk::Version, movie::Movie};

const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).expect("not zero");

/// A clip of the sample library: 20 seconds of H.264 and AAC.
fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(name);
    fs::read(path).expect("a sample")
}

fn report(bytes: &[u8]) -> Report {
    let index = Movie::read(bytes, GRID_MS).expect("bytes in memory");
    let report =
        inspect(bytes, index.as_ref(), Version::default(), GRID_MS).expect("bytes in memory");
    serde_json::to_string(&report).expect("any report is JSON");
    report
}

/// Offset of the body of the first box of a type, at any depth.
fn body_of(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).expect("a box of this name") + 4
}

/// Changes the type of all boxes of one type.
fn rename(bytes: &mut [u8], kind: &[u8; 4], to: &[u8; 4]) {
    for at in 0..bytes.len() - 4 {
        if bytes[at..at + 4] == *kind {
            bytes[at..at + 4].copy_from_slice(to);
        }
    }
}

fn sentences(report: &Report, severity: Severity) -> Vec<&str> {
    let problems = report.problems.iter().filter(|problem| problem.severity == severity);
    problems.map(|problem| problem.sentence.as_str()).collect()
}

#[test]
fn a_plain_movie_plays_everywhere_and_has_no_problem() {
    let report = report(&sample("Clock.mp4"));
    assert!(report.playable && report.reasons.is_empty());
    assert!(report.problems.is_empty() && report.transcodes.is_empty(), "{report:?}");
    assert_eq!((report.file.index.place, report.file.container.as_str()), (Place::Front, "MP4"));
    assert_eq!(report.duration_s, Some(20.0));
    let kinds: Vec<&str> = report.file.boxes.iter().map(|header| header.kind.as_str()).collect();
    assert_eq!(kinds, ["ftyp", "moov", "free", "mdat"]);
    let [video, audio] = &report.tracks[..] else { panic!("two tracks: {:?}", report.tracks) };
    assert_eq!((video.kind, video.folder.as_deref()), (Kind::Video, Some("video-1")));
    assert_eq!((audio.kind, audio.folder.as_deref()), (Kind::Audio, Some("audio-1")));
    let properties = video.video.as_ref().expect("a video track");
    assert_eq!((properties.shown_width, properties.shown_height), (640, 360));
    let frame_rate = properties.frame_rate;
    assert_eq!((frame_rate.average, frame_rate.is_variable), (Some(30.0), false));
    assert_eq!((properties.key_frames.count, video.segments.count), (20, 4));
    assert_eq!(video.samples, 600);
    assert!(audio.timing.words.contains("decoded and not played"), "{}", audio.timing.words);
    let distance = report.file.interleaving.expect("audio and video").largest_distance_bytes;
    assert!((1..report.file.size_bytes).contains(&distance), "{distance}");
    for player in &report.players {
        for verdict in [&player.progressive, &player.hls] {
            assert_eq!(verdict.plays, Plays::Yes, "{}: {}", player.name, verdict.reason);
        }
    }
}

#[test]
fn an_index_at_the_end_is_a_note_and_a_repair() {
    let report = report(&sample("Clock, moov at the end.mp4"));
    assert_eq!(report.file.index.place, Place::End);
    assert!(report.repairs.iter().any(|repair| repair.what.contains("moves to the front")));
    let notes = sentences(&report, Severity::Note);
    assert!(matches!(&notes[..], [only] if only.contains("after the media data")), "{notes:?}");
}

#[test]
fn a_matrix_rotates_the_displayed_size() {
    let mut bytes = sample("Clock.mp4");
    let matrix = body_of(&bytes, b"tkhd") + 40;
    let one = 0x1_0000_i32;
    for (place, number) in [0, one, 0, -one, 0].into_iter().enumerate() {
        bytes[matrix + 4 * place..][..4].copy_from_slice(&number.to_be_bytes());
    }
    let report = report(&bytes);
    let video = report.tracks[0].video.as_ref().expect("a video track");
    assert_eq!(video.rotation_degrees, Some(90));
    assert_eq!((video.width, video.shown_width, video.shown_height), (640, 360, 640));
    assert_eq!(sentences(&report, Severity::Note).len(), 1);
}

#[test]
fn a_single_key_frame_is_a_warning() {
    let mut bytes = sample("Clock.mp4");
    let stss = body_of(&bytes, b"stss");
    bytes[stss + 4..stss + 8].copy_from_slice(&1_u32.to_be_bytes());
    let report = report(&bytes);
    assert_eq!(report.tracks[0].segments.count, 1);
    let warnings = sentences(&report, Severity::Warning);
    assert!(
        matches!(&warnings[..], [only] if only.contains("one key frame in 20.0 s")),
        "{warnings:?}"
    );
}

#[test]
fn key_frames_far_apart_are_a_warning() {
    let mut bytes = sample("Clock.mp4");
    let stss = body_of(&bytes, b"stss");
    // The first two of the twenty, the second 12 seconds in.
    bytes[stss + 4..stss + 8].copy_from_slice(&2_u32.to_be_bytes());
    bytes[stss + 12..stss + 16].copy_from_slice(&361_u32.to_be_bytes());
    let report = report(&bytes);
    let keys = report.tracks[0].video.as_ref().expect("a video track").key_frames;
    assert_eq!((keys.count, keys.longest_distance_s), (2, 12.0));
    let warnings = sentences(&report, Severity::Warning);
    assert!(matches!(&warnings[..], [only] if only.contains("up to 12.0 s apart")), "{warnings:?}");
}

#[test]
fn audio_that_does_not_fit_into_segments_needs_transcoding() {
    let mut bytes = sample("Clock.mp4");
    rename(&mut bytes, b"mp4a", b"sowt");
    let report = report(&bytes);
    assert!(report.playable);
    let audio = &report.tracks[1];
    assert_eq!((audio.folder.as_deref(), audio.codecs.as_str()), (None, "sowt"));
    assert!(audio.not_offered.as_deref().is_some_and(|why| why.contains("PCM")));
    let [transcode] = &report.transcodes[..] else { panic!("one: {:?}", report.transcodes) };
    assert_eq!((transcode.track, transcode.to), (audio.id, "AAC"));
    assert!(transcode.needed_for.contains(&"HLS and DASH".to_owned()), "{transcode:?}");
    for player in &report.players {
        assert_eq!(player.hls.plays, Plays::Depends, "{}", player.name);
        assert!(player.hls.reason.contains("plays the AAC that"), "{}", player.hls.reason);
    }
    assert_eq!(sentences(&report, Severity::Warning).len(), 1);
}

#[test]
fn ac_3_has_no_decoder_in_chrome_and_plays_in_safari() {
    let mut bytes = sample("Clock.mp4");
    rename(&mut bytes, b"mp4a", b"ac-3");
    let report = report(&bytes);
    let plays = |name: &str| {
        let player = report.players.iter().find(|player| player.name == name).expect("a player");
        (player.progressive.plays, player.hls.plays)
    };
    assert_eq!(plays("Safari"), (Plays::Yes, Plays::Yes));
    assert_eq!(plays("Chrome"), (Plays::Partly, Plays::Depends));
    assert_eq!(plays("Roku"), (Plays::Depends, Plays::Depends));
    let [transcode] = &report.transcodes[..] else { panic!("one: {:?}", report.transcodes) };
    assert_eq!(transcode.needed_for, ["Chrome", "Firefox"]);
    assert_eq!(transcode.perhaps_for, ["Android", "Roku"]);
}

#[test]
fn an_encrypted_movie_is_not_playable_and_has_reasons() {
    let mut bytes = sample("Clock.mp4");
    rename(&mut bytes, b"avc1", b"encv");
    rename(&mut bytes, b"mp4a", b"enca");
    let report = report(&bytes);
    assert!(!report.playable);
    assert!(
        report.reasons.iter().any(|reason| reason.contains("encrypted")),
        "{:?}",
        report.reasons
    );
    assert_eq!(sentences(&report, Severity::Error).len(), 2);
    assert!(report.transcodes.is_empty(), "transcoding needs the key");
}

#[test]
fn a_truncated_file_plays_up_to_its_end() {
    let whole = sample("Clock.mp4");
    let report = report(&whole[..whole.len() / 2]);
    assert!(report.playable);
    let warnings = sentences(&report, Severity::Warning);
    let contains = |part: &str| warnings.iter().any(|text| text.contains(part));
    assert!(contains("mdat extends past the end"), "{warnings:?}");
    assert!(contains("The track plays only up to"), "{warnings:?}");
    assert!(report.duration_s.is_some_and(|duration_s| (1.0..19.0).contains(&duration_s)));
}

#[test]
fn a_file_that_is_not_a_movie_has_a_report_with_its_boxes() {
    let whole = sample("Clock, moov at the end.mp4");
    let report_of_half = report(&whole[..whole.len() / 2]);
    assert!(!report_of_half.playable);
    assert_eq!(report_of_half.file.index.place, Place::Missing);
    assert!(report_of_half.reasons[0].contains("no index (moov)"), "{:?}", report_of_half.reasons);
    assert_eq!(report_of_half.file.boxes.last().map(|it| it.is_cut), Some(true));
    for bytes in [&b""[..], b"\0", b"no movie", &[0; 4096]] {
        let report = report(bytes);
        assert!(!report.playable && report.tracks.is_empty(), "{bytes:?}");
    }
}

#[test]
fn a_webm_file_plays_in_place() {
    let other = report(&sample("Clock.webm"));
    assert_eq!((other.playable, other.file.container.as_str()), (true, "WebM"));
    assert_eq!(other.browsers.map(|verdict| verdict.plays), Some(Plays::Yes));
    assert_eq!(other.duration_s.map(f64::round), Some(20.0));
    let [problem] = &other.problems[..] else { panic!("one: {:?}", other.problems) };
    assert_eq!(problem.severity, Severity::Note);
    assert!(problem.sentence.contains("plays in place"), "{problem:?}");
}

#[test]
fn truncated_and_overwritten_files_have_reports() {
    let whole = sample("Clock.mp4");
    let moov_end = body_of(&whole, b"mdat");
    for length in (0..moov_end).step_by(331) {
        report(&whole[..length]);
    }
    // Invalid values in the index, one at a time.
    for at in (32..moov_end).step_by(97) {
        let mut bytes = whole.clone();
        for value in [0, 0xff] {
            bytes[at..at + 4].fill(value);
            report(&bytes);
        }
    }
}
