//! Header fields, independent of their type.
//!
//! A request takes one of two paths: to a route of the App, with fields of actix's type, or the fast path
//! in front of it, with fields as received bytes. Rules and code are the same for both.

use std::fmt;

use actix_http::{HttpMessage as _, Request};
use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode, Version,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::wire::{
    http1::{RequestHead, ResponseHead},
    refusal::RefusedLine,
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

impl Fields for RequestHead<'_> {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        RequestHead::lines(self, name)
    }
}

/// A request with its request line, for the log.
pub trait RequestFields: Fields {
    /// Method, target and version, or what a client sent instead of them; `-` if it sent nothing.
    fn line(&self) -> Vec<u8>;
}

impl Fields for Request {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.head().headers.lines(name)
    }
}

impl RequestFields for Request {
    fn line(&self) -> Vec<u8> {
        match self.extensions().get::<RefusedLine>().map(RefusedLine::as_bytes) {
            Some([]) => b"-".to_vec(),
            Some(refused) => refused.to_vec(),
            None => {
                let head = self.head();
                format!("{} {} {:?}", head.method, head.uri, head.version).into()
            }
        }
    }
}

impl RequestFields for RequestHead<'_> {
    fn line(&self) -> Vec<u8> {
        let version = if self.is_1_1 { Version::HTTP_11 } else { Version::HTTP_10 };
        format!("{} {} {version:?}", self.method, self.target).into()
    }
}

/// Parses the method of a request; `None` unless it is GET or HEAD.
pub fn parse_get_or_head(method: &str) -> Option<Method> {
    match method {
        "GET" => Some(Method::GET),
        "HEAD" => Some(Method::HEAD),
        _ => None,
    }
}

/// The head of a response that is being written.
pub trait ResponseFields {
    /// Sets the status. Call it before any field is put.
    fn set_status(&mut self, status: StatusCode);

    /// Appends a field.
    fn put(&mut self, name: &HeaderName, value: &[u8]);

    /// Appends a field whose value is formatted.
    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>);
}

impl ResponseFields for ResponseHead<'_> {
    fn set_status(&mut self, status: StatusCode) {
        ResponseHead::status(self, status);
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        ResponseHead::put(self, name, value);
    }

    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        ResponseHead::put_text(self, name, value);
    }
}

impl<B> ResponseFields for HttpResponse<B> {
    fn set_status(&mut self, status: StatusCode) {
        *self.status_mut() = status;
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        let value = HeaderValue::from_bytes(value).expect("values have plain characters only");
        self.headers_mut().append(name.clone(), value);
    }

    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        self.put(name, value.to_string().as_bytes());
    }
}
