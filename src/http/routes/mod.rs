//! One small file per family of routes. Each turns a request into a content, or into an error, and
//! leaves the rest to the rules of HTTP.

pub mod api;
pub mod events;
pub mod files;
pub mod follow;
mod inspect;
pub mod jobs;
pub mod openapi;
pub mod operations;
pub mod page;
pub mod pictures;
mod progressive;
pub mod streams;
mod texts;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, HeaderValue},
    },
};

use super::{Error, Site, content::CONTENT_BYTES_MAX, fields::reading, respond::Answer};
use crate::{
    config::Settings,
    library::MediaPath,
    wire::http1::{RequestHead, ResponseHead},
};

/// Answers in front of the App what needs no waiting, with the result that the App would have.
pub fn answer_now(
    request: &RequestHead<'_>,
    site: &Site,
    head: &mut ResponseHead<'_>,
) -> Option<(StatusCode, Answer)> {
    if request.target.starts_with("/media/") {
        files::answer_now(request, site, head)
    } else {
        streams::answer_now(request, site, head)
    }
}

/// How many bytes of content the App reads at most of a request like this; `None` if it reads none.
pub fn content_bytes_max(request: &RequestHead<'_>) -> Option<usize> {
    let reads = request.target.starts_with("/api/jobs") && reading(request.method).is_none();
    reads.then_some(CONTENT_BYTES_MAX)
}

/// How a route that can only be read treats a method.
enum Read {
    /// GET or HEAD: answer.
    Answer,
    /// OPTIONS: say what may be asked.
    Options,
}

fn read_method(method: &Method) -> Result<Read, Error> {
    match *method {
        Method::GET | Method::HEAD => Ok(Read::Answer),
        Method::OPTIONS => Ok(Read::Options),
        _ => Err(Error::MethodNotAllowed),
    }
}

/// The path behind a prefix, decoded from the target as it came and not from the router's match,
/// which was decoded once already.
fn path_behind(prefix: &str, request: &HttpRequest) -> Result<MediaPath, Error> {
    let encoded = request.uri().path().strip_prefix(prefix).ok_or(Error::NotFound)?;
    Ok(MediaPath::decode(encoded)?)
}

/// Gives an answer that there is nothing a short time of its own: a CDN otherwise keeps a 404 for as
/// long as it likes.
fn remember_not_found(settings: &Settings, response: &mut HttpResponse) {
    if response.status() == StatusCode::NOT_FOUND {
        let value = format!("public, max-age={}", settings.not_found_max_age_s);
        let value = HeaderValue::from_str(&value).expect("digits");
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
}
