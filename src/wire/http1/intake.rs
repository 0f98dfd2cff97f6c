//! Where a request's head ends, and whether its framing is beyond doubt.
//!
//! Only what is certain is answered (RFC 9112 sections 3.2, 6 and 11.2): two parties that see another
//! end of the same request can be played off against each other. Everything else is refused, and the
//! connection closes after that.

use std::{mem::MaybeUninit, net::SocketAddr, ops::Range};

use actix_http::{Message, Request, RequestHead, Uri};
use actix_web::http::{
    Method, Version,
    header::{HeaderName, HeaderValue},
};

use crate::wire::refusal::Refusal;

/// The longest request target, in bytes. RFC 9110 section 4.1 recommends 8000 at least.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The longest head, in bytes: request line and fields.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The most fields of one request.
pub const FIELDS_MAX: usize = 96;

/// The most bytes of empty lines before a request.
const BLANK_BYTES_MAX: usize = 16;

/// Room for the fields of a head.
pub(super) type FieldRoom<'a> = [MaybeUninit<httparse::Header<'a>>; FIELDS_MAX];

/// A request's head, understood, in the bytes in which it came.
#[derive(Debug)]
pub struct Head<'a> {
    /// The method as it was written.
    pub method: &'a str,
    /// The target as it was written.
    pub target: &'a str,
    /// Whether this is HTTP/1.1, else 1.0.
    pub is_1_1: bool,
    fields: &'a [httparse::Header<'a>],
    /// How many bytes of content follow.
    pub content_bytes: u64,
    /// Whether the client holds them back until it is told to go on (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// Whether the client wants the connection to stay.
    pub persists: bool,
    /// Whether it asks for another protocol.
    pub upgrades: bool,
}

impl<'a> Head<'a> {
    /// Understands a head, or says why it is refused.
    pub(super) fn parse(bytes: &'a [u8], room: &'a mut FieldRoom<'a>) -> Result<Self, Refusal> {
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, room) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
            Ok(httparse::Status::Partial) | Err(_) => {
                return Err(Refusal::Malformed("this is not an HTTP/1.1 request"));
            }
        }
        let (method, target) =
            (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        if target.len() > TARGET_BYTES_MAX {
            return Err(Refusal::TargetTooLong);
        }
        if method == "CONNECT" {
            return Err(Refusal::Malformed("CONNECT is for proxies"));
        }
        if !is_plain(target) && Uri::try_from(target).is_err() {
            return Err(Refusal::Malformed("the request target is not a URI"));
        }
        let is_1_1 = request.version == Some(1);
        let framing = Framing::of(request.headers, is_1_1)?;
        Ok(Self {
            method,
            target,
            is_1_1,
            fields: request.headers,
            content_bytes: framing.content_bytes,
            expects_continue: framing.expects_continue,
            persists: framing.persists,
            upgrades: framing.upgrades,
        })
    }

    /// The values of a field, line by line.
    pub fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let is_meant =
            move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name.as_str());
        self.fields.iter().filter(is_meant).map(|field| field.value)
    }

    /// The same head as actix keeps it.
    pub(super) fn to_request(&self, peer: SocketAddr) -> Result<Request, Refusal> {
        const MALFORMED: Refusal = Refusal::Malformed("this is not an HTTP/1.1 request");
        let mut head = Message::<RequestHead>::new();
        head.peer_addr = Some(peer);
        head.method = Method::from_bytes(self.method.as_bytes()).map_err(|_| MALFORMED)?;
        head.uri = Uri::try_from(self.target).map_err(|_| MALFORMED)?;
        head.version = if self.is_1_1 { Version::HTTP_11 } else { Version::HTTP_10 };
        for field in self.fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| MALFORMED)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| MALFORMED)?;
            head.headers.append(name, value);
        }
        Ok(Request::from(head))
    }
}

