//! Edit lists that cannot be meant, and what inspect says about edit lists.

use std::fs;

use headwater::movie::{EditSummary, Movie};
use serde_json::Value;

use super::{
    Line::{Gap, Play},
    clip_bytes, edited, entry, grid, read, same_frames, serving, with_entries,
};
use crate::support::{
    clips, ffmpeg,
    folder::Folder,
    movies::{self, Plan},
    streams::fetch,
};

#[test]
fn an_edit_behind_the_end_is_ignored_and_reported() {
    if !ffmpeg::is_installed() {
        return;
    }
    let behind = [Play(100_000, 8000)];
    let folder = Folder::new();
    folder.put("behind.mp4", edited(&behind, &[Play(0, 8000)]));
    let serving = serving(&folder);
    let url = format!("http://{}/v/behind.mp4/index.m3u8", serving.address);
    same_frames(&read(&url).0, &[Play(0, 9000)]).expect("all media");
    assert_eq!(
        sentences(&edited(&behind, &[Play(0, 8000)])),
        ["One edit begins behind the end of the media: nothing plays there."]
    );
    // Between others it is a gap.
    let lines = [Play(0, 2000), Play(100_000, 1000), Play(4000, 2000)];
    let file = edited(&lines, &[Play(0, 5000)]);
    assert!(
        sentences(&file)
            .contains(&"One edit begins behind the end of the media: nothing plays there.".into()),
        "{:?}",
        sentences(&file)
    );
    folder.put("between.mp4", file);
    let url = format!("http://{}/v/between.mp4/index.m3u8", serving.address);
    same_frames(&read(&url).0, &[Play(0, 2000), Gap(1000), Play(4000, 2000)]).expect("both");
}

#[test]
fn an_edit_shorter_than_the_fragments_does_not_end_the_movie() {
    if !ffmpeg::is_installed() {
        return;
    }
    let file = fs::read(clips::named("fragmented-dash.mp4").path()).expect("a clip");
    let short = |entries: &[Vec<u8>]| with_entries(&with_entries(&file, 0, entries), 1, entries);
    let folder = Folder::new();
    folder.put("short.mp4", short(&[entry(1000, 1024, 1)]));
    folder.put("several.mp4", short(&[entry(1000, 1024, 1), entry(1000, 60_000, 1)]));
    let serving = serving(&folder);
    for title in ["short.mp4", "several.mp4"] {
        for view in ["index.m3u8", "manifest.mpd", "play.mp4"] {
            let (frames, _) = read(&format!("http://{}/v/{title}/{view}", serving.address));
            assert_eq!(frames.len(), 225, "{title} {view}");
        }
    }
}

#[test]
fn a_list_that_repeats_a_long_track_costs_no_more_than_its_budget() {
    let plan = long_plan(20_000);
    let one = Plan { edits: vec![(400_000, 0)], ..plan.clone() };
    let many = Plan { edits: [(400_000, 0), (399_000, 640)].repeat(500), ..plan };
    let index = |plan: Plan| {
        let file = movies::plain(&[plan]);
        Movie::read(&file[..], grid()).expect("readable").expect("MP4")
    };
    let (one, many) = (index(one), index(many));
    let edits = many.tracks[0].timeline.edits;
    assert!(edits.dropped > 900 && edits.pieces > 1, "{edits:?}");
    assert_eq!(edits.pieces + edits.dropped, 1000);
    let size = usize::try_from(many.file_len).expect("small");
    assert!(many.bytes() < one.bytes() + size / 4, "{} of {} bytes", many.bytes(), size);
    assert_eq!(one.tracks[0].timeline.edits, EditSummary::default());
}

#[test]
fn a_thousand_pieces_play_and_later_ones_are_reported() {
    let edits = (0..1200).map(|edit| (100, edit * 50 % 20_000)).collect();
    let mut plan = Plan { edits, ..long_plan(2000) };
    // The budget of work grows with the file.
    plan.sizes.iter_mut().for_each(|size| *size = 1000);
    let file = movies::plain(&[plan]);
    let movie = Movie::read(&file[..], grid()).expect("readable").expect("MP4");
    let edits = movie.tracks[0].timeline.edits;
    assert_eq!((edits.pieces, edits.dropped), (1024, 176), "{edits:?}");
}

