//! The extents of a virtual MP4, a window at a time.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::ranges::Ranges;
use crate::extent::{Extent, Extents, Source, Totals, content::ExtentRefused};

/// The most bytes of the index in one window. They are a copy, because a response must not hold the whole
/// index.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// The most ranges of the file in one window: a quarter of a minute of scattered video.
const RANGES_MAX: usize = 128;

/// The most memory that a response needs for a window, in bytes.
pub const WINDOW_BYTES_MAX: usize = HEADER_BYTES_MAX + (RANGES_MAX + 2) * Extents::EXTENT_BYTES;

/// A virtual MP4: its index, and the ranges of its media data in the file of the movie. It holds no open
/// file, so that a cache can keep it.
#[derive(Debug)]
pub struct Layout {
    /// `ftyp`, `moov` and the header of `mdat`.
    header: Bytes,
    media: Ranges,
}

impl Layout {
    pub(super) fn new(header: Bytes, media: Ranges) -> Self {
        Self { header, media }
    }

    /// The same with other ranges of the same lengths, in the same order.
    pub(super) fn with_media(self, other: impl Fn(Range<u64>) -> Range<u64>) -> Self {
        let media = Ranges::from_sorted(self.media.iter().map(|placed| other(placed.range)));
        Self { media, ..self }
    }

    /// `ftyp`, `moov` and the header of `mdat`.
    pub fn header(&self) -> &Bytes {
        &self.header
    }

    /// The ranges of its media data.
    pub(in crate::package) fn media(&self) -> &Ranges {
        &self.media
    }

    /// The length of the MP4 in bytes.
    pub fn len(&self) -> u64 {
        self.header.len() as u64 + self.media.len()
    }

    /// Whether the length is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the list of its extents.
    pub fn totals(&self) -> Totals {
        Totals {
            extents: u64::from(!self.header.is_empty()) + self.media.count(),
            in_memory: self.header.len() as u64,
            in_file: self.media.len(),
        }
    }

    /// Approximate memory use in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.header.len() + self.media.bytes()
    }

    /// The extents of the first bytes of `range`, of an open file of the same version. They take at most
    /// [`WINDOW_BYTES_MAX`], and share no memory with the layout.
    ///
    /// # Errors
    /// If a range is outside the file.
    pub fn window(
        &self,
        range: Range<u64>,
        file: &Arc<dyn Source>,
    ) -> Result<Extents, ExtentRefused> {
        self.first_extents(range, file, RANGES_MAX)
    }

    /// The first extent of `range`, of an open file of the same version; `None` if the range is empty.
    ///
    /// # Errors
    /// If a range is outside the file.
    pub fn first_extent(
        &self,
        range: Range<u64>,
        file: &Arc<dyn Source>,
    ) -> Result<Option<Extent>, ExtentRefused> {
        Ok(self.first_extents(range, file, 1)?.into_extents().next())
    }

    fn first_extents(
        &self,
        Range { start, end }: Range<u64>,
        file: &Arc<dyn Source>,
        ranges_max: usize,
    ) -> Result<Extents, ExtentRefused> {
        let mut extents = Extents::default();
        let header_bytes = self.header.len() as u64;
        let mut at = start;
        if at < header_bytes.min(end) {
            let from = usize::try_from(at).expect("it is in memory");
            let until = usize::try_from(header_bytes.min(end)).expect("it is in memory");
            let piece = &self.header[from..until.min(from + HEADER_BYTES_MAX)];
            extents.push(Extent::Memory(Bytes::copy_from_slice(piece)))?;
            at += piece.len() as u64;
        }
        if at < header_bytes {
            return Ok(extents);
        }
        for placed in self.media.from(at - header_bytes).take(ranges_max) {
            let begins = header_bytes + placed.offset;
            if at.max(begins) >= end {
                break;
            }
            let Range { start: first, end: last } = placed.range;
            let range = first + at.saturating_sub(begins)..last.min(first + (end - begins));
            extents.push(Extent::Source { source: Arc::clone(file), range })?;
        }
        Ok(extents)
    }
}