/// Where the first head in these bytes is, empty lines before it left out; `None` if it is not whole.
/// The first `searched` bytes are known not to hold its end.
pub(super) fn find_head(bytes: &[u8], searched: usize) -> Result<Option<Range<usize>>, Refusal> {
    // Empty lines before a request are borne (RFC 9112 section 2.2), but not without end.
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > BLANK_BYTES_MAX {
        return Err(Refusal::Malformed("empty lines instead of a request"));
    }
    let head = &bytes[blank..];
    if let Some(length) = head_length(head, searched.saturating_sub(blank)) {
        return match length {
            too_long if too_long > HEAD_BYTES_MAX => Err(Refusal::HeadTooLarge),
            length => Ok(Some(blank..blank + length)),
        };
    }
    const LINE_BYTES_MAX: usize = TARGET_BYTES_MAX + 64;
    if head.len() > LINE_BYTES_MAX && memchr::memchr(b'\n', &head[..LINE_BYTES_MAX]).is_none() {
        return Err(Refusal::TargetTooLong);
    }
    if head.len() >= HEAD_BYTES_MAX { Err(Refusal::HeadTooLarge) } else { Ok(None) }
}

/// How long a head is: up to the empty line that ends it, `\n\r\n` or `\n\n`.
fn head_length(bytes: &[u8], searched: usize) -> Option<usize> {
    // The last three bytes that were searched may be the beginning of an end.
    let start = searched.saturating_sub(3);
    memchr::memchr_iter(b'\n', &bytes[start..]).find_map(|at| match &bytes[start + at + 1..] {
        [b'\n', ..] => Some(start + at + 2),
        [b'\r', b'\n', ..] => Some(start + at + 3),
        _ => None,
    })
}

/// Whether a target is made of characters that no parser stumbles over.
fn is_plain(target: &str) -> bool {
    target.starts_with('/')
        && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"/%._~!$&'()*+,;=:@?-".contains(&b))
}

/// What the fields say about where the request ends and what comes after.
#[derive(Debug)]
struct Framing {
    content_bytes: u64,
    expects_continue: bool,
    persists: bool,
    upgrades: bool,
}

impl Framing {
    /// What these fields say, if they may stand together.
    fn of(fields: &[httparse::Header<'_>], is_1_1: bool) -> Result<Self, Refusal> {
        use Refusal::Malformed;
        let (mut host, mut length, mut chunked) = (None, None, false);
        let (mut keep_alive, mut close, mut upgrades) = (false, false, false);
        let mut expects_continue = false;
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // By length first: hardly any field is one of these.
            match field.name.len() {
                4 if is("host") => {
                    let before = host.replace(field.value);
                    if before.is_some() {
                        return Err(Malformed("more than one Host field"));
                    }
                }
                6 if is("expect") => {
                    // A client of HTTP/1.0 does not know what it would be told.
                    let value = field.value.trim_ascii();
                    expects_continue |= is_1_1 && value.eq_ignore_ascii_case(b"100-continue");
                }
                10 if is("connection") => {
                    for option in field.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                        keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                        close |= option.eq_ignore_ascii_case(b"close");
                        upgrades |= option.eq_ignore_ascii_case(b"upgrade");
                    }
                }
                14 if is("content-length") => {
                    let value = number(field.value.trim_ascii());
                    let value = value.ok_or(Malformed("Content-Length is not a number"))?;
                    if length.replace(value).is_some() {
                        return Err(Malformed("more than one Content-Length field"));
                    }
                }
                17 if is("transfer-encoding") => {
                    let is_chunked = field.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                    if std::mem::replace(&mut chunked, true) || !is_chunked || !is_1_1 {
                        return Err(Malformed("this Transfer-Encoding is not understood"));
                    }
                }
                _ => {}
            }
        }
        match host {
            Some(host) if !is_host(host) => return Err(Malformed("Host is not a host and port")),
            None if is_1_1 => return Err(Malformed("the Host field is missing")),
            _ => {}
        }
        let content_bytes = match (length, chunked) {
            (Some(_), true) => {
                return Err(Malformed("Content-Length together with Transfer-Encoding"));
            }
            // Whoever sends something to a route here knows its length, so that nothing is lost by
            // asking for it; where chunks end would have to be watched over (RFC 9112 section 6.3
            // allows this).
            (None, true) => return Err(Refusal::LengthRequired),
            (length, false) => length.unwrap_or(0),
        };
        let expects_continue = expects_continue && content_bytes > 0;
        let persists = !close && (is_1_1 || keep_alive);
        Ok(Self { content_bytes, expects_continue, persists, upgrades: upgrades && !close })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110 section 7.2). An empty one is allowed there,
