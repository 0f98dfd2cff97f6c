//! One small file per family of routes. Each turns a request into a content, or into an error, and
//! leaves the rest to the rules of HTTP.

pub mod api;
pub mod files;
pub mod follow;
pub mod operations;
pub mod page;

use actix_web::{HttpRequest, http::Method};

use super::Error;
use crate::library::MediaPath;

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
