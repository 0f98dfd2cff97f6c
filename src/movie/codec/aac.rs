//! AAC and the other MPEG-4 audio codecs: AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).

use super::bits::Bits;

/// AudioSpecificConfig.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AacConfig {
    /// Audio object type of the core: 2 is AAC-LC.
    pub object_type: u8,
    /// Explicitly signalled extension. A decoder also detects implicit ones, which only decoding shows.
    pub extension: Extension,
    /// Output sample rate with the extension, in Hz.
    pub sample_rate: u32,
    /// Output channels with the extension; `None` if the stream defines them.
    pub channels: Option<u16>,
    /// Whether there is no channel configuration: a program config element lists the channels.
    pub has_program_config: bool,
}

/// Extension of HE-AAC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extension {
    None,
    /// Spectral band replication: HE-AAC.
    Sbr,
    /// SBR and parametric stereo: HE-AAC version 2.
    ParametricStereo,
}

const AAC_SCALABLE: u8 = 6;
const SBR: u8 = 5;
const ER_BSAC: u8 = 22;
const PARAMETRIC_STEREO: u8 = 29;

/// `samplingFrequencyIndex` (table 1.18), in Hz.
const SAMPLE_RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// `channelConfiguration` (table 1.19); 0 means "defined elsewhere" or reserved.
const CHANNELS: [u16; 16] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];

impl AacConfig {
    /// Reads a configuration.
    pub(super) fn read(specific: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(specific);
        let mut object_type = audio_object_type(&mut bits)?;
        let mut rate = sample_rate(&mut bits)?;
        let configuration = bits.take_u8(4)?;
        let mut extension = match object_type {
            SBR => Extension::Sbr,
            PARAMETRIC_STEREO => Extension::ParametricStereo,
            _ => Extension::None,
        };
        let is_hierarchical = extension != Extension::None;
        if is_hierarchical {
            rate = sample_rate(&mut bits)?;
            object_type = audio_object_type(&mut bits)?;
            if object_type == ER_BSAC {
                bits.skip(4)?;
            }
        }
        let configured = CHANNELS[usize::from(configuration & 15)];
        let mut channels = Some(configured).filter(|&channels| channels != 0);
        // The rest only adds the extension and unusual speaker layouts; without it the values above
        // stay valid.
        if let Some(elements) = general_audio(&mut bits, object_type, configuration) {
            channels = channels.or(elements);
            if !is_hierarchical && let Some((signalled, its_rate)) = sync_extension(&mut bits) {
                (extension, rate) = (signalled, its_rate);
            }
        }
        if extension == Extension::ParametricStereo && channels == Some(1) {
            channels = Some(2);
        }
        // Types with another configuration, such as xHE-AAC and MP3, have their channels elsewhere.
        let has_program_config = configuration == 0 && has_general_audio(object_type);
        Some(Self { object_type, extension, sample_rate: rate, channels, has_program_config })
    }

    /// The object type for the codecs parameter.
    pub(super) fn signalled_object_type(&self) -> u8 {
        match self.extension {
            Extension::None => self.object_type,
            Extension::Sbr => SBR,
            Extension::ParametricStereo => PARAMETRIC_STEREO,
        }
    }
}

/// `GetAudioObjectType()`.
fn audio_object_type(bits: &mut Bits<'_>) -> Option<u8> {
    const ESCAPE: u8 = 31;
    match bits.take_u8(5)? {
        ESCAPE => Some(32 + bits.take_u8(6)?),
        object_type => Some(object_type),
    }
}

fn sample_rate(bits: &mut Bits<'_>) -> Option<u32> {
    const ESCAPE: u8 = 15;
    match bits.take_u8(4)? {
        ESCAPE => bits.take(24),
        index => SAMPLE_RATES.get(usize::from(index)).copied(),
    }
}

/// Whether an object type has a `GASpecificConfig()` that is read here.
fn has_general_audio(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | AAC_SCALABLE | 7)
}

/// `GASpecificConfig()` (section 4.4.1). Returns the number of channels of its elements, if it lists them.
/// `None` if it is invalid, or the object type has another configuration.
fn general_audio(bits: &mut Bits<'_>, object_type: u8, configuration: u8) -> Option<Option<u16>> {
    // Error resilient types have more fields here, and no extension.
    if !has_general_audio(object_type) {
        return None;
    }
    bits.skip(1)?;
    let depends_on_core_coder = bits.flag()?;
    bits.skip(if depends_on_core_coder { 14 } else { 0 })?;
    let has_extension = bits.flag()?;
    let elements = if configuration == 0 { Some(program_config(bits)?) } else { None };
    bits.skip(if object_type == AAC_SCALABLE { 3 } else { 0 })?;
    bits.skip(usize::from(has_extension))?;
    Some(elements)
}

