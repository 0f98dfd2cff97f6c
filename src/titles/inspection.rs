//! The inspection report of a title, cached.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;

use super::{
    Error, Titles,
    manifest_cache::Product,
    readiness::Waiting,
    remux::{self, RemuxStart},
    short_file::read_all,
    texts,
};
use crate::{
    extent::{Caching, File, ReadError, Text},
    library::{Index, MediaPath, sidecar_name::Sidecar},
    movie::MovieRefused,
    package::{
        inspect::{
            self,
            remux::Losses,
            report::{Report, SubtitleFile},
        },
        text::FILE_BYTES_MAX,
    },
};

const JSON: &str = "application/json";

/// A subtitle file beside the title.
struct SubtitleSource {
    name: String,
    sidecar: Sidecar,
    /// The file, or why it cannot be opened.
    file: Result<Arc<File>, String>,
}

/// The report of a title as JSON, whether its file is a movie or not, and of its subtitle files. Starts no
/// job.
pub async fn report(
    titles: &Titles,
    title: &MediaPath,
    (file, index): (Arc<File>, Index),
) -> Result<Text, Error> {
    let beside = subtitle_sources(titles, title).await?;
    match index {
        Ok(_) => {
            let report = file_report(titles, Arc::clone(&file), index);
            cached(titles, &file, beside, report).await
        }
        Err(refused) => refused_report(titles, title, file, &refused, beside).await,
    }
}

/// The report of a file that is not a movie itself: that of its remuxed movie, if there is one.
async fn refused_report(
    titles: &Titles,
    title: &MediaPath,
    file: Arc<File>,
    refused: &Arc<MovieRefused>,
    beside: Vec<SubtitleSource>,
) -> Result<Text, Error> {
    let source = file_report(titles, Arc::clone(&file), Err(Arc::clone(refused)));
    let version = titles.version(&file);
    match remux::progress(titles, title, (&file, version), refused).await {
        // Not cached, since it changes with the job.
        Ok(Some(progress)) => {
            let report = source.await?.before_remux(&progress);
            with_subtitle_files(titles, report, beside).await
        }
        Ok(None) => {
            let indexed = (Arc::clone(&file), Err(Arc::clone(refused)));
            let (start, begun) = (RemuxStart::Never, Instant::now());
            let opened =
                titles.open_indexed(title, indexed, start, begun, Waiting::Allowed).await?;
            let losses = remux::description(titles, &opened).await.unwrap_or_default();
            let losses = Losses { left_out: losses.left_out, texts: losses.texts.len() };
            let movie = file_report(titles, Arc::clone(&opened.file), Ok(opened.movie));
            let report = async { Ok(movie.await?.after_remux(source.await?, losses)) };
            cached(titles, &opened.file, beside, report).await
        }
        Err(Error::Unprocessable(_)) => cached(titles, &file, beside, source).await,
        Err(error) => Err(error),
    }
}

/// A report about a playable file, from the cache if it is there.
async fn cached(
    titles: &Titles,
    file: &File,
    beside: Vec<SubtitleSource>,
    report: impl Future<Output = Result<Report, Error>>,
) -> Result<Text, Error> {
    let mut hasher = DefaultHasher::new();
    for SubtitleSource { name, file, .. } in &beside {
        (name, file.as_ref().map(|file| file.identity().version())).hash(&mut hasher);
    }
    let product = Product::Inspect(hasher.finish());
    let make = async { with_subtitle_files(titles, report.await?, beside).await };
    titles.cache.text(*file.identity(), product, Waiting::Allowed, make).await
}

/// Adds the subtitle files beside the title, and writes the report.
async fn with_subtitle_files(
    titles: &Titles,
    mut report: Report,
    beside: Vec<SubtitleSource>,
) -> Result<Text, Error> {
    inspect::add_subtitle_files(&mut report, subtitle_files(titles, beside).await?);
    let mut json = serde_json::to_vec(&report).map_err(|error| Error::Internal(error.into()))?;
    json.push(b'\n');
    // No date: to remove a subtitle file would not change it.
    Ok(Text::kept(Bytes::from(json), JSON, Caching::Revalidate, None))
}

/// Opens the subtitle files beside a title.
async fn subtitle_sources(
    titles: &Titles,
    title: &MediaPath,
) -> Result<Vec<SubtitleSource>, Error> {
    let mut sources = Vec::new();
    for (path, sidecar) in texts::sidecars(titles, title).await?.subtitles {
        let file = match titles.file(&path, Waiting::Allowed).await {
            // It was removed at this moment.
            Err(Error::NotFound) => continue,
            opened => opened.map_err(|error| texts::unreadable(&error)),
        };
        sources.push(SubtitleSource { name: path.display_name(), sidecar, file });
    }
    Ok(sources)
}

/// Reads and describes subtitle files.
async fn subtitle_files(
    titles: &Titles,
    sources: Vec<SubtitleSource>,
) -> Result<Vec<SubtitleFile>, Error> {
    let mut files = Vec::new();
    for SubtitleSource { name, sidecar, file } in sources {
        let content = match file {
            Ok(file) if file.identity().size > FILE_BYTES_MAX as u64 => {
                Err("it is too long".to_owned())
            }
            Ok(file) => Ok(read_all(&file).await?),
            Err(why) => Err(why),
        };
        let describe = move || {
            let content = content.as_ref().map(|bytes| &bytes[..]).map_err(String::clone);
            inspect::subtitle_file(&name, &sidecar.label, sidecar.language.as_deref(), content)
        };
        files.push(titles.background.spawn_blocking_limited(describe).await?);
    }
    Ok(files)
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
