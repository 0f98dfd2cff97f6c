//! The host names under which the server shows what is not for everyone.
//!
//! A stranger's page can point its own name at this machine (DNS rebinding). To a browser this server then
//! belongs to that page, which may read all that it gets: titles, jobs, metrics. The Host field still has the
//! stranger's name. So a server that only this machine can reach responds under the names of this machine and
//! those of `allowed_hosts`; any other server does so if that key is set.
//!
//! Two things need no name: what pages of all origins may read anyway, which is media unless `cors_origins`
//! is a list, and `/healthz`. Nor does a request with the API token, which no page of a stranger has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Error, Site, authorization, fields::RequestFields};
use crate::config::Settings;

/// The paths that pages of all origins may read unless `cors_origins` is a list.
const MEDIA: [&str; 2] = ["/media/", "/v/"];

/// Refuses a request for a host name that may be a stranger's.
pub fn check(request: &impl RequestFields, site: &Site) -> Result<(), Error> {
    let settings = site.settings.load();
    let is_allowed = is_own(request, &settings)
        || is_open(request.path(), &settings)
        || authorization::has_token(request, site);
    if is_allowed { Ok(()) } else { Err(Error::UnknownHost) }
}

/// Whether a request names this server by one of its own names, as far as the server can tell.
pub fn is_own(request: &impl RequestFields, settings: &Settings) -> bool {
    let is_known = |host| is_known(host, settings.allowed_hosts.as_deref());
    !is_restricted(settings) || request.host().is_none_or(is_known)
}

/// Whether only this machine can reach the server.
pub fn is_local(settings: &Settings) -> bool {
    settings.listen.ip().to_canonical().is_loopback()
}

/// Whether `allowed_hosts` has a name, which may have a port.
pub fn is_listed(host: &str, settings: &Settings) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    let allowed = settings.allowed_hosts.as_deref();
    host.bytes().all(is_plain) && !host.is_empty() && is_in_list(host.as_bytes(), allowed)
}

fn is_restricted(settings: &Settings) -> bool {
    settings.allowed_hosts.is_some() || is_local(settings)
}

fn is_open(path: &str, settings: &Settings) -> bool {
    let is_media = MEDIA.iter().any(|prefix| path.starts_with(prefix));
    (is_media && &*settings.cors_origins == "*") || path == "/healthz"
}

/// Whether a host, with or without a port, is this machine or one of a list separated by spaces. An entry
/// `*.example` is every name below `example`, and `*` any.
fn is_known(host: &[u8], allowed: Option<&str>) -> bool {
    is_loopback(host) || is_in_list(host, allowed)
}

fn is_in_list(host: &[u8], allowed: Option<&str>) -> bool {
    let matches = |entry: &str, name: &str| match entry.strip_prefix('*') {
        Some(parent) => name.len() > parent.len() && ends_with_ignore_case(name, parent),
        None => name.eq_ignore_ascii_case(entry),
    };
    let is_listed = |name: &str| {
        allowed.is_some_and(|allowed| allowed.split_whitespace().any(|entry| matches(entry, name)))
    };
    without_port(host).is_some_and(is_listed)
}

fn ends_with_ignore_case(name: &str, end: &str) -> bool {
    let start = name.len().checked_sub(end.len());
    start.and_then(|start| name.get(start..)).is_some_and(|rest| rest.eq_ignore_ascii_case(end))
}

/// Whether a host, with or without a port, names this machine only.
pub fn is_loopback(host: &[u8]) -> bool {
    let Some(name) = without_port(host) else {
        return false;
    };
    if let Some(literal) = name.strip_prefix('[') {
        let address = literal.strip_suffix(']').and_then(|address| address.parse().ok());
        return address.is_some_and(|address: Ipv6Addr| address.is_loopback());
    }
    let is_loopback_v4 =
        name.parse().is_ok_and(|address: Ipv4Addr| IpAddr::from(address).is_loopback());
    // Resolvers must resolve these to loopback addresses (RFC 6761 section 6.3).
    is_loopback_v4
        || name.eq_ignore_ascii_case("localhost")
        || ends_with_ignore_case(name, ".localhost")
}

/// A host without its port.
fn without_port(host: &[u8]) -> Option<&str> {
    let host = std::str::from_utf8(host).ok()?;
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    Some(&host[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_names_and_addresses_are_known_and_no_others() {
        for (host, expected) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("tv.localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("127.8.8.8", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            (".localhost.evil", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0:8080", false),
            ("192.168.0.7", false),
            ("[::2]", false),
            ("[::1", false),
            ("", false),
            ("\u{e9}.localhost\u{e9}", false),
        ] {
            assert_eq!(is_loopback(host.as_bytes()), expected, "{host}");
            assert_eq!(is_known(host.as_bytes(), None), expected, "{host}");
        }
        assert!(!is_loopback(b"\xff"));
    }

    #[test]
    fn a_list_adds_names_and_all_names_below_one() {
        let list = Some("video.example  *.tv.example 192.168.0.7 [fd00::7]");
        for (host, expected) in [
            ("video.example", true),
            ("VIDEO.example:443", true),
            ("a.tv.example", true),
            ("a.b.TV.example:80", true),
            ("192.168.0.7:8080", true),
            ("[fd00::7]:8080", true),
            ("localhost", true),
            ("tv.example", false),
            (".tv.example", false),
            ("evil-tv.example", false),
            ("video.example.evil", false),
            ("evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_known(host.as_bytes(), list), expected, "{host}");
        }
        assert!(is_known(b"evil.example", Some("*")));
    }
}
