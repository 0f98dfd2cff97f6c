//! The inspection report of a title, cached.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;

use super::{
    Error, Titles,
    manifest_cache::Product,
    readiness::Waiting,
    remux::{self, RemuxStart},
};
use crate::{
    extent::{Caching, ReadError, Text, disk::File},
    library::{Index, MediaPath},
    movie::MovieRefused,
    package::inspect::{self, remux::Losses, report::Report},
};

const JSON: &str = "application/json";

/// The report of a title as JSON, whether its file is a movie or not. Starts no job.
pub async fn report(
    titles: &Titles,
    title: &MediaPath,
    (file, index): (Arc<File>, Index),
) -> Result<Text, Error> {
    match index {
        Ok(_) => cached(titles, (Arc::clone(&file), file_report(titles, file, index))).await,
        Err(refused) => refused_report(titles, title, file, &refused).await,
    }
}

/// The report of a file that is not a movie itself: that of its remuxed movie, if there is one.
async fn refused_report(
    titles: &Titles,
    title: &MediaPath,
    file: Arc<File>,
    refused: &Arc<MovieRefused>,
) -> Result<Text, Error> {
    let source = file_report(titles, Arc::clone(&file), Err(Arc::clone(refused)));
    let version = titles.version(&file);
    match remux::progress(titles, title, (&file, version), refused).await {
        // Not cached, since it changes with the job.
        Ok(Some(progress)) => text(&source.await?.before_remux(&progress), None),
        Ok(None) => {
            let indexed = (Arc::clone(&file), Err(Arc::clone(refused)));
            let (start, begun) = (RemuxStart::Never, Instant::now());
            let opened =
                titles.open_indexed(title, indexed, start, begun, Waiting::Allowed).await?;
            let losses = remux::description(titles, &opened).await.unwrap_or_default();
            let losses = Losses { left_out: losses.left_out, texts: losses.texts.len() };
            let movie = file_report(titles, Arc::clone(&opened.file), Ok(opened.movie));
            let report = async { Ok(movie.await?.after_remux(source.await?, losses)) };
            cached(titles, (opened.file, report)).await
        }
        Err(Error::Unprocessable(_)) => cached(titles, (file, source)).await,
        Err(error) => Err(error),
    }
}

/// A report about a playable file, from the cache if it is there.
async fn cached(
    titles: &Titles,
    (file, report): (Arc<File>, impl Future<Output = Result<Report, Error>>),
) -> Result<Text, Error> {
    let identity = *file.identity();
    let modified = Some(identity.modified());
    let make = async { text(&report.await?, modified) };
    titles.cache.text(identity, Product::Inspect, Waiting::Allowed, make).await
}

fn text(report: &Report, modified: Option<SystemTime>) -> Result<Text, Error> {
    let mut json = serde_json::to_vec(report).map_err(|error| Error::Internal(error.into()))?;
    json.push(b'\n');
    Ok(Text::kept(Bytes::from(json), JSON, Caching::Revalidate, modified))
}

/// Writes the report on a thread for computing, because it reads all samples.
async fn file_report(titles: &Titles, file: Arc<File>, index: Index) -> Result<Report, Error> {
    let version = file.identity().version();
    let grid_ms = titles.library.indices.grid_ms();
    let inspected = file.compute(move |open| -> Result<Report, ReadError> {
        let index = index.as_ref().map(Arc::as_ref).map_err(Arc::as_ref);
        let report = inspect::inspect(&open.blocking_reader(), index, version, grid_ms);
        // The report describes this state of the file, or none.
        open.check()?;
        report
    });
    Ok(inspected.await??)
}
