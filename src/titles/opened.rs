//! A title with its index, opened for a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt as _;

use super::{
    Error, Titles,
    readiness::Waiting,
    remux::{self, RemuxStart},
};
use crate::{
    extent::disk::{File, Version},
    library::{Index, MediaPath},
    movie::Movie,
    package::title,
    transcode::JobSpec,
};

/// A file that grew within this time is still being written.
const GROWING: Duration = Duration::from_secs(2);

/// A title that was opened, with its index.
#[derive(Clone)]
pub struct Opened {
    /// The file that plays: the title's own, or the movie that a job made of it.
    pub file: Arc<File>,
    /// Its index.
    pub movie: Arc<Movie>,
    /// Names what requests make of it.
    pub version: Version,
    /// Names what jobs make of it: the version of the title's own file, which is the same if that plays.
    pub source: Version,
    /// How long opening took.
    pub timing: Timing,
}

/// How long the steps of a request took, for `Server-Timing` (HTTP.md, D6).
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// When the request for the title came.
    pub begun: Instant,
    /// When the title was open, and its index read.
    pub indexed: Instant,
}

impl Titles {
    /// Opens a title that plays, by its own file or by the movie that a job made of that; the job is
    /// enqueued if there is none.
    pub async fn open_playable(&self, title: &MediaPath) -> Result<Opened, Error> {
        let begun = Instant::now();
        let indexed = self.index(title, Waiting::Allowed).await?;
        self.open_indexed(title, indexed, RemuxStart::Enqueue, begun, Waiting::Allowed).await
    }

    /// The job that makes the movie of a title; `None` if its own file is one.
    pub async fn remux_job(&self, title: &MediaPath) -> Result<Option<JobSpec>, Error> {
        let (file, index) = self.index(title, Waiting::Allowed).await?;
        match index {
            Ok(_) => Ok(None),
            Err(refused) => {
                let source = self.version(&file);
                remux::spec(title, (&file, source), &refused).await.map(Some)
            }
        }
    }

    /// Opens what plays of a title whose file was indexed before.
    pub async fn open_indexed(
        &self,
        title: &MediaPath,
        (file, index): (Arc<File>, Index),
        start: RemuxStart,
        begun: Instant,
        waiting: Waiting,
    ) -> Result<Opened, Error> {
        match index {
            Ok(movie) => Ok(self.opened(file, movie, begun)),
            Err(refused) => {
                let source = self.version(&file);
                let remuxed = remux::open(self, title, (&file, source), &refused, start, waiting);
                let (file, movie) = remuxed.await?;
                Ok(Opened { source, ..self.opened(file, movie, begun) })
            }
        }
    }

    /// Opens a title whose own file is a movie, or says why it is none. No job is enqueued.
    pub async fn open(&self, title: &MediaPath) -> Result<Opened, Error> {
        let begun = Instant::now();
        let (file, index) = self.index(title, Waiting::Allowed).await?;
        Ok(self.opened(file, playable(index)?, begun))
    }

    /// Opens a title's own file, and reads its index or why it has none.
    pub async fn index(
        &self,
        title: &MediaPath,
        waiting: Waiting,
    ) -> Result<(Arc<File>, Index), Error> {
        let file = self.file(title, waiting).await?;
        if file.has_grown_within(GROWING) {
            return Err(Error::Growing);
        }
        let index = self.index_of(&file, waiting).await?;
        Ok((file, index))
    }

    /// Opens a title's own file.
    pub async fn file(&self, title: &MediaPath, waiting: Waiting) -> Result<Arc<File>, Error> {
        if let Some(file) = self.library.open_now(title) {
            return Ok(file);
        }
        waiting.begin().await;
        Ok(self.library.open(title).boxed().await?)
    }

    /// The index of an open file.
    pub async fn index_of(&self, file: &Arc<File>, waiting: Waiting) -> Result<Index, Error> {
        if let Some(index) = self.library.indices.get(file) {
            return Ok(index);
        }
        waiting.begin().await;
        Ok(self.library.indices.index(file).boxed().await?)
    }

    /// The version in the URLs of what requests make of a file.
    pub fn version(&self, file: &File) -> Version {
        title::version(file.identity().version(), self.library.indices.grid_ms().get())
    }

    /// A title whose own file plays, or a rendition, opened for the request that began at `begun`.
    pub fn opened(&self, file: Arc<File>, movie: Arc<Movie>, begun: Instant) -> Opened {
        let version = self.version(&file);
        let timing = Timing { begun, indexed: Instant::now() };
        Opened { file, movie, version, source: version, timing }
    }
}

/// The movie of an index, or why there is none.
pub fn playable(index: Index) -> Result<Arc<Movie>, Error> {
    index.map_err(|refused| Error::Unprocessable(refused.to_string()))
}
