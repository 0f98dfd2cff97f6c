//! FLAC: the configuration `dfLa` ("Encapsulation of FLAC in ISO Base Media File Format", section
//! 3.3.2).

use super::{audio::AudioConfig, bits::Bits, boxes::full_body};

/// Type of the first metadata block.
const STREAMINFO: u8 = 0;

/// Reads `dfLa`: metadata blocks, the first of which describes the samples (RFC 9639 section 8.2).
pub(super) fn read(body: &[u8]) -> Option<AudioConfig> {
    let mut bits = Bits::new(full_body(body)?);
    bits.skip(1)?;
    if bits.take_u8(7)? != STREAMINFO {
        return None;
    }
    bits.skip(24 + 16 + 16 + 24 + 24)?;
    let sample_rate = bits.take(20)?;
    let channels = u16::from(bits.take_u8(3)?) + 1;
    let sample_size = Some(u16::from(bits.take_u8(5)?) + 1);
    Some(AudioConfig { channels, sample_rate, sample_size, ..AudioConfig::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_beyond_16_bits_are_read() {
        // STREAMINFO of 24 bits, two channels, 192 kHz.
        let mut body = vec![0, 0, 0, 0, 0x80, 0, 0, 34, 0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
        body.extend([0x2e, 0xe0, 0x03, 0x70]);
        let config = read(&body).expect("a valid box");
        assert_eq!(
            (config.channels, config.sample_rate, config.sample_size),
            (2, 192_000, Some(24))
        );
        body[4] = 0x84;
        assert_eq!(read(&body), None, "a comment block is no STREAMINFO");
    }
}
