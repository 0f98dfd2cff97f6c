//! Tables of offsets, shifted on read.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};

use crate::extent::{File, ReadAt, ReadError, Source};

/// A table of offsets (`stco`, `co64` and `saio`, ISO/IEC 14496-12 sections 8.7.5 and 8.7.9): the entries
/// of the file, each with a shift added on read. The table of a long movie has megabytes, so it is not kept
/// in memory.
#[derive(Debug)]
pub(super) struct ShiftedOffsets {
    pub(super) file: Arc<File>,
    /// Range of the entries in the file, and the width of each there: 4 or 8 bytes.
    pub(super) entries: Range<u64>,
    pub(super) width: u64,
    /// Width of each new entry.
    pub(super) new_width: u64,
    /// Pairs of the first offset and the shift that applies from there on, sorted: two's complement.
    pub(super) shifts: Arc<[(u64, u64)]>,
}

/// The most bytes that one read returns.
const READ_MAX_BYTES: u64 = 16 * 1024;

impl ShiftedOffsets {
    fn count(&self) -> u64 {
        (self.entries.end - self.entries.start) / self.width
    }

    fn shift<R: ReadAt + ?Sized>(&self, reader: &R, range: Range<u64>) -> Result<Bytes, ReadError> {
        let end = range.end.min(range.start.saturating_add(READ_MAX_BYTES));
        let (first, last) = (range.start / self.new_width, end.div_ceil(self.new_width));
        let bytes = usize::try_from((last - first) * self.width).expect("a read is short");
        let mut read = vec![0; bytes];
        reader.read_exact_at(self.entries.start + first * self.width, &mut read)?;
        let width = usize::try_from(self.width).expect("4 or 8");
        let unused = 8 - usize::try_from(self.new_width).expect("4 or 8");
        let mut shifted = Vec::with_capacity(2 * bytes);
        for entry in read.chunks_exact(width) {
            let offset = entry.iter().fold(0, |offset, byte| offset << 8 | u64::from(*byte));
            let after = self.shifts.partition_point(|(from, _)| *from <= offset);
            let shift = after.checked_sub(1).map_or(0, |at| self.shifts[at].1);
            shifted.extend_from_slice(&offset.wrapping_add(shift).to_be_bytes()[unused..]);
        }
        let skipped = usize::try_from(range.start - first * self.new_width).expect("an entry");
        let length = usize::try_from(end - range.start).expect("a read is short");
        Ok(Bytes::from(shifted).slice(skipped..skipped + length))
    }
}

impl Source for ShiftedOffsets {
    fn len(&self) -> u64 {
        self.count() * self.new_width
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        let shifted = self.shift(&self.file.nonblocking_reader(), range);
        match shifted.and_then(|bytes| self.file.check().map(|()| bytes)) {
            Err(error) if error.would_wait() => Ok(None),
            result => result.map(Some),
        }
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let file = Arc::clone(&self.file);
        async move {
            let shifted = file.run_in_pool(move |open| {
                let bytes = self.shift(&open.blocking_reader(), range)?;
                open.check().map(|()| bytes)
            });
            shifted.await?
        }
        .boxed()
    }
}
