//! HEVC: the configuration record `hvcC` (ISO/IEC 14496-15 section 8.3.3.1).

use super::{Boxes, Chroma, FourCc, Warning, cursor::Cursor, hevc_sps, video::VideoConfig};

/// Parsed `hvcC`.
#[derive(Clone, Debug)]
pub(super) struct HevcConfig {
    profile_space: u8,
    is_high_tier: bool,
    profile: u8,
    compatibility: u32,
    constraints: [u8; 6],
    level: u8,
    /// Whether the record contains all parameter sets that a decoder needs.
    pub has_parameter_sets: bool,
    pub video: VideoConfig,
}

impl Default for HevcConfig {
    /// For a stream without a readable record: Main profile, level 4, progressive frames.
    fn default() -> Self {
        Self {
            profile_space: 0,
            is_high_tier: false,
            profile: 1,
            compatibility: 0x6000_0000,
            constraints: [0x90, 0, 0, 0, 0, 0],
            level: 120,
            has_parameter_sets: false,
            video: VideoConfig::default(),
        }
    }
}

/// NAL unit types of ISO/IEC 23008-2 table 7-1.
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;

impl HevcConfig {
    /// Reads `hvcC`, with defaults if it is missing or invalid.
    pub(super) fn from_boxes(boxes: Boxes<'_>, warnings: &mut Vec<Warning>) -> Self {
        let kind = FourCc(*b"hvcC");
        let Some(body) = boxes.body(&kind.0) else {
            warnings.push(Warning::Missing(kind));
            return Self::default();
        };
        let mut fields = Cursor(body);
        let Some(mut config) = Self::read(&mut fields) else {
            warnings.push(Warning::CutShort(kind));
            return Self::default();
        };
        match ParameterSets::read(fields) {
            None => warnings.push(Warning::CutShort(kind)),
            Some(sets) => {
                config.has_parameter_sets =
                    sets.has_vps && sets.has_pps && sets.first_sps.is_some();
                match sets.first_sps.map(hevc_sps::read) {
                    Some(Some(parsed)) => {
                        let video = &mut config.video;
                        video.size = parsed.size;
                        video.aspect = parsed.aspect;
                        video.colour = parsed.colour;
                        video.reordered_frames = parsed.reordered_frames;
                    }
                    Some(None) => warnings.push(Warning::SequenceParameterSet),
                    None => {}
                }
            }
        }
        config
    }

    /// Reads the fixed fields.
    fn read(fields: &mut Cursor<'_>) -> Option<Self> {
        fields.skip(1)?;
        let profile_byte = fields.u8()?;
        let compatibility = fields.u32()?;
        let constraints: [u8; 6] = fields.take(6)?.try_into().ok()?;
        let level = fields.u8()?;
        fields.skip(3)?;
        let chroma = Chroma::from_format_idc(u32::from(fields.u8()? & 3));
        let bit_depth = Some(8 + (fields.u8()? & 7));
        fields.skip(4)?;
        let (is_high_tier, profile) = (profile_byte & 0x20 != 0, profile_byte & 0x1f);
        let video = VideoConfig {
            bit_depth,
            chroma,
            profile: Some(profile_name(profile)),
            level: Some(level_name(level, is_high_tier)),
            ..VideoConfig::default()
        };
        Some(Self {
            profile_space: profile_byte >> 6,
            is_high_tier,
            profile,
            compatibility,
            constraints,
            level,
            has_parameter_sets: false,
            video,
        })
    }

    /// The codecs parameter (ISO/IEC 14496-15 annex E.3): compatibility flags in reverse bit order, and
    /// constraints up to the last non-zero byte.
    pub(super) fn codecs(&self, format: FourCc) -> String {
        let space = ["", "A", "B", "C"][usize::from(self.profile_space & 3)];
        let tier = if self.is_high_tier { 'H' } else { 'L' };
        let mut codecs = format!(
            "{format}.{space}{}.{:X}.{tier}{}",
            self.profile,
            self.compatibility.reverse_bits(),
            self.level
        );
        let length =
            self.constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        for byte in &self.constraints[..length] {
            codecs.push_str(&format!(".{byte:02X}"));
        }
        codecs
    }
}

struct ParameterSets<'a> {
    first_sps: Option<&'a [u8]>,
    has_vps: bool,
    has_pps: bool,
}

impl<'a> ParameterSets<'a> {
    fn read(mut fields: Cursor<'a>) -> Option<Self> {
        let mut sets = Self { first_sps: None, has_vps: false, has_pps: false };
        for _ in 0..fields.u8()? {
            let nal_unit_type = fields.u8()? & 0x3f;
            for _ in 0..fields.u16()? {
                let length = fields.u16()?;
                let nal = fields.take(length.into())?;
                match nal_unit_type {
                    _ if nal.is_empty() => {}
                    VPS => sets.has_vps = true,
                    SPS => sets.first_sps = sets.first_sps.or(Some(nal)),
                    PPS => sets.has_pps = true,
                    _ => {}
                }
            }
        }
        Some(sets)
    }
}

/// ISO/IEC 23008-2 annex A.3.
fn profile_name(profile: u8) -> String {
    let name = match profile {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Range Extensions",
        5 => "High Throughput",
        6 => "Multiview Main",
        7 => "Scalable Main",
        8 => "3D Main",
        9 => "Screen Content Coding",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// Annex A.4: the level times 30.
fn level_name(level: u8, is_high_tier: bool) -> String {
    let tier = if is_high_tier { " High tier" } else { "" };
    format!("{}.{}{tier}", level / 30, level % 30 / 3)
}
