//! Whether frames are whole or consist of two fields of different times.

use super::{Boxes, Codec, cursor::Cursor};

/// How the frames of video were taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scan {
    /// Each frame at once.
    Progressive,
    /// Each frame as two fields, one after the other.
    Interlaced,
    /// The stream allows both, and each frame tells.
    Mixed,
    /// Only decoding tells.
    #[default]
    Unknown,
}

impl Scan {
    /// Whether frames may consist of two fields.
    pub fn may_be_interlaced(self) -> bool {
        self != Self::Progressive
    }

    /// From the container (`fiel` of QuickTime and of ISO/IEC 15444-3), the codec, and its own headers.
    pub(super) fn new(codec: Codec, boxes: Boxes<'_>, stream: Self) -> Self {
        let fields = boxes.body(b"fiel").and_then(|body| Cursor(body).u8());
        match (codec, stream) {
            // These have no frames of two fields: HEVC codes each field as a picture.
            (Codec::Hevc | Codec::Av1 | Codec::Vp8 | Codec::Vp9, _) => Self::Progressive,
            (_, Self::Progressive) => Self::Progressive,
            _ if fields == Some(2) => Self::Interlaced,
            (_, stream) => stream,
        }
    }
}
