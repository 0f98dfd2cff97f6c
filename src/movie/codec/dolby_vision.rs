//! Dolby Vision: `dvcC`, `dvvC` and `dvwC` next to the base layer's configuration ("Dolby Vision
//! Streams Within the ISO Base Media File Format", version 2.6).

use super::{Boxes, Colour, FourCc, bits::Bits};

/// Dolby Vision of a track.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DolbyVision {
    /// The codecs parameter: `dvh1.08.04`. If the entry has the base layer's type, this belongs into
    /// SUPPLEMENTAL-CODECS (RFC 8216bis section 4.4.6.2) and its counterpart in DASH.
    pub codecs: String,
    /// Profile. 5 needs a Dolby Vision decoder; 8, 9 and 10 have a base layer that other decoders play.
    pub profile: u8,
    /// Level.
    pub level: u8,
    /// Brand of the base layer for other decoders, which follows the codecs parameter after a slash in
    /// SUPPLEMENTAL-CODECS. `None` if other decoders cannot play it.
    pub brand: Option<FourCc>,
}

impl DolbyVision {
    /// Reads the record in an entry of type `format`.
    pub(super) fn from_boxes(boxes: Boxes<'_>, format: FourCc, colour: &Colour) -> Option<Self> {
        let is_record = |kind: FourCc| matches!(&kind.0, b"dvcC" | b"dvvC" | b"dvwC");
        let record = boxes.iter().find(|child| is_record(child.kind))?.body;
        let mut bits = Bits::new(record);
        bits.skip(16)?;
        let (profile, level) = (bits.take_u8(7)?, bits.take_u8(6)?);
        bits.skip(3)?;
        let compatibility = bits.take_u8(4)?;
        let name = match &format.0 {
            b"hvc1" | b"dvh1" => "dvh1",
            b"hev1" | b"dvhe" => "dvhe",
            b"avc1" | b"dva1" => "dva1",
            b"avc3" | b"dvav" => "dvav",
            b"av01" | b"dav1" => "dav1",
            _ => return None,
        };
        let brand = match (compatibility, colour.transfer) {
            (1, _) => Some(FourCc(*b"db1p")),
            (2, _) => Some(FourCc(*b"db2g")),
            // BT.2020 in the parameter set, and hybrid log-gamma as an alternative in an SEI message.
            (4, 14) => Some(FourCc(*b"db4g")),
            (4, _) => Some(FourCc(*b"db4h")),
            _ => None,
        };
        Some(Self { codecs: format!("{name}.{profile:02}.{level:02}"), profile, level, brand })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::codec::boxes::build;

    #[test]
    fn the_brand_names_the_base_layer() {
        let hlg = Colour { transfer: 18, ..Colour::default() };
        let bt2020 = Colour { transfer: 14, ..Colour::default() };
        for (format, record, colour, codecs, brand) in [
            (b"hvc1", [1, 0, 0x10, 0x35, 0x10], hlg, "dvh1.08.06", Some(b"db1p")),
            (b"hvc1", [1, 0, 0x10, 0x35, 0x20], hlg, "dvh1.08.06", Some(b"db2g")),
            (b"hev1", [1, 0, 0x10, 0x4d, 0x40], hlg, "dvhe.08.09", Some(b"db4h")),
            (b"hvc1", [1, 0, 0x10, 0x4d, 0x40], bt2020, "dvh1.08.09", Some(b"db4g")),
            (b"dvh1", [1, 0, 0x0a, 0x35, 0x00], hlg, "dvh1.05.06", None),
            (b"av01", [1, 0, 0x14, 0x4d, 0x10], hlg, "dav1.10.09", Some(b"db1p")),
            (b"avc3", [1, 0, 0x12, 0x2d, 0x20], hlg, "dvav.09.05", Some(b"db2g")),
        ] {
            for kind in [b"dvcC", b"dvvC", b"dvwC"] {
                let boxes = build(kind, &record);
                let vision = DolbyVision::from_boxes(Boxes(&boxes), FourCc(*format), &colour);
                let vision = vision.expect("a record");
                assert_eq!(
                    (vision.codecs.as_str(), vision.brand),
                    (codecs, brand.map(|it| FourCc(*it)))
                );
            }
        }
        let cut = build(b"dvcC", &[1, 0, 0x10]);
        assert_eq!(DolbyVision::from_boxes(Boxes(&cut), FourCc(*b"hvc1"), &hlg), None);
    }
}
