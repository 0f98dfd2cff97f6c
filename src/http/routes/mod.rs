//! One small file per family of routes. Each turns a target into a resource or an error, and leaves the rest
//! to the rules of HTTP.

pub mod events;
pub mod files;
pub mod follow;
mod images;
pub mod jobs;
pub mod library_events;
pub mod openapi;
pub mod operations;
pub mod page;
pub mod streams;
pub mod titles;

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::StatusCode};

use super::{
    Error, Site,
    content::CONTENT_BYTES_MAX,
    cors,
    fields::{RequestFields, ResponseFields, parse_get_or_head},
    methods::{Read, read_method},
    respond::{ResponseBody, set_not_found_caching},
    urls::path_behind,
};

/// Responds in front of the App to a request that needs no waiting, with the response that the App would
/// send.
pub fn respond_if_ready(
    request: &impl RequestFields,
    site: &Site,
    head: &mut impl ResponseFields,
) -> Option<(StatusCode, ResponseBody)> {
    if request.target().starts_with("/media/") {
        files::respond_if_ready(request, site, head)
    } else {
        streams::respond_if_ready(request, site, head)
    }
}

/// The most bytes of content that the App reads of such a request; `None` if it reads none.
pub fn content_bytes_max(request: &impl RequestFields) -> Option<usize> {
    let is_read =
        ["/api/jobs", "/api/library/"].iter().any(|path| request.target().starts_with(path));
    (is_read && parse_get_or_head(request.method()).is_none()).then_some(CONTENT_BYTES_MAX)
}

/// Completes the response of a route: an error becomes its document, caches may keep a 404 for a short time,
/// and other origins may read it.
fn finish(request: &HttpRequest, site: &Site, result: Result<HttpResponse, Error>) -> HttpResponse {
    let mut response = result.unwrap_or_else(|error| error.error_response());
    let settings = site.settings.load();
    set_not_found_caching(&settings, &mut response);
    cors::decorate(request.headers(), &settings.cors_origins, &mut response);
    response
}
