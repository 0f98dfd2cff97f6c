//! The inspection report of a file, cached.

use std::sync::Arc;

use bytes::Bytes;

use super::{Error, Titles, manifest_cache::Product, readiness::Waiting};
use crate::{
    extent::{Caching, ReadError, Text, disk::File},
    library::Index,
    package::inspect::{self, report::Report},
};

/// The report of a file as JSON, whether it is a movie or not.
pub async fn report(titles: &Titles, file: Arc<File>, index: Index) -> Result<Text, Error> {
    let identity = *file.identity();
    let make = async {
        let json = write(titles, file, index).await?;
        let modified = Some(identity.modified());
        Ok(Text::kept(json, "application/json", Caching::Revalidate, modified))
    };
    titles.cache.text(identity, Product::Inspect, Waiting::Allowed, make).await
}

/// Writes the report on a thread for computing, because it reads all samples.
async fn write(titles: &Titles, file: Arc<File>, index: Index) -> Result<Bytes, Error> {
    let version = file.identity().version();
    let grid_ms = titles.library.indices.grid_ms();
    let inspected = file.compute(move |open| -> Result<Report, ReadError> {
        let index = index.as_ref().map(Arc::as_ref).map_err(Arc::as_ref);
        let report = inspect::inspect(&open.blocking_reader(), index, version, grid_ms);
        // The report describes this state of the file, or none.
        open.check()?;
        report
    });
    let report = inspected.await??;
    let mut json = serde_json::to_vec(&report).map_err(|error| Error::Internal(error.into()))?;
    json.push(b'\n');
    Ok(json.into())
}
