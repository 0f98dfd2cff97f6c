//! The samples of one track in a span of time, as a movie that a decoder reads through a pipe.

use std::{ops::Range, sync::Arc};

use super::{ClipRefused, Layout, MEMORY_MAX_BYTES, Part, select::cut, write};
use crate::{
    extent::{Extent, Extents, ReadAt, Source, content::ExtentRefused},
    movie::Track,
};

/// The samples that decoding a span needs, from a sync sample on, and nothing else of the file.
#[derive(Debug)]
pub struct Span {
    layout: Layout,
    /// The difference between the times of the title and the timestamps of the movie, without its edit list,
    /// in ticks.
    pub shift: i64,
}

impl Span {
    /// The id of the only track of the movie.
    pub const TRACK: u32 = 1;

    /// The samples for all that is presented in a range of time, in ticks. `None` if they cannot be read in the
    /// order of decoding without going back in the file, as through a pipe; if an edit list hides some of them; if
    /// some of their bytes are not in the file; or if there are none.
    ///
    /// # Errors
    /// If they are too many, or the file cannot be read.
    pub fn new<R: ReadAt + ?Sized>(
        track: &Track,
        range: Range<i64>,
        reader: &R,
    ) -> Result<Option<Self>, ClipRefused> {
        // An edit list hides some of the samples of pieces, and the timestamps do not show which.
        // The tables of a movie cannot put bytes in front of its samples.
        if track.has_pieces() || !track.prefix.is_empty() {
            return Ok(None);
        }
        let (cut, first_dts) = cut(track, (range.start, range.end), reader, MEMORY_MAX_BYTES)?;
        let chunks = cut.tables.chunks();
        let is_in_order = chunks.windows(2).all(|pair| pair[0].end <= pair[1].offset);
        if chunks.is_empty() || !is_in_order {
            return Ok(None);
        }
        // The first sample is decoded at 0, and every composition offset is raised.
        let raise = i64::from(track.index.raise);
        let shift = track.timeline.shift.saturating_add(first_dts).saturating_sub(raise);
        let layout = write(vec![Part { track, cut }]);
        Ok(Some(Self { layout, shift }))
    }

    /// The movie, of an open file of the same version.
    ///
    /// # Errors
    /// If a range is outside the file.
    pub fn extents(&self, file: &Arc<dyn Source>) -> Result<Extents, ExtentRefused> {
        let mut extents = Extents::default();
        extents.push(Extent::Memory(self.layout.header().clone()))?;
        for placed in self.layout.media().iter() {
            extents.push(Extent::Source { source: Arc::clone(file), range: placed.range })?;
        }
        Ok(extents)
    }
}
