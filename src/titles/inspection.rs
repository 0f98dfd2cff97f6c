//! The inspection report of a title, cached.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    Error, Titles, manifest_cache::Product, readiness::Waiting, short_file::read_all, texts,
};
use crate::{
    extent::{Caching, ReadError, Text, disk::File},
    library::{Index, MediaPath, sidecar_name::Sidecar},
    package::{
        inspect::{
            self,
            report::{Report, SubtitleFile},
        },
        text,
    },
};

/// A subtitle file beside the title.
struct SubtitleSource {
    name: String,
    sidecar: Sidecar,
    file: Arc<File>,
}

/// The report of a title's file as JSON, whether it is a movie or not, and of its subtitle files.
pub async fn report(
    titles: &Titles,
    title: &MediaPath,
    file: Arc<File>,
    index: Index,
) -> Result<Text, Error> {
    let identity = *file.identity();
    let sources = subtitle_sources(titles, title).await?;
    let mut hasher = DefaultHasher::new();
    for SubtitleSource { name, file, .. } in &sources {
        (name, file.identity().version()).hash(&mut hasher);
    }
    let product = Product::Inspect(hasher.finish());
    let make = async {
        let files = subtitle_files(titles, sources).await?;
        let json = write(titles, file, index, files).await?;
        // No date: to remove a subtitle file would not change it.
        Ok(Text::kept(json, "application/json", Caching::Revalidate, None))
    };
    titles.cache.text(identity, product, Waiting::Allowed, make).await
}

/// Opens the subtitle files beside a title; one that cannot be opened is left out, as in manifests.
async fn subtitle_sources(
    titles: &Titles,
    title: &MediaPath,
) -> Result<Vec<SubtitleSource>, Error> {
    let mut sources = Vec::new();
    for (path, sidecar) in texts::sidecars(titles, title).await?.subtitles {
        if let Ok(file) = titles.file(&path, Waiting::Allowed).await {
            let name = String::from_utf8_lossy(path.file_name()).into_owned();
            sources.push(SubtitleSource { name, sidecar, file });
        }
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
        let content = match file.identity().size > text::FILE_BYTES_MAX as u64 {
            true => Err("it is too long".to_owned()),
            false => Ok(read_all(&file).await?),
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
async fn write(
    titles: &Titles,
    file: Arc<File>,
    index: Index,
    files: Vec<SubtitleFile>,
) -> Result<Bytes, Error> {
    let version = file.identity().version();
    let grid_ms = titles.library.indices.grid_ms();
    let inspected = file.compute(move |open| -> Result<Report, ReadError> {
        let index = index.as_ref().map(Arc::as_ref).map_err(Arc::as_ref);
        let report = inspect::inspect(&open.blocking_reader(), index, version, grid_ms);
        // The report describes this state of the file, or none.
        open.check()?;
        report
    });
    let mut report = inspected.await??;
    inspect::add_subtitle_files(&mut report, files);
    let mut json = serde_json::to_vec(&report).map_err(|error| Error::Internal(error.into()))?;
    json.push(b'\n');
    Ok(json.into())
}
