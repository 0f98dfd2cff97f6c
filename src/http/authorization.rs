//! Authorization of requests that change something.
//!
//! A browser sends requests on behalf of any page, also to servers that only its own machine can reach.
//! Such a page must not change anything. So a request that changes something must come from our own page
//! or from a client without a page, must have a media type that no form can send, and gets no CORS field.
//! Our own page must have been loaded under a host name that is certainly ours, since DNS rebinding can
//! point a foreign name at this machine.
//!
//! A client without a page is trusted on the machine itself. Over the network it needs the token of the
//! configured file; without such a file the API is read-only.

use std::{fmt, hint::black_box, io, path::Path};

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, ORIGIN},
};

use super::{
    Error, Site,
    fields::{Fields, RequestFields as _},
    hosts::{is_local, is_loopback},
};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Fields that a proxy adds to a request.
static FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("via"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// Proof that a request may change something: a parameter of every function that does.
#[derive(Debug)]
pub struct Permit(());

/// The server's side of the decision.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Whether only this machine can reach the server.
    pub is_local: bool,
    /// The token that clients must send, if configured.
    pub token: Option<&'a Token>,
}

/// The permit of a request, by the site's configuration.
pub fn permit(request: &HttpRequest, site: &Site) -> Result<Permit, Error> {
    let token = site.token.load();
    let rules = Rules { is_local: is_local(&site.settings.load()), token: token.as_deref() };
    check(request.headers(), request.head().host().unwrap_or_default(), rules)
}

/// Whether the server has a token, and the request shows it.
pub fn has_token(fields: &impl Fields, site: &Site) -> bool {
    let token = site.token.load();
    token.as_ref().is_some_and(|token| shows(fields, token))
}

/// Whether a page of another origin sent a request, as far as its browser says.
pub fn is_of_other_page(request: &HttpRequest) -> bool {
    !is_same_origin(request.headers(), request.head().host().unwrap_or_default())
}

/// The permit of a request with these fields for this host and port.
pub fn check(fields: &impl Fields, host: &[u8], rules: Rules<'_>) -> Result<Permit, Error> {
    if !is_same_origin(fields, host) {
        return Err(Error::CrossOrigin);
    }
    match rules.token {
        Some(token) if !shows(fields, token) => return Err(Error::Unauthorized),
        Some(_) => {}
        None => check_local(fields, host, rules.is_local)?,
    }
    if fields.only(&CONTENT_TYPE).is_some_and(is_json) {
        Ok(Permit(()))
    } else {
        Err(Error::NotJson)
    }
}

/// Whether a client may change nothing, since the server has no token.
pub fn is_read_only(request: &HttpRequest, site: &Site) -> bool {
    let host = request.head().host().unwrap_or_default();
    let is_local = is_local(&site.settings.load());
    site.token.load().is_none() && check_local(request.headers(), host, is_local).is_err()
}

/// Refuses changes by a client that may be on another machine.
fn check_local(fields: &impl Fields, host: &[u8], is_local: bool) -> Result<(), Error> {
    if !is_local || FORWARDED.iter().any(|name| fields.has(name)) {
        return Err(Error::ReadOnly);
    }
    is_loopback(host).then_some(()).ok_or(Error::UntrustedHost)
}

/// Whether our own page, or a client without a page, sent a request. A browser sends Sec-Fetch-Site over
/// connections that it trusts; over all connections it sends Origin with methods other than GET and HEAD.
fn is_same_origin(fields: &impl Fields, host: &[u8]) -> bool {
    if fields.has(&SEC_FETCH_SITE) {
        let mut sites = fields.lines(&SEC_FETCH_SITE);
        return sites.all(|site| matches!(site, b"same-origin" | b"none"));
    }
    // Without the scheme: a proxy in front may terminate TLS.
    fields.lines(&ORIGIN).all(|origin| {
        let rest = origin.strip_prefix(b"https://").or(origin.strip_prefix(b"http://"));
        !host.is_empty() && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    })
}

fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn shows(fields: &impl Fields, token: &Token) -> bool {
    bearer(fields).is_some_and(|credentials| token.matches(credentials))
}

