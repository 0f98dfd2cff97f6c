//! FLAC: the configuration `dfLa` ("Encapsulation of FLAC in ISO Base Media File Format", section
//! 3.3.2).

use super::{audio::Sound, bits::Bits, boxes::full_body};

/// The first metadata block, always.
const STREAMINFO: u8 = 0;

/// Reads `dfLa`: metadata blocks, of which the first tells of the samples (RFC 9639 section 8.2).
pub(super) fn read(body: &[u8]) -> Option<Sound> {
    let mut bits = Bits::new(full_body(body)?);
    bits.skip(1)?;
    if bits.take_u8(7)? != STREAMINFO {
        return None;
    }
    bits.skip(24 + 16 + 16 + 24 + 24)?;
    let sample_rate = bits.take(20)?;
    let channels = u16::from(bits.take_u8(3)?) + 1;
    let sample_size = Some(u16::from(bits.take_u8(5)?) + 1);
    Some(Sound { channels, sample_rate, sample_size, ..Sound::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_beyond_what_an_entry_can_say_is_read() {
        // STREAMINFO of 24 bits, two channels, 192 kHz.
        let mut body = vec![0, 0, 0, 0, 0x80, 0, 0, 34, 0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
        body.extend([0x2e, 0xe0, 0x03, 0x70]);
        let sound = read(&body).expect("a sound");
        assert_eq!((sound.channels, sound.sample_rate, sound.sample_size), (2, 192_000, Some(24)));
        body[4] = 0x84;
        assert_eq!(read(&body), None, "comments are no STREAMINFO");
    }
}
