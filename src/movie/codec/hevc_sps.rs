//! The sequence parameter set of HEVC (ISO/IEC 23008-2 section 7.3.2.2.1), up to the colour in
//! its VUI. Colour comes after all other fields, so all of them are parsed.

use super::{
    Chroma,
    avc_sps::cropped,
    bits::{Bits, unescaped},
    video::VideoConfig,
    vui,
};

/// The most short-term reference picture sets (section 7.4.3.2.1).
const REFERENCE_SETS_MAX: u32 = 64;

/// The most pictures in one of them (`sps_max_dec_pic_buffering_minus1` is 15 at most).
const REFERENCES_MAX: u32 = 16;

/// The most frames that are reordered (`sps_max_dec_pic_buffering_minus1` limits them).
const REORDERED_MAX: u8 = 15;

/// The most long-term reference pictures.
const LONG_TERM_MAX: u32 = 32;

/// Reads a set with its NAL header. `None` if it is invalid.
pub(super) fn read(nal: &[u8]) -> Option<VideoConfig> {
    let payload = unescaped(nal.get(2..)?);
    let mut bits = Bits::new(&payload);
    bits.skip(4)?;
    let sub_layers = usize::from(bits.take_u8(3)?);
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    let _id = bits.ue()?;
    let chroma = Chroma::from_format_idc(bits.ue()?)?;
    let is_separate = chroma == Chroma::C444 && bits.flag()?;
    let (width, height) = (bits.ue()?, bits.ue()?);
    let mut crop = [0; 4];
    if bits.flag()? {
        crop = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
    }
    let step = if is_separate { (1, 1) } else { chroma.step() };
    let size = cropped((width, height), crop, step);
    let bit_depth = bits.ue()?.checked_add(8)?;
    let _bit_depth_chroma = bits.ue()?;
    let order_count_bits = bits.ue()?.checked_add(4).filter(|&bits| bits <= 16)?;
    let layers = if bits.flag()? { sub_layers + 1 } else { 1 };
    // Buffering, reordering and latency; those of the highest layer hold for all.
    skip_ue(&mut bits, 3 * (layers - 1) + 1)?;
    let reordered_frames = u8::try_from(bits.ue()?).ok().filter(|frames| *frames <= REORDERED_MAX);
    skip_ue(&mut bits, 1)?;
    // Coding and transform block sizes and depths.
    skip_ue(&mut bits, 6)?;
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(&mut bits)?;
    }
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        skip_ue(&mut bits, 2)?;
        bits.skip(1)?;
    }
    skip_reference_sets(&mut bits)?;
    if bits.flag()? {
        let pictures = bits.ue().filter(|&pictures| pictures <= LONG_TERM_MAX)?;
        bits.skip(usize::try_from(pictures * (order_count_bits + 1)).ok()?)?;
    }
    bits.skip(2)?;
    let vui = vui::read(&mut bits)?;
    Some(VideoConfig {
        size,
        aspect: vui.aspect,
        bit_depth: u8::try_from(bit_depth).ok(),
        chroma: Some(chroma),
        colour: vui.colour,
        reordered_frames,
        ..VideoConfig::default()
    })
}

fn skip_ue(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    (0..count).try_for_each(|_| bits.ue().map(|_| ()))
}

/// Section 7.3.3.
fn skip_profile_tier_level(bits: &mut Bits<'_>, sub_layers: usize) -> Option<()> {
    const PROFILE_BITS: usize = 88;
    const LEVEL_BITS: usize = 8;
    bits.skip(PROFILE_BITS + LEVEL_BITS)?;
    let mut present = 0;
    for _ in 0..sub_layers {
        present += if bits.flag()? { PROFILE_BITS } else { 0 };
        present += if bits.flag()? { LEVEL_BITS } else { 0 };
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    bits.skip(present)
}

/// Section 7.3.4.
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if bits.flag()? {
                let coefficients = 64.min(1 << (4 + 2 * size));
                skip_ue(bits, coefficients + usize::from(size > 1))?;
            } else {
                skip_ue(bits, 1)?;
            }
        }
    }
    Some(())
}

