//! NAL units in samples (ISO/IEC 14496-15 section 4.3.3).

use super::{Boxes, Codec, SampleEntry, boxes};

/// How the samples of a track hold NAL units.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::movie) struct NalFormat {
    /// The size of each unit's length, in bytes: 1 to 4.
    pub length_bytes: u8,
    syntax: Syntax,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Syntax {
    Avc,
    Hevc,
}

/// The kind of a NAL unit, as far as readers of supplemental information need it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::movie) enum NalKind {
    /// Part of a coded picture: no information for the whole picture follows.
    Slice,
    /// Supplemental enhancement information that precedes the picture.
    Sei,
    /// Anything else.
    Other,
}

/// The fields of a visual sample entry before its boxes (14496-12 section 12.1.3).
const FIELDS_BYTES: usize = 78;

impl NalFormat {
    /// The format of a clear H.264 or HEVC track; `None` for others, or without a configuration record.
    pub(in crate::movie) fn from_entry(entry: &SampleEntry) -> Option<Self> {
        if entry.encryption.is_some() {
            return None;
        }
        let boxes = Boxes(boxes::first(&entry.entry)?.body.get(FIELDS_BYTES..)?);
        let (lengths, syntax) = match entry.codec {
            Codec::H264 => (boxes.body(b"avcC")?.get(4)?, Syntax::Avc),
            Codec::Hevc => (boxes.body(b"hvcC")?.get(21)?, Syntax::Hevc),
            _ => return None,
        };
        Some(Self { length_bytes: (lengths & 3) + 1, syntax })
    }

    /// The length of a unit's header, in bytes.
    pub(in crate::movie) fn header_bytes(self) -> usize {
        match self.syntax {
            Syntax::Avc => 1,
            Syntax::Hevc => 2,
        }
    }

    /// The kind of a unit, by the first byte of its header.
    pub(in crate::movie) fn kind(self, first: u8) -> NalKind {
        match (self.syntax, first & 0x1f, first >> 1 & 0x3f) {
            (Syntax::Avc, 1..=5, _) | (Syntax::Hevc, _, 0..=31) => NalKind::Slice,
            (Syntax::Avc, 6, _) | (Syntax::Hevc, _, 39) => NalKind::Sei,
            _ => NalKind::Other,
        }
    }
}
