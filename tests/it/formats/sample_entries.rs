//! Several sample entries (kind K4).

use crate::support::{
    box_patches::{in_track, numbers, patched, replaced, with_table},
    ffmpeg,
    movies::{boxed, full, table, words},
    views::{Title, audio_packets, clip, frames},
};

const EQUAL: &str = "equal sample entries";

/// The first sample entry of a track.
fn entry(file: &[u8], handler: &[u8; 4]) -> Vec<u8> {
    let stsd = in_track(file, handler, b"stsd").expect("sample entries");
    file[stsd.start + 16..stsd.end].to_vec()
}

/// A file of which a track has these sample entries, and each chunk one of them, by its number from 0.
fn with_entries(
    file: &[u8],
    handler: &[u8; 4],
    entries: &[&[u8]],
    entry_of: impl Fn(u32) -> u32,
) -> Vec<u8> {
    let runs = numbers(file, handler, b"stsc");
    let runs: Vec<&[u32]> = runs[1..].chunks(3).collect();
    let chunks = numbers(file, handler, b"stco")[0];
    let per_chunk = |chunk: u32| runs.iter().rfind(|run| run[0] <= chunk).expect("a run")[1];
    let stsc: Vec<u32> =
        (1..=chunks).flat_map(|chunk| [chunk, per_chunk(chunk), entry_of(chunk - 1) + 1]).collect();
    let count = u32::try_from(entries.len()).expect("a few");
    let stsd = full(b"stsd", 0, 0, &[&words([count]), &entries.concat()]);
    let file = with_table(file, handler, b"stsd", &stsd);
    with_table(&file, handler, b"stsc", &table(b"stsc", 0, 3, &stsc))
}

/// Checks that a title shows all of a clip.
fn shows_all_of(title: &Title, of: &str) {
    let original = Title::new("original.mp4", &clip(of));
    title.every_view_shows(&frames(&original.path()));
    title.every_view_has_audio(&audio_packets(&original.path()));
    assert!(!original.says(EQUAL) && !original.says("the track is unplayable"));
}

#[test]
fn equal_sample_entries_are_one() {
    if ffmpeg::is_installed() {
        let original = clip("b-frames.mp4");
        let entry = entry(&original, b"vide");
        let file = with_entries(&original, b"vide", &[&entry, &entry], |chunk| chunk % 2);
        let title = Title::new("equal.mp4", &file);
        assert!(title.says("The track has 2 equal sample entries"));
        shows_all_of(&title, "b-frames.mp4");
    }
}

#[test]
fn sample_entries_that_differ_in_bit_rates_and_the_encoder_are_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("b-frames.mp4");
    let video = entry(&original, b"vide");
    // The encoder's name, and the average of `btrt` at the end.
    let other = patched(&patched(&video, 50, b"\x05Other"), video.len() - 4, &[0, 1, 2, 3]);
    let audio = entry(&original, b"soun");
    let esds = audio.windows(4).position(|kind| kind == b"esds").expect("a descriptor");
    let config = esds + audio[esds..].windows(2).position(|at| at == [0x40, 0x15]).expect("AAC");
    let other_audio = patched(&audio, config + 5, &[0, 9, 9, 9, 0, 8, 8, 8]);
    assert!(other != video && other_audio != audio);
    let file = with_entries(&original, b"vide", &[&video, &other], |chunk| chunk % 2);
    let file = with_entries(&file, b"soun", &[&audio, &other_audio, &audio], |chunk| chunk % 3);
    let title = Title::new("rates.mp4", &file);
    assert!(title.says("2 equal sample entries") && title.says("3 equal sample entries"));
    shows_all_of(&title, "b-frames.mp4");
}

