//! The head of a request, as h2 has decoded it.

use std::net::SocketAddr;

use actix_http::{Message, Request, Uri};
use actix_web::http::{
    Method, Version,
    header::{HeaderName, HeaderValue},
};
use http::{header::HOST, request::Parts};

use crate::wire::{
    fields::{Fields, RequestFields},
    http1::{FIELDS_MAX, HEAD_BYTES_MAX, TARGET_BYTES_MAX, is_host},
    refusal::Refusal,
};

const MALFORMED: Refusal = Refusal::Malformed("not an HTTP/2 request");

/// A request's head, with the limits and the meaning that it would have over HTTP/1.
#[derive(Debug)]
pub(super) struct RequestHead(Parts);

impl RequestHead {
    /// Takes a decoded head. The authority becomes the Host field, as in a message over HTTP/1 (RFC 9113
    /// section 8.3.1); a head whose authority and Host differ is refused, since two parties could see two
    /// hosts.
    pub(super) fn new(mut parts: Parts) -> (Self, Result<(), Refusal>) {
        let checked = check(&parts);
        if checked.is_ok()
            && let Some(authority) = parts.uri.authority()
            && let Ok(host) = http::HeaderValue::from_str(authority.as_str())
        {
            parts.headers.insert(HOST, host);
        }
        (Self(parts), checked)
    }

    /// Whether the method is HEAD.
    pub(super) fn is_head(&self) -> bool {
        self.0.method == http::Method::HEAD
    }

    /// The length of the content, if the client has sent it.
    pub(super) fn content_bytes(&self) -> Option<u64> {
        self.0.headers.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The same head as actix's type.
    pub(super) fn to_request(&self, peer: SocketAddr) -> Result<Request, Refusal> {
        let mut head = Message::<actix_http::RequestHead>::new();
        head.peer_addr = Some(peer);
        head.version = Version::HTTP_2;
        head.method = Method::from_bytes(self.method().as_bytes()).map_err(|_| MALFORMED)?;
        head.uri = Uri::try_from(self.target()).map_err(|_| MALFORMED)?;
        for (name, value) in &self.0.headers {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|_| MALFORMED)?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| MALFORMED)?;
            head.headers.append(name, value);
        }
        Ok(Request::from(head))
    }
}

impl Fields for RequestHead {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        // Heads are short: this costs less than a hash of the name.
        let lines = self.0.headers.iter().filter(|(other, _)| other.as_str() == name.as_str());
        lines.map(|(_, value)| value.as_bytes())
    }
}

impl RequestFields for RequestHead {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn target(&self) -> &str {
        self.0.uri.path_and_query().map_or("*", |target| target.as_str())
    }

    fn authority(&self) -> Option<&str> {
        self.0.uri.authority().map(|authority| authority.as_str())
    }

    fn version(&self) -> Version {
        Version::HTTP_2
    }
}

/// Checks a head; h2 has checked the form of its fields (RFC 9113 section 8.2), and has bounded their size
/// while it decoded them. The limits are those of HTTP/1.
fn check(parts: &Parts) -> Result<(), Refusal> {
    use Refusal::Malformed;
    if parts.method == http::Method::CONNECT {
        return Err(Malformed("CONNECT is not supported: this is not a proxy"));
    }
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > TARGET_BYTES_MAX {
        return Err(Refusal::TargetTooLong);
    }
    let lines = parts.headers.iter();
    let head_bytes: usize = lines.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head_bytes > HEAD_BYTES_MAX || parts.headers.len() > FIELDS_MAX {
        return Err(Refusal::HeadTooLarge);
    }
    let mut hosts = parts.headers.get_all(HOST).into_iter().map(http::HeaderValue::as_bytes);
    let (host, other_host) = (hosts.next(), hosts.next());
    if other_host.is_some() {
        return Err(Malformed("more than one Host field"));
    }
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Err(Malformed("the authority and Host differ"))
        }
        (None, None) => Err(Malformed("the authority is missing")),
        (Some(named), _) | (None, Some(named)) if !is_host(named) => {
            Err(Malformed("the authority is not a host and port"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn the_authority_becomes_the_host_and_must_not_differ_from_it() {
        let host = HeaderName::from_static("host");
        for (uri, fields, expected) in [
            ("http://a:80/x", &[][..], Some("a:80")),
            ("http://a:80/x", &[("host", "A:80")], Some("a:80")),
            ("/x", &[("host", "a")], Some("a")),
            ("http://a:80/x", &[("host", "b:80")], None),
            ("http://a:80/x", &[("host", "a:80"), ("host", "a:80")], None),
            ("/x", &[], None),
            ("/x", &[("host", "a/b")], None),
            ("http://user@a/x", &[], None),
        ] {
            let (head, checked) = RequestHead::new(parts(uri, fields));
            let found = checked.ok().and_then(|()| head.only(&host));
            assert_eq!(found, expected.map(str::as_bytes), "{uri} {fields:?}");
        }
    }

    #[test]
    fn actix_gets_the_same_head_as_over_http_1() {
        let fields = [("range", "bytes=0-1"), ("x", "1"), ("x", "2")];
        let (head, checked) = RequestHead::new(parts("http://a:80/media/b.mp4?c=d", &fields));
        checked.expect("it is valid");
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let request = head.to_request(peer).expect("a request");
        assert_eq!(request.uri().to_string(), "/media/b.mp4?c=d");
        let fields = &request.head().headers;
        assert_eq!(fields.get("host").expect("the authority"), "a:80");
        assert_eq!(fields.get_all("x").count(), 2);
        assert_eq!(request.peer_addr(), Some(peer));
    }
}
