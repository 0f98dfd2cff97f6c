use std::fs;

use headwater::package::inspect::{
    add_subtitle_files,
    remux::{Losses, Progress},
    report::Report,
    subtitle_file,
};

use super::{hex, other_track, usual};
use crate::support::{
    box_patches::{of_kind, patched},
    entries, ffmpeg,
    folder::Folder,
    made_titles::make,
    matroska_writer::{Form, rewritten},
    movies::{Plan, plain},
    sentences::{report, report_says, says},
};

#[test]
fn the_state_of_a_remux_is_told() {
    let before = |progress: &Progress| report(b"\x1a\x45\xdf\xa3").before_remux(progress);
    let waiting = before(&Progress::NotStarted);
    let running = before(&Progress::Running(420));
    let failed = before(&Progress::Failed("it is broken".to_owned()));
    let unavailable = before(&Progress::Unavailable("no ffmpeg".to_owned()));
    let after = |left_out: &[&str], texts| {
        let left_out = left_out.iter().map(|what| (*what).to_owned()).collect();
        let source = report(b"\x1a\x45\xdf\xa3");
        report(&usual()).after_remux(source, Losses { left_out, texts })
    };
    let done = after(&[], 0);
    report_says("This is *, which Headwater remuxes into MP4 with ffmpeg.", &waiting, &running);
    report_says(
        "It begins with the first request for a playlist, a manifest or play.mp4. Then this report is about the tracks of the remuxed movie.",
        &waiting,
        &running,
    );
    report_says("This is *; Headwater is remuxing it into MP4: * %.", &running, &waiting);
    report_says(
        "The title plays when that is done. Then this report is about the tracks of the remuxed movie.",
        &running,
        &waiting,
    );
    report_says("This is *, and Headwater could not remux it into MP4: *.", &failed, &unavailable);
    report_says(
        "The file itself is served below /media/. Check that other players play it.",
        &failed,
        &unavailable,
    );
    report_says("This is *, and Headwater cannot remux it into MP4 now: *.", &unavailable, &failed);
    report_says(
        "This is *. Headwater has remuxed it into MP4, and this report is about the tracks of that movie.",
        &done,
        &running,
    );
    report_says("The file itself is served below /media/.", &unavailable, &waiting);
    let (one, two) = (after(&[], 1), after(&[], 2));
    report_says("Its subtitles are WebVTT beside the movie.", &one, &two);
    report_says("Its * subtitles are WebVTT beside the movie.", &two, &one);
    report_says("play.mp4 has no subtitles.", &one, &done);
    let lossy = after(&["stream 3: it is an attachment"], 0);
    report_says("Not in the remuxed movie: *.", &lossy, &done);
    report_says("The file below /media/ has it.", &lossy, &done);
}

#[test]
fn what_plays_in_place_is_told() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let file = |name: &str, how: &str| fs::read(make(&folder, name, how)).expect("a file");
    let video = "-f lavfi -i testsrc2=size=64x36:rate=2";
    let short = file("short.mkv", &format!("{video} -t 9 -c:v libx264 -g 4"));
    let long = file("long.mkv", &format!("{video} -t 60 -c:v libx264 -g 4"));
    let other = file("other.mkv", &format!("{video} -t 9 -c:v mpeg4"));
    says("This is *, which plays in place, without a copy.", &short, &other);
    says(
        "No action needed: play.mp4, HLS and DASH are made of the bytes of the file.",
        &short,
        &other,
    );
    let sound = "-f lavfi -i sine=sample_rate=48000 -c:a ac3";
    let sounding = file("sounding.mkv", &format!("{video} {sound} -t 9 -c:v libx264 -g 4"));
    let (stripped, _) = rewritten(&sounding, Form { strips: true, ..Form::PLAIN });
    says("This is *, which HLS and DASH play in place, without a copy.", &stripped, &short);
    says(
        "For play.mp4 Headwater remuxes it into MP4 with ffmpeg at the first request.",
        &stripped,
        &short,
    );
    says("Sample counts and sizes are those of the first * segments.", &long, &short);
    says(
        "The file has no table of its samples. To count all: ffprobe -count_packets.",
        &long,
        &short,
    );
    says("It does not play in place: *.", &other, &short);
    let words = folder.put("words.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    let words = file("words.mkv", &format!("-i {} -c:s srt", words.display()));
    says("no track can be read in place", &words, &other);
    let garbage = b"\x1a\x45\xdf\xa3 and so on";
    says("the file has no Matroska segment with tracks and clusters", garbage, &other);
    says("HLS and DASH play the remuxed movie.", &other, &short);
}

