//! Reads the dimensions of a JPEG or WebP file, and checks that the file is complete.

/// Returns width and height in pixels; `None` if the file is neither JPEG nor WebP, or is truncated.
pub fn read_dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    match bytes {
        [0xff, 0xd8, body @ .., 0xff, 0xd9] => read_jpeg(body),
        [b'R', b'I', b'F', b'F', a, b, c, d, b'W', b'E', b'B', b'P', body @ ..] => {
            let size = u32::from_le_bytes([*a, *b, *c, *d]);
            let is_complete = u64::from(size) + 8 == bytes.len() as u64;
            is_complete.then(|| read_webp(body)).flatten()
        }
        _ => None,
    }
}

/// Finds the frame header (ITU-T T.81 section B.2.2) behind any number of other segments.
fn read_jpeg(mut segments: &[u8]) -> Option<(u32, u32)> {
    loop {
        let [0xff, marker, a, b, ..] = segments else {
            return None;
        };
        let (fields, rest) = segments.get(2..)?.split_at_checked(usize::from(be(*a, *b)))?;
        match marker {
            // C4, C8 and CC are tables or reserved.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let [_, _, _, a, b, c, d, ..] = fields else {
                    return None;
                };
                return Some((be(*c, *d).into(), be(*a, *b).into()));
            }
            // Start of scan.
            0xda => return None,
            _ if fields.len() < 2 => return None,
            _ => segments = rest,
        }
    }
}

/// Reads the first chunk (RFC 9649 section 2).
fn read_webp(chunk: &[u8]) -> Option<(u32, u32)> {
    let (kind, fields) = chunk.split_at_checked(4)?;
    let fields = fields.get(4..)?;
    match (kind, fields) {
        (b"VP8X", [_, _, _, _, a, b, c, d, e, f, ..]) => {
            let field = |a, b, c| u32::from_le_bytes([a, b, c, 0]) + 1;
            Some((field(*a, *b, *c), field(*d, *e, *f)))
        }
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, a, b, c, d, ..]) => {
            let field = |a, b| u32::from(u16::from_le_bytes([a, b]) & 0x3fff);
            Some((field(*a, *b), field(*c, *d)))
        }
        (b"VP8L", [0x2f, a, b, c, d, ..]) => {
            let bits = u32::from_le_bytes([*a, *b, *c, *d]);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

fn be(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x04JF\xff\xc0\0\x0b\x08\0\xb4\x01\x40\x01\0\0\0\
        \xff\xda\0\x02scan\xff\xd9";
    const WEBP: &[u8] = b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x40\x01\xb4\0";

    #[test]
    fn a_complete_image_has_dimensions_and_a_truncated_one_has_none() {
        for image in [JPEG, WEBP] {
            assert_eq!(read_dimensions(image), Some((320, 180)));
            for end in 0..image.len() {
                assert_eq!(read_dimensions(&image[..end]), None, "{end} of {image:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200), start in 0..3_usize,
        ) {
            let start = [&b""[..], &JPEG[..12], &WEBP[..16]][start];
            let mut bytes = [start, &bytes].concat();
            read_dimensions(&bytes);
            bytes.extend([0xff, 0xd9]);
            read_dimensions(&bytes);
        }
    }
}
