//! Sample entries of real and of broken files.

mod entries;
mod repairs;

use entries::*;
use proptest::prelude::*;

use super::{boxes::build, *};

/// Bytes from hexadecimal.
fn bytes(hex: &str) -> Vec<u8> {
    let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).expect("two digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn entry(hex: &str, handler: &[u8; 4]) -> SampleEntry {
    read(&bytes(hex), *handler).expect("a complete entry")
}

/// A one-line summary, for tables.
fn line(media: &Media) -> String {
    match media {
        Media::Video(video) => {
            let SampleAspect { h_spacing, v_spacing } = video.sample_aspect;
            let depth = video.bit_depth.map_or("-".into(), |depth| depth.to_string());
            let chroma = video.chroma.map_or("-".into(), |chroma| format!("{chroma:?}"));
            let profile = video.profile.as_deref().unwrap_or("-");
            let level = video.level.as_deref().unwrap_or("-");
            let colour = video.colour;
            let full = colour.full_range.map_or("-", |full| if full { "full" } else { "limited" });
            format!(
                "{}x{} {h_spacing}:{v_spacing} {depth} {chroma}, {profile} {level}, {}/{}/{} {full} {}",
                video.width,
                video.height,
                colour.primaries,
                colour.transfer,
                colour.matrix,
                video.range.as_str(),
            )
        }
        Media::Audio(audio) => {
            let size = audio.sample_size.map_or("-".into(), |size| size.to_string());
            format!("{} ch, {} Hz, {size} bit", audio.channels, audio.sample_rate)
        }
        Media::Text => "text".to_owned(),
        Media::Other => "other".to_owned(),
    }
}

/// `wvtt` (ISO/IEC 14496-30 section 7.5).
fn webvtt() -> Vec<u8> {
    let boxes = [build(b"vttC", b"WEBVTT"), build(b"btrt", &[0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 9])];
    build(b"wvtt", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &boxes.concat()].concat())
}

/// An audio entry of MP4.
fn audio_entry(format: &[u8; 4], version: u8, boxes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, version, 0, 0, 0, 0, 0, 0];
    body.extend([0, 2, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0]);
    body.extend(boxes.concat());
    build(format, &body)
}

/// A video entry of MP4, 1920 by 1080.
fn video_entry(format: &[u8; 4], boxes: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0; 78];
    body[24..28].copy_from_slice(&[0x07, 0x80, 0x04, 0x38]);
    body.extend(boxes.concat());
    build(format, &body)
}