/// Video of so many frames of 20 ms.
fn long_plan(frames: usize) -> Plan {
    let mut plan = Plan::video(1, frames);
    plan.sizes.iter_mut().for_each(|size| *size = 40);
    plan
}

// ---- Sentences ----------------------------------------------------------------

/// What inspect says about the edit lists of a file.
fn sentences(file: &[u8]) -> Vec<String> {
    let folder = Folder::new();
    folder.put("film.mp4", file);
    let serving = serving(&folder);
    let report = fetch(&mut serving.connect(), "/v/film.mp4/inspect").body;
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    let problems = report["problems"].as_array().expect("problems").iter();
    let sentence = |problem: &Value| problem["sentence"].as_str().expect("text").to_owned();
    let is_about_edits = |sentence: &String| sentence.contains("edit");
    problems.map(sentence).filter(is_about_edits).collect()
}

/// The same for a list of the video alone.
fn of_video(entries: &[Vec<u8>]) -> Vec<String> {
    sentences(&with_entries(&clip_bytes(), 0, entries))
}

#[test]
fn a_plain_edit_list_is_no_problem() {
    if !ffmpeg::is_installed() {
        return;
    }
    assert_eq!(sentences(&clip_bytes()), [""; 0]);
    // Parts that continue are one.
    let lines = [Play(0, 2000), Play(2000, 3000)];
    assert_eq!(sentences(&edited(&lines, &lines)), [""; 0]);
    assert_eq!(sentences(&edited(&[Play(3120, 2000)], &[Play(3120, 2000)])), [""; 0]);
}

#[test]
fn each_fact_about_an_edit_list_is_one_sentence() {
    if !ffmpeg::is_installed() {
        return;
    }
    let pieces = "The edit list plays 2 pieces of the media in turn.";
    let two = [entry(1000, 1024, 1), entry(1000, 52_224, 1)];
    assert_eq!(of_video(&two), [pieces]);
    assert_eq!(
        of_video(&[entry(1000, 1024, 1), entry(1500, -1, 1), entry(1000, 52_224, 1)]),
        [
            pieces,
            "The edit list leaves 1.500 s between pieces in which the media is not played: the frame \
             before stays.",
        ]
    );
    assert_eq!(
        of_video(&[entry(1000, 1024, 1), entry(1000, 13_824, 0)]),
        [pieces, "The edit list holds a still frame once (media_rate 0)."]
    );
    assert_eq!(
        of_video(&[entry(1000, 1024, 2), entry(1000, 52_224, 1)]),
        ["The edit list changes the speed once: the track plays at normal speed.", pieces]
    );
    assert_eq!(
        of_video(&[entry(i64::from(u32::MAX), -1, 1), entry(8000, 1024, 1)]),
        ["One edit lasts too long without media: the excess is ignored."]
    );
    let fragmented = fs::read(clips::named("fragmented-dash.mp4").path()).expect("a clip");
    assert_eq!(
        sentences(&with_entries(&fragmented, 0, &[entry(1000, 1024, 1)])),
        ["The edit list ends at 1.000 s, before the fragments do: all fragments are played."]
    );
    assert_eq!(sentences(&with_entries(&fragmented, 0, &[entry(60_000, 1024, 1)])), [""; 0]);
    assert_eq!(
        sentences(&with_entries(&fragmented, 0, &two)),
        [
            "One edit is not played as listed, because the file is fragmented: all media from the first edit \
          on plays."
        ]
    );
    let many: Vec<_> = (0..1100).map(|edit| entry(100, 1024 + edit * 512 % 51_200, 1)).collect();
    let says = |file: &[Vec<u8>], words: &str| {
        of_video(file).iter().any(|sentence| sentence.contains(words))
    };
    let dropped = "edits are not played: the edit list has too many edits, or repeats too much.";
    assert!(says(&many, dropped) && !says(&many[..10], dropped), "{:?}", of_video(&many));
}
