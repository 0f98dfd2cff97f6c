//! AV1: the configuration record `av1C` ("AV1 Codec ISO Media File Format Binding", section 2.3).

use super::{Boxes, Chroma, Colour, FourCc, Warning, av1_sequence, bits::Bits, video::VideoConfig};

/// Parsed `av1C`.
#[derive(Clone, Debug)]
pub(super) struct Av1Config {
    profile: u8,
    level: u8,
    is_high_tier: bool,
    bit_depth: u8,
    chroma: Chroma,
    /// `chroma_sample_position`, for 4:2:0.
    position: u8,
    pub video: VideoConfig,
}

impl Default for Av1Config {
    /// For a stream without a readable record: Main profile, level 4.0, 8 bits.
    fn default() -> Self {
        Self {
            profile: 0,
            level: 8,
            is_high_tier: false,
            bit_depth: 8,
            chroma: Chroma::C420,
            position: 0,
            video: VideoConfig::default(),
        }
    }
}

impl Av1Config {
    /// Reads `av1C`, with defaults if it is missing or invalid.
    pub(super) fn from_boxes(boxes: Boxes<'_>, warnings: &mut Vec<Warning>) -> Self {
        let kind = FourCc(*b"av1C");
        let Some(body) = boxes.body(&kind.0) else {
            warnings.push(Warning::Missing(kind));
            return Self::default();
        };
        let Some(mut config) = Self::read(body) else {
            warnings.push(Warning::CutShort(kind));
            return Self::default();
        };
        // The sequence header is optional (section 2.3.4).
        match av1_sequence::read(body.get(4..).unwrap_or_default()) {
            Some(Some(header)) => {
                config.video.size = header.size;
                config.video.colour = header.colour;
            }
            Some(None) => warnings.push(Warning::SequenceHeader),
            None => {}
        }
        config
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(body);
        bits.skip(8)?;
        let (profile, level) = (bits.take_u8(3)?, bits.take_u8(5)?);
        let is_high_tier = bits.flag()?;
        let bit_depth = match (bits.flag()?, bits.flag()?) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        };
        let chroma = match (bits.flag()?, bits.flag()?, bits.flag()?) {
            (true, ..) => Chroma::Monochrome,
            (_, true, true) => Chroma::C420,
            (_, true, false) => Chroma::C422,
            (_, false, _) => Chroma::C444,
        };
        let position = bits.take_u8(2)?;
        let video = VideoConfig {
            bit_depth: Some(bit_depth),
            chroma: Some(chroma),
            profile: Some(profile_name(profile)),
            level: Some(level_name(level, is_high_tier)),
            ..VideoConfig::default()
        };
        Some(Self { profile, level, is_high_tier, bit_depth, chroma, position, video })
    }

    /// The codecs parameter (section 5). The optional part is omitted for the defaults, 4:2:0 and BT.709.
    /// The chroma sample position alone does not require it: no player uses it, and older ones reject the
    /// long form.
    pub(super) fn codecs(&self, colour: &Colour) -> String {
        let tier = if self.is_high_tier { 'H' } else { 'M' };
        let (profile, level, depth) = (self.profile, self.level, self.bit_depth);
        let short = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
        if self.chroma == Chroma::C420 && colour.is_default() {
            return short;
        }
        let monochrome = u8::from(self.chroma == Chroma::Monochrome);
        let sampling = match self.chroma {
            // "If a sample is monochrome, subsampling_x and subsampling_y are 1" (section 5.5.2 of
            // AV1), and a position exists only if both are 1.
            Chroma::Monochrome | Chroma::C420 => format!("11{}", self.position),
            Chroma::C422 => "100".to_owned(),
            Chroma::C444 => "000".to_owned(),
        };
        let full_range = u8::from(colour.full_range == Some(true));
        format!("{short}.{monochrome}.{sampling}.{}.{full_range}", colour.points())
    }
}

/// "AV1 Bitstream & Decoding Process Specification", annex A.2.
fn profile_name(profile: u8) -> String {
    match profile {
        0 => "Main".to_owned(),
        1 => "High".to_owned(),
        2 => "Professional".to_owned(),
        other => other.to_string(),
    }
}

/// Annex A.3. Level 31 has no limits.
fn level_name(level: u8, is_high_tier: bool) -> String {
    let tier = if is_high_tier { " High tier" } else { "" };
    match level {
        31 => "unlimited".to_owned(),
        _ => format!("{}.{}{tier}", 2 + level / 4, level % 4),
    }
}
