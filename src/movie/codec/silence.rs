//! Frames of silence, to fill a gap that an edit list leaves in audio.
//!
//! A browser plays decoded frames without regard to their times, so that audio after a gap comes early
//! (seen in Chromium 156, by HLS and DASH): a gap must be filled with frames.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{Codec, SampleEntry, audio::Fields, bits::Bits, esds::Esds};

/// An Opus packet of 20 ms of silence, mono (RFC 6716 section 3.1); decoders accept it in any stream.
const OPUS: [u8; 3] = [0xf8, 0xff, 0xfe];

/// The syntactic elements of AAC (ISO/IEC 14496-3 table 4.85): one channel, two channels, low frequencies,
/// and the end.
const SINGLE: u32 = 0;
const PAIR: u32 = 1;
const LOW_FREQUENCY: u32 = 3;
const END: u32 = 7;

/// A frame of silence for a track with this entry, whose frames last `duration` ticks; `None` if the codec
/// has none that is known.
pub(in crate::movie) fn silent_frame(
    entry: &SampleEntry,
    duration: NonZeroU32,
    timescale: NonZeroU32,
) -> Option<Bytes> {
    if entry.encryption.is_some() {
        return None;
    }
    match entry.codec {
        Codec::Opus => {
            let lasts_20_ms = u64::from(duration.get()) * 50 == u64::from(timescale.get());
            lasts_20_ms.then(|| Bytes::from_static(&OPUS))
        }
        _ => {
            let fields = Fields::read(entry.entry.get(8..)?).ok()?;
            let esds = fields.config(b"esds").and_then(Esds::read)?;
            let is_aac = matches!(esds.object_type, 0x40 | 0x67);
            aac(esds.specific).filter(|_| is_aac).map(Bytes::from)
        }
    }
}

/// A raw data block of silence for an AudioSpecificConfig.
fn aac(specific: &[u8]) -> Option<Vec<u8>> {
    const LC: u8 = 2;
    const SBR: u8 = 5;
    const PARAMETRIC_STEREO: u8 = 29;
    const EXPLICIT_RATE: u8 = 15;
    let mut config = Bits::new(specific);
    let object_type = config.take_u8(5)?;
    if config.take_u8(4)? == EXPLICIT_RATE {
        config.skip(24)?;
    }
    // These contain AAC-LC, whose frames need no extension.
    let has_lc_frames = matches!(object_type, LC | SBR | PARAMETRIC_STEREO);
    let elements: &[u32] = match config.take_u8(4)? {
        1 => &[SINGLE],
        2 => &[PAIR],
        3 => &[SINGLE, PAIR],
        4 => &[SINGLE, PAIR, SINGLE],
        5 => &[SINGLE, PAIR, PAIR],
        6 => &[SINGLE, PAIR, PAIR, LOW_FREQUENCY],
        7 => &[SINGLE, PAIR, PAIR, PAIR, LOW_FREQUENCY],
        _ => return None,
    };
    let mut block = BitWriter::default();
    let mut tags = [0; 4];
    for &element in elements {
        let tag = &mut tags[element as usize];
        block.put(element, 3);
        block.put(*tag, 4);
        *tag += 1;
        if element == PAIR {
            // common_window
            block.put(0, 1);
            block.put_silent_channel();
        }
        block.put_silent_channel();
    }
    block.put(END, 3);
    has_lc_frames.then_some(block.bytes)
}

/// Writes bits, most significant first, into bytes padded with zeros.
#[derive(Debug, Default)]
struct BitWriter {
    bytes: Vec<u8>,
    bits: usize,
}

impl BitWriter {
    fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let place = 7 - self.bits % 8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> bit & 1 == 1) << place;
            }
            self.bits += 1;
        }
    }

    /// An individual channel stream without spectral data: gain, a long window without bands
    /// (`max_sfb` 0), and no pulses, noise shaping or gain control.
    fn put_silent_channel(&mut self) {
        for (value, count) in
            [(0, 8), (0, 1), (0, 2), (0, 1), (0, 6), (0, 1), (0, 1), (0, 1), (0, 1)]
        {
            self.put(value, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_frame_has_the_elements_of_its_channels() {
        // AAC-LC at 48 kHz: mono, stereo, 5.1.
        assert_eq!(aac(&[0x11, 0x88]), Some(vec![0, 0, 0, 0x07]));
        assert_eq!(aac(&[0x11, 0x90]).expect("stereo").len(), 7);
        assert_eq!(aac(&[0x11, 0xb0]).expect("5.1").len(), 21);
    }

    #[test]
    fn a_stream_that_defines_its_channels_has_no_silent_frame() {
        assert_eq!(aac(&[0x11, 0x80]), None);
        assert_eq!(aac(&[]), None);
    }
}
