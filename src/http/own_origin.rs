//! The origin of the server as a client knows it, for absolute URLs in responses.

use actix_web::http::header::HeaderName;

use super::{fields::RequestFields, hosts::is_loopback};

/// The scheme that a client used to reach the proxy in front.
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Scheme, host and port that a request was sent to, such as `https://tv.example`; empty for a request without
/// a host, which makes URLs relative.
///
/// The scheme is http unless a proxy names https. A client that sends the field itself changes only its own
/// response: caches revalidate responses with such URLs, and other bytes have another tag.
pub fn own_origin(request: &impl RequestFields) -> String {
    let Some(host) = request.host().and_then(|host| std::str::from_utf8(host).ok()) else {
        return String::new();
    };
    // Of several proxies, the first one is the nearest to the client.
    let forwarded = request.lines(&X_FORWARDED_PROTO).next().unwrap_or_default();
    let first = forwarded.split(|&byte| byte == b',').next().unwrap_or_default();
    let scheme = if first.trim_ascii().eq_ignore_ascii_case(b"https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Whether browsers trust the connection to this origin (Secure Contexts, potentially trustworthy): it is encrypted,
/// or stays on the client's machine.
pub fn is_trustworthy(request: &impl RequestFields) -> bool {
    own_origin(request).starts_with("https://") || is_loopback(request.host().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn browsers_trust_encrypted_connections_and_those_to_their_own_machine() {
        for (host, forwarded, expected) in [
            ("localhost:8080", None, true),
            ("127.0.0.1:8080", None, true),
            ("192.168.1.7:8080", None, false),
            ("tv.example", None, false),
            ("tv.example", Some("https"), true),
        ] {
            let mut request = TestRequest::get().insert_header(("host", host));
            if let Some(forwarded) = forwarded {
                request = request.insert_header(("x-forwarded-proto", forwarded));
            }
            assert_eq!(is_trustworthy(request.to_http_request().head()), expected, "{host}");
        }
    }

    #[test]
    fn the_origin_has_the_host_of_the_request_and_the_scheme_of_the_proxy() {
        for (host, forwarded, origin) in [
            ("tv.example:8080", None, "http://tv.example:8080"),
            ("tv.example", Some("https"), "https://tv.example"),
            ("tv.example", Some("HTTPS, http"), "https://tv.example"),
            ("tv.example", Some("http"), "http://tv.example"),
            ("tv.example", Some("javascript:alert(1)//"), "http://tv.example"),
            ("[::1]:80", None, "http://[::1]:80"),
        ] {
            let mut request = TestRequest::get().insert_header(("host", host));
            if let Some(forwarded) = forwarded {
                request = request.insert_header(("x-forwarded-proto", forwarded));
            }
            assert_eq!(own_origin(request.to_http_request().head()), origin);
        }
        assert_eq!(own_origin(TestRequest::get().to_http_request().head()), "");
    }
}
