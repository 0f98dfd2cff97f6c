//! Every sentence that a report can say: of a file of which it is true, and of one of which it is not.
//! `support::sentences` explains what a row is. Rows about one kind of file may be with the other tests of
//! that kind.

mod corrections; // what a file says and cannot mean, and what is made of it
mod edits; // edit lists
mod files; // the file as a whole: containers, top-level boxes, index
mod players; // what players need
mod remuxes; // other containers, and subtitles beside the file
mod tracks; // tracks: sample tables, times, sample entries, encryption

use crate::support::{
    box_patches::{of_kind, patched, replaced},
    movies::{Plan, boxed, plain, words},
    sentences,
};

/// Sentences that no file causes, each with the reason.
const UNREACHABLE: [(&str, &str); 5] = [
    (
        "the size of a sample entry does not match its sample description",
        "a track's entries are read by the size in their header",
    ),
    ("a sample entry is longer than 1 MiB", "a track's entries are read up to 64 KiB"),
    ("the file does not play in place: *", "a report says so of each track"),
    (
        "the file has no index (Cues) and is too long to be read without one",
        "no test has a file of gigabytes",
    ),
    (
        "its key frames are too far apart for segments",
        "the file of an hour that causes it is in formats::matroska::limits",
    ),
];

#[test]
fn every_sentence_of_the_sources_is_in_a_row() {
    let rows = sentences::rows();
    let is_tested = |sentence: &str| {
        let is_unreachable = UNREACHABLE.iter().any(|(unreachable, _)| *unreachable == sentence);
        is_unreachable || rows.iter().any(|row| row == sentence)
    };
    let sentences = sentences::sentences();
    assert!(sentences.len() > 100, "the sources have sentences: {sentences:#?}");
    let untested: Vec<_> = sentences.iter().filter(|(_, sentence)| !is_tested(sentence)).collect();
    assert!(untested.is_empty(), "no row of `says` has these sentences: {untested:#?}");
}

// ---- Files -----------------------------------------------------------------

/// H.264 and AAC of two seconds, the index behind the media.
fn usual() -> Vec<u8> {
    plain(&[Plan::video(1, 48), Plan::audio(2, 90)])
}

/// A file with this video track and no other.
fn video(plan: Plan) -> Vec<u8> {
    plain(&[plan])
}

/// A file with this video entry and AAC.
fn video_entry(entry: Vec<u8>) -> Vec<u8> {
    plain(&[Plan { entry, ..Plan::video(1, 48) }, Plan::audio(2, 90)])
}

/// A file with H.264 and this audio entry.
fn audio_entry(entry: Vec<u8>) -> Vec<u8> {
    plain(&[Plan::video(1, 48), Plan { entry, ..Plan::audio(2, 90) }])
}

/// A track of another kind with this entry.
fn other_track(id: u32, handler: &[u8; 4], entry: Vec<u8>) -> Plan {
    let sizes = vec![300; 90];
    Plan { entry, handler: *handler, edits: vec![(1920, 0)], sizes, ..Plan::audio(id, 90) }
}

/// The usual file with another box in place of the first of its kind, which is the video's.
fn with(kind: &[u8; 4], other: &[u8]) -> Vec<u8> {
    let file = usual();
    let place = &of_kind(&file, kind)[0];
    replaced(&file, place.start..place.end, other)
}

/// A file with another box behind the first of this kind, which is the video's.
fn with_behind(file: &[u8], kind: &[u8; 4], other: &[u8]) -> Vec<u8> {
    let place = &of_kind(file, kind)[0];
    let both = [&file[place.start..place.end], other].concat();
    replaced(file, place.start..place.end, &both)
}

/// The usual file with other bytes in the body of the first box of a kind, which is the video's.
fn with_bytes(kind: &[u8; 4], at: usize, bytes: &[u8]) -> Vec<u8> {
    let file = usual();
    patched(&file, of_kind(&file, kind)[0].body().start + at, bytes)
}

// ---- Sample entries ------------------------------------------------------------

/// Bytes from hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// A video entry of 320 by 180 with these boxes.
fn visual(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    let fields = [&[0; 6][..], &[0, 1], &[0; 16], &[1, 64, 0, 180], &[0; 50]].concat();
    boxed(kind, &[&fields, boxes])
}

/// An audio entry of two channels at 48 kHz with these boxes.
fn sound(kind: &[u8; 4], boxes: &[u8]) -> Vec<u8> {
    let fields = [&[0; 6][..], &[0, 1], &[0; 8], &[0, 2, 0, 16, 0, 0, 0, 0]].concat();
    boxed(kind, &[&fields, &words([48_000 << 16]), boxes])
}

/// An entry with a further box at its end.
fn with_box(entry: &[u8], other: &[u8]) -> Vec<u8> {
    let kind = entry[4..8].try_into().expect("four bytes");
    boxed(&kind, &[&entry[8..], other])
}
