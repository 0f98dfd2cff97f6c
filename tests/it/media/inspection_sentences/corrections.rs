use super::{audio_entry, hex, sound, usual, video, video_entry, with, with_box, with_bytes};
use crate::support::{
    box_patches::{of_kind, patched, replaced},
    entries,
    movies::{Plan, boxed, fragmented, full, plain, table, words},
    sentences::says,
};

const HOUR: u32 = 3600 * 12_800;

#[test]
fn times_that_make_no_sense_are_told() {
    let durations = |runs: &[u32]| with(b"stts", &table(b"stts", 0, 2, runs));
    let minus = (-512_i32).cast_unsigned();
    let (one, two) =
        (durations(&[1, 512, 1, minus, 46, 512]), durations(&[1, 512, 2, minus, 45, 512]));
    says("* a negative duration (stts): decoding times go on without a step back.", &one, &usual());
    says(
        "HLS, DASH and play.mp4 have the corrected times. To fix the file: ffmpeg -i IN -c copy OUT.mp4.",
        &one,
        &usual(),
    );
    says("play.mp4 gets new sample tables", &one, &usual());
    says("sample has", &one, &two);
    says("samples have", &two, &one);
    says(
        "The samples have no duration (stts, trun): each is taken to last about * s.",
        &durations(&[48, 0]),
        &usual(),
    );
    says(
        "The last sample would last * s, long past the duration in the headers: it is taken to last as long as the others.",
        &durations(&[47, 512, 1, HOUR]),
        &usual(),
    );
    let offsets = with(b"ctts", &table(b"ctts", 0, 2, &[30, 512, 1, HOUR, 17, 512]));
    says(
        "* a composition offset (ctts) far from all others: a usual one is taken instead.",
        &offsets,
        &usual(),
    );
}

#[test]
fn decoding_times_of_fragments_that_go_back_are_told() {
    let plans = [Plan::video(1, 480), Plan::audio(2, 900)]
        .map(|plan| Plan { per_chunk: plan.per_chunk * 4, ..plan });
    let plain = fragmented(&plans);
    // Fragments of 24 frames; from the twelfth on, times begin again.
    let with_times = |time: &dyn Fn(u64) -> u64| {
        let mut file = plain.clone();
        for place in of_kind(&plain, b"tfdt") {
            let at = place.body().start + 4;
            let old = u64::from_be_bytes(plain[at..at + 8].try_into().expect("eight bytes"));
            file = patched(&file, at, &time(old).to_be_bytes());
        }
        file
    };
    let limit = 1 << 32;
    let wrapped = with_times(&|time| (time + limit - 100_000) % limit);
    says(
        "The decoding times of fragments (tfdt) pass their 32-bit limit *: they are continued.",
        &wrapped,
        &plain,
    );
    says("No action needed: HLS, DASH and play.mp4 are correct.", &wrapped, &plain);
    let restarted = with_times(&|time| if time < 100_000 { time } else { time - 100_000 });
    says(
        "The decoding times of fragments (tfdt) go back *: what follows is played after what precedes.",
        &restarted,
        &wrapped,
    );
    let audio = of_kind(&plain, b"tfhd")[1].end;
    assert_eq!(of_kind(&plain, b"tfdt")[1].start, audio, "the first fragment of audio");
    let mut late = plain.clone();
    for place in of_kind(&plain, b"tfdt").iter().skip(1).step_by(2) {
        // Five hours of 48,000 ticks a second.
        let at = place.body().start + 4;
        let old = u64::from_be_bytes(plain[at..at + 8].try_into().expect("eight bytes"));
        late = patched(&late, at, &(old + 5 * 3600 * 48_000).to_be_bytes());
    }
    says(
        "The decoding times of fragments (tfdt) begin * s after those of other tracks: the track is taken to begin with them.",
        &late,
        &plain,
    );
    says("If audio and video are not in step, remux the source again.", &late, &plain);
    says(
        "If the file holds a part twice, cut it out; otherwise no action is needed.",
        &restarted,
        &wrapped,
    );
}

#[test]
fn sync_samples_that_make_no_sense_are_told() {
    let audio = plain(&[Plan::video(1, 48), Plan { sync_every: 10, ..Plan::audio(2, 90) }]);
    says(
        "Audio frames are marked as no sync samples, although their codec allows decoding to begin with any of them: the marks are ignored.",
        &audio,
        &usual(),
    );
    let empty = with(b"stss", &table(b"stss", 0, 1, &[]));
    says(
        "The table of key frames (stss) is empty: only the first frame is taken for one.",
        &empty,
        &usual(),
    );
    says(
        "Seeking decodes from the start. To fix the file: ffmpeg -i IN -c copy OUT.mp4; if that finds no key frames, transcode it.",
        &empty,
        &usual(),
    );
}

#[test]
fn open_gops_are_told() {
    // Decoded I B B P B B P B B P B B; the B-frames behind an I-frame are presented before it.
    let compositions = |is_open: bool| {
        let offset = |frame: usize| match (frame % 12, frame % 3) {
            (0, _) if frame == 0 || !is_open => 0,
            (_, 0) => 3,
            _ if frame % 12 < 3 && !is_open => 1,
            _ => 0,
        };
        let compositions = (0..480).map(offset).collect();
        video(Plan { compositions, edits: vec![(19_200, 0)], ..Plan::video(1, 480) })
    };
    let (open, closed) = (compositions(true), compositions(false));
    says(
        "* of * segments begin with an open GOP: frames that are presented before the key frame may refer to the segment before.",
        &open,
        &closed,
    );
    says(
        "After a seek players leave these frames out. The manifests say so (startWithSAP 3, no EXT-X-INDEPENDENT-SEGMENTS). No action needed.",
        &open,
        &closed,
    );
}

