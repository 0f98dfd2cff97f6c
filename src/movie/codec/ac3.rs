//! AC-3 and Enhanced AC-3: `dac3` and `dec3` (ETSI TS 102 366 annex F).

use super::{audio::AudioConfig, bits::Bits};

/// Channels by `acmod`, without the low-frequency channel.
const CHANNELS: [u16; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// Sample rates by `fscod`, in Hz. 3 is reserved, or defined in the stream.
const SAMPLE_RATES: [u32; 3] = [48_000, 44_100, 32_000];

/// Channels that a dependent substream adds, by the bits of `chan_loc` (table F.6.2), least significant
/// first.
const ADDED_CHANNELS: [u16; 9] = [2, 2, 1, 1, 2, 2, 2, 1, 1];

/// Reads `dac3`.
pub(super) fn read_dac3(body: &[u8]) -> Option<AudioConfig> {
    let mut bits = Bits::new(body);
    let sample_rate = sample_rate(&mut bits)?;
    bits.skip(5 + 3)?;
    let channels = channels(&mut bits)?;
    Some(AudioConfig { channels, sample_rate, ..AudioConfig::default() })
}

/// Reads `dec3`. Players play its first independent substream.
pub(super) fn read_dec3(body: &[u8]) -> Option<AudioConfig> {
    let mut bits = Bits::new(body);
    bits.skip(13)?;
    let mut config = AudioConfig::default();
    for substream in 0..=bits.take(3)? {
        let sample_rate = sample_rate(&mut bits)?;
        bits.skip(5 + 1 + 1 + 3)?;
        let mut channels = channels(&mut bits)?;
        bits.skip(3)?;
        if bits.take(4)? == 0 {
            bits.skip(1)?;
        } else {
            let added = bits.take(9)?;
            let is_added = |place: usize| added >> place & 1 == 1;
            let each = ADDED_CHANNELS.iter().enumerate();
            channels +=
                each.filter(|(place, _)| is_added(*place)).map(|(_, count)| count).sum::<u16>();
        }
        if substream == 0 {
            (config.channels, config.sample_rate) = (channels, sample_rate);
        }
    }
    // Extension type A: Dolby Atmos by joint object coding ("Backwards-compatible object audio",
    // ETSI TS 103 420 section 8.3).
    config.joc_complexity = joc_complexity(&mut bits);
    Some(config)
}

/// `flag_ec3_extension_type_a` and `complexity_index_type_a`.
fn joc_complexity(bits: &mut Bits<'_>) -> Option<u8> {
    bits.skip(7)?;
    if bits.flag()? { bits.take_u8(8) } else { None }
}

/// `fscod`; 0 if the rate is defined in the stream.
fn sample_rate(bits: &mut Bits<'_>) -> Option<u32> {
    let code = usize::from(bits.take_u8(2)?);
    Some(SAMPLE_RATES.get(code).copied().unwrap_or_default())
}

/// `acmod` and `lfeon`.
fn channels(bits: &mut Bits<'_>) -> Option<u16> {
    let mode = usize::from(bits.take_u8(3)?);
    Some(CHANNELS[mode & 7] + u16::from(bits.flag()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_substreams_add_channels() {
        let config = |channels, sample_rate| {
            Some(AudioConfig { channels, sample_rate, ..AudioConfig::default() })
        };
        assert_eq!(read_dac3(&[0x0c, 0x3d, 0xc0]), config(6, 48_000));
        assert_eq!(read_dac3(&[0x50, 0x08, 0xc0]), config(1, 44_100));
        assert_eq!(read_dec3(&[0x1f, 0x40, 0x20, 0x0f, 0x00]), config(6, 48_000));
        // A dependent substream adds a pair of rear surrounds: 7.1.
        assert_eq!(read_dec3(&[0x14, 0x00, 0x20, 0x0f, 0x02, 0x02]), config(8, 48_000));
        assert_eq!(read_dac3(&[0x0c]), None);
        assert_eq!(read_dec3(&[0x14, 0x00, 0x20, 0x0f]), None);
    }

    #[test]
    fn joint_object_coding_is_read() {
        let config = read_dec3(&[0x14, 0x00, 0x20, 0x0f, 0x00, 0x01, 0x10]).expect("a valid box");
        assert_eq!((config.channels, config.joc_complexity), (6, Some(16)));
    }
}