#[test]
fn an_entry_without_a_configuration_goes_on_with_the_one_before() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("b-frames.mp4");
    let audio = entry(&original, b"soun");
    let bare = boxed(b"mp4a", &[&audio[8..36]]);
    for entries in [[&audio[..], &bare], [&bare, &audio]] {
        let file = with_entries(&original, b"soun", &entries, |chunk| u32::from(chunk > 2));
        let title = Title::new("bare.mp4", &file);
        let codecs = title.report()["tracks"][1]["codecs"].clone();
        assert_eq!(codecs, "mp4a.40.2");
        shows_all_of(&title, "b-frames.mp4");
    }
}

#[test]
fn a_track_has_the_entry_that_its_samples_name() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("no-b-frames.mp4");
    let clear = entry(&original, b"vide");
    let scheme = [
        boxed(b"frma", &[b"avc1"]),
        full(b"schm", 0, 0, &[b"cenc", &words([0x1_0000])]),
        boxed(b"schi", &[&full(b"tenc", 0, 0, &[&[0, 0, 1, 8], &[7; 16]])]),
    ];
    let encrypted = boxed(b"encv", &[&clear[8..], &boxed(b"sinf", &[&scheme.concat()])]);
    let file = with_entries(&original, b"vide", &[&encrypted, &clear], |_| 1);
    let title = Title::new("second.mp4", &file);
    assert!(!title.says("encrypted") && !title.says(EQUAL));
    shows_all_of(&title, "no-b-frames.mp4");
}

#[test]
fn fragments_name_the_entry_of_a_clear_track() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("fragmented.mp4");
    let clear = entry(&original, b"vide");
    let encrypted = boxed(b"encv", &[&clear[8..]]);
    let stsd = full(b"stsd", 0, 0, &[&words([2]), &encrypted, &clear]);
    let mut file = with_table(&original, b"vide", b"stsd", &stsd);
    // The default entry of the first track, in `trex`.
    let trex = file.windows(4).position(|kind| kind == b"trex").expect("defaults");
    file[trex + 4 + 8..trex + 4 + 12].copy_from_slice(&[0, 0, 0, 2]);
    let title = Title::new("clear-lead.mp4", &file);
    assert!(!title.says("encrypted"));
    shows_all_of(&title, "fragmented.mp4");
}

#[test]
fn a_change_that_a_decoder_has_to_know_is_refused_and_named() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("b-frames.mp4");
    let entry = entry(&original, b"vide");
    // Another level, in the parameter sets, too.
    let avcc = entry.windows(4).position(|kind| kind == b"avcC").expect("a configuration") + 4;
    let other = patched(&entry, avcc + 3, &[51]);
    let file = with_entries(&original, b"vide", &[&entry, &other], |chunk| u32::from(chunk >= 100));
    let title = Title::new("change.mp4", &file);
    let reason = "its codec configuration changes after 4.0";
    assert!(title.says(reason), "{:?}", title.problems());
    assert!(title.streams().playlists.iter().all(|(url, _)| !url.contains("video")));
    for image in ["poster.jpg", "thumbnail.jpg?time=1", "storyboard.jpg"] {
        let response = title.serving.get(&format!("/v/change.mp4/{image}"), &[]);
        let problem = String::from_utf8(response.body).expect("text");
        assert_eq!(response.status, 422, "{image}: {problem}");
        assert!(problem.contains(reason) && !problem.contains("no video"), "{problem}");
    }
}

#[test]
fn the_tables_of_play_mp4_name_one_entry() {
    if ffmpeg::is_installed() {
        // `hev1` becomes `hvc1`, so that the entries are written again.
        let original = clip("hevc-hev1.mp4");
        let entry = entry(&original, b"vide");
        let file = with_entries(&original, b"vide", &[&entry, &entry], |chunk| chunk % 2);
        let stsd = in_track(&file, b"vide", b"stsd").expect("sample entries");
        assert!(replaced(&file, stsd.start..stsd.end, &[]).len() < file.len());
        shows_all_of(&Title::new("hev1.mp4", &file), "hevc-hev1.mp4");
    }
}