#[test]
fn several_sample_entries_are_told() {
    let video = Plan::video(1, 48).entry;
    let entries = |other: &[u8]| {
        let file = with(b"stsd", &full(b"stsd", 0, 0, &[&words([2]), &video, other]));
        let runs = &of_kind(&file, b"stsc")[0];
        replaced(&file, runs.start..runs.end, &table(b"stsc", 0, 3, &[1, 6, 1, 3, 6, 2]))
    };
    let (equal, different) = (entries(&video), entries(&hex(entries::AVC_HLG)));
    says("The track has * equal sample entries: they are read as one.", &equal, &different);
    says(
        "its codec configuration changes after *.* s (several sample entries); it needs transcoding",
        &different,
        &equal,
    );
}

#[test]
fn what_the_headers_lack_is_told() {
    let compressed = with(b"mvhd", &boxed(b"cmov", &[&[0; 8]]));
    says("the index (moov) is compressed (cmov)", &compressed, &usual());
    says(
        "HLS, DASH and play.mp4 are made by ffmpeg at the first request. To fix the file: ffmpeg -i IN -c copy OUT.mp4.",
        &compressed,
        &usual(),
    );
    let no_timescale = with_bytes(b"mvhd", 12, &[0; 4]);
    says(
        "The movie header (mvhd) has no timescale: one tick a second is assumed.",
        &no_timescale,
        &usual(),
    );
    says(
        "Only edit lists and declared durations depend on it. To fix the file: ffmpeg -i IN -c copy OUT.mp4.",
        &no_timescale,
        &usual(),
    );
    says(
        "The media header (mdhd) has no timescale: that of the movie is taken.",
        &with_bytes(b"mdhd", 12, &[0; 4]),
        &usual(),
    );
    let elsewhere = full(b"url ", 0, 0, &[b"file:///other.mov\0"]);
    let reference = with(b"dref", &full(b"dref", 0, 0, &[&words([1]), &elsewhere]));
    says(
        "its media data is in another file, to which this one only refers (a reference movie); export it as a self-contained movie",
        &reference,
        &usual(),
    );
    let mut no_size = hex(entries::AVC);
    no_size[32..36].fill(0);
    says("frame size added to the sample entry, from the stream", &video_entry(no_size), &usual());
}

#[test]
fn interlaced_video_is_told() {
    let mixed = hex(entries::AVC_INTERLACED);
    let fields = boxed(b"fiel", &[&[2, 9]]);
    let interlaced = video_entry(with_box(&mixed, &fields));
    let mixed = video_entry(mixed);
    says("The video is interlaced.", &interlaced, &mixed);
    says("The stream allows interlaced frames.", &mixed, &interlaced);
    says(
        "Browsers show combs where such frames move. Images and renditions have none: order a rendition of the same height.",
        &mixed,
        &usual(),
    );
}

#[test]
fn audio_that_browsers_do_not_play_in_segments_is_told() {
    let mp3 = audio_entry(hex(entries::MP3));
    says("Browsers play * in play.mp4, but not in segments.", &mp3, &usual());
    says(
        "Headwater makes AAC of it with ffmpeg at the first request for a manifest.",
        &mp3,
        &usual(),
    );
    says("Media Source refuses * in segments", &mp3, &usual());
    says("plays the * that *", &mp3, &usual());
    says("Headwater makes of it with ffmpeg at the first request for a manifest", &mp3, &usual());
    says("on the library: Media Source knows it as mp3 only", &mp3, &usual());
    // AAC LC at 48 kHz: channel configuration 0, and a program config element of one front pair.
    let specific = [&[5, 8][..], &hex("118004c400002000")].concat();
    let config = [&[4, 23, 0x40, 0x15][..], &[0; 11], &specific].concat();
    let esds = full(b"esds", 0, 0, &[&[3, 31, 0, 0, 0], &config, &[6, 1, 2]]);
    let elements = audio_entry(sound(b"mp4a", &esds));
    says("* without a channel configuration", &elements, &mp3);
    says("on the player: native HLS, not a library", &elements, &mp3);
    says("on the decoder of the system", &elements, &mp3);
    says("on the version of the player (ExoPlayer#7770)", &elements, &mp3);
}

#[test]
fn what_headwater_transcodes_is_told() {
    let (mpeg4, pcm) = (video_entry(hex(entries::MPEG4)), audio_entry(hex(entries::SOWT)));
    says(
        "If the file has no other video, Headwater encodes it as H.264 with ffmpeg at the first request for a manifest. To have that done: ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p -c:a copy OUT.mp4.",
        &mpeg4,
        &pcm,
    );
    says(
        "If no other audio plays in browsers, Headwater makes AAC of it with ffmpeg at the first request for a manifest. To have that done: ffmpeg -i IN -c:v copy -c:a aac OUT.mp4.",
        &pcm,
        &mpeg4,
    );
}
