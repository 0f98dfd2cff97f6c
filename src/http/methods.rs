//! Methods of read-only routes.

use actix_web::http::Method;

use super::{Error, error::READ_METHODS};

/// The action of a read-only route for a method.
pub enum Read {
    /// GET or HEAD: respond.
    Respond,
    /// OPTIONS: list the methods.
    Options,
}

/// Parses the method of a request to a read-only route.
pub fn read_method(method: &Method) -> Result<Read, Error> {
    match *method {
        Method::GET | Method::HEAD => Ok(Read::Respond),
        Method::OPTIONS => Ok(Read::Options),
        _ => Err(Error::MethodNotAllowed(READ_METHODS)),
    }
}
