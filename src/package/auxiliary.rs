//! Auxiliary information of the encrypted samples of a segment (ISO/IEC 23001-7 section 7), copied from the
//! file into `senc` of the segment, with `saiz` and `saio` that refer to it.

use std::ops::Range;

use super::boxes::Writer;
use crate::{
    extent::{ReadAt, ReadError},
    movie::Auxiliary,
};

/// The flag of `senc` for entries with subsamples.
const SUBSAMPLES: u32 = 0x2;

/// Auxiliary information of consecutive samples.
#[derive(Debug, Default)]
pub(super) struct Entries {
    sizes: Vec<u8>,
    bytes: Vec<u8>,
    /// Adjacent entries that are not read yet, so that one read gets them.
    pending: Range<u64>,
}

impl Entries {
    /// Length of all boxes for `bytes` of entries of `samples`; 0 without entries.
    pub(super) fn boxes_len(bytes: u32, samples: u32) -> usize {
        let (saiz, saio, senc) = (17 + samples as usize, 20, 16 + bytes as usize);
        if bytes == 0 { 0 } else { saiz + saio + senc }
    }

    /// Adds the entry of the next sample.
    pub(super) fn add<R: ReadAt + ?Sized>(
        &mut self,
        auxiliary: Auxiliary,
        reader: &R,
    ) -> Result<(), ReadError> {
        self.sizes.push(auxiliary.len);
        let end = auxiliary.offset.saturating_add(u64::from(auxiliary.len));
        if self.pending.end == auxiliary.offset {
            self.pending.end = end;
        } else {
            self.read(reader)?;
            self.pending = auxiliary.offset..end;
        }
        Ok(())
    }

    /// Finishes after the last entry. The total size must match the index.
    pub(super) fn finish<R: ReadAt + ?Sized>(
        mut self,
        expected: u32,
        reader: &R,
    ) -> Result<Self, ReadError> {
        self.read(reader)?;
        if self.bytes.len() == expected as usize { Ok(self) } else { Err(ReadError::Changed) }
    }

    /// Reads the pending entries: at most 255 bytes per sample, which the walk has checked to be in the file.
    fn read<R: ReadAt + ?Sized>(&mut self, reader: &R) -> Result<(), ReadError> {
        let start = self.bytes.len();
        let length = self.pending.end - self.pending.start;
        self.bytes.resize(start + usize::try_from(length).map_err(|_| ReadError::Changed)?, 0);
        reader.read_exact_at(self.pending.start, &mut self.bytes[start..])?;
        self.pending = 0..0;
        Ok(())
    }

    /// Writes the boxes into a `traf`. The `moof` begins at the start of the writer.
    pub(super) fn write(&self, traf: &mut Writer, has_subsamples: bool) {
        if self.bytes.is_empty() {
            return;
        }
        let samples = u32::try_from(self.sizes.len()).expect("a segment has few samples");
        traf.full(b"saiz", 0, 0, |saiz| {
            // No default size: each entry has its own.
            saiz.bytes(&[0]);
            saiz.u32(samples);
            saiz.bytes(&self.sizes);
        });
        let at = traf.len() + 20 + 16;
        traf.full(b"saio", 0, 0, |saio| {
            saio.u32(1);
            saio.u32(u32::try_from(at).expect("headers are short"));
        });
        traf.full(b"senc", 0, if has_subsamples { SUBSAMPLES } else { 0 }, |senc| {
            senc.u32(samples);
            senc.bytes(&self.bytes);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u64, len: u8) -> Auxiliary {
        Auxiliary { offset, len, has_subsamples: false }
    }

    #[test]
    fn entries_are_copied_in_order_from_any_offset() {
        let file: Vec<u8> = (0..100).collect();
        let mut entries = Entries::default();
        for (offset, len) in [(10, 8), (18, 8), (50, 2), (0, 4)] {
            entries.add(entry(offset, len), &file[..]).expect("inside");
        }
        let entries = entries.finish(22, &file[..]).expect("the expected size");
        let expected: Vec<u8> = (10..26).chain(50..52).chain(0..4).collect();
        assert_eq!((&entries.bytes, &entries.sizes[..]), (&expected, &[8, 8, 2, 4][..]));
        let mut writer = Writer::default();
        writer.zeros(5);
        entries.write(&mut writer, true);
        assert_eq!(writer.len() - 5, Entries::boxes_len(22, 4));
        let bytes = writer.into_bytes();
        let saio = 5 + 21;
        assert_eq!(&bytes[5 + 4..5 + 8], b"saiz");
        assert_eq!(&bytes[saio + 4..saio + 8], b"saio");
        let at = u32::from_be_bytes(*bytes[saio + 16..].first_chunk().expect("an offset"));
        assert_eq!(bytes[at as usize..], expected);
        assert_eq!(bytes[saio + 20 + 4..][..12], *b"senc\0\0\0\x02\0\0\0\x04");
    }

    #[test]
    fn a_size_that_differs_from_the_index_means_that_the_file_changed() {
        let file = [0; 100];
        let mut entries = Entries::default();
        entries.add(entry(10, 8), &file[..]).expect("inside");
        assert!(entries.finish(16, &file[..]).is_err());
    }

    #[test]
    fn no_entries_make_no_boxes() {
        let mut entries = Entries::default();
        for _ in 0..3 {
            entries.add(Auxiliary::default(), &[][..]).expect("an empty entry");
        }
        let mut writer = Writer::default();
        entries.finish(0, &[][..]).expect("no entries").write(&mut writer, false);
        assert_eq!((writer.len(), Entries::boxes_len(0, 3)), (0, 0));
    }
}
