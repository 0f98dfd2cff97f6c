//! Opens titles, with their indices.

use std::{path::Path, sync::Arc, time::Instant};

use futures::FutureExt as _;

use super::{
    Error, Titles, growth,
    readiness::Waiting,
    remux::{self, RemuxStart, Remuxed},
};
use crate::{
    extent::{File, disk::Version},
    library::{Index, MediaPath},
    movie::{Movie, Track},
    package::{clip, title},
    transcode::JobSpec,
};

/// An opened title, with its index.
#[derive(Clone)]
pub struct Opened {
    /// The playable file: the title's own, or the remuxed movie.
    pub file: Arc<File>,
    /// The index of that file.
    pub movie: Arc<Movie>,
    /// The version of that file, for URLs and validators.
    pub version: Version,
    /// The version of the title's own file, for the keys of artifacts.
    pub source: Version,
    /// The folder of the artifact, if the playable file is a remuxed movie.
    pub remuxed: Option<Arc<Path>>,
    /// The times of the steps of opening.
    pub timing: Timing,
}

/// The times of the steps of a request, for `Server-Timing` (HTTP.md, D6).
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The start of the request.
    pub begun: Instant,
    /// The time at which the title was open and its index was read.
    pub indexed: Instant,
}

impl Opened {
    /// The place of a track of this movie. Several tracks of a broken file can share an identifier.
    ///
    /// # Panics
    /// If it is a track of another movie.
    pub fn place(&self, track: &Track) -> usize {
        let is_it = |other: &Track| std::ptr::eq(other, track);
        self.movie.tracks.iter().position(is_it).expect("a track of this movie")
    }
}

impl Titles {
    /// Opens the playable file of a title: its own, or the remuxed movie. Enqueues the remux if there is
    /// none.
    pub async fn open_playable(&self, title: &MediaPath) -> Result<Opened, Error> {
        let begun = Instant::now();
        let indexed = self.index(title, Waiting::Allowed).await?;
        self.open_indexed(title, indexed, RemuxStart::Enqueue, begun, Waiting::Allowed).await
    }

    /// The remux job of a title; `None` if all its products are made of its own file.
    pub async fn remux_job(&self, title: &MediaPath) -> Result<Option<JobSpec>, Error> {
        let (file, index) = self.index(title, Waiting::Allowed).await?;
        let refused = match &index {
            Ok(movie) if plays_in_place(movie) => return Ok(None),
            index => index.as_ref().err().map(Arc::as_ref),
        };
        let source = self.version(&file);
        remux::spec(title, (&file, source), refused).await.map(Some)
    }

    /// What play.mp4 of an opened title is made of: the title itself, if an MP4 can be made of its bytes, else the
    /// movie that was remuxed from it. Enqueues the remux if there is none.
    pub async fn progressive(
        &self,
        title: &MediaPath,
        opened: Opened,
        waiting: Waiting,
    ) -> Result<Opened, Error> {
        if plays_in_place(&opened.movie) {
            return Ok(opened);
        }
        let Opened { file, source, timing, .. } = opened;
        let start = RemuxStart::Enqueue;
        let remuxed = remux::open(self, title, (&file, source), None, start, waiting);
        Ok(self.opened_remuxed(remuxed.boxed_local().await?, source, timing.begun))
    }

    fn opened_remuxed(&self, remuxed: Remuxed, source: Version, begun: Instant) -> Opened {
        let Remuxed { folder, file, movie } = remuxed;
        Opened { source, remuxed: Some(folder), ..self.opened(file, movie, begun) }
    }

    /// Opens the playable file of a title whose own file was indexed before.
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
                let refused = Some(&*refused);
                let remuxed = remux::open(self, title, (&file, source), refused, start, waiting);
                Ok(self.opened_remuxed(remuxed.await?, source, begun))
            }
        }
    }

    /// Opens a title whose own file is a movie. Fails for others, and enqueues no job.
    pub async fn open(&self, title: &MediaPath) -> Result<Opened, Error> {
        let begun = Instant::now();
        let (file, index) = self.index(title, Waiting::Allowed).await?;
        Ok(self.opened(file, playable(index)?, begun))
    }

    /// Opens a title's own file, and reads its index.
    pub async fn index(
        &self,
        title: &MediaPath,
        waiting: Waiting,
    ) -> Result<(Arc<File>, Index), Error> {
        let file = self.file(title, waiting).await?;
        if growth::was_seen_to_grow(&file) {
            return Err(Error::Growing);
        }
        let index = self.file_index(&file, waiting).await?;
        if self.may_grow(title, &file, &index) {
            return Err(Error::Growing);
        }
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
    pub async fn file_index(&self, file: &Arc<File>, waiting: Waiting) -> Result<Index, Error> {
        if let Some(index) = self.library.indices.get(file) {
            return Ok(index);
        }
        waiting.begin().await;
        Ok(self.library.indices.index(file).boxed().await?)
    }

    /// The version of a file in the URLs of its products.
    pub fn version(&self, file: &File) -> Version {
        title::version(file.identity().version(), self.library.indices.grid_ms().get())
    }

    /// An opened title whose own file plays, or an opened rendition. `begun` is the start of the request.
    pub fn opened(&self, file: Arc<File>, movie: Arc<Movie>, begun: Instant) -> Opened {
        let version = self.version(&file);
        let timing = Timing { begun, indexed: Instant::now() };
        Opened { file, movie, version, source: version, remuxed: None, timing }
    }
}

/// Whether play.mp4 and clips are made of the bytes of a movie's own file.
fn plays_in_place(movie: &Movie) -> bool {
    movie.mp4().is_some() || clip::whole(movie).is_some()
}

/// The movie of an index, or the error of the parser.
pub fn playable(index: Index) -> Result<Arc<Movie>, Error> {
    index.map_err(|refused| Error::Unprocessable(refused.to_string()))
}
