//! Methods of routes that can only be read.

use actix_web::http::Method;

use super::{Error, error::READ_METHODS};

/// What a route that can only be read does for a method.
pub enum Read {
    /// GET or HEAD: respond.
    Answer,
    /// OPTIONS: list the methods.
    Options,
}

/// Parses the method of a route that can only be read.
pub fn read_method(method: &Method) -> Result<Read, Error> {
    match *method {
        Method::GET | Method::HEAD => Ok(Read::Answer),
        Method::OPTIONS => Ok(Read::Options),
        _ => Err(Error::MethodNotAllowed(READ_METHODS)),
    }
}
