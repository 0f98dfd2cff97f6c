//! Several short extents that go together.

use std::{ops::Range, sync::Arc};

use crate::extent::{Extent, Extents, Source, disk::File};
use crate::sys::net::{Mapping, SLICES_MAX, Slice};

/// Extents below this length, in bytes, go together by one sendmsg(2) when several of one file follow
/// each other; from this length each goes by sendfile(2).
///
/// A gathered byte is copied, and out of memory rather than out of the processor's cache, since films are
/// longer than that. For the video segments of a film as ffmpeg interleaves it (150 extents of 12 KiB) a
/// limit of 16 KiB cost 0.36 CPU-s/GiB, one of 4 KiB 0.29, and 0.23 corked; its sound (extents of 350
/// bytes) is better gathered. `cargo bench --bench micro -- scattered` measures it where it runs, out of
/// the cache.
const SHORT_BYTES: u64 = 4 * 1024;

/// The most of a file that a run reaches over, in bytes: all of it is brought into memory.
const SPAN_BYTES: u64 = 4 << 20;

/// A run of short extents, at least two of which are of one file.
pub(super) struct GatherBatch {
    /// Where the parts that are no memory come from. One source for all of them.
    pub(super) source: Arc<dyn Source>,
    /// From the first byte of the source to the last.
    pub(super) span: Range<u64>,
    /// How many extents there are.
    pub(super) count: usize,
    /// How many bytes they have.
    pub(super) bytes: u64,
}

impl GatherBatch {
    /// The run that begins at this place, of whose extent so many bytes have been sent.
    pub(super) fn at(extents: &Extents, place: usize, sent: u64) -> Option<Self> {
        // The most common answers are not looked at any further.
        extents.get(place + 1)?;
        let mut run: Option<Self> = None;
        let (mut parts, mut count, mut bytes) = (0, 0, 0);
        // One slice is for what is sent before.
        while count < SLICES_MAX - 1 {
            let Some(extent) = extents.get(place + count).filter(|e| e.len() < SHORT_BYTES) else {
                break;
            };
            if let Extent::Source { source, range } = extent {
                let span = match &run {
                    None if !source.as_file().is_some_and(File::is_sendable) => break,
                    None => range.clone(),
                    Some(run) if !Arc::ptr_eq(&run.source, source) => break,
                    Some(run) => run.span.start.min(range.start)..run.span.end.max(range.end),
                };
                if span.end - span.start > SPAN_BYTES {
                    break;
                }
                parts += 1;
                match &mut run {
                    Some(run) => run.span = span,
                    None => run = Some(Self { source: Arc::clone(source), span, count, bytes }),
                }
            }
            count += 1;
            bytes += extent.len();
        }
        run.filter(|_| parts > 1).map(|run| Self { count, bytes: bytes - sent, ..run })
    }

    /// The file that the source is.
    pub(super) fn file(&self) -> &File {
        self.source.as_file().expect("a run is of a file")
    }

    /// What a mapping must cover to serve all of an answer from this place on.
    pub(super) fn span_of_all(&self, extents: &Extents, place: usize) -> Range<u64> {
        let rest = (place..).map_while(|place| extents.get(place));
        rest.fold(self.span.clone(), |span, extent| match extent {
            Extent::Source { source, range } if Arc::ptr_eq(source, &self.source) => {
                span.start.min(range.start)..span.end.max(range.end)
            }
            _ => span,
        })
    }

    /// Its extents as slices, without the first `sent` bytes.
    pub(super) fn slices<'a>(
        &self,
        extents: &'a Extents,
        place: usize,
        sent: u64,
        mapping: &'a Mapping,
    ) -> impl Iterator<Item = Slice<'a>> {
        (place..place + self.count).filter_map(move |at| {
            let skipped = if at == place { sent } else { 0 };
            Some(match extents.get(at)? {
                Extent::Memory(bytes) => {
                    Slice::Memory(&bytes[usize::try_from(skipped).expect("it is in memory")..])
                }
                Extent::Source { range, .. } => {
                    Slice::Mapped(mapping, range.start + skipped..range.end)
                }
            })
        })
    }
}
