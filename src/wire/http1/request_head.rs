//! Parses the head of a request, and refuses ambiguous framing.
//!
//! Only unambiguous requests are served (RFC 9112 sections 3.2, 6 and 11.2): if two parties see different
//! ends of the same request, a client can smuggle another one past the first. All others are refused, and
//! the connection closes.

use std::{mem::MaybeUninit, net::SocketAddr, ops::Range};

use actix_http::{Message, Request, Uri};
use actix_web::http::{
    Method, Version,
    header::{HeaderName, HeaderValue},
};

use super::request_target::{RequestTarget, is_host};
use crate::wire::{
    fields::{Fields, RequestFields},
    refusal::Refusal,
};

/// The longest request target, in bytes. RFC 9110 section 4.1 recommends 8000 at least.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The longest head, in bytes: request line and fields.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The most fields of one request.
pub const FIELDS_MAX: usize = 96;

/// The most empty lines before a request, in bytes.
const BLANK_BYTES_MAX: usize = 16;

/// Memory for the fields of a head.
pub(super) type FieldMemory<'a> = [MaybeUninit<httparse::Header<'a>>; FIELDS_MAX];

/// A parsed request head, borrowed from the received bytes.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// The path and the query of the target, not decoded; `*` in the asterisk form.
    pub target: &'a str,
    /// The target as the client sent it: a path, or in the absolute form a URL.
    pub sent_target: &'a str,
    /// Host and port of a target in the absolute form.
    authority: Option<&'a str>,
    /// Whether the version is HTTP/1.1; otherwise 1.0.
    pub is_1_1: bool,
    fields: &'a [httparse::Header<'a>],
    /// The length of the content.
    pub content_bytes: u64,
    /// Whether the client waits for `100 Continue` before it sends the content (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// Whether the client keeps the connection open.
    pub keeps_alive: bool,
    /// Whether the client requests another protocol (`Upgrade`).
    pub upgrades: bool,
}

impl<'a> RequestHead<'a> {
    /// Parses a head, or refuses it.
    pub(super) fn parse(bytes: &'a [u8], memory: &'a mut FieldMemory<'a>) -> Result<Self, Refusal> {
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, memory) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
            Ok(httparse::Status::Partial) | Err(_) => {
                return Err(Refusal::Malformed("not an HTTP/1.1 request"));
            }
        }
        let (method, sent_target) =
            (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        if sent_target.len() > TARGET_BYTES_MAX {
            return Err(Refusal::TargetTooLong);
        }
        if method == "CONNECT" {
            return Err(Refusal::Malformed("CONNECT is not supported: this is not a proxy"));
        }
        let target = RequestTarget::parse(sent_target)?;
        let is_1_1 = request.version == Some(1);
        let framing = Framing::from_fields(request.headers, is_1_1)?;
        Ok(Self {
            method,
            target: target.path_and_query,
            sent_target,
            authority: target.authority,
            is_1_1,
            fields: request.headers,
            content_bytes: framing.content_bytes,
            expects_continue: framing.expects_continue,
            keeps_alive: framing.keeps_alive,
            upgrades: framing.upgrades,
        })
    }

    /// The same head as actix's type.
    pub(super) fn to_request(&self, peer: SocketAddr) -> Result<Request, Refusal> {
        const MALFORMED: Refusal = Refusal::Malformed("not an HTTP/1.1 request");
        let mut head = Message::<actix_http::RequestHead>::new();
        head.peer_addr = Some(peer);
        head.method = Method::from_bytes(self.method.as_bytes()).map_err(|_| MALFORMED)?;
        head.uri = Uri::try_from(self.sent_target).map_err(|_| MALFORMED)?;
        head.version = self.version();
        for field in self.fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| MALFORMED)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| MALFORMED)?;
            head.headers.append(name, value);
        }
        Ok(Request::from(head))
    }
}

impl Fields for RequestHead<'_> {
    fn lines(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        let has_name =
            move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name.as_str());
        self.fields.iter().filter(has_name).map(|field| field.value)
    }
}

impl RequestFields for RequestHead<'_> {
    fn method(&self) -> &str {
        self.method
    }

    fn target(&self) -> &str {
        self.target
    }

    fn authority(&self) -> Option<&str> {
        self.authority
    }

    fn version(&self) -> Version {
        if self.is_1_1 { Version::HTTP_11 } else { Version::HTTP_10 }
    }
}

