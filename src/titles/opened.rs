//! A title, opened for a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::http::header::HeaderName;

use super::remux::{self, Asking};
use crate::{
    extent::disk::{File, Version},
    http::{Error, Site, fields::AnswerFields},
    library::{Index, MediaPath},
    movie::Movie,
    package::title,
    transcode::JobSpec,
};

/// A file that grew within this time is still being written.
pub const GROWING: Duration = Duration::from_secs(2);

/// A title that was opened, with its index.
#[derive(Clone)]
pub struct Opened {
    pub file: Arc<File>,
    pub movie: Arc<Movie>,
    /// Names what is made of it here.
    pub version: Version,
    /// Names what jobs make of it: the version of the title's own file, which is the same if that plays.
    pub source: Version,
    pub timing: Timing,
}

/// What took how long, for `Server-Timing` (HTTP.md, D6).
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// When the title was asked for.
    begun: Instant,
    /// Until when it was opened, and its index read.
    indexed: Instant,
}

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

impl Timing {
    /// Puts the field into an answer that was made just now.
    pub fn put(&self, head: &mut impl AnswerFields) {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let index = ms(self.indexed.duration_since(self.begun));
        let assemble = ms(self.indexed.elapsed());
        let value = format_args!("index;dur={index:.3}, assemble;dur={assemble:.3}");
        head.put_text(&SERVER_TIMING, value);
    }
}

impl Opened {
    /// One whose own file plays.
    pub fn new(file: Arc<File>, movie: Arc<Movie>, site: &Site, begun: Instant) -> Self {
        let version = version_of(&file, site);
        let timing = Timing { begun, indexed: Instant::now() };
        Self { file, movie, version, source: version, timing }
    }

    /// A rendition of it, which was opened for the same request.
    pub fn rendition(&self, file: Arc<File>, movie: Arc<Movie>, site: &Site) -> Self {
        Self::new(file, movie, site, self.timing.begun)
    }
}

/// The version in the URLs of what is made of a file.
pub fn version_of(file: &File, site: &Site) -> Version {
    title::version(file.identity().version(), site.library.indices.grid_ms().get())
}

/// Opens a title that plays, by its own file or by the movie that was made of that; which is begun
/// now, if it was not yet.
pub async fn open_playable(site: &Site, title: &MediaPath) -> Result<Opened, Error> {
    let begun = Instant::now();
    let indexed = index(site, title).await?;
    opened(site, title, indexed, Asking::Begins, begun).await
}

/// The task that makes the movie of a title; `None` if its own file is one.
pub async fn movie_task(site: &Site, title: &MediaPath) -> Result<Option<JobSpec>, Error> {
    let (file, index) = index(site, title).await?;
    match index {
        Ok(_) => Ok(None),
        Err(refused) => {
            let source = version_of(&file, site);
            remux::spec(title, (&file, source), &refused).await.map(Some)
        }
    }
}

pub async fn opened(
    site: &Site,
    title: &MediaPath,
    (file, index): (Arc<File>, Index),
    asking: Asking,
    begun: Instant,
) -> Result<Opened, Error> {
    match index {
        Ok(movie) => Ok(Opened::new(file, movie, site, begun)),
        Err(refused) => {
            let source = version_of(&file, site);
            let made = remux::open(site, title, (&file, source), &refused, asking).await;
            let (file, movie) = made?;
            Ok(Opened { source, ..Opened::new(file, movie, site, begun) })
        }
    }
}

/// Opens a title whose own file is a movie, or says why it is none. Nothing is made for it.
pub async fn open(site: &Site, title: &MediaPath) -> Result<Opened, Error> {
    let begun = Instant::now();
    let (file, index) = index(site, title).await?;
    Ok(Opened::new(file, playable(index)?, site, begun))
}

/// Opens a file, and reads its index or why it has none.
pub async fn index(site: &Site, title: &MediaPath) -> Result<(Arc<File>, Index), Error> {
    let file = site.library.open(title).await?;
    if file.has_grown_within(GROWING) {
        return Err(Error::Growing);
    }
    let index = site.library.indices.index(&file).await?;
    Ok((file, index))
}

pub fn playable(index: Index) -> Result<Arc<Movie>, Error> {
    index.map_err(|refused| Error::Unprocessable(refused.to_string()))
}
