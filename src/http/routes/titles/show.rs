//! `GET /api/titles/<path>`: one title, with all that a program needs to play it.

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web::Data};

use super::{internal, respond_json};
use crate::http::{
    Error, Site, cors,
    methods::{Read, read_method},
    own_origin::own_origin,
    title_document::TitleDocument,
    urls::path_behind,
};

/// `GET /api/titles/<path>`
pub async fn show(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond_title(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

async fn respond_title(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    let method = read_method(request.method());
    if let Ok(Read::Options) = method {
        return Ok(cors::options(request));
    }
    let path = path_behind("/api/titles/", request)?;
    // From the disk, because a file may play before the catalog lists it.
    let title = site.titles.library.find_title(&path).await?.ok_or(Error::NotFound)?;
    method?;
    let details = Box::pin(site.titles.details(&title.path)).await?;
    let has_poster = site.titles.has_poster(details.facts);
    let origin = own_origin(request.head(), &site.settings.load());
    let document = TitleDocument::new(title, details, has_poster, &origin);
    // A file may have any number of chapters.
    let write = site.spawn_blocking_limited(move || serde_json::to_vec(&document));
    let json = write.await?.map_err(internal)?;
    respond_json(request, site, json).await
}
