//! Encryption of tracks for manifests (ISO/IEC 23001-7): scheme, key identifier, and initialization data of
//! DRM systems.

use bytes::Bytes;

use super::presentation::{Protection, System};
use crate::movie::{Movie, Track};

/// Google's Widevine.
pub(super) const WIDEVINE: [u8; 16] = 0xedef_8ba9_79d6_4ace_a3c8_27dc_d51d_21ed_u128.to_be_bytes();

/// Microsoft's PlayReady.
pub(super) const PLAYREADY: [u8; 16] = 0x9a04_f079_9840_4286_ab92_e65b_e088_5f95_u128.to_be_bytes();

/// Encryption of a track; `None` if it is clear, or its scheme is not Common Encryption.
pub(super) fn track_protection(movie: &Movie, track: &Track) -> Option<Protection> {
    let (scheme, defaults) = track.entry.encryption?.common()?;
    let mut systems: Vec<System> = Vec::new();
    for header in &movie.protection {
        let Some(id) = system_id(header) else { continue };
        match systems.iter_mut().find(|system| system.id == id) {
            // Initialization data may be several concatenated boxes (EME, "cenc" format).
            Some(system) => system.headers = [&system.headers[..], header].concat().into(),
            None => systems.push(System { id, headers: header.clone() }),
        }
    }
    Some(Protection { scheme: scheme.0, key_id: defaults.key_id, systems: systems.into() })
}

/// The system of a `pssh` box (section 8.1).
fn system_id(header: &Bytes) -> Option<[u8; 16]> {
    header.get(12..)?.first_chunk().copied()
}

/// The system-specific data of a `pssh` box.
pub(super) fn system_data(header: &[u8]) -> Option<&[u8]> {
    let (version, rest) = (*header.get(8)?, header.get(28..)?);
    let rest = if version == 0 {
        rest
    } else {
        let (count, rest) = rest.split_first_chunk()?;
        rest.get(usize::try_from(u32::from_be_bytes(*count)).ok()?.checked_mul(16)?..)?
    };
    let (length, rest) = rest.split_first_chunk()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Base64 (RFC 4648 section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// An identifier as a UUID string (RFC 9562 section 4).
pub(super) fn uuid(id: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, digit) in hexadecimal(id).chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// An identifier as hexadecimal digits.
pub(super) fn hexadecimal(id: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded_to_groups_of_four() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xff, 0xef, 0xbe], "/+++"),
        ] {
            assert_eq!(base64(bytes), text);
        }
        assert_eq!(uuid(WIDEVINE), "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed");
    }

    #[test]
    fn system_data_is_read_in_both_versions_and_never_outside_the_box() {
        let header = |version: u8, rest: &[u8]| {
            [&[0, 0, 0, 0][..], b"pssh", &[version, 0, 0, 0], &PLAYREADY, rest].concat()
        };
        let old = header(0, b"\0\0\0\x02ab");
        let new = header(1, &[&b"\0\0\0\x01"[..], &[7; 16], b"\0\0\0\x02ab"].concat());
        assert_eq!(system_data(&old), Some(&b"ab"[..]));
        assert_eq!(system_data(&new), Some(&b"ab"[..]));
        assert_eq!(system_id(&old.clone().into()), Some(PLAYREADY));
        for end in 0..old.len() {
            assert_eq!(system_data(&old[..end]), None);
        }
        for end in 0..new.len() {
            assert_eq!(system_data(&new[..end]), None);
        }
        assert_eq!(system_data(&header(1, &[0xff; 40])), None);
        assert_eq!(system_data(&header(0, &[0xff; 40])), None);
    }
}
