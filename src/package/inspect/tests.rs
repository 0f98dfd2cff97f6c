use std::{fs, num::NonZeroU32, path::Path};

use super::{
    inspect,
    report::{Kind, Place, Plays, Report, Severity},
};
use crate::{extent::disk::Version, movie::Movie};

const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).expect("not zero");

/// A clip of the sample library: H.264 and AAC of 20 seconds.
fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(name);
    fs::read(path).expect("a sample")
}

fn report(bytes: &[u8]) -> Report {
    let index = Movie::read(bytes, GRID_MS).expect("bytes in memory");
    let report = inspect(bytes, index.as_ref(), Version::default(), GRID_MS);
    let report = report.expect("bytes in memory");
    serde_json::to_string(&report).expect("any report is JSON");
    report
}

/// Where the contents of the first box of this name begin, wherever it is.
fn body_of(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).expect("a box of this name") + 4
}

/// Calls every box of this name something else.
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
fn a_plain_film_plays_everywhere_and_has_no_problem() {
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
    let pictures = video.video.as_ref().expect("pictures");
    assert_eq!((pictures.shown_width, pictures.shown_height), (640, 360));
    assert_eq!((pictures.frame_rate.average, pictures.frame_rate.is_variable), (Some(30.0), false));
    assert_eq!((pictures.key_frames.count, video.segments.count), (20, 4));
    assert_eq!(video.samples, 600);
    assert!(audio.timing.words.contains("not heard"), "{}", audio.timing.words);
    let lies = report.file.interleaving.expect("sound and pictures").largest_distance_bytes;
    assert!((1..report.file.size_bytes).contains(&lies), "{lies}");
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
    assert!(report.repairs.iter().any(|repair| repair.what.contains("stands in front")));
    let notes = sentences(&report, Severity::Note);
    assert!(matches!(&notes[..], [only] if only.contains("behind the media")), "{notes:?}");
}

#[test]
fn a_matrix_turns_what_is_shown() {
    let mut bytes = sample("Clock.mp4");
    let matrix = body_of(&bytes, b"tkhd") + 40;
    let one = 0x1_0000_i32;
    for (place, number) in [0, one, 0, -one, 0].into_iter().enumerate() {
        bytes[matrix + 4 * place..][..4].copy_from_slice(&number.to_be_bytes());
    }
    let report = report(&bytes);
    let pictures = report.tracks[0].video.as_ref().expect("pictures");
    assert_eq!(pictures.rotation_degrees, Some(90));
    assert_eq!((pictures.width, pictures.shown_width, pictures.shown_height), (640, 360, 640));
    assert_eq!(sentences(&report, Severity::Note).len(), 1);
}

