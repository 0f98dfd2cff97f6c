//! `esds`: the elementary stream descriptor of MPEG-4 (ISO/IEC 14496-1 section 7.2.6).

use super::{boxes::full_body, cursor::Cursor};

/// The relevant fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Esds<'a> {
    /// `objectTypeIndication`: the codec of the stream.
    pub object_type: u8,
    /// Maximum bits per second, over any second; 0 if unknown.
    pub max_bitrate: u32,
    /// Average bits per second; 0 if unknown or variable.
    pub avg_bitrate: u32,
    /// Decoder-specific configuration; may be empty.
    pub specific: &'a [u8],
}

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG: u8 = 4;
const DECODER_SPECIFIC_INFO: u8 = 5;
const SL_CONFIG: u8 = 6;

/// The most descriptors read in one descriptor.
const DESCRIPTORS_MAX: usize = 16;

impl<'a> Esds<'a> {
    /// Reads the body of the box.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut fields = Cursor(full_body(body)?);
        let mut stream = fields.0;
        // QuickTime sometimes writes only the inner descriptor.
        if stream.first() == Some(&ES_DESCRIPTOR) {
            (_, stream) = descriptor(&mut fields)?;
            fields = Cursor(stream);
            fields.skip(2)?;
            let flags = fields.u8()?;
            if flags & 0x80 != 0 {
                fields.skip(2)?;
            }
            if flags & 0x40 != 0 {
                let length = fields.u8()?;
                fields.skip(length.into())?;
            }
            if flags & 0x20 != 0 {
                fields.skip(2)?;
            }
            stream = fields.0;
        }
        let mut config = Cursor(find(stream, DECODER_CONFIG)?);
        let object_type = config.u8()?;
        config.skip(4)?;
        let (max_bitrate, avg_bitrate) = (config.u32()?, config.u32()?);
        let specific = find(config.0, DECODER_SPECIFIC_INFO).unwrap_or_default();
        Some(Self { object_type, max_bitrate, avg_bitrate, specific })
    }
}

/// The first descriptor with this tag.
fn find(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut fields = Cursor(bytes);
    let descriptors = std::iter::from_fn(|| descriptor(&mut fields)).take(DESCRIPTORS_MAX);
    descriptors.into_iter().find(|(candidate, _)| *candidate == tag).map(|(_, body)| body)
}

/// A descriptor's tag and body. Its length has up to four bytes of seven bits (section 8.3.3). A length
/// beyond the available bytes is clamped: some muxers miscount, and players tolerate it.
fn descriptor<'a>(fields: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let tag = fields.u8()?;
    let mut length = 0_usize;
    for _ in 0..4 {
        let byte = fields.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let body = fields.take(length.min(fields.0.len()))?;
    Some((tag, body))
}

/// Sets the identifier of the stream (ES_ID) in the body of the box to 0, its value in every MP4 file
/// (ISO/IEC 14496-14 section 3.1.2). Muxers write the track identifier, which differs in a file of other
/// tracks.
pub(super) fn clear_stream_id(body: &mut [u8]) {
    let mut fields = Cursor(full_body(body).unwrap_or_default());
    if fields.u8() != Some(ES_DESCRIPTOR) {
        return;
    }
    // The length ends with a byte below 0x80.
    let length = fields.0.iter().take(4).position(|byte| byte & 0x80 == 0).unwrap_or(3) + 1;
    if let Some(id) = body.get_mut(5 + length..7 + length) {
        id.fill(0);
    }
}

/// Builds the body of an `esds` for a stream without decoder-specific configuration.
pub(super) fn build(object_type: u8) -> Vec<u8> {
    // Stream type 5, audio; the following bit is always set. Buffer size and bit rates are unknown.
    let mut config = vec![object_type, 5 << 2 | 1];
    config.extend([0; 3 + 4 + 4]);
    let length = |body: &[u8]| u8::try_from(body.len()).expect("a few bytes");
    let mut stream = vec![0, 0, 0, DECODER_CONFIG, length(&config)];
    stream.extend(config);
    // Section 10.2.3: "reserved for use in MP4 files".
    stream.extend([SL_CONFIG, 1, 2]);
    let mut body = vec![0, 0, 0, 0, ES_DESCRIPTOR, length(&stream)];
    body.extend(stream);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_identifier_becomes_zero_behind_a_length_of_any_size() {
        for length in [&[25][..], &[0x80, 25], &[0x80, 0x80, 0x80, 25]] {
            let mut body = [&[0, 0, 0, 0, ES_DESCRIPTOR][..], length, &[7, 9, 1, 4]].concat();
            clear_stream_id(&mut body);
            let expected = [&[0, 0, 0, 0, ES_DESCRIPTOR][..], length, &[0, 0, 1, 4]].concat();
            assert_eq!(body, expected);
        }
        for other in [&[][..], &[0, 0, 0, 0, ES_DESCRIPTOR, 1, 7], &[0, 0, 0, 0, 4, 1, 7, 9]] {
            let mut body = other.to_vec();
            clear_stream_id(&mut body);
            assert_eq!(body, other);
        }
    }

    #[test]
    fn a_built_descriptor_is_readable() {
        let body = build(0x6b);
        let esds = Esds::read(&body).expect("a descriptor");
        assert_eq!((esds.object_type, esds.specific), (0x6b, &[][..]));
    }

    #[test]
    fn optional_fields_and_long_lengths_are_skipped() {
        let config =
            [4, 0x80, 0x80, 0x11, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 5, 2, 0x12, 8];
        let mut body = vec![0, 0, 0, 0, 3, 0x80, 0x80, 0x80, 60, 0, 1, 0xe0];
        // A dependency on a stream, a URL, and a clock reference stream.
        body.extend([0, 9, 3, b'u', b'r', b'l', 0, 7]);
        body.extend(config);
        let esds = Esds::read(&body).expect("a descriptor despite its wrong length");
        assert_eq!((esds.object_type, esds.specific), (0x40, &[0x12, 8][..]));
        assert_eq!((esds.max_bitrate, esds.avg_bitrate), (2, 1));
        let bare = [&[0; 4][..], &config].concat();
        assert_eq!(Esds::read(&bare).expect("a descriptor").specific, [0x12, 8]);
    }
}
