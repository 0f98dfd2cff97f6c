//! Who may change something.
//!
//! A browser sends requests for whatever page it shows, also to servers that only its own machine can
//! reach. Nothing that changes state is reachable that way: such a request must come from our own page
//! or from no page at all, must be of a type that no form can have, and gets no word of CORS. That page
//! must have been loaded under a name that is certainly ours, since a stranger's name may be made to
//! lead here (DNS rebinding).
//!
//! Whoever is no page is believed on the machine itself. Elsewhere it has to know the token of the
//! configured file, or nothing can be changed at all.

use std::{
    fmt,
    hint::black_box,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN},
};

use super::{Error, Site, fields::Fields};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request has that came by way of a proxy.
static FORWARDED: [HeaderName; 4] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("via"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

const FROM_ANOTHER_PAGE: &str = "a page of another origin must not change anything here";

const STRANGE_HOST: &str = "nothing is changed under a name that need not be this machine's: ask for \
                            localhost or 127.0.0.1, or set api_token_file";

const NOT_LOCAL: &str = "nothing can be changed over the network until the configuration says who may: \
                         set api_token_file, or listen on a loopback address";

/// Proof that a request may change something: whoever changes something asks for it.
#[derive(Debug)]
pub struct Permit(());

/// What a request is held against.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Whether only this machine can reach the server.
    pub is_local: bool,
    /// What whoever changes something must know.
    pub token: Option<&'a Token>,
}

/// Whether this request may change something, by the site's rules.
pub fn permit(request: &HttpRequest, site: &Site) -> Result<Permit, Error> {
    let token = site.token.load();
    let rules =
        Rules { is_local: site.settings.load().listen.ip().is_loopback(), token: token.as_deref() };
    let fields = request.headers();
    // HTTP/2 has the authority in the target, and what stands there overrides Host anywhere.
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = authority.or_else(|| fields.get(HOST).map(HeaderValue::as_bytes));
    check(fields, host.unwrap_or_default(), rules)
}

/// Whether a request with these fields, for this host and port, may change something.
pub fn check(fields: &impl Fields, host: &[u8], rules: Rules<'_>) -> Result<Permit, Error> {
    if !is_from_here(fields, host) {
        return Err(Error::Forbidden(FROM_ANOTHER_PAGE));
    }
    match rules.token {
        Some(token) if !bearer(fields).is_some_and(|shown| token.is(shown)) => {
            return Err(Error::Unauthorized);
        }
        Some(_) => {}
        None if !rules.is_local || FORWARDED.iter().any(|name| fields.has(name)) => {
            return Err(Error::Forbidden(NOT_LOCAL));
        }
        None if !is_loopback(host) => return Err(Error::Forbidden(STRANGE_HOST)),
        None => {}
    }
    if fields.only(&CONTENT_TYPE).is_some_and(is_json) {
        Ok(Permit(()))
    } else {
        Err(Error::NotJson)
    }
}

/// Whether a request is that of our own page, or of no page. A browser says which by Sec-Fetch-Site,
/// where it trusts the connection; else there is Origin, which every browser sends with what is
/// neither GET nor HEAD.
fn is_from_here(fields: &impl Fields, host: &[u8]) -> bool {
    if fields.has(&SEC_FETCH_SITE) {
        let mut sites = fields.lines(&SEC_FETCH_SITE);
        return sites.all(|site| matches!(site, b"same-origin" | b"none"));
    }
    // Without the scheme: a proxy in front may have taken TLS off.
    fields.lines(&ORIGIN).all(|origin| {
        let rest = origin.strip_prefix(b"https://").or(origin.strip_prefix(b"http://"));
        !host.is_empty() && rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    })
}

/// Whether this host, with or without a port, is a name or an address of this machine alone.
fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    if let Some(literal) = host.strip_prefix('[') {
        let address = literal.split_once(']').and_then(|(address, _)| address.parse().ok());
        return address.is_some_and(|address: Ipv6Addr| address.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    let address = name.parse().is_ok_and(|address: Ipv4Addr| IpAddr::from(address).is_loopback());
    // No resolver may lead these elsewhere (RFC 6761 section 6.3).
    address || name == "localhost" || name.ends_with(".localhost")
}

fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// What a request shows for itself (RFC 6750 section 2.1).
fn bearer(fields: &impl Fields) -> Option<&[u8]> {
    let (scheme, shown) = fields.only(&AUTHORIZATION)?.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| shown.trim_ascii())
}

