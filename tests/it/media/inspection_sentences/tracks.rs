use super::{
    audio_entry, hex, other_track, sound, usual, video, video_entry, visual, with, with_box,
    with_bytes,
};
use crate::support::{
    box_patches::{of_kind, patched},
    entries, fuzz_corpus,
    movies::{Plan, boxed, fragmented, plain, quick_time, table, words},
    sentences::says,
};

// ---- Times -----------------------------------------------------------------

#[test]
fn key_frames_are_judged() {
    let gop = |frames, sync_every| video(Plan { sync_every, ..Plan::video(1, frames) });
    let usual = gop(600, 12);
    let (single, long) = (gop(300, 1000), gop(600, 260));
    says(
        "The track has one key frame in * s: it is one segment, and every seek decodes from the start.",
        &single,
        &long,
    );
    says(
        "Key frames are up to * s apart: segments are as long, and a seek may wait for a whole segment.",
        &long,
        &single,
    );
    let fragments = fragmented(&[Plan { per_chunk: 12, ..Plan::video(1, 48) }]);
    // Flags of the first frame of each fragment: it depends on others and is no sync sample.
    let none = of_kind(&fragments, b"trun")
        .into_iter()
        .fold(fragments, |file, run| patched(&file, run.body().start + 16, &words([0x101_0000])));
    says("The track has no key frame: players may show nothing, or a grey image.", &none, &single);
    says(
        "Transcode it with a key frame every two seconds: ffmpeg -i IN -c:v libx264 -force_key_frames 'expr:gte(t,n_forced*2)' -c:a copy OUT.mp4.",
        &single,
        &usual,
    );
}

#[test]
fn times_of_frames_are_judged() {
    let variable = with(b"stts", &table(b"stts", 0, 2, &[24, 512, 24, 1024]));
    says("The frame rate is variable.", &variable, &usual());
    says(
        "Players support this; some editors do not. No action needed for playback.",
        &variable,
        &usual(),
    );
    let negative = with(b"ctts", &table(b"ctts", 1, 2, &[1, 0, 47, (-512_i32).cast_unsigned()]));
    says(
        "negative composition offsets become positive, and an edit list compensates",
        &negative,
        &usual(),
    );
}

#[test]
fn edit_lists_are_judged() {
    let with_edits =
        |edits: &[(u32, u32)]| video(Plan { edits: edits.to_vec(), ..Plan::video(1, 48) });
    let one = with_edits(&[(1920, 512)]);
    let late = quick_time(&[Plan::video(1, 48)]);
    says("no edits", &one, &late);
    says("starts * s after the movie", &late, &one);
    says("segments start at a later decoding time instead of an empty edit", &late, &one);
    let cut = with_edits(&[(1000, 512 * 9)]);
    says("the first * s are decoded and not shown", &cut, &one);
    says("the init segment has one edit without end instead of the edit list", &cut, &one);
    // An encoder's delay, which is the usual edit of audio.
    says("the first * s are decoded and not played", &usual(), &one);
    let text = |from| {
        let track = other_track(3, b"text", hex(entries::TX3G));
        plain(&[Plan::video(1, 48), Plan { edits: vec![(1000, from)], ..track }])
    };
    says("the first * s are not shown", &text(3000), &text(0));
}

// ---- The picture ---------------------------------------------------------------

#[test]
fn the_orientation_of_the_video_is_told() {
    let one = 0x1_0000_u32;
    let minus = (-0x1_0000_i32).cast_unsigned();
    let turned = |[a, b, c, d]: [u32; 4]| with_bytes(b"tkhd", 40, &words([a, b, 0, c, d]));
    let by_90 = turned([0, one, minus, 0]);
    let mirrored = turned([0, minus, minus, 0]);
    let sheared = turned([one, one, minus, one]);
    says("The video is *.", &by_90, &usual());
    says(
        "Headwater keeps the matrix, and most players apply it. Transcode the video to be independent of the player.",
        &by_90,
        &usual(),
    );
    says("rotated by * degrees", &by_90, &sheared);
    says("mirrored and rotated by * degrees", &mirrored, &by_90);
    says("The video is mirrored.", &turned([minus, 0, 0, one]), &mirrored);
    says("rotated or sheared by an arbitrary angle", &sheared, &by_90);
}

#[test]
fn the_colour_of_the_video_is_told() {
    let hlg = video_entry(hex(entries::AVC_HLG));
    let pq = video_entry(hex(entries::AV1_PQ));
    says("The video is high dynamic range only (*).", &hlg, &usual());
    says(
        "On other screens the player maps the colours, and the result may be too pale or too dark.",
        &hlg,
        &usual(),
    );
    says("HDR (PQ, as in HDR10)", &pq, &hlg);
    says("HDR (HLG)", &hlg, &pq);
    says(", code points unspecified", &usual(), &hlg);
    let nclx = boxed(b"colr", &[b"nclx\0\x01\0\x01\0\x01\x80"]);
    says(", full range", &video_entry(with_box(&hex(entries::AVC), &nclx)), &usual());
    let contradicting =
        entries::AVC_HLG.replacen("6e636c78000900120009", "6e636c78000100010001", 1);
    says(
        "the container declares * video, but the stream declares *",
        &video_entry(hex(&contradicting)),
        &hlg,
    );
}

#[test]
fn dolby_formats_are_told() {
    let vision = entries::HEVC_DOLBY_VISION;
    let without_base = vision.replacen("64767643010010154", "6476764301000a150", 1);
    let (vision, without_base) = (video_entry(hex(vision)), video_entry(hex(&without_base)));
    says("profile *, level **", &vision, &usual());
    says(", with a base layer for other players", &vision, &without_base);
    says(", without a base layer for other players", &without_base, &vision);
    let atmos = boxed(b"dec3", &[&[0x14, 0x00, 0x20, 0x0f, 0x00, 0x01, 0x10]]);
    says(
        " with Dolby Atmos",
        &audio_entry(sound(b"ec-3", &atmos)),
        &audio_entry(hex(entries::EAC3)),
    );
}

