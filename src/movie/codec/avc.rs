//! H.264: the configuration record `avcC` (ISO/IEC 14496-15 section 5.3.3.1).

use super::{Boxes, Chroma, FourCc, Warning, avc_sps, cursor::Cursor, video::VideoConfig};

/// Parsed `avcC`.
#[derive(Clone, Debug)]
pub(super) struct AvcConfig {
    profile: u8,
    constraints: u8,
    level: u8,
    /// Whether the record contains all parameter sets that a decoder needs.
    pub has_parameter_sets: bool,
    pub video: VideoConfig,
}

/// Profile, constraints and level of a stream without a readable record: High at level 4, which most files
/// have and all players support.
const GUESS: [u8; 3] = [0x64, 0x00, 0x28];

impl AvcConfig {
    /// Reads `avcC`, with defaults if it is missing or invalid.
    pub(super) fn from_boxes(boxes: Boxes<'_>, warnings: &mut Vec<Warning>) -> Self {
        let kind = FourCc(*b"avcC");
        let body = boxes.body(&kind.0);
        let [profile, constraints, level] = match body {
            None => {
                warnings.push(Warning::Missing(kind));
                GUESS
            }
            // The version is ignored, as players do.
            Some([_, profile, constraints, level, ..]) => [*profile, *constraints, *level],
            Some(_) => {
                warnings.push(Warning::CutShort(kind));
                GUESS
            }
        };
        let sets = body.and_then(ParameterSets::read);
        let mut video = VideoConfig::default();
        match sets.as_ref().and_then(|sets| sets.first_sps) {
            Some(nal) => match avc_sps::read(nal) {
                Some(parsed) => video = parsed,
                None => warnings.push(Warning::SequenceParameterSet),
            },
            None if sets.is_none() && body.is_some_and(|body| body.len() >= 4) => {
                warnings.push(Warning::CutShort(kind));
            }
            None => {}
        }
        // All profiles below High.
        if profile < 100 && video.chroma.is_none() {
            (video.chroma, video.bit_depth) = (Some(Chroma::C420), Some(8));
        }
        if body.is_some() {
            video.profile = Some(profile_name(profile, constraints));
            video.level = Some(level_name(profile, constraints, level));
        }
        let has_parameter_sets = sets.is_some_and(|sets| sets.first_sps.is_some() && sets.has_pps);
        Self { profile, constraints, level, has_parameter_sets, video }
    }

    /// The codecs parameter (ISO/IEC 14496-15 annex E.2).
    pub(super) fn codecs(&self, format: FourCc) -> String {
        format!("{format}.{:02x}{:02x}{:02x}", self.profile, self.constraints, self.level)
    }
}

struct ParameterSets<'a> {
    first_sps: Option<&'a [u8]>,
    has_pps: bool,
}

impl<'a> ParameterSets<'a> {
    fn read(record: &'a [u8]) -> Option<Self> {
        let mut fields = Cursor(record);
        fields.skip(5)?;
        let (mut first_sps, mut has_pps) = (None, false);
        for _ in 0..fields.u8()? & 0x1f {
            let length = fields.u16()?;
            let nal = fields.take(length.into())?;
            first_sps = first_sps.or((!nal.is_empty()).then_some(nal));
        }
        for _ in 0..fields.u8()? {
            let length = fields.u16()?;
            has_pps |= !fields.take(length.into())?.is_empty();
        }
        Some(Self { first_sps, has_pps })
    }
}

/// ISO/IEC 14496-10 annex A.2.
fn profile_name(profile: u8, constraints: u8) -> String {
    let constrained = |bit: u8| constraints & (0x80 >> bit) != 0;
    let name = match profile {
        44 => "CAVLC 4:4:4 Intra",
        66 if constrained(1) => "Constrained Baseline",
        66 => "Baseline",
        77 => "Main",
        88 => "Extended",
        100 if constrained(4) && constrained(5) => "Constrained High",
        100 if constrained(4) => "Progressive High",
        100 => "High",
        110 if constrained(3) => "High 10 Intra",
        110 => "High 10",
        118 => "Multiview High",
        122 if constrained(3) => "High 4:2:2 Intra",
        122 => "High 4:2:2",
        128 => "Stereo High",
        244 if constrained(3) => "High 4:4:4 Intra",
        244 => "High 4:4:4 Predictive",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// Annex A.3: tenths, except level 1b.
fn level_name(profile: u8, constraints: u8, level: u8) -> String {
    match level {
        9 => "1b".to_owned(),
        11 if matches!(profile, 66 | 77 | 88) && constraints & 0x10 != 0 => "1b".to_owned(),
        _ => format!("{}.{}", level / 10, level % 10),
    }
}
