//! Video as its track describes it (RFC 9559 section 5.1.4.1.28): sizes, rotation and colour.

use super::{ebml, ids};

/// A rotation differs from a multiple of 90 degrees by less than this.
const ROLL_TOLERANCE: f64 = 0.01;

/// The `Video` element of a track.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct VideoSettings {
    /// Width and height of the coded frames, in pixels.
    pub(super) coded: (u64, u64),
    /// Pixels that are cut off: left, right, top, bottom.
    crop: [u64; 4],
    /// Width and height as displayed, in any unit; 0 for what the file does not name.
    displayed: (u64, u64),
    /// Whether that is in pixels.
    is_in_pixels: bool,
    /// Whether frames consist of fields; `None` if the file does not say it.
    pub(super) is_interlaced: Option<bool>,
    /// `FieldOrder` as in the file.
    pub(super) field_order: Option<u64>,
    /// Clockwise, in degrees: a multiple of 90.
    pub(super) rotation: u16,
    pub(super) colour: Option<Colour>,
}

/// The `Colour` element of a track.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Colour {
    /// Code points of ISO/IEC 23091-2: primaries, transfer, matrix. 2 is unspecified.
    pub(super) points: [u16; 3],
    pub(super) is_full_range: Option<bool>,
    /// The brightest pixel and the brightest frame, in candela per square metre.
    pub(super) light_levels: Option<(u16, u16)>,
    pub(super) mastering: Option<Mastering>,
}

/// The display on which the video was mastered (SMPTE ST 2086).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mastering {
    /// Red, green, blue and white: x and y of each.
    pub(super) chromaticities: [f64; 8],
    /// The greatest and the least luminance, in candela per square metre.
    pub(super) luminance: (f64, f64),
}

impl VideoSettings {
    pub(super) fn parse(video: &[u8]) -> Self {
        let number = |id| ebml::find_number(video, id);
        let or_zero = |id| number(id).unwrap_or(0);
        // Other units give no size.
        let is_size = number(ids::DISPLAY_UNIT).unwrap_or(0) < 4;
        let is_in_pixels = number(ids::DISPLAY_UNIT).unwrap_or(0) == 0;
        let displayed = (or_zero(ids::DISPLAY_WIDTH), or_zero(ids::DISPLAY_HEIGHT));
        Self {
            coded: (or_zero(ids::PIXEL_WIDTH), or_zero(ids::PIXEL_HEIGHT)),
            crop: [
                ids::PIXEL_CROP_LEFT,
                ids::PIXEL_CROP_RIGHT,
                ids::PIXEL_CROP_TOP,
                ids::PIXEL_CROP_BOTTOM,
            ]
            .map(or_zero),
            displayed: if is_size { displayed } else { (0, 0) },
            is_in_pixels,
            is_interlaced: match number(ids::FLAG_INTERLACED) {
                Some(1) => Some(true),
                Some(2) => Some(false),
                _ => None,
            },
            field_order: number(ids::FIELD_ORDER),
            rotation: rotation(ebml::find(video, ids::PROJECTION).unwrap_or_default()),
            colour: ebml::find(video, ids::COLOUR).map(Colour::parse),
        }
    }

    /// Width and height as displayed, before rotation, if they are in pixels.
    pub(super) fn displayed_size(&self) -> Option<(u32, u32)> {
        let side = |displayed: u64, coded: u64| {
            let named = Some(displayed).filter(|side| *side > 0 && self.is_in_pixels);
            u32::try_from(named.unwrap_or(coded)).ok().filter(|side| *side > 0)
        };
        let (width, height) = self.displayed;
        Some((side(width, self.coded.0)?, side(height, self.coded.1)?))
    }

