//! How long the audio frames of a codec are: exact, unlike the times of their blocks.

use super::tracks::TrackEntry;

/// The first bytes of a frame that tell its length.
pub(super) const BYTES_MAX: usize = 24;

/// The length of frames, in samples.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FrameLength {
    /// The same for all.
    Constant(u32),
    /// By the first byte of the packet (RFC 6716 section 3.1).
    Opus,
    /// By the number of blocks in a frame (ETSI TS 102 366 section E.1.3.1).
    Eac3,
    /// By the header of the frame (RFC 9639 section 9.1), or this.
    Flac(u32),
    /// By the bytes of a sample of all channels.
    Pcm(u32),
    /// Only the times of blocks tell it.
    Unknown,
}

impl FrameLength {
    /// By the codec and its configuration.
    pub(super) fn of(track: &TrackEntry) -> Self {
        let configuration = &track.configuration[..];
        match track.codec.as_str() {
            "A_OPUS" => Self::Opus,
            "A_AC3" | "A_AC3/BSID9" | "A_AC3/BSID10" => Self::Constant(1536),
            "A_EAC3" => Self::Eac3,
            "A_MPEG/L3" if track.audio.hertz() < 32_000 => Self::Constant(576),
            "A_MPEG/L3" | "A_MPEG/L2" => Self::Constant(1152),
            "A_MPEG/L1" => Self::Constant(384),
            "A_FLAC" => {
                // The minimum and the maximum block size follow the marker and the header of STREAMINFO.
                let blocks = configuration.strip_prefix(b"fLaC").unwrap_or(configuration);
                let sizes = blocks.get(4..8).and_then(|sizes| sizes.first_chunk());
                let [a, b, c, d] = sizes.copied().unwrap_or_default();
                let (least, most) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                Self::Flac(if least == most { least.into() } else { 0 })
            }
            "A_ALAC" => match configuration.first_chunk().map(|size| u32::from_be_bytes(*size)) {
                Some(samples) if (1..=1 << 16).contains(&samples) => Self::Constant(samples),
                _ => Self::Unknown,
            },
            codec if codec.starts_with("A_PCM/") => {
                let bits = u32::from(track.audio.bit_depth.unwrap_or(16));
                match bits / 8 * u32::from(track.audio.channels) {
                    0 => Self::Unknown,
                    bytes => Self::Pcm(bytes),
                }
            }
            codec if codec.starts_with("A_AAC") => aac(configuration),
            _ => Self::Unknown,
        }
    }

    /// The length of a frame by its first bytes and its size; `None` if it is unknown.
    pub(super) fn samples(self, first: &[u8], bytes: u64) -> Option<u32> {
        match self {
            Self::Constant(samples) => Some(samples),
            Self::Opus => opus(first),
            Self::Eac3 => Some(match first.get(4)? >> 4 {
                0b1100.. => 1536,
                codes => [256, 512, 768, 1536][usize::from(codes & 3)],
            }),
            Self::Flac(usual) => flac(first).or(Some(usual).filter(|usual| *usual > 0)),
            Self::Pcm(each) => u32::try_from(bytes / u64::from(each)).ok(),
            Self::Unknown => None,
        }
    }

    /// Whether the first bytes of a frame have to be read.
    pub(super) fn needs_bytes(self) -> bool {
        matches!(self, Self::Opus | Self::Eac3 | Self::Flac(_))
    }
}

/// AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1): the frames of the general audio codecs have 1024 or
/// 960 samples, at the rate of the core.
fn aac(configuration: &[u8]) -> FrameLength {
    const GENERAL: [u32; 6] = [1, 2, 3, 4, 5, 29];
    let Some(config) = AacCore::parse(configuration) else {
        // Old files have no configuration, and the codec in the identifier.
        return FrameLength::Constant(1024);
    };
    match (GENERAL.contains(&config.object_type), config.is_short) {
        (true, false) => FrameLength::Constant(1024),
        (true, true) => FrameLength::Constant(960),
        (false, _) => FrameLength::Unknown,
    }
}

/// The core of AAC, before spectral band replication.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AacCore {
    object_type: u32,
    /// In Hz.
    pub(super) sample_rate: u32,
    is_short: bool,
}

