use super::{audio_entry, hex, sound, usual, video_entry};
use crate::support::{entries, movies::full, sentences::says};

#[test]
fn players_are_named_with_versions_and_requirements() {
    // A file that is no movie has no verdicts.
    let (movie, text) = (usual(), b"this is no movie at all");
    says("17 or later, macOS and iOS", &movie, text);
    says("on an iPhone it needs iOS 17.1 or later (Managed Media Source)", &movie, text);
    says("with a library such as dash.js or Shaka Player", &movie, text);
    says("120 or later, desktop and Android; Edge is similar", &movie, text);
    says("with hls.js; natively from version 142 on, with open bug reports", &movie, text);
    says("128 or later, desktop", &movie, text);
    says("with hls.js", &movie, text);
    says("8 or later, ExoPlayer (Media3 1.4 or later)", &movie, text);
    says("OS 12 or later", &movie, text);
}

#[test]
fn a_verdict_names_what_does_not_play() {
    let (mpeg4, pcm) = (video_entry(hex(entries::MPEG4)), audio_entry(hex(entries::SOWT)));
    says("no decoder for *", &mpeg4, &usual());
    says("plays audio only", &mpeg4, &pcm);
    says("plays video only", &pcm, &mpeg4);
}

#[test]
fn a_verdict_names_the_condition_for_video() {
    let usual = usual();
    let deep_h264 = video_entry(hex(entries::AVC_HLG));
    says("on the profile: 10 bits on desktops, in software", &deep_h264, &usual);
    says("on the decoder of the system; Windows has none", &deep_h264, &usual);
    let hevc = video_entry(hex(entries::HEVC));
    says("on a hardware decoder, or that of macOS or Android", &hevc, &usual);
    says(
        "on version and hardware: Windows from 134 on, macOS from 136, Linux from 137",
        &hevc,
        &usual,
    );
    says("on the device: nearly all, but few old ones with 10 bits", &hevc, &usual);
    says("on the model: those with 4K", &hevc, &usual);
    // `bitDepthLumaMinus8` is 4.
    let deep_hevc = video_entry(hex(&entries::HEVC.replacen("f000fcfdf8f8", "f000fcfdfcf8", 1)));
    says("on a hardware decoder: Apple silicon", &deep_hevc, &hevc);
    says("on the device; few have a decoder", &deep_hevc, &hevc);
    let vision = entries::HEVC_DOLBY_VISION.replacen("64767643010010154", "6476764301000a150", 1);
    let vision = video_entry(hex(&vision));
    says("on a Dolby Vision decoder", &vision, &hevc);
    says("on the model: those with Dolby Vision", &vision, &hevc);
    let av1 = video_entry(hex(entries::AV1));
    says("on a hardware decoder: M3, A17 Pro and later", &av1, &usual);
    says("on the device: Android 10 or later, fast enough with a hardware decoder", &av1, &usual);
    says("on the model: some with 4K", &av1, &usual);
    says(
        "on the device, from Safari 14 on; absent from Apple's HLS authoring specification",
        &video_entry(hex(entries::VP9)),
        &av1,
    );
    let mpeg4 = video_entry(hex(entries::MPEG4));
    says("on size and profile: small and Simple Profile", &mpeg4, &usual);
    says("on the device: Simple Profile", &mpeg4, &usual);
    says("on the device: televisions", &video_entry(hex(entries::MPEG2)), &mpeg4);
    says("on the device; the maker publishes nothing", &video_entry(hex(entries::MJPEG)), &usual);
    says(
        "on the device: Macs, and iPhones from 13 Pro on",
        &video_entry(hex(entries::PRORES)),
        &mpeg4,
    );
}

#[test]
fn a_verdict_names_the_condition_for_audio() {
    let usual = usual();
    says(
        "on the player: native HLS plays it, a library does not",
        &audio_entry(hex(entries::MP3)),
        &usual,
    );
    says(
        "on the version: absent from Apple's HLS authoring specification",
        &audio_entry(hex(entries::OPUS)),
        &usual,
    );
    let pcm = audio_entry(hex(entries::SOWT));
    says("on the sample format: most likely little-endian, 16 or 24 bits", &pcm, &usual);
    says("on the sample format: nothing is published for MP4", &pcm, &usual);
    // Audio object type 42, at 48 kHz, of two channels.
    let specific = [5, 5, 0xf9, 0x46, 0x40, 0, 0];
    let config = [&[4, 20, 0x40, 0x15][..], &[0; 11], &specific].concat();
    let esds = full(b"esds", 0, 0, &[&[3, 28, 0, 0, 0], &config, &[6, 1, 2]]);
    let xhe = audio_entry(sound(b"mp4a", &esds));
    says("on the system: Android 9, macOS, Windows 11", &xhe, &usual);
    says("on version and system; old ones have no decoder", &xhe, &usual);
    says("on Android 9 or later", &xhe, &usual);
    says(
        "on the application: it needs the FFmpeg extension",
        &audio_entry(hex(entries::ALAC)),
        &usual,
    );
    let ac3 = audio_entry(hex(entries::AC3));
    says("on the device, or on passthrough to an audio receiver", &ac3, &usual);
    says("on passthrough to an audio receiver", &ac3, &usual);
}