/// What whoever changes something must know.
#[derive(Eq, PartialEq)]
pub struct Token(Box<[u8]>);

impl Token {
    /// The fewest and the most bytes of a token.
    const BYTES: std::ops::RangeInclusive<usize> = 16..=512;

    /// The token in a file, white space around it left out.
    pub fn read(path: &Path) -> io::Result<Self> {
        let named = |why: &dyn fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
        let text = std::fs::read(path).map_err(|error| named(&error))?;
        Self::new(text.trim_ascii()).ok_or_else(|| {
            let (least, most) = (Self::BYTES.start(), Self::BYTES.end());
            named(&format_args!("a token must be {least} to {most} letters, digits and signs"))
        })
    }

    /// These bytes as a token, if they are one.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let is_token = Self::BYTES.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        is_token.then(|| Self(bytes.into()))
    }

    /// Whether this is the token. How long that takes tells at most how long the token is.
    fn is(&self, shown: &[u8]) -> bool {
        let same_length = self.0.len() == shown.len();
        let pairs = self.0.iter().zip(shown);
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
    use actix_web::http::header::HeaderMap;

    use super::*;

    const JSON: (&str, &str) = ("content-type", "application/json");

    const TOKEN: &str = "correct-horse-battery-staple";

    /// 200 where the request may go on, else the status that it gets.
    fn status(host: &str, fields: &[(&str, &str)], is_local: bool, token: Option<&str>) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let token = token.map(|token| Token::new(token.as_bytes()).expect("a token"));
        let rules = Rules { is_local, token: token.as_ref() };
        match check(&map, host.as_bytes(), rules) {
            Ok(Permit(())) => 200,
            Err(error) => actix_web::ResponseError::status_code(&error).as_u16(),
        }
    }

    #[test]
    fn our_own_page_and_no_page_may_change_something_and_no_other_page_may() {
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
            // Where both stand, what no page can make up decides: a proxy may have changed Host.
            (vec![origin("https://tv.example"), fetch("same-origin")], 200),
            (vec![origin("http://localhost:8080"), fetch("cross-site")], 403),
        ] {
            let fields: Vec<_> = fields.into_iter().chain([JSON]).collect();
            assert_eq!(status("localhost:8080", &fields, true, None), expected, "{fields:?}");
        }
    }

    #[test]
    fn under_a_name_that_a_stranger_may_have_made_to_lead_here_nothing_is_changed() {
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
    fn what_a_proxy_hands_on_is_not_from_this_machine() {
        for name in ["forwarded", "via", "x-forwarded-for", "x-real-ip"] {
            let fields = [JSON, (name, "something")];
            assert_eq!(status("localhost", &fields, true, None), 403, "{name}");
        }
    }

    #[test]
    fn over_the_network_only_who_knows_the_token_changes_anything() {
        let bearer = |shown: &'static str| vec![("authorization", shown)];
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
        // The token helps no page of another origin.
        let shown = ("authorization", "Bearer correct-horse-battery-staple");
        let fields = [JSON, shown, ("origin", "https://evil.example")];
        assert_eq!(status("tv.example", &fields, false, Some(TOKEN)), 403);
    }

    #[test]
    fn only_json_is_taken_which_no_form_can_send() {
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
    fn a_token_is_long_enough_and_made_of_plain_characters() {
        for (text, is_token) in [
            (TOKEN, true),
            ("0123456789abcde", false),
            ("0123456789abcdef", true),
            ("0123456789 abcdef", false),
            ("0123456789abcdeé", false),
        ] {
            assert_eq!(Token::new(text.as_bytes()).is_some(), is_token, "{text}");
        }
        assert!(Token::new(&[b'a'; 513]).is_none());
        let folder = tempfile::TempDir::new().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, format!(" {TOKEN}\n")).expect("written");
        assert_eq!(Token::read(&file).ok(), Token::new(TOKEN.as_bytes()));
        std::fs::write(&file, "short").expect("written");
        let error = Token::read(&file).expect_err("too short").to_string();
        assert!(error.contains("16 to 512") && error.contains("token"), "{error}");
        assert!(!format!("{:?}", Token::new(TOKEN.as_bytes())).contains("horse"));
    }
}
