//! Entries of encrypted tracks (ISO/IEC 14496-12 section 8.12, ISO/IEC 23001-7).

use super::{Boxes, FourCc, Warning, boxes::full_body, cursor::Cursor};

/// How a track is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encryption {
    /// The scheme: `cenc`, `cbcs` and the like (ISO/IEC 23001-7). `None` if it is not said.
    pub scheme: Option<FourCc>,
    /// What is true of every sample, unless its group says otherwise. `None` if that is not said, or
    /// makes no sense.
    pub defaults: Option<TrackEncryption>,
}

/// Defaults of a track (`tenc`, ISO/IEC 23001-7 section 8.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackEncryption {
    /// Whether its samples are encrypted at all.
    pub is_protected: bool,
    /// The bytes of the initialization vector that comes with each sample: 8 or 16, or 0 if all samples
    /// have the one that stands in the entry.
    pub iv_bytes: u8,
    /// Which key it is encrypted with.
    pub key_id: [u8; 16],
}

impl Encryption {
    /// The scheme and the defaults, if it is Common Encryption: what a player that has the key can
    /// decrypt segments by.
    pub fn common(&self) -> Option<(FourCc, TrackEncryption)> {
        let is_common =
            |scheme: &FourCc| matches!(&scheme.0, b"cenc" | b"cbcs" | b"cens" | b"cbc1");
        self.scheme.filter(is_common).zip(self.defaults)
    }
}

/// Whether an entry of this type stands for another, encrypted. Those of the second line are from
/// iTunes.
pub(super) fn is_encrypted(format: FourCc) -> bool {
    matches!(&format.0, b"encv" | b"enca" | b"enct" | b"encs" | b"encm")
        || matches!(&format.0, b"drms" | b"drmi" | b"drmt")
}

/// The encryption, and the type that the entry had before.
pub(super) fn read(
    format: FourCc,
    boxes: Boxes<'_>,
    doubts: &mut Vec<Warning>,
) -> (Encryption, FourCc) {
    let inside = Boxes(boxes.body(b"sinf").unwrap_or_default());
    let original = inside.body(b"frma").and_then(|body| Cursor(body).code());
    if original.is_none() {
        doubts.push(Warning::Missing(FourCc(*b"frma")));
    }
    let scheme = inside.body(b"schm").and_then(full_body).and_then(|body| Cursor(body).code());
    let information = Boxes(inside.body(b"schi").unwrap_or_default());
    let defaults = information.body(b"tenc").and_then(full_body).and_then(track_encryption);
    (Encryption { scheme, defaults }, original.unwrap_or(format))
}

/// `tenc`, behind its version: which fields there are does not depend on it.
fn track_encryption(body: &[u8]) -> Option<TrackEncryption> {
    let mut fields = Cursor(body);
    // In version 1 the second of these is the pattern.
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
