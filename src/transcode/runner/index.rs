//! Writes the index of a movie whose container has no sample tables, as that of an MP4 around its file.

use std::{fs, ops::Range, path::Path, sync::Arc};

use tokio::task::spawn_blocking;

use super::{
    Failure, JobContext, JobRunner, Source,
    renditions::{permille, report_progress},
};
use crate::{
    extent::ReadError,
    package::clip::{self, ClipRefused, NeededSegment, WalkedSelection},
    transcode::index::INDEX_FILE,
};

/// The maximum size of an index, in bytes: of some eighteen hours of video and audio.
pub(super) const BYTES_MAX: u64 = 128 << 20;

impl JobRunner {
    /// Reads all segments of a movie once, in the order of the file, and writes the index of an MP4 whose media
    /// data is this part of the file.
    pub(super) async fn write_index(
        &self,
        source: &Source,
        media: Range<u64>,
        folder: &Path,
        context: JobContext,
    ) -> Result<(), Failure> {
        let JobContext { progress, cancel } = context;
        let index = self.library.indices.index(&source.file).await?;
        let movie = index.map_err(Failure::permanent)?;
        let whole = clip::whole(&movie)
            .ok_or_else(|| Failure::permanent("the title needs no index, or cannot have one"))?;
        let needed = clip::needed_segments(&movie, &whole);
        let count = needed.len() as u64;
        let mut selection = WalkedSelection::of_index(&movie, &whole);
        for (read, NeededSegment { place, segment }) in (0..).zip(needed) {
            if *cancel.borrow() {
                return Err(Failure::transient("cancelled"));
            }
            report_progress(&progress, "indexing", permille(read, count), "");
            let movie = Arc::clone(&movie);
            let walking = source.file.run_in_pool(move |open| {
                movie.tracks[place].read_segment(&open.blocking_reader(), segment)
            });
            let walked = walking.await.map_err(ReadError::from)??;
            selection.add(&walked.unwrap_or_default())?;
        }
        let layout = selection.layout_around(media)?;
        let (path, header) = (folder.join(INDEX_FILE), layout.header().clone());
        let write = move || fs::write(path, header);
        spawn_blocking(write).await.map_err(Failure::transient)?.map_err(Failure::unavailable)
    }
}

impl From<ClipRefused> for Failure {
    fn from(refused: ClipRefused) -> Self {
        match refused {
            ClipRefused::Read(error) => error.into(),
            ClipRefused::TooLong => Self::permanent("the title is too long to be indexed"),
            refused @ (ClipRefused::Empty { .. } | ClipRefused::OutOfOrder) => {
                Self::permanent(refused)
            }
        }
    }
}
