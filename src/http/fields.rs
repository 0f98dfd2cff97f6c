//! Header fields, independent of their type.
//!
//! A request takes one of two paths: to a route of the App, with fields of actix's type, or the fast path
//! in front of it, with fields as received bytes. Rules and code are the same for both.

use std::fmt;

use actix_http::Request;
use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode, Version,
        header::{HOST, HeaderMap, HeaderName, HeaderValue},
    },
};

use crate::wire::http1::{RequestHead, ResponseHead};

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

/// A request with its target.
pub trait RequestFields: Fields {
    /// Method, target and version, for the log.
    fn line(&self) -> impl fmt::Display;

    /// Host and port that the request is for: those of the target (HTTP/2, and the absolute form in
    /// HTTP/1), else the field Host.
    fn host(&self) -> Option<&[u8]>;

    /// The path of the target, not decoded.
    fn path(&self) -> &str;
}

/// As [`RequestFields::host`].
pub fn host(head: &actix_http::RequestHead) -> Option<&[u8]> {
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    authority.or_else(|| head.headers.get(HOST).map(HeaderValue::as_bytes))
}

impl Fields for Request {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.head().headers.lines(name)
    }
}

impl RequestFields for Request {
    fn line(&self) -> impl fmt::Display {
        let head = self.head();
        Line(head.method.as_str(), &head.uri, head.version)
    }

    fn host(&self) -> Option<&[u8]> {
        host(self.head())
    }

    fn path(&self) -> &str {
        self.head().uri.path()
    }
}

impl RequestFields for RequestHead<'_> {
    fn line(&self) -> impl fmt::Display {
        let version = if self.is_1_1 { Version::HTTP_11 } else { Version::HTTP_10 };
        Line(self.method, self.sent_target, version)
    }

    fn host(&self) -> Option<&[u8]> {
        let authority = self.authority().map(str::as_bytes);
        authority.or_else(|| RequestHead::lines(self, &HOST).next())
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

struct Line<'a, T>(&'a str, T, Version);

impl<T: fmt::Display> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.0, self.1, self.2)
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