#[test]
fn a_film_of_one_key_frame_is_warned_of() {
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
fn key_frames_far_apart_are_warned_of() {
    let mut bytes = sample("Clock.mp4");
    let stss = body_of(&bytes, b"stss");
    // The first two of the twenty, the second 12 seconds in.
    bytes[stss + 4..stss + 8].copy_from_slice(&2_u32.to_be_bytes());
    bytes[stss + 12..stss + 16].copy_from_slice(&361_u32.to_be_bytes());
    let report = report(&bytes);
    let keys = report.tracks[0].video.as_ref().expect("pictures").key_frames;
    assert_eq!((keys.count, keys.longest_distance_s), (2, 12.0));
    let warnings = sentences(&report, Severity::Warning);
    assert!(matches!(&warnings[..], [only] if only.contains("up to 12.0 s apart")), "{warnings:?}");
}

#[test]
fn sound_that_no_segment_takes_is_partly_played_and_to_be_encoded() {
    let mut bytes = sample("Clock.mp4");
    rename(&mut bytes, b"mp4a", b"sowt");
    let report = report(&bytes);
    assert!(report.playable);
    let sound = &report.tracks[1];
    assert_eq!((sound.folder.as_deref(), sound.codecs.as_str()), (None, "sowt"));
    assert!(sound.not_offered.as_deref().is_some_and(|why| why.contains("PCM")));
    let [transcode] = &report.transcodes[..] else { panic!("one: {:?}", report.transcodes) };
    assert_eq!((transcode.track, transcode.to), (sound.id, "AAC"));
    assert!(transcode.needed_for.contains(&"HLS and DASH".to_owned()), "{transcode:?}");
    for player in &report.players {
        assert_eq!(player.hls.plays, Plays::Partly, "{}", player.name);
        assert!(player.hls.reason.contains("only the pictures are left"), "{}", player.hls.reason);
    }
    assert_eq!(sentences(&report, Severity::Warning).len(), 1);
}

#[test]
fn ac_3_is_silent_in_browsers_and_plays_in_safari() {
    let mut bytes = sample("Clock.mp4");
    rename(&mut bytes, b"mp4a", b"ac-3");
    let report = report(&bytes);
    let plays = |name: &str| {
        let player = report.players.iter().find(|player| player.name == name).expect("a player");
        (player.progressive.plays, player.hls.plays)
    };
    assert_eq!(plays("Safari"), (Plays::Yes, Plays::Yes));
    assert_eq!(plays("Chrome"), (Plays::Partly, Plays::Partly));
    assert_eq!(plays("Roku"), (Plays::Depends, Plays::Depends));
    let [transcode] = &report.transcodes[..] else { panic!("one: {:?}", report.transcodes) };
    assert_eq!(transcode.needed_for, ["Chrome", "Firefox"]);
    assert_eq!(transcode.perhaps_for, ["Android", "Roku"]);
}

#[test]
fn what_nobody_decodes_is_not_playable_and_says_why() {
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
    assert!(report.transcodes.is_empty(), "nobody has the key");
}

#[test]
fn a_file_that_was_cut_off_plays_as_far_as_it_goes() {
    let whole = sample("Clock.mp4");
    let report = report(&whole[..whole.len() / 2]);
    assert!(report.playable);
    let warnings = sentences(&report, Severity::Warning);
    assert!(
        warnings.iter().any(|text| text.contains("mdat says that it is longer")),
        "{warnings:?}"
    );
    assert!(warnings.iter().any(|text| text.contains("It plays only up to")), "{warnings:?}");
    assert!(report.duration_s.is_some_and(|lasts| (1.0..19.0).contains(&lasts)));
}

#[test]
fn what_is_no_movie_has_a_report_with_its_boxes() {
    let whole = sample("Clock, moov at the end.mp4");
    let report_of_half = report(&whole[..whole.len() / 2]);
    assert!(!report_of_half.playable);
    assert_eq!(report_of_half.file.index.place, Place::Missing);
    assert!(report_of_half.reasons[0].contains("no index (moov)"), "{:?}", report_of_half.reasons);
    assert_eq!(report_of_half.file.boxes.last().map(|it| it.is_cut), Some(true));
    let other = report(&sample("Clock.webm"));
    assert_eq!((other.playable, other.file.container.as_str()), (false, "WebM or Matroska"));
    assert_eq!(other.problems[0].severity, Severity::Error);
    for bytes in [&b""[..], b"\0", b"no movie", &[0; 4096]] {
        let report = report(bytes);
        assert!(!report.playable && report.tracks.is_empty(), "{bytes:?}");
    }
}

#[test]
fn whatever_is_cut_off_or_overwritten_has_a_report() {
    let whole = sample("Clock.mp4");
    let moov_end = body_of(&whole, b"mdat");
    for length in (0..moov_end).step_by(331) {
        report(&whole[..length]);
    }
    // Lies in the index, one at a time.
    for at in (32..moov_end).step_by(97) {
        let mut bytes = whole.clone();
        for value in [0, 0xff] {
            bytes[at..at + 4].fill(value);
            report(&bytes);
        }
    }
}
