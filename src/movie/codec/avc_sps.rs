//! The sequence parameter set of H.264 (ISO/IEC 14496-10 section 7.3.2.1.1), up to the colour in
//! its VUI.

use super::{
    Chroma, Scan,
    bits::{Bits, unescaped},
    video::VideoConfig,
    vui,
};

/// Profiles with chroma format and bit depth in the set.
const WITH_CHROMA_FORMAT: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// The greatest bit depth of any profile.
const BIT_DEPTH_MAX: u32 = 14;

/// Reads a set with its NAL header. `None` if it is invalid.
pub(super) fn read(nal: &[u8]) -> Option<VideoConfig> {
    let payload = unescaped(nal.get(1..)?);
    let mut bits = Bits::new(&payload);
    let profile = bits.take_u8(8)?;
    bits.skip(16)?;
    let _id = bits.ue()?;
    let mut chroma = Chroma::C420;
    let mut bit_depth = 8;
    let mut is_separate = false;
    if WITH_CHROMA_FORMAT.contains(&profile) {
        let format = bits.ue()?;
        chroma = Chroma::from_format_idc(format)?;
        is_separate = chroma == Chroma::C444 && bits.flag()?;
        bit_depth = bits.ue()?.checked_add(8).filter(|&depth| depth <= BIT_DEPTH_MAX)?;
        let _bit_depth_chroma = bits.ue()?;
        bits.skip(1)?;
        if bits.flag()? {
            let lists = if chroma == Chroma::C444 { 12 } else { 8 };
            for list in 0..lists {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    let _log2_max_frame_num = bits.ue()?;
    let is_in_order = skip_picture_order_count(&mut bits)?;
    let _max_num_ref_frames = bits.ue()?;
    bits.skip(1)?;
    let width = bits.ue()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.ue()?.checked_add(1)?;
    let frame_mbs_only = bits.flag()?;
    let fields = if frame_mbs_only { 1 } else { 2 };
    let height = map_units.checked_mul(16)?.checked_mul(fields)?;
    bits.skip(if frame_mbs_only { 1 } else { 2 })?;
    let size = if bits.flag()? {
        let crop = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
        let (step_x, step_y) = if is_separate { (1, 1) } else { chroma.step() };
        cropped((width, height), crop, (step_x, step_y * fields))
    } else {
        cropped((width, height), [0; 4], (1, 1))
    };
    let vui = vui::read(&mut bits)?;
    Some(VideoConfig {
        size,
        aspect: vui.aspect,
        scan: if frame_mbs_only { Scan::Progressive } else { Scan::Mixed },
        bit_depth: u8::try_from(bit_depth).ok(),
        chroma: Some(chroma),
        colour: vui.colour,
        // Profile Baseline has no frames that refer to later ones.
        reordered_frames: if is_in_order || profile == 66 {
            Some(0)
        } else if vui.is_present {
            reordered_frames(&mut bits)
        } else {
            None
        },
        ..VideoConfig::default()
    })
}

/// The size after cropping: `crop` is left, right, top, bottom, in steps.
pub(super) fn cropped(
    (width, height): (u32, u32),
    [left, right, top, bottom]: [u32; 4],
    (step_x, step_y): (u32, u32),
) -> Option<(u16, u16)> {
    let remaining = |size: u32, first: u32, second: u32, step: u32| {
        let removed = first.checked_add(second)?.checked_mul(step)?;
        u16::try_from(size.checked_sub(removed)?).ok()
    };
    Some((remaining(width, left, right, step_x)?, remaining(height, top, bottom, step_y)?))
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// `max_num_reorder_frames` of the rest of the VUI (annex E.1.1).
fn reordered_frames(bits: &mut Bits<'_>) -> Option<u8> {
    const REORDERED_MAX: u32 = 16;
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    if bits.flag()? {
        bits.skip(32 + 32 + 1)?;
    }
    let (nal, vcl) = (skip_buffering(bits)?, skip_buffering(bits)?);
    bits.skip(usize::from(nal || vcl))?;
    bits.skip(1)?;
    if !bits.flag()? {
        return None;
    }
    bits.skip(1)?;
    for _ in 0..4 {
        bits.ue()?;
    }
    bits.ue().filter(|frames| *frames <= REORDERED_MAX).and_then(|frames| u8::try_from(frames).ok())
}

/// Parameters of a hypothetical reference decoder (annex E.1.2); false if there are none.
fn skip_buffering(bits: &mut Bits<'_>) -> Option<bool> {
    const BUFFERS_MAX: u32 = 32;
    if !bits.flag()? {
        return Some(false);
    }
    let buffers = bits.ue()?.checked_add(1).filter(|buffers| *buffers <= BUFFERS_MAX)?;
    bits.skip(8)?;
    for _ in 0..buffers {
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    bits.skip(20)?;
    Some(true)
}

/// Skips the fields of the picture order count. True if it follows the decoding order.
fn skip_picture_order_count(bits: &mut Bits<'_>) -> Option<bool> {
    match bits.ue()? {
        0 => bits.ue().map(|_| false),
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            // At most 255; a greater count runs out of bits.
            let frames = bits.ue()?;
            (0..frames).try_for_each(|_| bits.se().map(|_| ())).map(|()| false)
        }
        order => Some(order == 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::codec::bits::tests::{nal_bytes, ue};

    /// A set of profile Main with this picture order count, 80 × 48, no cropping, PQ.
    fn set(order_count: &str) -> Option<VideoConfig> {
        let head = ["01001101", "00000000", "00011110", &ue(0), &ue(0)];
        let size = [&ue(1), "0", &ue(4), &ue(2), "1", "1", "0"];
        let vui = ["1", "0", "0", "1", "101", "1", "1", "00001001", "00010000", "00001001"];
        let bits = [&head.concat(), order_count, &size.concat(), &vui.concat()].concat();
        read(&[&[0x67][..], &nal_bytes(&bits)].concat())
    }

    #[test]
    fn all_picture_order_count_types_are_skipped() {
        let counted = ["1", &ue(3), &ue(4), &ue(2), &ue(1), &ue(2)].concat();
        for order_count in [ue(0) + &ue(4), ue(1) + &counted, ue(2)] {
            let video = set(&order_count).expect("a set");
            let colour = video.colour;
            assert_eq!((colour.primaries, colour.transfer, colour.matrix), (9, 16, 9));
            assert_eq!((video.size, colour.full_range), (Some((80, 48)), Some(true)));
        }
    }

    #[test]
    fn an_excessive_count_runs_out_of_bits() {
        let endless = ["1", &ue(0), &ue(0), &"0".repeat(31), &"1".repeat(32)].concat();
        assert!(set(&(ue(1) + &endless)).is_none());
    }

    #[test]
    fn excessive_cropping_yields_no_size() {
        assert_eq!(cropped((64, 64), [1, 1, 0, 2], (2, 2)), Some((60, 60)));
        assert_eq!(cropped((64, 64), [0, 33, 0, 0], (2, 2)), None);
        assert_eq!(cropped((64, 64), [u32::MAX, 1, 0, 0], (1, 1)), None);
        assert_eq!(cropped((70_000, 64), [0; 4], (1, 1)), None);
    }
}