/// Finds the first head in these bytes, without the empty lines before it; `None` if it is incomplete. The
/// first `searched` bytes do not contain its end.
pub(super) fn find_head(bytes: &[u8], searched: usize) -> Result<Option<Range<usize>>, Refusal> {
    // Empty lines before a request are ignored (RFC 9112 section 2.2), up to a limit.
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > BLANK_BYTES_MAX {
        return Err(Refusal::Malformed("too many empty lines before the request"));
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

/// The length of a head, with the empty line that ends it (`\n\r\n` or `\n\n`).
fn head_length(bytes: &[u8], searched: usize) -> Option<usize> {
    // That line may begin in the last three searched bytes.
    let start = searched.saturating_sub(3);
    memchr::memchr_iter(b'\n', &bytes[start..]).find_map(|at| match &bytes[start + at + 1..] {
        [b'\n', ..] => Some(start + at + 2),
        [b'\r', b'\n', ..] => Some(start + at + 3),
        _ => None,
    })
}

/// The framing of a request, and the state of the connection after it.
#[derive(Debug)]
struct Framing {
    content_bytes: u64,
    expects_continue: bool,
    keeps_alive: bool,
    upgrades: bool,
}

impl Framing {
    /// Reads the fields, and refuses contradictions.
    fn from_fields(fields: &[httparse::Header<'_>], is_1_1: bool) -> Result<Self, Refusal> {
        use Refusal::Malformed;
        let (mut host, mut length, mut chunked) = (None, None, false);
        let (mut keep_alive, mut close, mut upgrades) = (false, false, false);
        let mut expects_continue = false;
        for field in fields {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // The length first: it excludes most fields.
            match field.name.len() {
                4 if is("host") => {
                    let earlier = host.replace(field.value);
                    if earlier.is_some() {
                        return Err(Malformed("more than one Host field"));
                    }
                }
                6 if is("expect") => {
                    // HTTP/1.0 has no `100 Continue`.
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
                    let value = parse_number(field.value.trim_ascii())
                        .ok_or(Malformed("Content-Length is not a number"))?;
                    if length.replace(value).is_some() {
                        return Err(Malformed("more than one Content-Length field"));
                    }
                }
                17 if is("transfer-encoding") => {
                    let is_chunked = field.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                    if std::mem::replace(&mut chunked, true) || !is_chunked || !is_1_1 {
                        return Err(Malformed("Transfer-Encoding is not supported"));
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
            // Every client of a route that reads content knows its length, so the server can require it,
            // and need not decode chunks (RFC 9112 section 6.3 allows this).
            (None, true) => return Err(Refusal::LengthRequired),
            (length, false) => length.unwrap_or(0),
        };
        Ok(Self {
            content_bytes,
            expects_continue: expects_continue && content_bytes > 0,
            keeps_alive: !close && (is_1_1 || keep_alive),
            upgrades: upgrades && !close,
        })
    }
}

fn parse_number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The refusal of the first request in these bytes.
    fn refusal(bytes: &[u8]) -> Option<Refusal> {
        match find_head(bytes, 0) {
            Err(refusal) => Some(refusal),
            Ok(None) => None,
            Ok(Some(head)) => {
                let mut memory = [const { MaybeUninit::uninit() }; FIELDS_MAX];
                RequestHead::parse(&bytes[head], &mut memory).err()
            }
        }
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
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
    fn a_head_may_arrive_byte_by_byte() {
        let head = b"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(find_head(&head[..end], end.saturating_sub(1)), Ok(None), "{end} bytes");
        }
        assert_eq!(find_head(head, head.len() - 1), Ok(Some(4..head.len())));
    }

    #[test]
    fn content_length_and_connection_options_are_parsed() {
        for (fields, content_bytes, keeps_alive, upgrades) in [
            ("", 0, true, false),
            ("Content-Length: 3\r\n", 3, true, false),
            ("Connection: close\r\n", 0, false, false),
            ("Connection: Upgrade, HTTP2-Settings\r\n", 0, true, true),
            ("Connection: upgrade\r\nConnection: close\r\n", 0, false, false),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            let mut memory = [const { MaybeUninit::uninit() }; FIELDS_MAX];
            let head = RequestHead::parse(text.as_bytes(), &mut memory).expect("a head");
            let found = (head.content_bytes, head.keeps_alive, head.upgrades);
            assert_eq!(found, (content_bytes, keeps_alive, upgrades), "{fields:?}");
        }
        for (fields, keeps_alive) in [("", false), ("Connection: x, Keep-Alive\r\n", true)] {
            let text = format!("GET / HTTP/1.0\r\n{fields}\r\n");
            let mut memory = [const { MaybeUninit::uninit() }; FIELDS_MAX];
            let head = RequestHead::parse(text.as_bytes(), &mut memory).expect("a head");
            assert_eq!(head.keeps_alive, keeps_alive, "{fields:?}");
        }
    }

    #[test]
    fn only_http_1_1_requests_with_content_expect_100_continue() {
        for (version, fields, expects_continue) in [
            ("1.1", "Expect: 100-continue\r\nContent-Length: 3\r\n", true),
            ("1.1", "expect: 100-Continue\r\nContent-Length: 3\r\n", true),
            ("1.1", "Expect: 100-continue\r\n", false),
            ("1.1", "Expect: something\r\nContent-Length: 3\r\n", false),
            ("1.0", "Expect: 100-continue\r\nContent-Length: 3\r\n", false),
        ] {
            let text = format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
            let mut memory = [const { MaybeUninit::uninit() }; FIELDS_MAX];
            let head = RequestHead::parse(text.as_bytes(), &mut memory).expect("a head");
            assert_eq!(head.expects_continue, expects_continue, "{version} {fields:?}");
        }
    }

    #[test]
    fn ambiguous_requests_are_refused() {
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
}
