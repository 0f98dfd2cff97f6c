//! The sequence header of AV1 ("AV1 Bitstream & Decoding Process Specification" section 5.5), up to
//! its colour.

use super::{bits::Bits, colour::Colour};

/// Size and colour from the header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub size: Option<(u16, u16)>,
    pub colour: Colour,
}

/// The most units before the header.
const UNITS_MAX: usize = 16;

/// `OBU_SEQUENCE_HEADER`.
const SEQUENCE_HEADER: u8 = 1;

/// Reads the first sequence header among these units: `None` if there is none, `Some(None)` if it is
/// invalid.
pub(super) fn read(mut units: &[u8]) -> Option<Option<Header>> {
    for _ in 0..UNITS_MAX {
        let (&first, mut rest) = units.split_first()?;
        if first & 0b100 != 0 {
            rest = rest.get(1..)?;
        }
        let mut size = rest.len();
        if first & 0b10 != 0 {
            (size, rest) = leb128(rest)?;
        }
        let (unit, next) = rest.split_at_checked(size)?;
        if first >> 3 & 0xf == SEQUENCE_HEADER {
            return Some(header(&mut Bits::new(unit)));
        }
        units = next;
    }
    None
}

/// `leb128()` (section 4.10.5), and the rest.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

/// `sequence_header_obu()`.
fn header(bits: &mut Bits<'_>) -> Option<Header> {
    let profile = bits.take_u8(3)?;
    bits.skip(1)?;
    let is_reduced = bits.flag()?;
    if is_reduced {
        bits.skip(5)?;
    } else {
        skip_operating_points(bits)?;
    }
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    let (width, height) = (bits.take(width_bits)?, bits.take(height_bits)?);
    if !is_reduced && bits.flag()? {
        bits.skip(7)?;
    }
    bits.skip(3)?;
    if !is_reduced {
        skip_tools(bits)?;
    }
    bits.skip(3)?;
    let side = |less_one: u32| u16::try_from(less_one + 1).ok();
    let size = side(width).zip(side(height));
    Some(Header { size, colour: colour(bits, profile)? })
}

/// Skips timing, decoder model and operating points.
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(64)?;
        if bits.flag()? {
            // `uvlc()` has the form of an Exp-Golomb code.
            bits.ue()?;
        }
        if bits.flag()? {
            delay_bits = Some(usize::from(bits.take_u8(5)?) + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delays = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?;
        if bits.take(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delays && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// Skips the coding tools, which a reduced header omits.
fn skip_tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4)?;
    let has_order_hint = bits.flag()?;
    bits.skip(if has_order_hint { 2 } else { 0 })?;
    let is_screen_content_chosen = bits.flag()?;
    if is_screen_content_chosen || bits.flag()? {
        let is_integer_mv_chosen = bits.flag()?;
        bits.skip(usize::from(!is_integer_mv_chosen))?;
    }
    bits.skip(if has_order_hint { 3 } else { 0 })
}

/// `color_config()`.
fn colour(bits: &mut Bits<'_>, profile: u8) -> Option<Colour> {
    let is_high_depth = bits.flag()?;
    if profile == 2 && is_high_depth {
        bits.skip(1)?;
    }
    let is_monochrome = profile != 1 && bits.flag()?;
    let mut colour = Colour::default();
    if bits.flag()? {
        let mut point = || bits.take_u8(8).map(u16::from);
        (colour.primaries, colour.transfer, colour.matrix) = (point()?, point()?, point()?);
    }
    let is_srgb = (colour.primaries, colour.transfer, colour.matrix) == (1, 13, 0);
    colour.full_range = Some((!is_monochrome && is_srgb) || bits.flag()?);
    Some(colour)
}
