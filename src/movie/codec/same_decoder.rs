//! Whether two sample entries of a track are the same for a decoder.

use super::{Boxes, Encryption, FourCc, Media, SampleEntry, Warning, boxes::build, esds::Esds};

/// Where the boxes of a visual entry begin, and its encoder's name (section 12.1.3).
const VISUAL_BOXES: usize = 86;
const COMPRESSOR_NAME: std::ops::Range<usize> = 50..82;

/// The index of the data reference of any entry (section 8.5.2.2).
const DATA_REFERENCE: std::ops::Range<usize> = 14..16;

/// What a decoder has to know of an entry.
pub(in crate::movie) struct DecoderNeeds {
    original_format: FourCc,
    encryption: Option<Encryption>,
    is_text: bool,
    /// The box with the configuration of the decoder is missing.
    pub(in crate::movie) lacks_configuration: bool,
    /// The entry without what no decoder needs.
    normalized: Vec<u8>,
}

impl DecoderNeeds {
    /// Whether a decoder goes on from samples of one entry to those of another, which follow in the same
    /// track: the entries differ at most in bit rates, in the name of the encoder and in the data reference,
    /// or one of them lacks the configuration that the other one has. Entries of text differ in style only.
    pub(in crate::movie) fn are_same(&self, other: &Self) -> bool {
        self.original_format == other.original_format
            && self.encryption == other.encryption
            && (self.is_text
                || self.lacks_configuration != other.lacks_configuration
                || self.normalized == other.normalized)
    }
}

impl SampleEntry {
    /// What a decoder has to know of it.
    pub(in crate::movie) fn decoder_needs(&self) -> DecoderNeeds {
        let is_missing = |warning: &Warning| matches!(warning, Warning::Missing(_));
        DecoderNeeds {
            original_format: self.original_format,
            encryption: self.encryption,
            is_text: self.media == Media::Text,
            lacks_configuration: self.warnings.iter().any(is_missing),
            normalized: self.normalized(),
        }
    }

    /// The entry without what no decoder needs.
    fn normalized(&self) -> Vec<u8> {
        let entry = &self.entry;
        let boxes_at = match &self.media {
            Media::Video(_) => VISUAL_BOXES,
            // QuickTime's versions have further fields.
            Media::Audio(_) => match entry.get(16..18) {
                Some([0, 1]) => 52,
                Some([0, 2]) => 72,
                _ => 36,
            },
            Media::Text | Media::Other => entry.len(),
        };
        let (fields, boxes) = entry.split_at(boxes_at.min(entry.len()));
        let mut normalized = fields.get(8..).unwrap_or_default().to_vec();
        let mut blank = |range: std::ops::Range<usize>| {
            if let Some(bytes) = normalized.get_mut(range.start - 8..range.end - 8) {
                bytes.fill(0);
            }
        };
        blank(DATA_REFERENCE);
        if boxes_at == VISUAL_BOXES {
            blank(COMPRESSOR_NAME);
        }
        for child in Boxes(boxes).iter() {
            match (child.kind, Esds::read(child.body)) {
                (FourCc([b'b', b't', b'r', b't']), _) => {}
                (FourCc([b'e', b's', b'd', b's']), Some(esds)) => {
                    let fields = [&[esds.object_type], esds.specific].concat();
                    normalized.extend(build(b"esds", &fields));
                }
                _ => normalized.extend(child.whole),
            }
        }
        normalized
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movie::codec::read;

    fn audio(boxes: &[u8]) -> SampleEntry {
        let fields = [&[0, 0, 0, 0, 0, 0, 0, 1], &[0; 8][..], &[0, 2, 0, 16, 0, 0, 0, 0]].concat();
        let body = [&fields, &[0xbb, 0x80, 0, 0][..], boxes].concat();
        read(&build(b"mp4a", &body), *b"soun").expect("an entry")
    }

    /// `esds` of AAC with this average bit rate and configuration.
    fn esds(rate: u8, specific: [u8; 2]) -> Vec<u8> {
        let rates = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, rate];
        let config = [&[0x40, 0x15][..], &rates, &[5, 2], &specific].concat();
        let length = u8::try_from(config.len()).expect("short");
        build(b"esds", &[&[0, 0, 0, 0, 4, length][..], &config].concat())
    }

    fn are_same(one: &SampleEntry, other: &SampleEntry) -> bool {
        one.decoder_needs().are_same(&other.decoder_needs())
    }

    #[test]
    fn bit_rates_are_no_difference_and_the_configuration_is() {
        let entry = audio(&esds(1, [0x11, 0x90]));
        let other_rate = audio(&[esds(2, [0x11, 0x90]), build(b"btrt", &[0; 12])].concat());
        let other_channels = audio(&esds(1, [0x11, 0x88]));
        assert!(are_same(&entry, &entry) && are_same(&entry, &other_rate));
        assert!(!are_same(&entry, &other_channels));
    }

    #[test]
    fn an_entry_without_a_configuration_goes_on_with_that_of_another() {
        let (entry, bare) = (audio(&esds(1, [0x11, 0x90])), audio(&[]));
        assert!(are_same(&entry, &bare) && are_same(&bare, &entry));
    }
}
