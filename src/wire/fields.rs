//! Heads of requests and responses, independent of the protocol and of their type.
//!
//! A request arrives over HTTP/1 or HTTP/2, and takes one of two paths: to a route of the App, with a head of
//! actix's type, or the fast path in front of it, with a head of its connection. Rules and code are the same
//! for all.

use std::fmt;

use actix_web::http::{
    StatusCode, Version,
    header::{HOST, HeaderMap, HeaderName, HeaderValue},
};

/// Fields of a request.
pub trait Fields {
    /// The values of a field, line by line.
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]>;

    /// Whether the field is present.
    fn has(&self, name: &HeaderName) -> bool {
        self.lines(name).next().is_some()
    }

    /// The value of a field that occurs exactly once.
    fn only(&self, name: &HeaderName) -> Option<&[u8]> {
        let mut lines = self.lines(name);
        let value = lines.next();
        value.filter(|_| lines.next().is_none())
    }
}

impl Fields for HeaderMap {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.get_all(name).map(HeaderValue::as_bytes)
    }
}

/// The head of a request.
pub trait RequestFields: Fields {
    /// The method.
    fn method(&self) -> &str;

    /// The path and the query of the target, not decoded.
    fn target(&self) -> &str;

    /// Host and port of the target: always in HTTP/2, and in HTTP/1 with a target in the absolute form.
    fn authority(&self) -> Option<&str>;

    /// Host and port that the request is for. The field Host means nothing if the target has them (RFC 9112
    /// section 3.2.2).
    fn host(&self) -> Option<&[u8]> {
        self.authority().map(str::as_bytes).or_else(|| self.lines(&HOST).next())
    }

    /// The path of the target, not decoded.
    fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// The version of HTTP.
    fn version(&self) -> Version;

    /// Method, target and version, or what a client sent instead of them; `-` if it sent nothing.
    fn line(&self) -> Vec<u8> {
        format!("{} {} {:?}", self.method(), self.target(), self.version()).into()
    }
}

/// The head of a response that is being written.
pub trait ResponseFields {
    /// Sets the status. Call it before any field is put.
    fn set_status(&mut self, status: StatusCode);

    /// Appends a field.
    fn put(&mut self, name: &HeaderName, value: &[u8]);

    /// Appends a field with one of the program's constants, which some heads need not copy.
    fn put_static(&mut self, name: &HeaderName, value: &'static str) {
        self.put(name, value.as_bytes());
    }

    /// Appends a field whose value is formatted.
    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>);
}
