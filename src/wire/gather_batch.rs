//! Several short extents that one sendmsg(2) sends.

use std::{ops::Range, os::fd::AsFd as _, sync::Arc};

use crate::extent::{Extent, Extents, File, Source};
use crate::sys::net::{Mapping, SLICES_MAX, Slice};

/// Consecutive extents of one file below this length, in bytes, are sent together by sendmsg(2); from this
/// length on each is sent by sendfile(2).
///
/// A gathered byte is copied, and from memory rather than from the processor's cache, since a movie does not
/// fit there. For the video segments of a movie as ffmpeg interleaves it (150 extents of 12 KiB) a limit of
/// 16 KiB cost 0.36 CPU-s/GiB, one of 4 KiB 0.29, and 0.23 corked; its audio (extents of 350 bytes) is better
/// gathered. `cargo bench --bench micro -- scattered` measures it out of the cache.
const SHORT_BYTES: u64 = 4 * 1024;

/// The most bytes of a file that a batch spans, all of which are read into the page cache.
const SPAN_BYTES: u64 = 4 << 20;

/// Consecutive short extents, at least two of which are of one file.
pub(super) struct GatherBatch {
    /// The one source of all extents that are not in memory.
    pub(super) source: Arc<dyn Source>,
    /// The range of the source from the first byte of the batch to the last.
    pub(super) span: Range<u64>,
    /// The number of extents.
    pub(super) count: usize,
    /// The number of unsent bytes.
    pub(super) bytes: u64,
}

impl GatherBatch {
    /// The batch that begins with extent number `first`, of which `sent` bytes have been sent.
    pub(super) fn find(extents: &Extents, first: usize, sent: u64) -> Option<Self> {
        // The most common responses have one extent.
        extents.get(first + 1)?;
        let mut batch: Option<Self> = None;
        let (mut source_count, mut count, mut bytes) = (0, 0, 0);
        // What one descriptor has of the file.
        let mut held = 0..0;
        // One slice is reserved for the bytes in memory before the batch.
        while count < SLICES_MAX - 1 {
            let Some(extent) = extents.get(first + count).filter(|e| e.len() < SHORT_BYTES) else {
                break;
            };
            if let Extent::Source { source, range } = extent {
                let span = match &batch {
                    None => {
                        let file = source.as_file().filter(|file| file.is_sendable());
                        let Some(file) = file else { break };
                        held = file.held_from(range.start);
                        range.clone()
                    }
                    Some(batch) if !Arc::ptr_eq(&batch.source, source) => break,
                    Some(batch) => batch.span.start.min(range.start)..batch.span.end.max(range.end),
                };
                let is_held = held.start <= span.start && span.end <= held.end;
                if span.end - span.start > SPAN_BYTES || !is_held {
                    break;
                }
                source_count += 1;
                match &mut batch {
                    Some(batch) => batch.span = span,
                    None => batch = Some(Self { source: Arc::clone(source), span, count, bytes }),
                }
            }
            count += 1;
            bytes += extent.len();
        }
        batch.filter(|_| source_count > 1).map(|batch| Self { count, bytes: bytes - sent, ..batch })
    }

    /// The source, which is a file.
    pub(super) fn file(&self) -> &File {
        self.source.as_file().expect("the source of a batch is a file")
    }

    /// The range that a mapping must cover to send the rest of a response from extent number `first` on.
    pub(super) fn remaining_span(&self, extents: &Extents, first: usize) -> Range<u64> {
        let rest = (first..).map_while(|number| extents.get(number));
        rest.fold(self.span.clone(), |span, extent| match extent {
            Extent::Source { source, range } if Arc::ptr_eq(source, &self.source) => {
                span.start.min(range.start)..span.end.max(range.end)
            }
            _ => span,
        })
    }

    /// The extents as slices, without the first `sent` bytes.
    pub(super) fn slices<'a>(
        &self,
        extents: &'a Extents,
        first: usize,
        sent: u64,
        mapping: &'a FileMapping,
    ) -> impl Iterator<Item = Slice<'a>> {
        (first..first + self.count).filter_map(move |number| {
            let skipped = if number == first { sent } else { 0 };
            Some(match extents.get(number)? {
                Extent::Memory(bytes) => {
                    Slice::Memory(&bytes[usize::try_from(skipped).expect("it is in memory")..])
                }
                Extent::Source { range, .. } => mapping.slice(&(range.start + skipped..range.end)),
            })
        })
    }
}

/// A mapped range of a file.
pub(super) struct FileMapping {
    mapping: Mapping,
    /// The offset in the file of the first byte behind the mapped descriptor.
    base: u64,
}

impl FileMapping {
    /// Maps a range; `None` if no descriptor holds it, or the address space is full.
    pub(super) fn new(file: &File, range: &Range<u64>) -> Option<Self> {
        let piece = file.whole_piece(range)?;
        let mapping = Mapping::new(piece.as_fd(), &piece.front(range.end - range.start)).ok()?;
        Some(Self { mapping, base: range.start - piece.offset })
    }

    /// Whether a range of the file is mapped.
    pub(super) fn covers(&self, range: &Range<u64>) -> bool {
        range.start >= self.base && self.mapping.covers(&self.behind(range))
    }

    /// A range of the file that is mapped.
    fn slice(&self, range: &Range<u64>) -> Slice<'_> {
        Slice::Mapped(&self.mapping, self.behind(range))
    }

    fn behind(&self, range: &Range<u64>) -> Range<u64> {
        range.start - self.base..range.end - self.base
    }
}
