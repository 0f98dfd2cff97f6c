//! Audio flagged as not sync (kind K2).

use crate::support::{
    box_patches::{locate_boxes, of_kind, with_table},
    ffmpeg,
    movies::table,
    views::{Title, audio_packets, clip, encoded},
};

const SENTENCE: &str = "Audio frames are marked as no sync samples";

/// Checks that the audio of a title has the segments of the clip that it was made of.
fn is_cut_like(title: &Title, of: &str) {
    let original = Title::new("original.mp4", &clip(of));
    assert_eq!(title.segments("audio-1"), original.segments("audio-1"), "{}", title.name);
    assert!(title.segments("audio-1").0 > 1, "{}", title.name);
    assert!(title.says(SENTENCE) && !original.says(SENTENCE), "{}", title.name);
    // The table of the video alone.
    assert_eq!(title.syncs_in_play(), original.syncs_in_play(), "{}", title.name);
    title.every_view_has_audio(&audio_packets(&original.path()));
}

#[test]
fn audio_with_an_empty_table_of_sync_samples_is_cut() {
    if ffmpeg::is_installed() {
        let file = with_table(&clip("b-frames.mp4"), b"soun", b"stss", &table(b"stss", 0, 1, &[]));
        is_cut_like(&Title::new("empty.mp4", &file), "b-frames.mp4");
    }
}

#[test]
fn audio_whose_first_frame_alone_is_a_sync_sample_is_cut() {
    if ffmpeg::is_installed() {
        for name in ["b-frames.mp4", "ac-3.mp4", "opus.mp4"] {
            let file = with_table(&clip(name), b"soun", b"stss", &table(b"stss", 0, 1, &[1]));
            is_cut_like(&Title::new("first.mp4", &file), name);
        }
    }
}

#[test]
fn audio_of_fragments_with_flags_of_no_sync_samples_is_cut() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("fragmented.mp4");
    let mut file = original.clone();
    for traf in of_kind(&original, b"traf") {
        let inside = locate_boxes(&original).into_iter();
        for place in inside.filter(|place| traf.start < place.start && place.end <= traf.end) {
            let is_audio = original[traf.start + 8 + 12..][..4] == [0, 0, 0, 2];
            if is_audio && matches!(&place.kind, b"tfhd" | b"trun") {
                for at in (place.start + 12..place.end - 3).step_by(4) {
                    if file[at..at + 4] == [2, 0, 0, 0] {
                        file[at..at + 4].copy_from_slice(&[1, 1, 0, 0]);
                    }
                }
            }
        }
    }
    assert_ne!(file, original);
    is_cut_like(&Title::new("flags.mp4", &file), "fragmented.mp4");
}

#[test]
fn audio_is_cut_on_the_grid_where_video_has_no_key_frames() {
    if !ffmpeg::is_installed() {
        return;
    }
    let file = encoded(
        "-f lavfi -i testsrc2=size=64x36:rate=1:duration=40 -f lavfi -i sine=sample_rate=48000:duration=40 \
         -c:v libx264 -preset ultrafast -g 9999 -pix_fmt yuv420p -c:a aac -b:a 32k",
    );
    let title = Title::new("still.mp4", &file);
    assert_eq!(title.segments("video-1").0, 1);
    let (count, longest_s) = title.segments("audio-1");
    assert!(count == 6 && longest_s < 12.0, "{count} segments of up to {longest_s} s");
    title.every_view_has_audio(&audio_packets(&title.path()));
}

#[test]
fn audio_that_outlasts_its_video_is_cut_on_the_grid() {
    if !ffmpeg::is_installed() {
        return;
    }
    let file = encoded(
        "-f lavfi -i testsrc2=size=64x36:rate=25:duration=2 -f lavfi -i sine=sample_rate=48000:duration=40 \
         -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac -b:a 32k",
    );
    let title = Title::new("short-video.mp4", &file);
    let (count, longest_s) = title.segments("audio-1");
    assert!(count == 6 && longest_s < 12.1, "{count} segments of up to {longest_s} s");
    title.every_view_has_audio(&audio_packets(&title.path()));
}
