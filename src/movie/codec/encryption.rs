//! Entries of encrypted tracks (ISO/IEC 14496-12 section 8.12).

use super::{Boxes, Doubt, FourCc, boxes::full_body, cursor::Cursor};

/// How a track is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Encryption {
    /// The scheme: `cenc`, `cbcs` and the like (ISO/IEC 23001-7). `None` if it is not said.
    pub scheme: Option<FourCc>,
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
    doubts: &mut Vec<Doubt>,
) -> (Encryption, FourCc) {
    let inside = Boxes(boxes.body(b"sinf").unwrap_or_default());
    let original = inside.body(b"frma").and_then(|body| Cursor(body).code());
    if original.is_none() {
        doubts.push(Doubt::Missing(FourCc(*b"frma")));
    }
    let scheme = inside.body(b"schm").and_then(full_body).and_then(|body| Cursor(body).code());
    (Encryption { scheme }, original.unwrap_or(format))
}
