//! The sequence parameter set of HEVC (ISO/IEC 23008-2 section 7.3.2.2.1), up to what it says of
//! colour. Colour stands behind everything else, so everything else is read.

use super::{
    Chroma,
    avc_sps::cropped,
    bits::{Bits, unescaped},
    video::Picture,
    vui,
};

/// The most short-term reference picture sets (section 7.4.3.2.1).
const REFERENCE_SETS_MAX: u32 = 64;

/// The most pictures in one of them (`sps_max_dec_pic_buffering_minus1` is 15 at most).
const REFERENCES_MAX: u32 = 16;

/// The most long-term reference pictures.
const LONG_TERM_MAX: u32 = 32;

/// Reads a set with its NAL header. `None` if it cannot be read.
pub(super) fn read(nal: &[u8]) -> Option<Picture> {
    let payload = unescaped(nal.get(2..)?);
    let mut bits = Bits::new(&payload);
    bits.skip(4)?;
    let sub_layers = usize::from(bits.take_u8(3)?);
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    let _id = bits.ue()?;
    let chroma = Chroma::of_format(bits.ue()?)?;
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
    skip_ue(&mut bits, 3 * layers)?;
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
    Some(Picture {
        size,
        aspect: vui.aspect,
        bit_depth: u8::try_from(bit_depth).ok(),
        chroma: Some(chroma),
        colour: vui.colour,
        ..Picture::default()
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

/// Section 7.3.7: sets that are written out, and sets that differ a little from the one before.
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