// ---- Sample entries ------------------------------------------------------------

#[test]
fn a_changed_sample_entry_is_told() {
    let dvhe = entries::HEVC_DOLBY_VISION.replacen("68766331", "64766865", 1);
    let avc3 = entries::AVC.replacen("61766331", "61766333", 1);
    says(
        "hev1 changed to hvc1: the parameter sets are in the sample entry",
        &video_entry(hex(entries::HEVC)),
        &usual(),
    );
    says(
        "dvhe changed to dvh1: the parameter sets are in the sample entry",
        &video_entry(hex(&dvhe)),
        &usual(),
    );
    says(
        "avc3 changed to avc1: the parameter sets are in the sample entry",
        &video_entry(hex(&avc3)),
        &usual(),
    );
    says(
        "QuickTime image description changed to an MP4 sample entry",
        &video_entry(with_box(&hex(entries::AVC), &boxed(b"gama", &[&[0, 1, 0, 0]]))),
        &usual(),
    );
    says(
        "QuickTime sound description changed to an MP4 sample entry",
        &audio_entry(hex(entries::AAC_QUICKTIME)),
        &usual(),
    );
}

#[test]
fn faults_of_a_sample_entry_are_told() {
    let usual = usual();
    let missing = video_entry(visual(b"avc1", &[]));
    says("the sample entry has no * box; the codec parameters are a guess", &missing, &usual);
    says(
        "If a player refuses the track, remux it: ffmpeg -i IN -c copy OUT.mp4.",
        &missing,
        &usual,
    );
    let cut = visual(b"avc1", &boxed(b"avcC", &[&[1, 0x4d]]));
    says("the * box in the sample entry is cut short or invalid", &video_entry(cut), &usual);
    let sets = visual(b"avc1", &boxed(b"avcC", &[&hex("014d401fffe100024d4001000168")]));
    says("the sequence parameter set is invalid", &video_entry(sets), &usual);
    let header = visual(b"av01", &boxed(b"av1C", &[&hex("81050c000a0100")]));
    says("the sequence header is invalid", &video_entry(header), &usual);
    let trailing = with_box(&hex(entries::AVC), &[7]);
    let trailing = [&trailing[..trailing.len() - 1], &[0, 0, 0, 9][..]].concat();
    let size = u32::try_from(trailing.len()).expect("a short entry").to_be_bytes();
    let trailing = [&size[..], &trailing[4..]].concat();
    says("the sample entry has trailing data that is not a box", &video_entry(trailing), &usual);
    let short = video_entry(boxed(b"avc1", &[&[0; 20]]));
    says("a sample entry is too short for its media type", &short, &usual);
}

// ---- Segments ---------------------------------------------------------------

#[test]
fn a_track_that_segments_do_not_carry_has_a_reason() {
    let usual = usual();
    let (mpeg4, pcm) = (video_entry(hex(entries::MPEG4)), audio_entry(hex(entries::SOWT)));
    says("HLS and DASH do not contain the track: *.", &mpeg4, &usual);
    says("* video needs transcoding: players do not support it in segments", &mpeg4, &pcm);
    says("* audio needs transcoding: players do not support it in segments", &pcm, &mpeg4);
    says("HLS and DASH", &pcm, &quick_time(&[Plan::video(1, 48)]));
    let text = plain(&[other_track(1, b"text", hex(entries::TX3G))]);
    says("* must be converted to WebVTT: players do not support it in segments", &text, &usual);
    says("the file has no video and no audio", &text, &usual);
    let beside = |handler, entry| plain(&[Plan::video(1, 48), other_track(2, handler, entry)]);
    let images = beside(b"subp", hex(entries::VOBSUB));
    says("* subtitles are images: HLS and DASH support text subtitles only", &images, &usual);
    says("No action needed; the track stays in the file and in play.mp4.", &images, &usual);
    let timecode = beside(b"tmcd", hex(entries::TIMECODE));
    says("* is application data: players do not show it", &timecode, &usual);
    says("unknown codec *", &beside(b"meta", boxed(b"abcd", &[&[0; 8]])), &timecode);
    let wvtt = boxed(b"wvtt", &[&[0, 0, 0, 0, 0, 0, 0, 1], &boxed(b"vttC", &[b"WEBVTT"])]);
    let only_wvtt = plain(&[other_track(1, b"text", wvtt)]);
    says("segments do not carry tracks of this kind", &only_wvtt, &usual);
    let two = plain(&[Plan::video(1, 48), Plan::video(2, 48)]);
    says("segments carry one video track, and another one was selected", &two, &usual);
}

#[test]
fn encryption_is_told() {
    let usual = usual();
    let cbcs = video_entry(hex(entries::AVC_CBCS));
    says("The track is encrypted*.", &cbcs, &usual);
    says("encrypted with scheme *", &cbcs, &usual);
    says("Headwater delivers no keys: use a copy without DRM.", &cbcs, &usual);
    says("the * track is encrypted, and Headwater delivers no keys", &cbcs, &usual);
    let both = std::fs::read(fuzz_corpus::movies().join("ffmpeg-encrypted.mp4")).expect("a file");
    says("the * and * tracks are encrypted, and Headwater delivers no keys", &both, &cbcs);
    let other = entries::AVC_CBCS.replacen("74656e63", "66726565", 1);
    says(
        "it is encrypted*, but not with valid Common Encryption",
        &video_entry(hex(&other)),
        &cbcs,
    );
}
