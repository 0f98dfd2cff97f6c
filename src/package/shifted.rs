//! Offsets in a file, as they are when something stands in front of it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};

use crate::extent::{ReadAt, ReadError, Source, disk::File};

/// A table of offsets (`stco`, `co64` and `saio`, ISO/IEC 14496-12 sections 8.7.5 and 8.7.9) that is made as it is sent: the file's own
/// with something added to each. The table of a long film is megabytes; nobody has to keep them.
#[derive(Debug)]
pub(super) struct ShiftedOffsets {
    pub(super) file: Arc<File>,
    /// The entries in the file, and how long each is there: 4 or 8 bytes.
    pub(super) entries: Range<u64>,
    pub(super) width: u64,
    /// How long each is made.
    pub(super) made_width: u64,
    /// From which offset on how much is added to what lies there, in order: two's complement.
    pub(super) shifts: Arc<[(u64, u64)]>,
}

/// The most that is made at a time, in bytes.
const PIECE_BYTES: u64 = 16 * 1024;

impl ShiftedOffsets {
    fn count(&self) -> u64 {
        (self.entries.end - self.entries.start) / self.width
    }

    fn make<R: ReadAt + ?Sized>(&self, reader: &R, range: Range<u64>) -> Result<Bytes, ReadError> {
        let end = range.end.min(range.start.saturating_add(PIECE_BYTES));
        let (first, last) = (range.start / self.made_width, end.div_ceil(self.made_width));
        let bytes = usize::try_from((last - first) * self.width).expect("a piece is short");
        let mut read = vec![0; bytes];
        reader.read_exact_at(self.entries.start + first * self.width, &mut read)?;
        let width = usize::try_from(self.width).expect("4 or 8");
        let mut made = Vec::with_capacity(2 * bytes);
        for entry in read.chunks_exact(width) {
            let offset = entry.iter().fold(0, |offset, byte| offset << 8 | u64::from(*byte));
            let behind = self.shifts.partition_point(|(from, _)| *from <= offset);
            let shift = behind.checked_sub(1).map_or(0, |at| self.shifts[at].1);
            let shifted = offset.wrapping_add(shift);
            let unused = 8 - usize::try_from(self.made_width).expect("4 or 8");
            made.extend_from_slice(&shifted.to_be_bytes()[unused..]);
        }
        let skipped = usize::try_from(range.start - first * self.made_width).expect("an entry");
        let length = usize::try_from(end - range.start).expect("a piece is short");
        Ok(Bytes::from(made).slice(skipped..skipped + length))
    }
}

impl Source for ShiftedOffsets {
    fn len(&self) -> u64 {
        self.count() * self.made_width
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let made = self.make(&self.file.nonblocking_reader(), range);
        match made.and_then(|made| self.file.check().map(|()| made)) {
            Err(error) if error.would_wait() => Ok(None),
            made => made.map(Some),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let file = Arc::clone(&self.file);
        async move {
            let made = file.run_in_pool(move |open| {
                let made = self.make(&open.blocking_reader(), range)?;
                open.check().map(|()| made)
            });
            made.await?
        }
        .boxed()
    }
}
