//! The start of the video usability information of a sequence parameter set, which H.264 (ISO/IEC
//! 14496-10 annex E) and HEVC (ISO/IEC 23008-2 annex E) share.

use super::{bits::Bits, colour::Colour, video::SampleAspect};

/// Pixel aspect ratio and colour.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vui {
    pub is_present: bool,
    pub aspect: Option<SampleAspect>,
    pub colour: Colour,
}

/// Ratios by `aspect_ratio_idc`, from 1 (table E-1).
const ASPECTS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

/// `aspect_ratio_idc` of an explicit ratio.
const EXTENDED_SAR: u8 = 255;

/// Reads `vui_parameters_present_flag`, the aspect ratio and the colour.
pub(super) fn read(bits: &mut Bits<'_>) -> Option<Vui> {
    let mut vui = Vui { is_present: bits.flag()?, ..Vui::default() };
    if !vui.is_present {
        return Some(vui);
    }
    if bits.flag()? {
        let (h_spacing, v_spacing) = match bits.take_u8(8)? {
            EXTENDED_SAR => (bits.take(16)?, bits.take(16)?),
            index => {
                let place = usize::from(index).checked_sub(1);
                let aspect = place.and_then(|place| ASPECTS.get(place)).copied();
                aspect.map_or((0, 0), |(h, v)| (h.into(), v.into()))
            }
        };
        vui.aspect = SampleAspect::new(h_spacing, v_spacing);
    }
    let overscan_info_present = bits.flag()?;
    bits.skip(usize::from(overscan_info_present))?;
    if bits.flag()? {
        bits.skip(3)?;
        vui.colour.full_range = Some(bits.flag()?);
        if bits.flag()? {
            let mut point = || bits.take_u8(8).map(u16::from);
            vui.colour.primaries = point()?;
            vui.colour.transfer = point()?;
            vui.colour.matrix = point()?;
        }
    }
    Some(vui)
}
