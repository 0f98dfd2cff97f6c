//! Key frames marked elsewhere than in `stss` (kind K1), and open GOPs.

use crate::support::{
    box_patches::{in_track, locate_boxes, numbers, replaced, with_table},
    ffmpeg,
    movies::{full, table, words},
    views::{Title, clip, frames},
};

const VIDEO: &[u8; 4] = b"vide";

/// `sbgp` that puts these samples, from 1, into the first group of a kind.
fn group(kind: &[u8; 4], samples: &[u32], count: u32) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut next = 1;
    for &sample in samples {
        entries.extend([sample - next, 0, 1, 1]);
        next = sample + 1;
    }
    entries.extend([count + 1 - next, 0]);
    let number = u32::try_from(entries.len() / 2).expect("a few");
    full(b"sbgp", 0, 0, &[kind, &words([number]), &words(entries)])
}

/// A title whose `stss` lists the first key frame only, and another box the others; and the numbers of all.
fn marked_elsewhere(name: &'static str, of: &str, box_of: fn(&[u32], u32) -> Vec<u8>) -> Title {
    let original = clip(of);
    let syncs = numbers(&original, VIDEO, b"stss")[1..].to_vec();
    let samples = numbers(&original, VIDEO, b"stsz")[1];
    let file = with_table(&original, VIDEO, b"stss", &table(b"stss", 0, 1, &syncs[..1]));
    let stbl = in_track(&file, VIDEO, b"stbl").expect("a sample table");
    Title::new(name, &replaced(&file, stbl.end..stbl.end, &box_of(&syncs[1..], samples)))
}

/// Checks that a title has the segments and the key frames of the clip that it was made of.
fn is_like(title: &Title, of: &str) {
    let original = Title::new("original.mp4", &clip(of));
    assert_eq!(title.segments("video-1"), original.segments("video-1"), "{}", title.name);
    assert!(title.segments("video-1").0 > 1);
    let key_frames = |title: &Title| title.report()["tracks"][0]["video"]["key_frames"].clone();
    assert_eq!(key_frames(title), key_frames(&original), "{}", title.name);
    assert!(!title.says("one key frame"));
    title.every_view_shows(&frames(&original.path()));
}

#[test]
fn key_frames_in_the_sample_group_of_random_access_points_begin_segments() {
    if ffmpeg::is_installed() {
        let title = marked_elsewhere("rap.mp4", "hevc-hvc1.mp4", |syncs, samples| {
            group(b"rap ", syncs, samples)
        });
        is_like(&title, "hevc-hvc1.mp4");
    }
}

#[test]
fn key_frames_in_the_sample_group_of_sync_samples_begin_segments() {
    if ffmpeg::is_installed() {
        let title = marked_elsewhere("sync.mp4", "b-frames.mp4", |syncs, samples| {
            group(b"sync", syncs, samples)
        });
        is_like(&title, "b-frames.mp4");
    }
}

#[test]
fn partial_sync_samples_of_quicktime_begin_segments() {
    if ffmpeg::is_installed() {
        let title =
            marked_elsewhere("stps.mp4", "open-gop.mp4", |syncs, _| table(b"stps", 0, 1, syncs));
        is_like(&title, "open-gop.mp4");
    }
}

#[test]
fn other_sample_groups_mark_no_key_frames() {
    if ffmpeg::is_installed() {
        let title = marked_elsewhere("roll.mp4", "b-frames.mp4", |syncs, samples| {
            group(b"roll", syncs, samples)
        });
        assert_eq!(title.segments("video-1").0, 1);
    }
}

#[test]
fn an_empty_table_of_key_frames_leaves_the_first_frame() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("b-frames.mp4");
    let title =
        Title::new("empty.mp4", &with_table(&original, VIDEO, b"stss", &table(b"stss", 0, 1, &[])));
    assert_eq!(title.syncs_in_play(), [[1]]);
    assert_eq!(title.report()["tracks"][0]["video"]["key_frames"]["count"], 1);
    assert!(title.says("The table of key frames (stss) is empty"));
    title.every_view_shows(&frames(&title.path()));
}