    /// The aspect ratio of a pixel, if the file names the displayed size: what is cut off does not count.
    pub(super) fn aspect(&self) -> Option<(u32, u32)> {
        if self.displayed == (0, 0) {
            return None;
        }
        let [left, right, top, bottom] = self.crop;
        let shown = |side: u64, one: u64, other: u64| side.checked_sub(one.checked_add(other)?);
        let width = shown(self.coded.0, left, right)?;
        let height = shown(self.coded.1, top, bottom)?;
        let or = |side, coded| if side == 0 { coded } else { side };
        let (wide, high) = (or(self.displayed.0, width), or(self.displayed.1, height));
        let (h, v) = (wide.checked_mul(height)?, high.checked_mul(width)?);
        let divisor = greatest_common_divisor(h, v);
        let reduced = |number: u64| u32::try_from(number.checked_div(divisor)?).ok();
        Some((reduced(h)?, reduced(v)?)).filter(|(h, v)| *h > 0 && *v > 0)
    }
}

fn greatest_common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// The rotation of a rectangular projection, which is counterclockwise in the file.
fn rotation(projection: &[u8]) -> u16 {
    const RECTANGULAR: u64 = 0;
    let kind = ebml::find_number(projection, ids::PROJECTION_TYPE).unwrap_or(RECTANGULAR);
    let roll = ebml::find_float(projection, ids::PROJECTION_POSE_ROLL).unwrap_or(0.0);
    if kind != RECTANGULAR {
        return 0;
    }
    let is_near = |degrees: &&u16| {
        let turned = (-roll).rem_euclid(360.0);
        (turned - f64::from(**degrees)).abs() < ROLL_TOLERANCE
    };
    [90, 180, 270].iter().find(is_near).copied().unwrap_or(0)
}

impl Colour {
    fn parse(colour: &[u8]) -> Self {
        let small = |id| ebml::find_number(colour, id).and_then(|value| u16::try_from(value).ok());
        let point = |id| small(id).unwrap_or(2);
        let levels = small(ids::MAX_CLL).zip(small(ids::MAX_FALL));
        Self {
            points: [ids::PRIMARIES, ids::TRANSFER_CHARACTERISTICS, ids::MATRIX_COEFFICIENTS]
                .map(point),
            is_full_range: match ebml::find_number(colour, ids::RANGE) {
                Some(1) => Some(false),
                Some(2) => Some(true),
                _ => None,
            },
            light_levels: levels.filter(|levels| *levels != (0, 0)),
            mastering: ebml::find(colour, ids::MASTERING_METADATA).and_then(Mastering::parse),
        }
    }
}

impl Mastering {
    fn parse(metadata: &[u8]) -> Option<Self> {
        let mut chromaticities = [0.0; 8];
        for (place, id) in chromaticities.iter_mut().zip(ids::CHROMATICITIES) {
            *place = ebml::find_float(metadata, id).filter(|point| (0.0..=1.0).contains(point))?;
        }
        let luminance = |id| {
            ebml::find_float(metadata, id).filter(|candela| (0.0..=100_000.0).contains(candela))
        };
        let luminance = (luminance(ids::LUMINANCE_MAX)?, luminance(ids::LUMINANCE_MIN)?);
        Some(Self { chromaticities, luminance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aspect_is_that_of_what_is_shown() {
        let settings = |displayed, crop| VideoSettings {
            coded: (720, 576),
            displayed,
            crop,
            ..VideoSettings::default()
        };
        assert_eq!(settings((0, 0), [0; 4]).aspect(), None);
        assert_eq!(settings((1024, 576), [0; 4]).aspect(), Some((64, 45)));
        assert_eq!(settings((16, 9), [0; 4]).aspect(), Some((64, 45)));
        assert_eq!(settings((720, 540), [0, 0, 18, 18]).aspect(), Some((1, 1)));
        assert_eq!(settings((720, 0), [0, 0, 18, 18]).aspect(), Some((1, 1)));
        assert_eq!(settings((1, 1), [700, 700, 0, 0]).aspect(), None);
        assert_eq!(settings((u64::MAX, 1), [0; 4]).aspect(), None);
    }
}