/// `program_config_element()` (table 4.2): the number of channels of its elements.
fn program_config(bits: &mut Bits<'_>) -> Option<u16> {
    bits.skip(4 + 2 + 4)?;
    let [front, side, back] = [bits.take_u8(4)?, bits.take_u8(4)?, bits.take_u8(4)?];
    let (low_frequency, data, coupling) = (bits.take_u8(2)?, bits.take_u8(3)?, bits.take_u8(4)?);
    for mixdown_bits in [4, 4, 3] {
        let is_present = bits.flag()?;
        bits.skip(if is_present { mixdown_bits } else { 0 })?;
    }
    let mut channels = u16::from(low_frequency);
    for _ in 0..front + side + back {
        channels += if bits.flag()? { 2 } else { 1 };
        bits.skip(4)?;
    }
    bits.skip(4 * usize::from(low_frequency) + 4 * usize::from(data) + 5 * usize::from(coupling))?;
    bits.align();
    let comment_bytes = usize::from(bits.take_u8(8)?);
    bits.skip(8 * comment_bytes)?;
    Some(channels)
}

/// The backward compatible extension, and its sample rate.
fn sync_extension(bits: &mut Bits<'_>) -> Option<(Extension, u32)> {
    if bits.take(11)? != 0x2b7 || audio_object_type(bits)? != SBR || !bits.flag()? {
        return None;
    }
    let rate = sample_rate(bits)?;
    let mut has_stereo = || Some(bits.take(11)? == 0x548 && bits.flag()?);
    match has_stereo() {
        Some(true) => Some((Extension::ParametricStereo, rate)),
        _ => Some((Extension::Sbr, rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(object_type: u8, extension: Extension, sample_rate: u32, channels: u16) -> AacConfig {
        let (channels, has_program_config) = (Some(channels), false);
        AacConfig { object_type, extension, sample_rate, channels, has_program_config }
    }

    #[test]
    fn all_signalling_methods_are_read() {
        for (bytes, expected) in [
            (&[0x12, 0x10][..], config(2, Extension::None, 44_100, 2)),
            // A trailing byte, as Apple and Android write.
            (&[0x12, 0x10, 0x06], config(2, Extension::None, 44_100, 2)),
            // 7.1 surround.
            (&[0x11, 0xb8], config(2, Extension::None, 48_000, 8)),
            // An extension that is off, as libavcodec writes.
            (&[0x12, 0x08, 0x56, 0xe5, 0x00], config(2, Extension::None, 44_100, 1)),
            // Backward compatible HE-AAC, then with parametric stereo.
            (&[0x13, 0x10, 0x56, 0xe5, 0x98], config(2, Extension::Sbr, 48_000, 2)),
            (
                &[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80],
                config(2, Extension::ParametricStereo, 48_000, 2),
            ),
            // Hierarchical signalling: 5 and 29 come first.
            (&[0x2b, 0x11, 0x88, 0x00], config(2, Extension::Sbr, 48_000, 2)),
            (&[0xeb, 0x09, 0x88, 0x00], config(2, Extension::ParametricStereo, 48_000, 2)),
            // An escaped object type, 42, and an escaped rate.
            (&[0xf9, 0x46, 0x40], config(42, Extension::None, 48_000, 2)),
            (&[0x17, 0x80, 0x56, 0x22, 0x10], config(2, Extension::None, 44_100, 2)),
            // MP3 as an object type.
            (&[0xf8, 0x48, 0x40], config(34, Extension::None, 44_100, 2)),
        ] {
            assert_eq!(AacConfig::read(bytes), Some(expected), "{bytes:02x?}");
        }
    }

    #[test]
    fn channels_are_counted_from_listed_elements() {
        // AAC-LC, 48 kHz, configuration 0: a front pair, a back pair and a low-frequency channel (4.1), and
        // a comment of one byte.
        let bits = concat!(
            "00010", "0011", "0000",
            "000", // object type, rate, configuration, GASpecificConfig
            "0000", "01", "0011", "0001", "0000", "0001", "01", "000", "0000",
            "000", // counts
            "10000", "10001", "0000", // pair, pair, low frequencies
            "00000001", "01000001", // comment
        );
        let byte = |bits: &[u8]| bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
        let bytes: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
        let listed = config(2, Extension::None, 48_000, 5);
        let listed = AacConfig { has_program_config: true, ..listed };
        assert_eq!(AacConfig::read(&bytes), Some(listed));
    }

    #[test]
    fn a_configuration_with_a_cut_extension_is_valid() {
        assert_eq!(AacConfig::read(&[0x12]), None);
        let bytes = [0x13, 0x10, 0x56, 0xe5];
        assert_eq!(AacConfig::read(&bytes), Some(config(2, Extension::None, 24_000, 2)));
    }
}
