//! Top-level boxes of any file, movie or not.

use super::{
    foreign::Foreign,
    report::{Index, Place, TopBox},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{FourCc, Header, children},
};

/// The most boxes in a report.
const LISTED_MAX: usize = 100;

/// The most boxes that [`children`] reads: a day of fragments has more.
const READ_MAX: usize = 4096;

/// The top-level boxes of a file, as far as they are valid.
#[derive(Clone, Debug)]
pub(super) struct TopBoxes {
    /// All boxes that were read.
    boxes: Vec<Header>,
    /// Bytes after the last box.
    pub(super) trailing_bytes: u64,
    /// The file in another container, if the first bytes identify one.
    pub(super) foreign: Option<Foreign>,
    /// The major brand.
    pub(super) brand: Option<FourCc>,
}

impl TopBoxes {
    /// Reads the boxes of a file.
    pub(super) fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Self, ReadError> {
        let foreign = Foreign::read(source)?;
        let mut boxes = Vec::new();
        if foreign.is_none() {
            boxes = children(source, &(0..source.len()))?;
            // Any bytes parse as a box; types are ASCII, and QuickTime's may begin with ©.
            let is_name = |kind: &FourCc| {
                let is_letter = |byte: &u8| matches!(byte, b' '..=b'~' | 0xa9);
                kind.0.iter().all(is_letter)
            };
            let valid = boxes.iter().take_while(|header| is_name(&header.kind)).count();
            boxes.truncate(valid);
        }
        // A text file is not one long box.
        if matches!(&boxes[..], [only] if only.is_cut && !is_known(only.kind)) {
            boxes.clear();
        }
        let end = match boxes.last() {
            _ if boxes.len() >= READ_MAX => source.len(),
            last => last.map_or(0, |last| last.body.end),
        };
        let mut brand = None;
        let file_type = boxes.iter().find(|header| header.kind == FourCc(*b"ftyp"));
        if let Some(file_type) = file_type.filter(|file_type| file_type.body_len() >= 4) {
            let mut code = [0; 4];
            source.read_exact_at(file_type.body.start, &mut code)?;
            brand = Some(FourCc(code));
        }
        Ok(Self { boxes, trailing_bytes: source.len().saturating_sub(end), foreign, brand })
    }

    /// The name of another container.
    pub(super) fn container(&self) -> Option<&'static str> {
        self.foreign.as_ref().map(|foreign| foreign.container.name())
    }

    /// Number of boxes that were read.
    pub(super) fn count(&self) -> usize {
        self.boxes.len()
    }

    /// The first boxes, for a report.
    pub(super) fn listed(&self) -> Vec<TopBox> {
        let listed = self.boxes.iter().take(LISTED_MAX).map(|header| TopBox {
            kind: header.kind.to_string(),
            offset: header.start,
            size_bytes: header.body.end - header.start,
            is_cut: header.is_cut,
        });
        listed.collect()
    }

    /// The first box of a type.
    pub(super) fn find(&self, kind: &[u8; 4]) -> Option<&Header> {
        self.boxes.iter().find(|header| header.kind.0 == *kind)
    }

    /// The box that extends past the end of the file.
    pub(super) fn truncated(&self) -> Option<&Header> {
        self.boxes.iter().find(|header| header.is_cut)
    }

    /// The index (`moov`) and its position.
    pub(super) fn index(&self) -> Index {
        let Some(moov) = self.find(b"moov") else {
            return Index { place: Place::Missing, size_bytes: None };
        };
        let media = self.find(b"mdat").or_else(|| self.find(b"moof"));
        let is_behind = media.is_some_and(|media| media.start < moov.start);
        let place = if is_behind { Place::End } else { Place::Front };
        Index { place, size_bytes: Some(moov.body.end - moov.start) }
    }
}

/// Whether a movie file may begin with this box.
fn is_known(kind: FourCc) -> bool {
    matches!(&kind.0, b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide" | b"uuid" | b"moof")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> TopBoxes {
        TopBoxes::read(bytes).expect("bytes in memory")
    }

    #[test]
    fn the_index_is_at_the_start_at_the_end_or_missing() {
        let (ftyp, mdat, moov) = (b"\0\0\0\x0cftypisom", b"\0\0\0\x08mdat", b"\0\0\0\x08moov");
        let place = |bytes: &[u8]| read(bytes).index().place;
        assert_eq!(place(&[&ftyp[..], moov, mdat].concat()), Place::Front);
        assert_eq!(place(&[&ftyp[..], mdat, moov].concat()), Place::End);
        assert_eq!(place(&[&ftyp[..], mdat].concat()), Place::Missing);
        assert_eq!(read(ftyp).brand, Some(FourCc(*b"isom")));
    }

    #[test]
    fn boxes_end_at_the_first_invalid_type() {
        let boxes = read(b"\0\0\0\x08free\0\0\0\x09\x01\x02\x03\x04x");
        assert_eq!((boxes.count(), boxes.trailing_bytes), (1, 9));
        let boxes = read(b"\0\0\0\x08mdat\0\0\0\xffmoov");
        assert_eq!(boxes.truncated().expect("the index").kind, FourCc(*b"moov"));
        assert_eq!(boxes.listed()[1].size_bytes, 8);
    }

    #[test]
    fn other_files_have_no_boxes() {
        for bytes in
            [&b""[..], b"x", b"Hello, world, this is no movie.", b"\x1a\x45\xdf\xa3abcdefgh"]
        {
            assert_eq!(read(bytes).count(), 0, "{bytes:?}");
            assert_eq!(read(bytes).trailing_bytes, bytes.len() as u64, "{bytes:?}");
        }
        let mut transport = vec![0; 1000];
        transport.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
        assert_eq!(read(&transport).container(), Some("MPEG transport stream"));
        assert_eq!(read(b"OggS....").container(), Some("Ogg"));
    }
}
