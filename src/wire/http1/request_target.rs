//! The target of a request.

use actix_http::Uri;

use crate::wire::refusal::Refusal;

/// A request target in one of the forms that an origin server receives (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RequestTarget<'a> {
    /// Host and port of the absolute form. They override the field Host (RFC 9112 section 3.2.2).
    pub(super) authority: Option<&'a str>,
    /// The path and the query, not decoded; `*` in the asterisk form.
    pub(super) path_and_query: &'a str,
}

impl<'a> RequestTarget<'a> {
    /// Parses a target, or refuses it.
    pub(super) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if is_plain(text) || text == "*" {
            return Ok(Self { authority: None, path_and_query: text });
        }
        if Uri::try_from(text).is_err() {
            return Err(Refusal::Malformed("the request target is not a URI"));
        }
        if text.starts_with('/') {
            return Ok(Self { authority: None, path_and_query: text });
        }
        let rest = behind_scheme(text)
            .ok_or(Refusal::Malformed("the request target is neither a path nor an http URL"))?;
        let (authority, path_and_query) =
            rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() || !is_host(authority.as_bytes()) {
            return Err(Refusal::Malformed("the URL of the request has no valid host and port"));
        }
        let path_and_query = if path_and_query.is_empty() { "/" } else { path_and_query };
        Ok(Self { authority: Some(authority), path_and_query })
    }
}

/// The part of an http or https URL behind `://`.
fn behind_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let is_http = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_http.then_some(rest)
}

/// Whether a target is a path with only characters that every parser accepts.
fn is_plain(target: &str) -> bool {
    target.starts_with('/')
        && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"/%._~!$&'()*+,;=:@?-".contains(&b))
}

/// Whether a value is `uri-host [ ":" port ]` (RFC 9110 section 7.2). It may be empty, for targets without
/// an authority.
pub fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', ..] => match value.iter().position(|&byte| byte == b']') {
            Some(end) => value.split_at(end + 1),
            None => return false,
        },
        _ => {
            let colon = value.iter().position(|&byte| byte == b':');
            value.split_at(colon.unwrap_or(value.len()))
        }
    };
    let port_is_valid = match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    let literal = |byte: &u8| byte.is_ascii_hexdigit() || b":.vV".contains(byte);
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let host_is_valid = match host {
        [b'[', address @ .., b']'] => !address.is_empty() && address.iter().all(literal),
        name_bytes => name_bytes.iter().all(name),
    };
    port_is_valid && host_is_valid
}

fn is_port(digits: &[u8]) -> bool {
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_an_asterisk_or_an_http_url() {
        for (text, authority, path_and_query) in [
            ("/media/a.mp4?x", None, "/media/a.mp4?x"),
            ("/[", None, "/["),
            ("*", None, "*"),
            ("http://a/api/jobs", Some("a"), "/api/jobs"),
            ("HTTPS://a:8080/?x#y", Some("a:8080"), "/?x#y"),
            ("http://[::1]:80/b", Some("[::1]:80"), "/b"),
            ("http://a", Some("a"), "/"),
            ("http://a?b=/c", Some("a"), "?b=/c"),
        ] {
            let target = RequestTarget { authority, path_and_query };
            assert_eq!(RequestTarget::parse(text), Ok(target), "{text}");
        }
    }

    #[test]
    fn any_other_target_is_refused() {
        let texts = [
            "",
            "a",
            "a:80",
            "file:///a",
            "ftp://a/b",
            "http:///a",
            "http://u:p@a/",
            "http://a:b/",
            "/<>",
        ];
        for text in texts {
            let refused = RequestTarget::parse(text);
            assert!(matches!(refused, Err(Refusal::Malformed(_))), "{text}: {refused:?}");
        }
    }

    #[test]
    fn hosts_are_validated() {
        for host in ["", "a", "a:80", "a:", "[::1]:80", "127.0.0.1", "xn--t-pda.example"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a:b", "a:65536", "a b", "a@b", "[]", "[::1]x", "a,b:c", "a\u{e9}"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
