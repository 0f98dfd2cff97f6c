//! FRAME-RATE (kind K6).

use crate::support::{
    box_patches::{numbers, with_table},
    clips, ffmpeg,
    movies::table,
    views::{Title, clip, encoded},
};

/// FRAME-RATE in the playlist, frameRate in the MPD, and the average in the report.
fn rates(title: &Title) -> (String, String, f64) {
    let playlist = title.streams().multivariant.1;
    let description = title.text("manifest.mpd");
    let start = description.find("frameRate=\"").expect("a rate") + "frameRate=\"".len();
    let in_dash = description[start..].split('"').next().expect("a quote").to_owned();
    let average = &title.report()["tracks"][0]["video"]["frame_rate"]["average"];
    (playlist.variants[0].1["FRAME-RATE"].clone(), in_dash, average.as_f64().expect("a number"))
}

fn has_rates(title: &Title, in_hls: &str, in_dash: &str, average: f64) {
    assert_eq!(rates(title), (in_hls.to_owned(), in_dash.to_owned(), average), "{}", title.name);
}

#[test]
fn frames_in_milliseconds_have_the_rate_that_is_meant() {
    if !ffmpeg::is_installed() {
        return;
    }
    for (rate, in_hls, in_dash, average) in [
        ("24", "24.000", "24", 24.0),
        ("24000/1001", "23.976", "24000/1001", 23.976),
        ("30000/1001", "29.970", "30000/1001", 29.97),
        ("60", "60.000", "60", 60.0),
    ] {
        let title = Title::new(
            "milliseconds.mp4",
            &encoded(&format!(
                "-f lavfi -i testsrc2=size=64x36:rate={rate}:duration=9 -c:v libx264 -preset ultrafast \
                 -pix_fmt yuv420p -video_track_timescale 1000"
            )),
        );
        has_rates(&title, in_hls, in_dash, average);
    }
}

#[test]
fn frames_of_one_tick_do_not_decide_the_rate() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("no-b-frames.mp4");
    let count = numbers(&original, b"vide", b"stts")[1];
    for (name, period) in [("every-second.mp4", 2), ("every-third.mp4", 3)] {
        let runs: Vec<u32> = (0..count)
            .flat_map(|frame| {
                let rest = 1001 * period - (period - 1);
                [1, if frame % period == period - 1 { rest } else { 1 }]
            })
            .collect();
        let file = with_table(&original, b"vide", b"stts", &table(b"stts", 0, 2, &runs));
        has_rates(&Title::new(name, &file), "29.970", "30000/1001", 29.97);
    }
}

#[test]
fn a_variable_rate_is_the_average_of_the_frames() {
    if !ffmpeg::is_installed() {
        return;
    }
    let title = Title::new("vfr.mp4", &clip("vfr.mp4"));
    let path = title.path();
    let arguments = "-select_streams v -show_entries stream=avg_frame_rate -of csv=p=0";
    let arguments: Vec<_> = arguments.split_whitespace().chain([path.as_str()]).collect();
    let printed = String::from_utf8(ffmpeg::probe(&arguments).expect("a rate")).expect("text");
    let (frames, seconds) = printed.trim().split_once('/').expect("a fraction");
    let expected: f64 =
        frames.parse::<f64>().expect("a number") / seconds.parse::<f64>().expect("a number");
    let (in_hls, _, average) = rates(&title);
    assert!((average - expected).abs() < expected / 100.0, "{average}, {expected}");
    assert!(
        (in_hls.parse::<f64>().expect("a number") - average).abs() < 0.001,
        "{in_hls}, {average}"
    );
}

#[test]
fn manifests_and_report_agree_on_the_rate_of_every_clip() {
    if !ffmpeg::is_installed() {
        return;
    }
    for name in [
        "b-frames.mp4",
        "no-b-frames.mp4",
        "open-gop.mp4",
        "cut-mid-gop.mp4",
        "vp9.mp4",
        "fragmented.mp4",
    ] {
        let title = Title::new("title.mp4", &clip(name));
        let (in_hls, _, average) = rates(&title);
        assert_eq!(in_hls, format!("{average:.3}"), "{name}");
        let packets =
            &ffmpeg::tracks(clips::named(name).path().to_str().expect("text")).expect("tracks")[0];
        let base = f64::from(i32::try_from(packets.base.1).expect("small"));
        let expected = base / f64::from(i32::try_from(packets.packets[0].duration).expect("small"));
        assert!((average - expected).abs() < 0.01, "{name}: {average}, {expected}");
    }
}