/// for targets that have no authority.
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
        [b':', digits @ ..] => number(digits).is_some_and(|port| port <= u64::from(u16::MAX)),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Why the first request in these bytes is refused, if it is.
    fn refusal(bytes: &[u8]) -> Option<Refusal> {
        match find_head(bytes, 0) {
            Err(refusal) => Some(refusal),
            Ok(None) => None,
            Ok(Some(head)) => {
                let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
                Head::parse(&bytes[head], &mut room).err()
            }
        }
    }

    #[test]
    fn a_head_ends_with_its_empty_line_and_what_follows_is_not_its() {
        for (bytes, head) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\nmore", Some(0..27)),
            ("\r\n\nGET / HTTP/1.1\nHost: h\n\nmore", Some(3..27)),
            ("GET / HTTP/1.1\r\nHost: h\r\n\r", None),
            ("", None),
            ("\r\n", None),
        ] {
            assert_eq!(find_head(bytes.as_bytes(), 0), Ok(head), "{bytes:?}");
        }
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let head = b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(find_head(&head[..end], end.saturating_sub(1)), Ok(None), "{end} bytes");
        }
        assert_eq!(find_head(head, head.len() - 1), Ok(Some(4..head.len())));
    }

    #[test]
    fn what_is_said_about_content_and_connection_is_understood() {
        for (fields, content_bytes, persists, upgrades) in [
            ("", 0, true, false),
            ("Content-Length: 3\r\n", 3, true, false),
            ("Connection: close\r\n", 0, false, false),
            ("Connection: Upgrade, HTTP2-Settings\r\n", 0, true, true),
            ("Connection: upgrade\r\nConnection: close\r\n", 0, false, false),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
            let head = Head::parse(text.as_bytes(), &mut room).expect("a head");
            let found = (head.content_bytes, head.persists, head.upgrades);
            assert_eq!(found, (content_bytes, persists, upgrades), "{fields:?}");
        }
        for (fields, persists) in [("", false), ("Connection: x, Keep-Alive\r\n", true)] {
            let text = format!("GET / HTTP/1.0\r\n{fields}\r\n");
            let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
            let head = Head::parse(text.as_bytes(), &mut room).expect("a head");
            assert_eq!(head.persists, persists, "{fields:?}");
        }
    }

    #[test]
    fn only_content_that_is_there_is_held_back_and_only_by_a_client_that_knows_how_to_go_on() {
        for (version, fields, is_held_back) in [
            ("1.1", "Expect: 100-continue\r\nContent-Length: 3\r\n", true),
            ("1.1", "expect: 100-Continue\r\nContent-Length: 3\r\n", true),
            ("1.1", "Expect: 100-continue\r\n", false),
            ("1.1", "Expect: something\r\nContent-Length: 3\r\n", false),
            ("1.0", "Expect: 100-continue\r\nContent-Length: 3\r\n", false),
        ] {
            let text = format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
            let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
            let head = Head::parse(text.as_bytes(), &mut room).expect("a head");
            assert_eq!(head.expects_continue, is_held_back, "{version} {fields:?}");
        }
    }

    #[test]
    fn what_is_uncertain_is_refused() {
        let malformed =
            |head: &str| matches!(refusal(head.as_bytes()), Some(Refusal::Malformed(_)));
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
            "\u{1}\u{2}\r\n\r\n",
        ] {
            assert!(malformed(head), "{head:?}: {:?}", refusal(head.as_bytes()));
        }
        assert!(malformed(&"\r\n".repeat(100)), "empty lines without end");
        let refusal = |text: &str| refusal(text.as_bytes());
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refusal(chunked), Some(Refusal::LengthRequired));
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(TARGET_BYTES_MAX));
        assert_eq!(refusal(&long), Some(Refusal::TargetTooLong));
        assert_eq!(refusal(&"x".repeat(TARGET_BYTES_MAX * 2)), Some(Refusal::TargetTooLong));
        let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(refusal(&field), Some(Refusal::HeadTooLarge));
        assert_eq!(refusal(&(field + "\r\n\r\n")), Some(Refusal::HeadTooLarge));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: x\r\n".repeat(FIELDS_MAX));
        assert_eq!(refusal(&many), Some(Refusal::HeadTooLarge));
    }

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for host in ["", "a", "a:80", "a:", "[::1]:80", "127.0.0.1", "xn--t-pda.example"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a:b", "a:65536", "a b", "a@b", "[]", "[::1]x", "a,b:c", "a\u{e9}"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
