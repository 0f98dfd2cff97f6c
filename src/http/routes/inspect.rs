//! `/v/<title>/inspect`: what is in a file, what is wrong with it, and who plays it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use crate::{
    extent::{Caching, ReadError, disk::File},
    http::{
        Error, Site,
        text_response::{Text, respond_text},
    },
    library::Index,
    package::inspect::{self, report::Report},
    titles::manifest_cache::Product,
};

/// Answers with the report, of a file that is no movie too.
pub(super) async fn answer(
    request: &HttpRequest,
    site: &Site,
    file: Arc<File>,
    index: Index,
) -> Result<HttpResponse, Error> {
    let identity = *file.identity();
    let make = async {
        let json = make(site, file, index).await?;
        let modified = Some(identity.modified());
        Ok(Text::kept(json, "application/json", Caching::Revalidate, modified))
    };
    let text = site.made.text(identity, Product::Inspect, make).await?;
    respond_text(request, site, text).await
}

/// Makes it on a thread of the file's disk: it looks at all samples.
async fn make(site: &Site, file: Arc<File>, index: Index) -> Result<Bytes, Error> {
    let version = file.identity().version();
    let grid_ms = site.library.indices.grid_ms();
    let made = file.run_in_pool(move |open| -> Result<Report, ReadError> {
        let index = index.as_ref().map(Arc::as_ref).map_err(Arc::as_ref);
        let report = inspect::inspect(&open.blocking_reader(), index, version, grid_ms);
        // What was read is of this state of the file, or of none.
        open.check()?;
        report
    });
    let report = made.await.map_err(ReadError::from)??;
    let mut json = serde_json::to_vec(&report).map_err(|error| Error::Internal(error.into()))?;
    json.push(b'\n');
    Ok(json.into())
}