impl AacCore {
    pub(super) fn parse(configuration: &[u8]) -> Option<Self> {
        const RATES: [u32; 13] = [
            96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
            8_000, 7_350,
        ];
        let head = configuration.get(..8).map_or_else(
            || [configuration, &[0; 8]].concat().first_chunk().copied(),
            |head| head.first_chunk().copied(),
        )?;
        if configuration.len() < 2 {
            return None;
        }
        let mut bits = u64::from_be_bytes(head);
        let mut take = |count: u32| {
            let value = bits >> (64 - count);
            bits <<= count;
            u32::try_from(value).unwrap_or(u32::MAX)
        };
        let object_type = match take(5) {
            31 => 32 + take(6),
            object_type => object_type,
        };
        let rate = |take: &mut dyn FnMut(u32) -> u32| match take(4) {
            15 => Some(take(24)),
            index => RATES.get(usize::try_from(index).ok()?).copied(),
        };
        let sample_rate = rate(&mut take)?;
        let _channels = take(4);
        if matches!(object_type, 5 | 29) {
            rate(&mut take)?;
            // The object type of the core.
            take(5);
        }
        Some(Self { object_type, sample_rate, is_short: take(1) == 1 })
            .filter(|core| core.sample_rate > 0)
    }
}

/// The frames of a packet, at 48 kHz.
fn opus(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = usize::from(toc >> 3);
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][config & 3],
        12..=15 => [480, 960][config & 1],
        _ => [120, 240, 480, 960][config & 3],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3F),
    };
    // A packet has 120 ms at most.
    Some(frame * frames).filter(|samples| (1..=5760).contains(samples))
}

/// The block size in the header of a frame.
fn flac(frame: &[u8]) -> Option<u32> {
    let [0xFF, second, sizes, _] = *frame.first_chunk()? else { return None };
    if second & 0xFE != 0xF8 {
        return None;
    }
    // The number of the frame or sample is coded like a character of UTF-8.
    let number = match frame.get(4)?.leading_ones() {
        0 => 1,
        length @ 2..=7 => usize::try_from(length).ok()?,
        _ => return None,
    };
    let behind = frame.get(4 + number..)?;
    match sizes >> 4 {
        1 => Some(192),
        code @ 2..=5 => Some(576 << (code - 2)),
        6 => Some(u32::from(*behind.first()?) + 1),
        7 => Some(u32::from(u16::from_be_bytes(*behind.first_chunk()?)) + 1),
        code @ 8..=15 => Some(256 << (code - 8)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_opus_tells_its_length() {
        for (packet, samples) in [
            (&[0xFC, 0][..], Some(960)),
            (&[0x78 | 3, 0x83], Some(2880)),
            (&[0x08], Some(960)),
            (&[0x1B, 0x3F], None),
            (&[0x1B], None),
            (&[], None),
        ] {
            assert_eq!(FrameLength::Opus.samples(packet, 9), samples, "{packet:?}");
        }
    }

    #[test]
    fn a_frame_of_flac_tells_its_length() {
        let length = FrameLength::Flac(4096);
        assert_eq!(length.samples(&[0xFF, 0xF8, 0xC9, 0x18, 0, 0xC2], 99), Some(4096));
        assert_eq!(length.samples(&[0xFF, 0xF8, 0x79, 0x18, 0xC2, 0x80, 3, 0xE7], 99), Some(1000));
        assert_eq!(length.samples(&[0xFF, 0xF8, 0x69, 0x18, 0, 9], 99), Some(10));
        assert_eq!(length.samples(b"none", 99), Some(4096));
        assert_eq!(FrameLength::Flac(0).samples(b"none", 99), None);
    }

    #[test]
    fn frames_of_enhanced_ac_3_have_one_to_six_blocks() {
        let samples = |byte| FrameLength::Eac3.samples(&[0x0B, 0x77, 0, 0, byte], 5);
        assert_eq!([samples(0x3F), samples(0x0F), samples(0xC0)], [1536, 256, 1536].map(Some));
        assert_eq!(FrameLength::Eac3.samples(&[0x0B], 1), None);
    }

    #[test]
    fn the_core_of_aac_has_its_own_rate() {
        let core = |bytes: &[u8]| {
            AacCore::parse(bytes).map(|core| (core.object_type, core.sample_rate, core.is_short))
        };
        assert_eq!(core(&[0x12, 0x10]), Some((2, 44_100, false)));
        assert_eq!(core(&[0x11, 0x94]), Some((2, 48_000, true)));
        // Explicit replication: 24 kHz in the core, 48 kHz outside.
        assert_eq!(core(&[0x2B, 0x11, 0x88, 0]), Some((5, 24_000, false)));
        assert_eq!((core(&[]), core(&[0x12])), (None, None));
        assert_eq!(core(&[0x16, 0x80]), None, "a reserved rate");
    }
}
