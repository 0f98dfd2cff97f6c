//! Heads of actix's types, for rules that are written once for all types of heads.

use std::fmt;

use actix_http::{HttpMessage as _, Request, RequestHead};
use actix_web::{
    HttpResponse,
    http::{
        Method, StatusCode, Version,
        header::{HeaderName, HeaderValue},
        uri::Authority,
    },
};

use crate::wire::refusal::RefusedLine;

pub use crate::wire::fields::{Fields, RequestFields, ResponseFields};

impl Fields for RequestHead {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.headers.lines(name)
    }
}

impl RequestFields for RequestHead {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn authority(&self) -> Option<&str> {
        self.uri.authority().map(Authority::as_str)
    }

    fn target(&self) -> &str {
        self.uri.path_and_query().map_or("*", |target| target.as_str())
    }

    fn version(&self) -> Version {
        self.version
    }
}

impl Fields for Request {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        self.head().lines(name)
    }
}

impl RequestFields for Request {
    fn method(&self) -> &str {
        self.head().method()
    }

    fn authority(&self) -> Option<&str> {
        self.head().authority()
    }

    fn target(&self) -> &str {
        self.head().target()
    }

    fn version(&self) -> Version {
        self.head().version()
    }

    fn line(&self) -> Vec<u8> {
        match self.extensions().get::<RefusedLine>().map(RefusedLine::as_bytes) {
            Some([]) => b"-".to_vec(),
            Some(refused) => refused.to_vec(),
            None => self.head().line(),
        }
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
