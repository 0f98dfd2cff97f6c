//! Supplemental enhancement information (ITU-T H.264 annex D, H.265 annex D) with caption data.

/// The payload type of user data that is registered by ITU-T T.35.
const REGISTERED_USER_DATA: u32 = 4;

/// The prefix of caption data: the United States, ATSC, `GA94` and the type of the data (ATSC A/53 part 4
/// section 6.2.2).
const CAPTION_DATA: [u8; 8] = [0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];

/// Whether the data is to be processed.
const PROCESS_FLAG: u8 = 0x40;

/// The bits of the number of triplets.
const COUNT_BITS: u8 = 0x1f;

/// Reads the messages of a unit, header excluded, and appends the caption triplets. A truncated unit is read
/// as far as it goes.
pub(super) fn read(unit: &[u8], triplets: &mut Vec<[u8; 3]>) {
    let bytes = unescape(unit);
    let mut rest = &bytes[..];
    // The last byte holds the trailing bits.
    while rest.len() > 1 {
        let Some((kind, after)) = number(rest) else { return };
        let Some((size, after)) = number(after) else { return };
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(after.len());
        let (payload, after) = after.split_at(size);
        if kind == REGISTERED_USER_DATA {
            triplets.extend(caption_data(payload).unwrap_or_default());
        }
        rest = after;
    }
}

/// Removes the bytes that keep start codes out of a unit (7.4.1.1 of both standards).
fn unescape(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        bytes.push(byte);
    }
    bytes
}

/// A type or a size: 255 for each leading byte of ones, and the byte after them.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let ones = bytes.iter().take_while(|byte| **byte == 0xff).count();
    let (last, rest) = bytes[ones..].split_first()?;
    let sum = u32::try_from(ones).ok()?.checked_mul(255)?;
    Some((sum.checked_add(u32::from(*last))?, rest))
}

/// The triplets of `cc_data` (ATSC A/53 part 4 section 6.2.3).
fn caption_data(payload: &[u8]) -> Option<Vec<[u8; 3]>> {
    let [flags, _reserved, triplets @ ..] = payload.strip_prefix(&CAPTION_DATA)? else {
        return None;
    };
    let (triplets, _) = triplets.as_chunks::<3>();
    let count = usize::from(flags & COUNT_BITS).min(triplets.len());
    (flags & PROCESS_FLAG != 0).then(|| triplets[..count].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(unit: &[u8]) -> Vec<[u8; 3]> {
        let mut triplets = Vec::new();
        read(unit, &mut triplets);
        triplets
    }

    #[test]
    fn triplets_are_found_among_other_messages() {
        let captions =
            [&[4, 16][..], &CAPTION_DATA, &[0x42, 0xff, 0xfc, 0x94, 0x20, 0xfd, 0x80, 0x80]]
                .concat();
        let unregistered = [&[5, 0xff, 1][..], &[7; 256]].concat();
        let expected = [[0xfc, 0x94, 0x20], [0xfd, 0x80, 0x80]];
        let unit = [&unregistered[..], &captions, &[0x80]].concat();
        assert_eq!(found(&unit), expected);
        assert_eq!(found(&[&captions[..], &unregistered, &[0x80]].concat()), expected);
        for end in 0..unit.len() {
            assert!(found(&unit[..end]).len() <= 2);
        }
    }

    #[test]
    fn escapes_are_removed() {
        let escaped = [&[4, 13][..], &CAPTION_DATA, &[0x41, 0, 0, 3, 0, 0, 3, 1, 0x80]].concat();
        assert_eq!(unescape(&[0, 0, 3, 0, 0, 3, 1]), [0, 0, 0, 0, 1]);
        assert_eq!(found(&escaped), [[0, 0, 0]]);
    }

    #[test]
    fn other_user_data_has_no_captions() {
        for payload in
            [&b"\xb5\x00\x31GA94\x06\x41\xff\xfc\x94\x20"[..], b"\xb5\x00\x31DTG1\x41", b"\xb5"]
        {
            let size = u8::try_from(payload.len()).expect("a short payload");
            assert!(found(&[&[4, size][..], payload, &[0x80]].concat()).is_empty());
        }
        // Not to be processed.
        let idle = [&[4, 13][..], &CAPTION_DATA, &[0x01, 0xff, 0xfc, 0x94, 0x20, 0x80]].concat();
        assert!(found(&idle).is_empty());
    }
}
