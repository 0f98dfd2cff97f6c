use super::{usual, video, with};
use crate::support::{
    box_patches::patched,
    movies::{Plan, fragmented, plain, table},
    sentences::says,
};

/// `media_rate` 1.
const ONE: u32 = 0x1_0000;
/// The media time of an empty edit.
const EMPTY: u32 = u32::MAX;

/// The usual file with these edits of its video: duration in milliseconds, media time, rate.
fn edited(edits: &[u32]) -> Vec<u8> {
    with(b"elst", &table(b"elst", 0, 3, edits))
}

/// Replaces bytes that occur once: here the object type in `esds`, so that AAC becomes MP3.
fn replaced_once(file: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = file.windows(old.len()).position(|bytes| bytes == old).expect("they occur");
    patched(file, at, new)
}

#[test]
fn pieces_and_gaps_are_told() {
    let pieces = edited(&[400, 512, ONE, 400, 512 * 30, ONE]);
    says("The edit list plays * pieces of the media in turn.", &pieces, &usual());
    says(
        "No action needed: HLS, DASH, clips and images show the pieces, and play.mp4 keeps the list.",
        &pieces,
        &usual(),
    );
    says("* pieces of the media play in turn", &pieces, &usual());
    let gap = edited(&[400, 512, ONE, 400, EMPTY, ONE, 400, 512 * 13, ONE]);
    says(
        "The edit list leaves * s between pieces in which the media is not played: *.",
        &gap,
        &pieces,
    );
    says(
        "This is often intended, such as a pause of the recording. No action needed.",
        &gap,
        &pieces,
    );
    let edits = vec![(400, 1024), (400, EMPTY), (400, 20 * 1024)];
    let silence = plain(&[Plan::video(1, 48), Plan { edits, ..Plan::audio(2, 90) }]);
    says("the frame before stays", &gap, &silence);
    says("it is silent", &silence, &gap);
    let mp3 = replaced_once(&silence, b"\x04\x18\x40\x15", b"\x04\x18\x6b\x15");
    says("browsers play the rest early", &mp3, &silence);
}

#[test]
fn rates_are_told() {
    let still = edited(&[400, 512, ONE, 400, 512 * 11, 0, 400, 512 * 13, ONE]);
    let fast = edited(&[400, 512, ONE, 400, 512 * 13, 2 * ONE]);
    says("The edit list holds a still frame * (media_rate 0).", &still, &fast);
    says(
        "HLS, DASH, clips and images hold it; some players of play.mp4 play on instead.",
        &still,
        &fast,
    );
    says("The edit list changes the speed *: the track plays at normal speed.", &fast, &still);
    says("Export the movie again with the change of speed applied.", &fast, &still);
}

#[test]
fn edits_that_do_not_play_are_told() {
    let behind = [400, 0x0fff_0000, ONE];
    let once = edited(&[&[400, 512, ONE][..], &behind].concat());
    says("* behind the end of the media: nothing plays there.", &once, &usual());
    // Without audio, whose delay is an edit too.
    let twice =
        Plan { edits: vec![(400, 512), (400, 512 * 60), (400, 512 * 60)], ..Plan::video(1, 48) };
    says("One edit *", &once, &video(twice));
    says(
        "If the track is incomplete, copy the file again or export the movie again.",
        &once,
        &usual(),
    );
    let hours = edited(&[400, 512, ONE, u32::MAX, EMPTY, ONE, 400, 512 * 13, ONE]);
    says("* too long without media: the excess is ignored.", &hours, &usual());
    says("The durations are wrong. Export the movie again.", &hours, &usual());
    let many = edited(&[400, 512, ONE, 400, 512 * 20, ONE].repeat(5000));
    says("* not played: the edit list has too many edits, or repeats too much.", &many, &usual());
    says("Export the movie again, with fewer edits or with all edits applied.", &many, &usual());
}

#[test]
fn edits_of_a_fragmented_file_are_told() {
    let with_edits = |edits: &[(u32, u32)]| {
        let edits = edits.to_vec();
        fragmented(&[Plan { edits, ..Plan::video(1, 48) }])
    };
    let plain = with_edits(&[(0, 512)]);
    let pieces = with_edits(&[(400, 512), (400, 512 * 30)]);
    says(
        "* not played as listed, because the file is fragmented: all media from the first edit on plays.",
        &pieces,
        &plain,
    );
    says("Remux the file to apply them: ffmpeg -i IN -c copy OUT.mp4.", &pieces, &plain);
    let short = with_edits(&[(400, 512)]);
    says(
        "The edit list ends at * s, before the fragments do: all fragments are played.",
        &short,
        &plain,
    );
    says("The writer knew only the first fragments. No action needed.", &short, &plain);
    says("no edits", &video(Plan::video(1, 48)), &edited(&[400, 512, ONE, 400, 512 * 30, ONE]));
}