/// The credentials of a request (RFC 6750 section 2.1).
fn bearer(fields: &impl Fields) -> Option<&[u8]> {
    let (scheme, credentials) = fields.only(&AUTHORIZATION)?.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| credentials.trim_ascii())
}

/// The API token.
#[derive(Eq, PartialEq)]
pub struct Token(Box<[u8]>);

impl Token {
    /// The length of a token.
    const LENGTH_BYTES: std::ops::RangeInclusive<usize> = 16..=512;

    /// Reads a token from a file, without the white space around it.
    pub fn read(path: &Path) -> io::Result<Self> {
        let named = |why: &dyn fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
        let text = std::fs::read(path).map_err(|error| named(&error))?;
        Self::parse(text.trim_ascii()).ok_or_else(|| {
            let (least, most) = (Self::LENGTH_BYTES.start(), Self::LENGTH_BYTES.end());
            named(&format_args!(
                "a token must be {least} to {most} letters, digits and punctuation characters"
            ))
        })
    }

    /// Parses a token; `None` if the length or a byte is not allowed.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let is_token =
            Self::LENGTH_BYTES.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        is_token.then(|| Self(bytes.into()))
    }

    /// Compares credentials with the token, in a time that reveals at most the token's length.
    fn matches(&self, credentials: &[u8]) -> bool {
        let same_length = self.0.len() == credentials.len();
        let pairs = self.0.iter().zip(credentials);
        let differences = pairs.fold(0, |all, (ours, theirs)| black_box(all | (ours ^ theirs)));
        same_length & (differences == 0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::*;

    const JSON: (&str, &str) = ("content-type", "application/json");

    const TOKEN: &str = "correct-horse-battery-staple";

    /// 200 for a permit, else the status of the error.
    fn status(host: &str, fields: &[(&str, &str)], is_local: bool, token: Option<&str>) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let token = token.map(|token| Token::parse(token.as_bytes()).expect("a token"));
        let rules = Rules { is_local, token: token.as_ref() };
        match check(&map, host.as_bytes(), rules) {
            Ok(Permit(())) => 200,
            Err(error) => actix_web::ResponseError::status_code(&error).as_u16(),
        }
    }

    #[test]
    fn only_the_own_page_and_clients_without_a_page_get_a_permit() {
        let fetch = |site| ("sec-fetch-site", site);
        let origin = |origin| ("origin", origin);
        for (fields, expected) in [
            (vec![], 200),
            (vec![fetch("same-origin")], 200),
            (vec![fetch("none")], 200),
            (vec![fetch("same-site")], 403),
            (vec![fetch("cross-site")], 403),
            (vec![fetch("")], 403),
            (vec![fetch("same-origin"), fetch("cross-site")], 403),
            (vec![origin("http://localhost:8080")], 200),
            (vec![origin("https://LOCALHOST:8080")], 200),
            (vec![origin("http://localhost")], 403),
            (vec![origin("http://localhost:8081")], 403),
            (vec![origin("http://evil.example")], 403),
            (vec![origin("http://localhost:8080.evil.example")], 403),
            (vec![origin("null")], 403),
            (vec![origin("file://")], 403),
            (vec![origin("http://localhost:8080"), origin("http://evil.example")], 403),
            // With both, the field that no page can forge decides: a proxy may have changed Host.
            (vec![origin("https://tv.example"), fetch("same-origin")], 200),
            (vec![origin("http://localhost:8080"), fetch("cross-site")], 403),
        ] {
            let fields: Vec<_> = fields.into_iter().chain([JSON]).collect();
            assert_eq!(status("localhost:8080", &fields, true, None), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_host_name_that_dns_rebinding_can_use_gets_no_permit() {
        for (host, expected) in [
            ("localhost", 200),
            ("LocalHost:8080", 200),
            ("tv.localhost:8080", 200),
            ("127.0.0.1:8080", 200),
            ("127.8.8.8", 200),
            ("[::1]:8080", 200),
            ("evil.example:8080", 403),
            ("localhost.evil.example", 403),
            ("evillocalhost", 403),
            ("127.0.0.1.evil.example", 403),
            ("0.0.0.0:8080", 403),
            ("192.168.0.7", 403),
            ("[::2]", 403),
            ("[::1", 403),
            ("", 403),
        ] {
            let same = [JSON, ("sec-fetch-site", "same-origin")];
            assert_eq!(status(host, &same, true, None), expected, "{host}");
            assert_eq!(status(host, &[JSON], true, None), expected, "{host}");
        }
    }

    #[test]
    fn a_forwarded_request_does_not_count_as_local() {
        for name in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
            let fields = [JSON, (name, "something")];
            assert_eq!(status("localhost", &fields, true, None), 403, "{name}");
        }
    }

    #[test]
    fn a_request_over_the_network_needs_the_token() {
        let bearer = |credentials: &'static str| vec![("authorization", credentials)];
        for (fields, expected) in [
            (vec![], 401),
            (bearer("Bearer correct-horse-battery-staple"), 200),
            (bearer("bearer correct-horse-battery-staple"), 200),
            (bearer("Bearer  correct-horse-battery-staple"), 200),
            (bearer("Bearer correct-horse-battery-stapl"), 401),
            (bearer("Bearer correct-horse-battery-staple2"), 401),
            (bearer("Bearer Correct-horse-battery-staple"), 401),
            (bearer("Bearer "), 401),
            (bearer("Bearer"), 401),
            (bearer("Basic correct-horse-battery-staple"), 401),
            (bearer("correct-horse-battery-staple"), 401),
            ([bearer("Bearer correct-horse-battery-staple"), bearer("Bearer x")].concat(), 401),
        ] {
            let fields: Vec<_> = fields.into_iter().chain([JSON]).collect();
            for (host, is_local) in [("tv.example", false), ("tv.example", true), ("[::1]", true)] {
                assert_eq!(status(host, &fields, is_local, Some(TOKEN)), expected, "{fields:?}");
            }
            assert_eq!(status("tv.example", &fields, false, None), 403, "{fields:?}");
        }
        // A page of another origin gets no permit even with the token.
        let shown = ("authorization", "Bearer correct-horse-battery-staple");
        let fields = [JSON, shown, ("origin", "https://evil.example")];
        assert_eq!(status("tv.example", &fields, false, Some(TOKEN)), 403);
    }

    #[test]
    fn the_media_type_must_be_json_which_no_form_can_send() {
        for (fields, expected) in [
            (vec!["application/json"], 200),
            (vec!["Application/JSON; charset=utf-8"], 200),
            (vec![], 415),
            (vec!["text/plain"], 415),
            (vec!["application/x-www-form-urlencoded"], 415),
            (vec!["multipart/form-data; boundary=application/json"], 415),
            (vec!["text/plain; application/json"], 415),
            (vec!["application/jsonp"], 415),
            (vec!["application/json", "text/plain"], 415),
        ] {
            let fields: Vec<_> = fields.into_iter().map(|value| ("content-type", value)).collect();
            assert_eq!(status("localhost", &fields, true, None), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_token_has_a_minimum_length_and_graphic_characters_only() {
        for (text, is_token) in [
            (TOKEN, true),
            ("0123456789abcde", false),
            ("0123456789abcdef", true),
            ("0123456789 abcdef", false),
            ("0123456789abcdeé", false),
        ] {
            assert_eq!(Token::parse(text.as_bytes()).is_some(), is_token, "{text}");
        }
        assert!(Token::parse(&[b'a'; 513]).is_none());
        let folder = tempfile::TempDir::new().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, format!(" {TOKEN}\n")).expect("written");
        assert_eq!(Token::read(&file).ok(), Token::parse(TOKEN.as_bytes()));
        std::fs::write(&file, "short").expect("written");
        let error = Token::read(&file).expect_err("too short").to_string();
        assert!(error.contains("16 to 512") && error.contains("token"), "{error}");
        assert!(!format!("{:?}", Token::parse(TOKEN.as_bytes())).contains("horse"));
    }
}
