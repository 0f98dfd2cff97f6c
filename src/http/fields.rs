//! Fields as the rules of HTTP see them, wherever they stand.
//!
//! A request is answered in one of two ways: by a route of the App, whose fields are actix's, or in
//! front of it, where they are still the bytes that came. The rules are the same for both, and so is
//! the code.

use std::fmt;

use actix_http::Request;
use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode, Version,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::wire::http1::{RequestHead, ResponseHead};

/// Fields of a request.
pub trait Fields {
    /// The values of a field, line by line.
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]>;

    /// Whether there is such a field.
    fn has(&self, name: &HeaderName) -> bool {
        self.lines(name).next().is_some()
    }

    /// The value of a field that stands exactly once.
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

/// A request, as far as the log wants to know it.
pub trait Asked: Fields {
    /// Method, target and version, as in a request line.
    fn line(&self) -> impl fmt::Display;
}

impl Fields for Request {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.head().headers.lines(name)
    }
}

impl Asked for Request {
    fn line(&self) -> impl fmt::Display {
        let head = self.head();
        Line(head.method.as_str(), &head.uri, head.version)
    }
}

impl Asked for RequestHead<'_> {
    fn line(&self) -> impl fmt::Display {
        let version = if self.is_1_1 { Version::HTTP_11 } else { Version::HTTP_10 };
        Line(self.method, self.target, version)
    }
}

struct Line<'a, T>(&'a str, T, Version);

impl<T: fmt::Display> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.0, self.1, self.2)
    }
}

/// The method of a request, if it asks to read.
pub fn reading(method: &str) -> Option<Method> {
    match method {
        "GET" => Some(Method::GET),
        "HEAD" => Some(Method::HEAD),
        _ => None,
    }
}

/// A head of an answer that is being written.
pub trait AnswerFields {
    /// Sets the status. Before any field.
    fn status(&mut self, status: StatusCode);

    /// Appends a field.
    fn put(&mut self, name: &HeaderName, value: &[u8]);

    /// Appends a field whose value is put together.
    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>);
}

impl AnswerFields for ResponseHead<'_> {
    fn status(&mut self, status: StatusCode) {
        ResponseHead::status(self, status);
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        ResponseHead::put(self, name, value);
    }

    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        ResponseHead::put_text(self, name, value);
    }
}

impl<B> AnswerFields for HttpResponse<B> {
    fn status(&mut self, status: StatusCode) {
        *self.status_mut() = status;
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        let value = HeaderValue::from_bytes(value).expect("values are made of plain characters");
        self.headers_mut().append(name.clone(), value);
    }

    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        self.put(name, value.to_string().as_bytes());
    }
}
