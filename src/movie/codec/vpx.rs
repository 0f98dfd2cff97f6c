//! VP9 and VP8: the configuration record `vpcC` ("VP Codec ISO Media File Format Binding").

use super::{
    Boxes, Chroma, Colour, FourCc, Warning, bits::Bits, boxes::full_body, video::VideoConfig,
};

/// Parsed `vpcC`.
#[derive(Clone, Debug)]
pub(super) struct VpConfig {
    profile: u8,
    /// Ten times the level.
    level: u8,
    bit_depth: u8,
    /// `chromaSubsampling`; 0 and 1 are both 4:2:0, and 1 is the default.
    sampling: u8,
    pub video: VideoConfig,
}

impl Default for VpConfig {
    /// For a stream without a readable record: profile 0 at level 4.
    fn default() -> Self {
        Self { profile: 0, level: 40, bit_depth: 8, sampling: 1, video: VideoConfig::default() }
    }
}

impl VpConfig {
    /// Reads `vpcC`, with defaults if it is missing or invalid.
    pub(super) fn from_boxes(boxes: Boxes<'_>, warnings: &mut Vec<Warning>) -> Self {
        let kind = FourCc(*b"vpcC");
        let Some(body) = boxes.body(&kind.0) else {
            warnings.push(Warning::Missing(kind));
            return Self::default();
        };
        Self::read(body).unwrap_or_else(|| {
            warnings.push(Warning::CutShort(kind));
            Self::default()
        })
    }

    fn read(body: &[u8]) -> Option<Self> {
        let version = *body.first()?;
        let mut bits = Bits::new(full_body(body)?);
        let (profile, level) = (bits.take_u8(8)?, bits.take_u8(8)?);
        let bit_depth = bits.take_u8(4)?;
        let mut colour = Colour::default();
        // Version 0 was a draft: it has its own list of colour spaces, and range and transfer at other
        // positions.
        let sampling = if version == 0 {
            bits.skip(4)?;
            bits.take_u8(4)?
        } else {
            let sampling = bits.take_u8(3)?;
            colour.full_range = Some(bits.flag()?);
            colour.primaries = bits.take_u8(8)?.into();
            colour.transfer = bits.take_u8(8)?.into();
            colour.matrix = bits.take_u8(8)?.into();
            sampling
        };
        let chroma = match sampling {
            0 | 1 => Some(Chroma::C420),
            2 => Some(Chroma::C422),
            3 => Some(Chroma::C444),
            _ => None,
        };
        let video = VideoConfig {
            bit_depth: Some(bit_depth),
            chroma,
            profile: Some(format!("Profile {profile}")),
            level: (level != 0).then(|| format!("{}.{}", level / 10, level % 10)),
            colour,
            ..VideoConfig::default()
        };
        Some(Self { profile, level, bit_depth, sampling, video })
    }

    /// The codecs parameter. Its optional part is all or nothing, and omitted for the defaults, 4:2:0 and
    /// BT.709.
    pub(super) fn codecs(&self, format: FourCc, colour: &Colour) -> String {
        // Some muxers leave the level at zero, which players reject.
        let level = if self.level == 0 { Self::default().level } else { self.level };
        let (profile, depth, sampling) = (self.profile, self.bit_depth, self.sampling);
        let short = format!("{format}.{profile:02}.{level:02}.{depth:02}");
        if sampling <= 1 && colour.is_default() {
            return short;
        }
        let full_range = u8::from(colour.full_range == Some(true));
        format!("{short}.{sampling:02}.{}.{full_range:02}", colour.points())
    }
}
