//! Entries whose faults are repaired, and QuickTime's forms of entries.

use super::*;

#[test]
fn a_type_is_repaired_if_the_parameter_sets_are_in_the_entry() {
    let avc3 = AVC.replacen("61766331", "61766333", 1);
    let dvhe = HEVC_DOLBY_VISION.replacen("68766331", "64766865", 1);
    for (hex, to, repair, codecs) in [
        (HEVC, b"hvc1", Repair::Hev1ToHvc1, "hvc1.1.6.L90.90"),
        (&avc3, b"avc1", Repair::Avc3ToAvc1, "avc1.64001f"),
    ] {
        let (parsed, mut expected) = (entry(hex, b"vide"), bytes(hex));
        expected[4..8].copy_from_slice(to);
        assert_eq!(parsed.entry, expected, "{codecs}");
        assert_eq!((parsed.repairs, parsed.codecs), (vec![repair], codecs.to_owned()));
    }
    let parsed = entry(&dvhe, b"vide");
    assert_eq!(parsed.entry[4..8], *b"dvh1");
    assert_eq!(parsed.repairs, [Repair::DvheToDvh1, Repair::QuickTimeVideo]);
}

#[test]
fn a_quicktime_image_description_becomes_an_mp4_entry() {
    // Temporal and spatial quality at 24, `nclc` and a terminator at the end.
    let mut expected = bytes(AVC_QUICKTIME);
    expected[24..32].fill(0);
    let colour = expected.len() - 4 - 18;
    expected.truncate(colour);
    expected.extend(build(b"colr", b"nclx\0\x06\0\x01\0\x06\0"));
    let parsed = entry(AVC_QUICKTIME, b"vide");
    assert_eq!(parsed.repairs, [Repair::QuickTimeVideo]);
    assert_eq!(parsed.entry, resized(expected));
    let gamma = [build(b"gama", &[0, 1, 0, 0]), build(b"pasp", &[0, 0, 0, 1, 0, 0, 0, 1])];
    let parsed = read(&video_entry(b"avc1", &gamma), *b"vide").expect("a complete entry");
    assert_eq!(parsed.entry, video_entry(b"avc1", &gamma[1..]));
    // ProRes is QuickTime's own.
    let parsed = read(&video_entry(b"apch", &gamma), *b"vide").expect("a complete entry");
    assert_eq!((parsed.repairs, parsed.entry), (vec![], video_entry(b"apch", &gamma).into()));
}

#[test]
fn a_type_is_kept_if_a_parameter_set_is_missing() {
    // H.264 without the picture parameter set; HEVC without VPS, then without PPS.
    let avc3 =
        AVC.replacen("61766331", "61766333", 1).replacen("01000568ef9cb22c", "00000568ef9cb22c", 1);
    let no_vps = HEVC.replacen("2000010018", "0000010018", 1);
    let no_pps = HEVC.replacen("2200010007", "2700010007", 1);
    for (hex, codecs) in
        [(&avc3, "avc3.64001f"), (&no_vps, "hev1.1.6.L90.90"), (&no_pps, "hev1.1.6.L90.90")]
    {
        let parsed = entry(hex, b"vide");
        assert_eq!((parsed.repairs.len(), parsed.codecs.as_str()), (0, codecs));
        assert_eq!(parsed.entry, bytes(hex));
    }
}

#[test]
fn a_quicktime_sound_description_becomes_an_mp4_entry() {
    let esds_of_mp3 = build(b"esds", &esds::build(0x69));
    let configuration = |hex: &str| bytes(hex);
    for (hex, format, [channels, sample_size, rate], configuration) in [
        (
            AAC_QUICKTIME,
            b"mp4a",
            [2, 16, 44_100],
            configuration(
                "00000033657364730000000003808080220000000480808014401400180000\
                 02ee000000000005808080021210068080800102",
            ),
        ),
        (
            ALAC_QUICKTIME,
            b"alac",
            [2, 24, 48_000],
            configuration(
                "00000024616c616300000000000010000018280a0e02000000006004002328000000bb80",
            ),
        ),
        (AC3_QUICKTIME, b"ac-3", [6, 16, 48_000], configuration("0000000b64616333103de0")),
        (MP3_QUICKTIME, b"mp4a", [2, 16, 22_050], esds_of_mp3),
    ] {
        let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        for field in [channels, sample_size, 0, 0, rate, 0_u16] {
            body.extend(field.to_be_bytes());
        }
        body.extend(configuration);
        let parsed = entry(hex, b"soun");
        assert_eq!(parsed.repairs, [Repair::QuickTimeAudio]);
        assert_eq!(parsed.entry, build(format, &body), "{}", parsed.codecs);
        // The rebuilt entry has the same description and needs no repair.
        let again = super::read(&parsed.entry, *b"soun").expect("a complete entry");
        assert_eq!((&again.codecs, &again.media), (&parsed.codecs, &parsed.media));
        assert_eq!((again.repairs, again.warnings), (vec![], vec![]), "{}", parsed.codecs);
    }
}

#[test]
fn a_sound_description_without_configuration_is_kept_with_a_warning() {
    let without = AAC_QUICKTIME.replacen("65736473", "66726565", 1);
    let parsed = entry(&without, b"soun");
    assert_eq!((parsed.repairs, parsed.codecs.as_str()), (vec![], "mp4a.40.2"));
    assert_eq!(parsed.entry, bytes(&without));
    assert_eq!(parsed.warnings, [Warning::Missing(FourCc(*b"esds"))]);
}