/// An entry, the handler of its track, the codecs parameter, the codec, and the media.
type Case = (&'static str, &'static [u8; 4], &'static str, &'static str, &'static str);

/// `ffprobe` and the muxers of ffmpeg agree on the same files, as far as they report these values.
const CASES: &[Case] = &[
    (AVC, b"vide", "avc1.64001f", "H.264", "800x640 64:45 8 C420, High 3.1, 2/2/2 - SDR"),
    (
        AVC_HLG,
        b"vide",
        "avc1.6e000c",
        "H.264",
        "320x180 1:1 10 C420, High 10 1.2, 9/18/9 limited HLG",
    ),
    (
        AVC_INTERLACED,
        b"vide",
        "avc1.7a001f",
        "H.264",
        "718x578 4624:3231 8 C422, High 4:2:2 3.1, 5/5/5 limited SDR",
    ),
    (
        AVC_QUICKTIME,
        b"vide",
        "avc1.4d001e",
        "H.264",
        "640x428 1:1 8 C420, Main 3.0, 6/1/6 limited SDR",
    ),
    (AVC_CBCS, b"vide", "avc1.64001f", "H.264", "508x254 1:1 8 C420, High 3.1, 1/1/1 limited SDR"),
    (HEVC, b"vide", "hvc1.1.6.L90.90", "HEVC", "854x480 1:1 8 C420, Main 3.0, 2/2/2 limited SDR"),
    (
        HEVC_DOLBY_VISION,
        b"vide",
        "hvc1.2.4.L93.B0",
        "HEVC",
        "1280x720 1:1 10 C420, Main 10 3.1, 9/18/9 limited HLG",
    ),
    (AV1, b"vide", "av01.0.05M.08", "AV1", "1080x720 1:1 8 C420, Main 3.1, 2/2/2 limited SDR"),
    (
        AV1_PQ,
        b"vide",
        "av01.0.00M.10.0.110.09.16.09.0",
        "AV1",
        "320x180 1:1 10 C420, Main 2.0, 9/16/9 limited PQ",
    ),
    (
        AV1_444,
        b"vide",
        "av01.1.00M.08.0.000.01.01.01.0",
        "AV1",
        "320x180 1:1 8 C444, High 2.0, 2/2/2 limited SDR",
    ),
    (
        AV1_MONOCHROME,
        b"vide",
        "av01.0.00M.08.1.110.01.01.01.0",
        "AV1",
        "320x180 1:1 8 Monochrome, Main 2.0, 2/2/2 limited SDR",
    ),
    (
        VP9,
        b"vide",
        "vp09.00.30.08",
        "VP9",
        "800x640 64:45 8 C420, Profile 0 3.0, 2/2/2 limited SDR",
    ),
    (
        VP9_PQ,
        b"vide",
        "vp09.02.11.10.01.09.16.09.00",
        "VP9",
        "320x180 1:1 10 C420, Profile 2 1.1, 9/16/9 limited PQ",
    ),
    (
        VP9_444,
        b"vide",
        "vp09.01.11.08.03.01.01.01.00",
        "VP9",
        "320x180 1:1 8 C444, Profile 1 1.1, 2/2/2 limited SDR",
    ),
    (MPEG4, b"vide", "mp4v.20.1", "MPEG-4 Visual", "320x180 1:1 - -, - -, 2/2/2 - SDR"),
    (MPEG2, b"vide", "mp4v.61", "MPEG-2", "320x180 1:1 - -, - -, 2/2/2 - SDR"),
    (MJPEG, b"vide", "jpeg", "Motion JPEG", "320x180 1:1 - -, - -, 2/2/2 - SDR"),
    (PRORES, b"vide", "apcn", "ProRes", "320x180 1:1 - -, - -, 2/2/2 - SDR"),
    (AAC, b"soun", "mp4a.40.2", "AAC", "1 ch, 44100 Hz, - bit"),
    (AAC_SHORT, b"soun", "mp4a.40.2", "AAC", "1 ch, 44100 Hz, - bit"),
    (AAC_SURROUND, b"soun", "mp4a.40.2", "AAC", "6 ch, 48000 Hz, - bit"),
    (AAC_QUICKTIME, b"soun", "mp4a.40.2", "AAC", "2 ch, 44100 Hz, - bit"),
    (MP3, b"soun", "mp4a.40.34", "MP3", "2 ch, 48000 Hz, - bit"),
    (MP3_QUICKTIME, b"soun", "mp4a.40.34", "MP3", "2 ch, 22050 Hz, - bit"),
    (OPUS, b"soun", "opus", "Opus", "6 ch, 48000 Hz, - bit"),
    (FLAC, b"soun", "fLaC", "FLAC", "2 ch, 192000 Hz, 24 bit"),
    (ALAC, b"soun", "alac", "Apple Lossless", "2 ch, 48000 Hz, 24 bit"),
    (ALAC_QUICKTIME, b"soun", "alac", "Apple Lossless", "2 ch, 48000 Hz, 24 bit"),
    (AC3, b"soun", "ac-3", "AC-3", "6 ch, 48000 Hz, - bit"),
    (AC3_QUICKTIME, b"soun", "ac-3", "AC-3", "6 ch, 48000 Hz, - bit"),
    (EAC3, b"soun", "ec-3", "Enhanced AC-3", "6 ch, 48000 Hz, - bit"),
    (DTS, b"soun", "mp4a.a9", "DTS", "2 ch, 48000 Hz, - bit"),
    (SOWT, b"soun", "sowt", "PCM", "2 ch, 48000 Hz, 16 bit"),
    (IN24, b"soun", "in24", "PCM", "2 ch, 48000 Hz, 24 bit"),
    (LPCM, b"soun", "lpcm", "PCM", "2 ch, 192000 Hz, 24 bit"),
    (TX3G, b"sbtl", "tx3g", "3GPP timed text", "text"),
    (STPP, b"subt", "stpp.ttml.im1t", "TTML", "text"),
    (QUICKTIME_TEXT, b"text", "text", "QuickTime text", "text"),
    (C608, b"clcp", "c608", "closed captions", "text"),
    (VOBSUB, b"subp", "mp4s", "VobSub", "other"),
    (TIMECODE, b"tmcd", "tmcd", "timecode", "other"),
    (MEBX, b"meta", "mebx", "timed metadata", "other"),
];

#[test]
fn real_entries_are_described_as_by_ffmpeg() {
    for (hex, handler, codecs, codec, media) in CASES {
        let parsed = entry(hex, handler);
        assert_eq!(parsed.codecs, *codecs);
        assert_eq!(parsed.codec.to_string(), *codec, "{codecs}");
        assert_eq!(line(&parsed.media), *media, "{codecs}");
        assert_eq!(parsed.warnings, [], "{codecs}");
        assert_eq!(parsed.format.0, bytes(hex)[4..8], "{codecs}");
        if parsed.repairs.is_empty() {
            let mut expected = bytes(hex);
            if **handler == *b"soun" {
                super::clear_stream_id(&mut expected);
            }
            assert_eq!(parsed.entry, expected, "{codecs}: byte for byte");
        }
    }
}

#[test]
fn only_the_stream_identifier_of_an_entry_changes() {
    let whole = bytes(AAC);
    let parsed = entry(AAC, b"soun");
    let changed: Vec<_> = (0..whole.len()).filter(|&at| parsed.entry[at] != whole[at]).collect();
    // The track identifier of ffmpeg, 2: behind the tag and the length of the descriptor.
    let esds = whole.windows(4).position(|four| four == b"esds").expect("a descriptor");
    assert_eq!(changed, [esds + 4 + 4 + 1 + 4 + 1]);
    assert_eq!((whole[changed[0]], parsed.entry[changed[0]]), (2, 0));
}

#[test]
fn entries_without_a_size_use_the_size_of_the_stream() {
    for hex in [AVC, AVC_INTERLACED, AVC_QUICKTIME, HEVC, HEVC_DOLBY_VISION, AV1, AV1_444] {
        let mut without = bytes(hex);
        without[32..36].fill(0);
        let without = read(&without, *b"vide").expect("a complete entry");
        let size = |parsed: &SampleEntry| match &parsed.media {
            Media::Video(video) => (video.width, video.height),
            other => unreachable!("{other:?} in a table of video"),
        };
        assert_eq!(size(&without), size(&entry(hex, b"vide")), "{}", without.codecs);
    }
}

#[test]
fn entries_that_ffmpeg_does_not_write_are_described() {
    let pcm = build(b"pcmC", &[0, 0, 0, 0, 1, 24]);
    let high_rate = build(b"srat", &[0, 0, 0, 0, 0, 0x01, 0x77, 0]);
    let no_vision = build(b"hvcC", &bytes("01022000000090000000000099f000fcfdfafa00000f00"));
    for (bytes, handler, codecs, media) in [
        (webvtt(), b"text", "wvtt", "text"),
        (audio_entry(b"ipcm", 0, &[pcm]), b"soun", "ipcm", "2 ch, 48000 Hz, 24 bit"),
        // Version 1 of MP4, as opposed to QuickTime's.
        (audio_entry(b"dtsc", 1, &[high_rate]), b"soun", "dtsc", "2 ch, 96000 Hz, - bit"),
        // Dolby Vision without a compatible base layer declares no colour.
        (
            video_entry(b"dvh1", &[no_vision.clone(), build(b"dvcC", &[1, 0, 0x0a, 0x35, 0, 0])]),
            b"vide",
            "dvh1.05.06",
            "1920x1080 1:1 10 C420, Main 10 5.1, 2/2/2 - PQ",
        ),
        // An entry without parameter sets in the record keeps its type.
        (
            video_entry(b"hev1", &[no_vision]),
            b"vide",
            "hev1.2.4.L153.90",
            "1920x1080 1:1 10 C420, Main 10 5.1, 2/2/2 - SDR",
        ),
    ] {
        let parsed = read(&bytes, *handler).expect("a complete entry");
        assert_eq!(parsed.codecs, codecs);
        assert_eq!(line(&parsed.media), media, "{codecs}");
        assert_eq!((parsed.repairs, parsed.warnings), (vec![], vec![]), "{codecs}");
        assert_eq!(parsed.entry, bytes, "{codecs}: byte for byte");
    }
}

#[test]
fn unpackageable_codecs_have_a_reason() {
    let reason = |hex, handler| entry(hex, handler).packageable().map_err(|why| why.to_string());
    for (hex, handler, ..) in CASES {
        let expected = match *hex {
            MPEG4 => "MPEG-4 Visual video needs transcoding: players do not support it in segments",
            MPEG2 => "MPEG-2 video needs transcoding: players do not support it in segments",
            MJPEG => "Motion JPEG video needs transcoding: players do not support it in segments",
            PRORES => "ProRes video needs transcoding: players do not support it in segments",
            DTS => "DTS audio needs transcoding: players do not support it in segments",
            SOWT | IN24 | LPCM => {
                "PCM audio needs transcoding: players do not support it in segments"
            }
            TX3G => {
                "3GPP timed text must be converted to WebVTT: players do not support it in segments"
            }
            QUICKTIME_TEXT => {
                "QuickTime text must be converted to WebVTT: players do not support it in segments"
            }
            C608 => {
                "closed captions must be converted to WebVTT: players do not support it in segments"
            }
            VOBSUB => "VobSub subtitles are images: HLS and DASH support text subtitles only",
            TIMECODE => "timecode is application data: players do not show it",
            MEBX => "timed metadata is application data: players do not show it",
            _ => {
                assert_eq!(reason(hex, handler), Ok(()));
                continue;
            }
        };
        assert_eq!(reason(hex, handler), Err(expected.to_owned()));
    }
    let unknown = read(&build(b"abcd", &[0; 8]), *b"meta").expect("a complete entry").packageable();
    assert_eq!(unknown.map_err(|why| why.to_string()), Err("unknown codec 'abcd'".into()));
}

#[test]
fn an_encrypted_entry_is_described_by_its_original_type_and_kept() {
    let encrypted = entry(AVC_CBCS, b"vide");
    assert_eq!((encrypted.format, encrypted.original_format), (FourCc(*b"encv"), FourCc(*b"avc1")));
    let encryption = encrypted.encryption.expect("it is encrypted");
    let key_id = 0xcbe3_327d_a85a_1e7a_7449_6db5_52df_e6d0_u128;
    assert_eq!(encryption.scheme, Some(FourCc(*b"cbcs")));
    // The constant vector is in the entry; the bytes after its length are not the key.
    let defaults = TrackEncryption { is_protected: true, iv_bytes: 0, key_id: [0; 16] };
    assert_eq!(encryption.defaults, Some(defaults));
    assert!(bytes(AVC_CBCS).windows(16).any(|bytes| bytes == key_id.to_be_bytes()));
    // No repair, although one would be possible.
    let avc3 = AVC_CBCS.replacen("61766331", "61766333", 1);
    let parsed = entry(&avc3, b"vide");
    assert_eq!((parsed.repairs, parsed.codecs.as_str()), (vec![], "avc3.64001f"));
    assert_eq!(parsed.entry, bytes(&avc3));
    let clear = entry(AVC, b"vide");
    assert_eq!((clear.original_format, clear.encryption), (clear.format, None));
}

#[test]
fn encryption_without_a_common_scheme_or_defaults_is_not_packageable() {
    let refused = |hex: &str, expected: &str| {
        let why = entry(hex, b"vide").packageable().expect_err("players cannot decrypt it");
        assert_eq!(why.to_string(), expected);
    };
    let why = "it is encrypted (cbcs), but not with valid Common Encryption";
    // No `tenc`; a vector of 1 byte; an invalid `isProtected`.
    refused(&AVC_CBCS.replacen("74656e63", "66726565", 1), why);
    refused(&AVC_CBCS.replacen("0100000000190100", "0100000000190101", 1), why);
    refused(&AVC_CBCS.replacen("0100000000190100", "0100000000190200", 1), why);
    let other = AVC_CBCS.replacen("63626373", "70696666", 1);
    refused(&other, "it is encrypted (piff), but not with valid Common Encryption");
}

#[test]
fn dolby_vision_is_named_besides_its_base_layer() {
    let Media::Video(video) = entry(HEVC_DOLBY_VISION, b"vide").media else { unreachable!() };
    let expected = DolbyVision {
        codecs: "dvh1.08.02".to_owned(),
        profile: 8,
        level: 2,
        brand: Some(FourCc(*b"db4h")),
    };
    assert_eq!(video.dolby_vision, Some(expected));
    let Media::Video(video) = entry(HEVC, b"vide").media else { unreachable!() };
    assert_eq!(video.dolby_vision, None);
}

#[test]
fn bit_rates_come_from_the_box_else_from_the_descriptor() {
    let rates = |max, average| Some(Bitrate { max, average });
    assert_eq!(entry(AVC, b"vide").bitrate, rates(1_438_352, 798_944));
    assert_eq!(entry(AAC_QUICKTIME, b"soun").bitrate, rates(192_000, 0));
    assert_eq!(entry(AC3, b"soun").bitrate, None);
}

#[test]
fn colour_of_the_stream_completes_the_container_and_warns_if_different() {
    let facts = |hex: &str| {
        let parsed = entry(hex, b"vide");
        let Media::Video(video) = parsed.media else { unreachable!() };
        (video.range, parsed.warnings)
    };
    // `colr` becomes `free`.
    let silent = AVC_HLG.replacen("636f6c72", "66726565", 1);
    assert_eq!(facts(&silent), (VideoRange::Hlg, vec![]));
    let differs = AVC_HLG.replacen("6e636c78000900120009", "6e636c78000100010001", 1);
    let warning = Warning::RangesDiffer { container: VideoRange::Sdr, stream: VideoRange::Hlg };
    assert_eq!(facts(&differs), (VideoRange::Sdr, vec![warning]));
}

#[test]
fn invalid_configurations_get_defaults_and_warnings() {
    let missing = |kind: &[u8; 4]| vec![Warning::Missing(FourCc(*kind))];
    let cut = |kind: &[u8; 4]| vec![Warning::CutShort(FourCc(*kind))];
    let none: &[Vec<u8>] = &[];
    for (bytes, handler, codecs, warnings) in [
        (video_entry(b"avc1", none), b"vide", "avc1.640028", missing(b"avcC")),
        (video_entry(b"hvc1", none), b"vide", "hvc1.1.6.L120.90", missing(b"hvcC")),
        (video_entry(b"av01", none), b"vide", "av01.0.08M.08", missing(b"av1C")),
        (video_entry(b"vp09", none), b"vide", "vp09.00.40.08", missing(b"vpcC")),
        (audio_entry(b"mp4a", 0, none), b"soun", "mp4a.40.2", missing(b"esds")),
        (audio_entry(b"Opus", 0, none), b"soun", "opus", missing(b"dOps")),
        (
            audio_entry(b"mp4a", 0, &[build(b"esds", &esds::build(0x40))]),
            b"soun",
            "mp4a.40.2",
            cut(b"esds"),
        ),
        (audio_entry(b"fLaC", 0, &[build(b"dfLa", &[0; 9])]), b"soun", "fLaC", cut(b"dfLa")),
        // The fields before the cut are used.
        (
            video_entry(b"avc1", &[build(b"avcC", &[1, 0x4d, 0x40, 0x1f, 0xff, 0xe1, 0, 9])]),
            b"vide",
            "avc1.4d401f",
            cut(b"avcC"),
        ),
        (video_entry(b"avc1", &[build(b"avcC", &[1, 0x4d])]), b"vide", "avc1.640028", cut(b"avcC")),
        (
            video_entry(b"avc1", &[build(b"avcC", &bytes("014d401fffe100024d4001000168"))]),
            b"vide",
            "avc1.4d401f",
            vec![Warning::SequenceParameterSet],
        ),
        (
            video_entry(b"av01", &[build(b"av1C", &bytes("81050c000a0100"))]),
            b"vide",
            "av01.0.05M.08",
            vec![Warning::SequenceHeader],
        ),
        (
            video_entry(b"vp09", &[build(b"vpcC", &bytes("010000000014820202020000")), vec![7]]),
            b"vide",
            "vp09.00.20.08",
            vec![Warning::Boxes],
        ),
    ] {
        let parsed = read(&bytes, *handler).expect("a complete entry");
        assert_eq!((parsed.codecs.as_str(), &parsed.warnings), (codecs, &warnings), "{bytes:02x?}");
        assert_eq!(parsed.packageable(), Ok(()), "{codecs}: a warning does not prevent playback");
        assert_eq!(parsed.entry, bytes, "{codecs}");
    }
}

#[test]
fn only_an_incomplete_entry_is_refused() {
    let refused =
        |bytes: &[u8], handler: &[u8; 4]| read(bytes, *handler).map(|parsed| parsed.codecs);
    let whole = bytes(AVC);
    assert_eq!(refused(&[&whole[..], &[0]].concat(), b"vide"), Err(EntryRefused::Size));
    assert_eq!(refused(&build(b"avc1", &[0; 77]), b"vide"), Err(EntryRefused::CutShort));
    assert_eq!(refused(&build(b"mp4a", &[0; 27]), b"soun"), Err(EntryRefused::CutShort));
    assert_eq!(refused(&build(b"wvtt", &[0; 7]), b"text"), Err(EntryRefused::CutShort));
    let long = build(b"mett", &vec![0; ENTRY_MAX_BYTES - 7]);
    assert_eq!(refused(&long, b"meta"), Err(EntryRefused::TooLong));
    assert_eq!(refused(&long[..8], b"meta"), Err(EntryRefused::Size));
}

/// Corrects the size in an entry's header, so that the reader gets past it.
fn resized(mut entry: Vec<u8>) -> Vec<u8> {
    let size = u32::try_from(entry.len()).expect("a short entry");
    if let Some(field) = entry.get_mut(..4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
    entry
}

/// Checks the invariants of any entry.
fn check(bytes: &[u8], handler: [u8; 4]) {
    let Ok(parsed) = read(bytes, handler) else { return };
    assert!(!parsed.codecs.is_empty() && parsed.codecs.is_ascii());
    assert!(
        !parsed.codecs.contains(['"', ',', '<', '&', ' ', '\n', '\r']),
        "{:?} is safe in a manifest",
        parsed.codecs
    );
    assert!(parsed.warnings.len() < 8);
    let _ = (parsed.packageable(), line(&parsed.media));
    if parsed.repairs.is_empty() {
        let mut expected = bytes.to_vec();
        if handler == *b"soun" {
            super::clear_stream_id(&mut expected);
        }
        assert_eq!(parsed.entry, expected);
    }
    let again = super::read(&parsed.entry, handler).expect("an init segment has a valid entry");
    assert_eq!((again.repairs, again.codecs), (vec![], parsed.codecs), "a repair is idempotent");
}

#[test]
fn an_unknown_type_cannot_break_a_manifest() {
    check(&build(b"a\",\n", &[0; 100]), *b"vide");
    check(&build(b"\"\",\r", &[0; 100]), *b"soun");
    check(&build(b",=<&", &[0; 100]), *b"meta");
}

#[test]
fn entries_cut_anywhere_are_refused_or_described() {
    for (hex, handler, ..) in CASES {
        let whole = bytes(hex);
        for length in 0..whole.len() {
            assert!(read(&whole[..length], **handler).is_err());
            check(&resized(whole[..length].to_vec()), **handler);
        }
    }
}

proptest! {
    #[test]
    fn entries_with_changed_bytes_keep_the_invariants(
        case in 0..CASES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (hex, handler, ..) = CASES[case];
        let mut bytes = bytes(hex);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check(&bytes, *handler);
        bytes.truncate(cut.index(bytes.len()));
        check(&resized(bytes), *handler);
    }

    #[test]
    fn entries_of_any_type_keep_the_invariants(
        case in 0..CASES.len(),
        format in any::<[u8; 4]>(),
    ) {
        let (hex, handler, ..) = CASES[case];
        let mut bytes = bytes(hex);
        bytes[4..8].copy_from_slice(&format);
        check(&bytes, *handler);
    }

    #[test]
    fn entries_of_any_bytes_keep_the_invariants(
        case in 0..CASES.len(),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (hex, handler, ..) = CASES[case];
        let head = &bytes(hex)[..8];
        check(&resized([head, &body].concat()), *handler);
    }
}