#[test]
fn subtitle_files_are_judged() {
    let beside = |file: &[u8]| -> Report {
        let mut report = report(&usual());
        let described = subtitle_file("film.en.srt", "English", Some("en"), Ok(file));
        add_subtitle_files(&mut report, vec![described]);
        report
    };
    let good = beside(b"1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    let empty = beside(b"\n");
    let bad = beside(b"1\n00:00:01,000 --> never\nHello\n");
    let partly =
        beside(b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> never\nGood bye\n");
    report_says("The subtitle file * is not offered: *.", &empty, &good);
    report_says("Correct the file, or convert it: ffmpeg -i IN OUT.vtt.", &empty, &good);
    report_says("it has no cue", &empty, &good);
    report_says("no cue is valid; in line *, *", &bad, &empty);
    report_says("The subtitle file * loses * of its cues, the first in line *: *.", &partly, &good);
    report_says("Correct the file there.", &partly, &good);
}

#[test]
fn text_tracks_are_judged() {
    let beside = |entry: Vec<u8>, size| {
        let text = other_track(2, b"text", entry);
        plain(&[Plan::video(1, 48), Plan { sizes: vec![size; 90], ..text }])
    };
    let (empty, full) = (beside(hex(entries::TX3G), 2), beside(hex(entries::TX3G), 300));
    says("The text track has no cue: HLS and DASH do not list it.", &empty, &full);
    says(
        "No action needed, unless there should be subtitles: extract the track with ffmpeg.",
        &empty,
        &full,
    );
    let mut partly_forced = hex(entries::TX3G);
    partly_forced[16] = 0x40;
    let partly_forced = beside(partly_forced, 300);
    says(
        "Only some of the subtitles are forced: players show all of them, or none.",
        &partly_forced,
        &full,
    );
    says(
        "Put the forced ones into a track or a file of their own (film.en.forced.srt).",
        &partly_forced,
        &full,
    );
}

#[test]
fn captions_in_the_video_are_told() {
    // One unit of supplemental information with these triplets, then one of another type up to the end.
    let with_captions = |triplets: &[[u8; 3]]| {
        let count = 0x40 | u8::try_from(triplets.len()).expect("a few");
        let data = [&[count, 0xff], triplets.as_flattened(), &[0xff]].concat();
        let payload = [&b"\xb5\x00\x31GA94\x03"[..], &data].concat();
        let size = u8::try_from(payload.len()).expect("a short payload");
        let unit = [&[6, 4, size], &payload[..], &[0x80]].concat();
        let length = u32::try_from(unit.len()).expect("a short unit");
        let rest = 300 - 4 - length - 4;
        let frame = [&length.to_be_bytes()[..], &unit, &rest.to_be_bytes(), &[0x0c]].concat();
        let file = plain(&[Plan { sizes: vec![300; 48], ..Plan::video(1, 48) }]);
        let start = of_kind(&file, b"mdat")[0].body().start;
        (0..48).fold(file, |file, number| patched(&file, start + 300 * number, &frame))
    };
    // `HI` in CC1; and padding.
    let pairs =
        [[0x94, 0x20], [0x94, 0x20], [0x94, 0x70], [0x94, 0x70], [0xc8, 0x49], [0x94, 0x2f]];
    let used = with_captions(&pairs.map(|[one, two]| [0xfc, one, two]));
    let unused = with_captions(&[[0xfc, 0x80, 0x80]]);
    says("The video carries closed captions: *.", &used, &unused);
    says("HLS and DASH announce them; players that decode captions show them.", &used, &unused);
    says(
        "The video has room for closed captions, but its first two segments have none.",
        &unused,
        &used,
    );
    says(
        "HLS leaves open whether there are captions; players may find later ones.",
        &unused,
        &used,
    );
}
