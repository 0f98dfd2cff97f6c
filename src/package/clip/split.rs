//! A movie in two files: the index of an MP4, which a job wrote, and the media data, a part of the movie's own file.

use std::{num::NonZeroU32, ops::Range};

use super::{Clip, ClipRefused, Layout, select, whole};
use crate::{
    extent::{ReadAt, ReadError},
    movie::Movie,
};

/// The bytes of an MP4 in two files.
#[derive(Debug)]
pub struct SplitMovie<'a, I: ?Sized, M: ?Sized> {
    /// `ftyp`, `moov` and the header of `mdat`.
    pub index: &'a I,
    /// The file of the movie.
    pub file: &'a M,
    /// The part of it that is the media data.
    pub media: Range<u64>,
}

impl<I: ReadAt + ?Sized, M: ReadAt + ?Sized> SplitMovie<'_, I, M> {
    /// A clip of a movie whose [whole](whole) is this MP4, as ranges of the movie's file.
    ///
    /// # Errors
    /// If the clip has no samples or too many, or if a file cannot be read.
    pub fn clip(
        &self,
        movie: &Movie,
        clip: &Clip,
        grid_ms: NonZeroU32,
    ) -> Result<Layout, ClipRefused> {
        let indexed = Movie::read(self, grid_ms)?.map_err(|_refused| ReadError::Changed)?;
        // The index has the tracks of the whole movie, in this order.
        let indexed_tracks = whole(movie).map_or_else(Vec::new, |whole| whole.tracks);
        let place = |wanted: &usize| indexed_tracks.iter().position(|place| place == wanted);
        let tracks = clip.tracks.iter().filter_map(place).collect();
        let layout = select(&indexed, &Clip { tracks, ..clip.clone() }, self)?.layout(&indexed);
        let index_bytes = self.index.len();
        let in_file = |offset: u64| offset.saturating_sub(index_bytes) + self.media.start;
        Ok(layout.with_media(|range| in_file(range.start)..in_file(range.end)))
    }
}

impl<I: ReadAt + ?Sized, M: ReadAt + ?Sized> ReadAt for SplitMovie<'_, I, M> {
    fn len(&self) -> u64 {
        self.index.len().saturating_add(self.media.end.saturating_sub(self.media.start))
    }

    fn read_exact_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let in_index = self.index.len().saturating_sub(offset);
        let in_index = usize::try_from(in_index).unwrap_or(usize::MAX).min(into.len());
        let (of_index, of_media) = into.split_at_mut(in_index);
        if !of_index.is_empty() {
            self.index.read_exact_at(offset, of_index)?;
        }
        if of_media.is_empty() {
            return Ok(());
        }
        let within = (offset + in_index as u64).saturating_sub(self.index.len());
        let start = self.media.start.checked_add(within).ok_or(ReadError::Truncated)?;
        match start.checked_add(of_media.len() as u64) {
            Some(end) if end <= self.media.end => self.file.read_exact_at(start, of_media),
            _ => Err(ReadError::Truncated),
        }
    }
}
