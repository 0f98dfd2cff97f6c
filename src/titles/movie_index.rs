//! The index of a long movie whose container has no tables, as that of an MP4 around its file: a job writes it.

use std::{ops::Range, sync::Arc};

use futures::FutureExt as _;

use super::{
    Error, Titles,
    opened::Opened,
    readiness::Waiting,
    remux::{self, RemuxStart},
};
use crate::{
    extent::{Extent, Extents, File, ReadError},
    library::MediaPath,
    package::clip::{self, Clip},
    transcode::{INDEX_FILE, JobSpec, Operation},
};

/// An index, and the part of the movie's file that it is the index of.
#[derive(Clone, Debug)]
pub struct MovieIndex {
    /// `ftyp`, `moov` and the header of `mdat`.
    pub file: Arc<File>,
    /// The media data in the file of the movie.
    pub media: Range<u64>,
}

impl MovieIndex {
    /// Opens the index of a movie that is [`whole`](clip::whole) as this clip. Enqueues its job if there is none.
    pub async fn open(
        titles: &Titles,
        title: &MediaPath,
        opened: &Opened,
        whole: &Clip,
        waiting: Waiting,
    ) -> Result<Self, Error> {
        let media = clip::media_range(&opened.movie, whole);
        let operation = Operation::Index { start: media.start, end: media.end };
        let spec = JobSpec::new(title, opened.source, operation);
        let available = titles.artifacts.load_full();
        let known = available.as_ref().and_then(|artifacts| artifacts.known(&spec.key()));
        let (artifacts, folder) = match (available, known) {
            (Some(artifacts), Some(folder)) => (artifacts, folder),
            (available, _) => {
                waiting.begin().await;
                let artifacts = available.ok_or(Error::DatabaseUnavailable(
                    "cannot index this title: no database; see the server's log",
                ))?;
                let start = RemuxStart::Enqueue;
                let folder = remux::artifact_folder(&artifacts, spec, start).boxed().await?;
                (artifacts, folder)
            }
        };
        Ok(Self { file: artifacts.open(&folder, INDEX_FILE, waiting).await?, media })
    }

    /// The whole movie: the index in front of its media data.
    pub fn extents(&self, file: &Arc<File>) -> Result<Extents, Error> {
        let mut extents = Extents::default();
        let media = Extent::Source { source: Arc::clone(file) as _, range: self.media.clone() };
        for extent in [Extent::whole(Arc::clone(&self.file) as _), media] {
            extents.push(extent).map_err(|_| ReadError::Changed)?;
        }
        Ok(extents)
    }
}
