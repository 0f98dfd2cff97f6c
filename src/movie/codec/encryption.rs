//! Sample entries of encrypted tracks (ISO/IEC 14496-12 section 8.12, ISO/IEC 23001-7).

use super::{Boxes, FourCc, Warning, boxes::full_body, cursor::Cursor};

/// Encryption of a track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encryption {
    /// Scheme: `cenc`, `cbcs` and the like (ISO/IEC 23001-7). `None` if undeclared.
    pub scheme: Option<FourCc>,
    /// Defaults of all samples, which sample groups can override. `None` if missing or invalid.
    pub defaults: Option<TrackEncryption>,
}

/// Defaults of a track (`tenc`, ISO/IEC 23001-7 section 8.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackEncryption {
    /// Whether samples are encrypted by default.
    pub is_protected: bool,
    /// Size of the per-sample initialization vector: 8 or 16, or 0 for a constant vector in the entry.
    pub iv_bytes: u8,
    /// Identifier of the key.
    pub key_id: [u8; 16],
}

impl Encryption {
    /// Scheme and defaults, if this is valid Common Encryption, so that a player with the key can decrypt
    /// segments.
    pub fn common(&self) -> Option<(FourCc, TrackEncryption)> {
        let is_common =
            |scheme: &FourCc| matches!(&scheme.0, b"cenc" | b"cbcs" | b"cens" | b"cbc1");
        self.scheme.filter(is_common).zip(self.defaults)
    }
}

/// Whether this is the type of an encrypted entry. The types in the second line are from iTunes.
pub(super) fn is_encrypted(format: FourCc) -> bool {
    matches!(&format.0, b"encv" | b"enca" | b"enct" | b"encs" | b"encm")
        || matches!(&format.0, b"drms" | b"drmi" | b"drmt")
}

/// Reads the encryption, and the type of the entry before encryption.
pub(super) fn read(
    format: FourCc,
    boxes: Boxes<'_>,
    warnings: &mut Vec<Warning>,
) -> (Encryption, FourCc) {
    let scheme_boxes = Boxes(boxes.body(b"sinf").unwrap_or_default());
    let original = scheme_boxes.body(b"frma").and_then(|body| Cursor(body).code());
    if original.is_none() {
        warnings.push(Warning::Missing(FourCc(*b"frma")));
    }
    let scheme =
        scheme_boxes.body(b"schm").and_then(full_body).and_then(|body| Cursor(body).code());
    let information = Boxes(scheme_boxes.body(b"schi").unwrap_or_default());
    let defaults = information.body(b"tenc").and_then(full_body).and_then(track_encryption);
    (Encryption { scheme, defaults }, original.unwrap_or(format))
}

/// The fields of `tenc` after its version, which are the same in both versions.
fn track_encryption(body: &[u8]) -> Option<TrackEncryption> {
    let mut fields = Cursor(body);
    // Version 1 has the pattern in the second byte.
    fields.skip(2)?;
    let is_protected = match fields.u8()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let iv_bytes = fields.u8().filter(|bytes| matches!(bytes, 0 | 8 | 16))?;
    let key_id = *fields.take(16)?.first_chunk()?;
    if is_protected && iv_bytes == 0 {
        let constant = fields.u8().filter(|bytes| matches!(bytes, 8 | 16))?;
        fields.skip(usize::from(constant))?;
    }
    Some(TrackEncryption { is_protected, iv_bytes, key_id })
}