/// Clears `sample_is_non_sync_sample` wherever a fragmented file has it.
fn without_non_sync(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    for place in locate_boxes(&file.clone()) {
        if matches!(&place.kind, b"tfhd" | b"trun" | b"trex") {
            for at in (place.start + 12..place.end - 3).step_by(4) {
                if file[at..at + 4] == [1, 1, 0, 0] {
                    file[at + 1] = 0;
                }
            }
        }
    }
    file
}

#[test]
fn in_fragments_a_frame_that_depends_on_others_is_no_key_frame() {
    if !ffmpeg::is_installed() {
        return;
    }
    for name in ["fragmented.mp4", "fragmented-dash.mp4"] {
        let original = Title::new("original.mp4", &clip(name));
        let file = without_non_sync(&clip(name));
        assert_ne!(file, clip(name), "{name}");
        let title = Title::new("depends.mp4", &file);
        assert_eq!(title.syncs_in_play(), original.syncs_in_play(), "{name}");
        assert!(title.syncs_in_play()[0].len() > 2, "{name}");
        is_like(&title, name);
    }
}

#[test]
fn sample_groups_in_fragments_mark_key_frames() {
    if !ffmpeg::is_installed() {
        return;
    }
    let original = clip("fragmented.mp4");
    let mut file = original.clone();
    // From the last fragment on, so that places before it stay.
    for moof in locate_boxes(&original).iter().rev().filter(|place| place.kind == *b"moof") {
        let inside: Vec<_> = locate_boxes(&original)
            .into_iter()
            .filter(|place| moof.start < place.start && place.end <= moof.end)
            .collect();
        let of_video = |place: &crate::support::box_patches::LocatedBox| {
            place.kind == *b"traf" && original[place.start + 8 + 12..][..4] == [0, 0, 0, 1]
        };
        let Some(traf) = inside.iter().find(|place| of_video(place)) else { continue };
        let sbgp = full(b"sbgp", 0, 0, &[b"rap ", &words([1, 1, 0x1_0001])]);
        for trun in inside.iter().filter(|place| place.kind == *b"trun") {
            let data = trun.start + 16;
            let offset = u32::from_be_bytes(file[data..data + 4].try_into().expect("four bytes"));
            let moved = offset + u32::try_from(sbgp.len()).expect("short");
            file[data..data + 4].copy_from_slice(&moved.to_be_bytes());
            let is_first = traf.start < trun.start && trun.end <= traf.end;
            // The first frame of the fragment is marked by its group alone.
            if is_first && file[trun.start + 11] & 4 != 0 {
                file[data + 4..data + 8].copy_from_slice(&[1, 1, 0, 0]);
            }
        }
        file = replaced(&file, traf.end..traf.end, &sbgp);
    }
    let title = Title::new("groups.mp4", &file);
    assert_eq!(title.syncs_in_play(), Title::new("original.mp4", &original).syncs_in_play());
    is_like(&title, "fragmented.mp4");
}

#[test]
fn manifests_and_report_declare_open_gops() {
    if !ffmpeg::is_installed() {
        return;
    }
    const INDEPENDENT: &str = "#EXT-X-INDEPENDENT-SEGMENTS";
    for (name, is_open) in [
        ("open-gop.mp4", true),
        ("hevc-hvc1.mp4", true),
        ("b-frames.mp4", false),
        ("vp9.mp4", false),
    ] {
        let title = Title::new("title.mp4", &clip(name));
        let streams = title.streams();
        assert_eq!(title.text("index.m3u8").contains(INDEPENDENT), !is_open, "{name}");
        let video =
            streams.playlists.iter().find(|(url, _)| url.contains("/video-1/")).expect("video");
        assert_eq!(video.1.flags.iter().any(|flag| flag == INDEPENDENT), !is_open, "{name}");
        let description = title.text("manifest.mpd");
        assert_eq!(description.contains("startWithSAP=\"3\""), is_open, "{name}");
        // Of the audio, and of the video as well.
        assert_eq!(
            description.matches("startWithSAP=\"1\"").count(),
            2 - usize::from(is_open),
            "{name}"
        );
        assert_eq!(title.says("begin with an open GOP"), is_open, "{name}");
        title.every_view_shows(&frames(&title.path()));
    }
}
