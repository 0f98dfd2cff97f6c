//! The origin of the server as a client knows it, for absolute URLs in responses.

use actix_web::http::header::HeaderName;

use super::{
    fields::RequestFields,
    hosts::{self, is_loopback},
};
use crate::config::Settings;

/// Scheme and host that a client used to reach the proxy in front (RFC 7239, and its older form).
static FORWARDED: HeaderName = HeaderName::from_static("forwarded");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Scheme, host and port that a request was sent to, such as `https://tv.example`; empty for a request without
/// a host, which makes URLs relative.
///
/// A proxy that sends a Host field of its own names the client's. That counts if `allowed_hosts` has the name:
/// a client can send the field, too. The scheme is http unless a proxy names https. A client that sends that
/// field itself changes only its own response: caches revalidate responses with such URLs, and other bytes have
/// another tag.
pub fn own_origin(request: &impl RequestFields, settings: &Settings) -> String {
    let forwarded = forwarded_host(request).filter(|host| hosts::is_listed(host, settings));
    let Some(host) = forwarded.or_else(|| std::str::from_utf8(request.host()?).ok()) else {
        return String::new();
    };
    let scheme = if is_https(request) { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// Whether browsers trust the connection to this origin (Secure Contexts, potentially trustworthy): it is encrypted,
/// or stays on the client's machine.
pub fn is_trustworthy(request: &impl RequestFields) -> bool {
    is_https(request) || is_loopback(request.host().unwrap_or_default())
}

fn is_https(request: &impl RequestFields) -> bool {
    forwarded_scheme(request).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn forwarded_host(request: &impl RequestFields) -> Option<&str> {
    parameter(request, "host").or_else(|| first(request, &X_FORWARDED_HOST))
}

fn forwarded_scheme(request: &impl RequestFields) -> Option<&str> {
    parameter(request, "proto").or_else(|| first(request, &X_FORWARDED_PROTO))
}

/// A parameter of the first element of `Forwarded`.
fn parameter<'a>(request: &'a impl RequestFields, name: &str) -> Option<&'a str> {
    let mut pairs = first(request, &FORWARDED)?.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

/// The first member of a list. Of several proxies, it is from the nearest to the client.
fn first<'a>(request: &'a impl RequestFields, name: &HeaderName) -> Option<&'a str> {
    let line = std::str::from_utf8(request.lines(name).next()?).ok()?;
    line.split(',').next().map(str::trim).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn origin(fields: &[(&str, &str)], allowed_hosts: Option<&str>) -> String {
        let mut request = TestRequest::get();
        for (name, value) in fields {
            request = request.insert_header((*name, *value));
        }
        let settings = Settings {
            allowed_hosts: allowed_hosts.map(|hosts| hosts.parse().expect("hosts")),
            ..Settings::from_layers(&[])
        };
        own_origin(request.to_http_request().head(), &settings)
    }

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
        for (host, forwarded, expected) in [
            ("tv.example:8080", None, "http://tv.example:8080"),
            ("tv.example", Some("https"), "https://tv.example"),
            ("tv.example", Some("HTTPS, http"), "https://tv.example"),
            ("tv.example", Some("http"), "http://tv.example"),
            ("tv.example", Some("javascript:alert(1)//"), "http://tv.example"),
            ("[::1]:80", None, "http://[::1]:80"),
        ] {
            let scheme = forwarded.map(|scheme| ("x-forwarded-proto", scheme));
            let fields: Vec<_> = [("host", host)].into_iter().chain(scheme).collect();
            assert_eq!(origin(&fields, None), expected);
        }
        assert_eq!(origin(&[], None), "");
    }

    #[test]
    fn a_forwarded_host_counts_if_it_is_allowed() {
        let own = ("host", "10.0.0.7:8080");
        for (name, value, expected) in [
            ("x-forwarded-host", "tv.example", "http://tv.example"),
            ("x-forwarded-host", "TV.example:8443, proxy.internal", "http://TV.example:8443"),
            ("forwarded", "for=1.2.3.4;proto=https;host=tv.example", "https://tv.example"),
            ("forwarded", "Host=\"tv.example:8443\", host=b.example", "http://tv.example:8443"),
            ("x-forwarded-host", "evil.example", "http://10.0.0.7:8080"),
            ("x-forwarded-host", "tv.example/\"><script>", "http://10.0.0.7:8080"),
            ("x-forwarded-host", "tv.example:1/x", "http://10.0.0.7:8080"),
            ("forwarded", "host=", "http://10.0.0.7:8080"),
        ] {
            assert_eq!(origin(&[own, (name, value)], Some("tv.example")), expected, "{value}");
        }
        let any = [own, ("x-forwarded-host", "tv.example")];
        assert_eq!(origin(&any, None), "http://10.0.0.7:8080");
        assert_eq!(origin(&any, Some("*")), "http://tv.example");
    }
}