/// Section 7.3.7: explicit sets, and sets predicted from the previous one.
fn skip_reference_sets(bits: &mut Bits<'_>) -> Option<()> {
    let sets = bits.ue().filter(|&sets| sets <= REFERENCE_SETS_MAX)?;
    let mut pictures = 0;
    for set in 0..sets {
        if set > 0 && bits.flag()? {
            bits.skip(1)?;
            skip_ue(bits, 1)?;
            let mut kept = 0;
            for _ in 0..=pictures {
                let is_used = bits.flag()?;
                kept += u32::from(is_used || bits.flag()?);
            }
            pictures = kept;
        } else {
            let (negative, positive) = (bits.ue()?, bits.ue()?);
            pictures = negative.checked_add(positive)?;
            for _ in 0..Some(pictures).filter(|&pictures| pictures <= REFERENCES_MAX)? {
                skip_ue(bits, 1)?;
                bits.skip(1)?;
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::codec::bits::tests::{nal_bytes, ue};

    /// A set of 1922 × 1082 with ten bits, cropped to 1920 × 1080, with PQ. `extras` are the fields of scaling
    /// lists, PCM, reference sets and long-term pictures.
    fn set(extras: &[&str]) -> Option<VideoConfig> {
        let zeros = "0".repeat(88);
        let head =
            ["0000", "001", "1", &zeros, "01111000", "11", &"00".repeat(7), &zeros, "01111000"];
        let sizes = [&ue(0), &ue(1), &ue(1922), &ue(1082), "1", &ue(0), &ue(1), &ue(1), &ue(0)];
        let depths = [&ue(2), &ue(2), &ue(4), "0", &ue(4), &ue(2), &ue(0)];
        let blocks = [0, 3, 0, 3, 2, 2].map(ue).concat();
        let vui = ["11", "11111111", "0000000000000100", "0000000000000011", "0"];
        let colour = ["1", "101", "0", "1", "00001001", "00010000", "00001001"];
        let bits = [
            head.concat(),
            sizes.concat(),
            depths.concat(),
            blocks,
            extras.concat(),
            vui.concat(),
            colour.concat(),
        ];
        read(&[&[0x42, 1][..], &nal_bytes(&bits.concat())].concat())
    }

    #[test]
    fn colour_is_read_after_all_other_fields() {
        let lists = |mode: &str, values: &dyn Fn(usize) -> usize| {
            let list = |size: usize| format!("{mode}{}", ue(0).repeat(values(size)));
            [list(0).repeat(6), list(1).repeat(6), list(2).repeat(6), list(3).repeat(2)].concat()
        };
        let copied = lists("0", &|_| 1);
        let written_out = lists("1", &|size| [16, 64, 65, 65][size]);
        // An explicit set of two pictures before and one after, then two predicted sets: three pictures,
        // then three of four, then one of four.
        let sets = [
            &ue(3)[..],
            &[ue(2), ue(1)].concat(),
            &format!("{}1{}1{}1", ue(0), ue(0), ue(0)),
            &["1", "0", &ue(0), "1", "1", "00", "01"].concat(),
            &["1", "1", &ue(3), "00", "00", "00", "1"].concat(),
        ]
        .concat();
        let long_term = ["1", &ue(2), "00001111", "1", "11110000", "0"].concat();
        for (name, extras) in [
            ("nothing", ["0", "00", "0", &ue(0), "0", "00"]),
            ("default lists", ["10", "00", "0", &ue(0), "0", "00"]),
            ("copied lists", [&["11", &copied].concat(), "00", "0", &ue(0), "0", "00"]),
            ("written lists", [&["11", &written_out].concat(), "00", "0", &ue(0), "0", "00"]),
            (
                "PCM",
                ["0", "11", &["1", "01110111", &ue(0), &ue(2), "1"].concat(), &ue(0), "0", "11"],
            ),
            ("reference sets", ["0", "00", "0", &sets, "0", "00"]),
            ("long-term pictures", ["0", "00", "0", &ue(0), &long_term, "00"]),
        ] {
            let video = set(&extras).unwrap_or_else(|| panic!("{name}: invalid"));
            let colour = video.colour;
            assert_eq!((colour.primaries, colour.transfer, colour.matrix), (9, 16, 9), "{name}");
            assert_eq!(colour.full_range, Some(false), "{name}");
            assert_eq!((video.size, video.bit_depth), (Some((1920, 1080)), Some(10)), "{name}");
            assert_eq!(video.reordered_frames, Some(2), "{name}");
            let aspect = video.aspect.expect("an aspect");
            assert_eq!((aspect.h_spacing, aspect.v_spacing), (4, 3), "{name}");
        }
    }

    #[test]
    fn sets_beyond_the_limits_of_the_specification_are_refused() {
        assert!(set(&["0", "00", "0", &ue(65), "0", "00"]).is_none(), "65 reference sets");
        let pictures = [ue(1), ue(9), ue(8)].concat();
        let seventeen = [pictures, format!("{}1", ue(0)).repeat(17)].concat();
        assert!(set(&["0", "00", "0", &seventeen, "0", "00"]).is_none(), "17 pictures in a set");
    }
}
