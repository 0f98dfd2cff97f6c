//! Where one HTTP/1 request ends and the next begins.
//!
//! actix's dispatcher decodes as many requests as it has bytes of, and keeps some facts (HEAD or
//! not, the version, whether to stay alive) of the one *decoded* last instead of the one being
//! answered: `GET, GET, HEAD` in one packet loses the second body (actix-http 3.20, `h1/codec.rs`).
//! It also lets some malformed heads pass. So a request is shown to it only when the one before has
//! been answered, and only when its framing is beyond doubt (RFC 9112 sections 3.2, 6 and 11.2).
//!
//! What is refused is not answered here. The dispatcher is shown a stand-in request, and whoever
//! answers it learns the [`Refusal`] from the connection: so every error is made in one place.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};

use super::connection::Refusal;

/// The longest request target, in bytes. RFC 9110 section 4.1 recommends 8000 at least.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The longest head, in bytes: request line and fields.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The most fields of one request: what actix takes, too.
pub const FIELDS_MAX: usize = 96;

/// The most bytes of empty lines before a request.
const BLANK_BYTES_MAX: usize = 16;

/// Stands for a refused request. Its content never ends, and so the dispatcher closes the
/// connection after the answer, having listened for a while to let the answer arrive (RFC 9112
/// section 9.6).
const STAND_IN: &[u8] =
    b"GET / HTTP/1.1\r\nhost: refused\r\ncontent-length: 9223372036854775807\r\n\r\n";

/// Splits a connection's bytes into requests.
#[derive(Debug, Default)]
pub struct Intake {
    /// Read from the socket and not shown yet.
    buffer: BytesMut,
    /// How much of the buffer has been searched for the end of a head.
    searched: usize,
    /// Bytes of empty lines before the head.
    blank: usize,
    state: State,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// A head, once it is whole.
    #[default]
    Head,
    /// That many bytes at the front of the buffer, then a request's content.
    Show { bytes: usize, content: Content },
    /// Content of the request that is being answered.
    Content(Content),
}

/// How much content follows a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Content {
    Sized(u64),
    /// Whatever a refused client still sends: nothing in it is a request.
    Unending,
}

/// What can be shown to the dispatcher now.
#[derive(Debug, Eq, PartialEq)]
pub enum Show {
    /// So many bytes from the front of the buffer.
    Buffered(usize),
    /// Whatever comes, straight from the socket, up to so many bytes.
    Straight(u64),
    /// Nothing before more has come.
    NeedMore,
}

impl Intake {
    /// What can be shown now. A refusal takes the place of the request that it is about.
    pub fn show(&mut self) -> (Show, Option<Refusal>) {
        let mut refusal = None;
        if self.state == State::Head {
            match self.find_head() {
                Ok(None) => return (Show::NeedMore, None),
                Ok(Some((bytes, content))) => self.state = State::Show { bytes, content },
                Err(refused) => {
                    self.refuse();
                    refusal = Some(refused);
                }
            }
        }
        let show = match self.state {
            State::Head => Show::NeedMore,
            State::Show { bytes, .. } => Show::Buffered(bytes),
            State::Content(content) => {
                let bytes = content.bytes();
                let buffered = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX).min(bytes);
                match usize::try_from(buffered).unwrap_or(usize::MAX) {
                    0 => Show::Straight(bytes),
                    buffered => Show::Buffered(buffered),
                }
            }
        };
        (show, refusal)
    }

    /// Takes the bytes that were shown from the buffer.
    pub fn take(&mut self, bytes: usize) -> BytesMut {
        let taken = self.buffer.split_to(bytes);
        self.pass(bytes);
        taken
    }

    /// Counts bytes that were shown straight from the socket.
    pub fn pass(&mut self, passed: usize) {
        self.state = match self.state {
            State::Show { bytes, content } if passed < bytes => {
                State::Show { bytes: bytes - passed, content }
            }
            State::Show { content, .. } => State::after(content),
            State::Content(Content::Sized(left)) => {
                let passed = u64::try_from(passed).unwrap_or(u64::MAX);
                State::after(Content::Sized(left.saturating_sub(passed)))
            }
            unchanged => unchanged,
        };
        self.searched = 0;
        self.blank = 0;
    }

    /// Whether what is shown next is a request's head.
    pub fn is_at_head(&self) -> bool {
        matches!(self.state, State::Show { .. })
    }

    /// Whether all of the request that was shown has been shown, so that what comes next must wait
    /// until it has been answered.
    pub fn is_between_requests(&self) -> bool {
        self.state == State::Head
    }

    /// Where further bytes go.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether the buffer holds as much as one may send ahead.
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= HEAD_BYTES_MAX
    }

    /// Gives memory back when nothing is buffered: most connections are idle or taking bytes.
    pub fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Puts the stand-in in the place of what is buffered.
    pub fn refuse(&mut self) {
        self.buffer = BytesMut::from(STAND_IN);
        self.state = State::Show { bytes: STAND_IN.len(), content: Content::Unending };
    }

    fn find_head(&mut self) -> Result<Option<(usize, Content)>, Refusal> {
        self.skip_blank_lines()?;
        if let Some(end) = head_end(&self.buffer, self.searched) {
            return examine(&self.buffer[..end]).map(Some);
        }
        // The last three bytes may be the beginning of an end.
        self.searched = self.buffer.len().saturating_sub(3).max(self.searched);
        let line_is_whole = || self.buffer.iter().take(TARGET_BYTES_MAX + 64).any(|b| *b == b'\n');
        if self.buffer.len() > TARGET_BYTES_MAX + 64 && !line_is_whole() {
            return Err(Refusal::TargetTooLong);
        }
        if self.is_full() { Err(Refusal::HeadTooLarge) } else { Ok(None) }
    }

    /// Empty lines before a request are borne (RFC 9112 section 2.2), but not without end.
    fn skip_blank_lines(&mut self) -> Result<(), Refusal> {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.blank += blank;
        if blank > 0 {
            self.buffer.advance(blank);
            self.searched = 0;
        }
        if self.blank > BLANK_BYTES_MAX {
            return Err(Refusal::Malformed("empty lines instead of a request"));
        }
        Ok(())
    }
}

impl State {
    fn after(content: Content) -> Self {
        match content {
            Content::Sized(0) => Self::Head,
            content => Self::Content(content),
        }
    }
}

impl Content {
    fn bytes(self) -> u64 {
        match self {
            Self::Sized(bytes) => bytes,
            Self::Unending => u64::MAX,
        }
    }
}

/// Where an empty line ends at or after `from`: right behind `\n\r\n` or `\n\n`.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(2);
    let lines = bytes[start..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    lines
        .filter_map(|(at, _)| match &bytes[start + at + 1..] {
            [b'\n', ..] => Some(start + at + 2),
            [b'\r', b'\n', ..] => Some(start + at + 3),
            _ => None,
        })
        .find(|&end| end > from)
}

/// The length of the head that `bytes` are, and what follows it.
fn examine(bytes: &[u8]) -> Result<(usize, Content), Refusal> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Ok(httparse::Status::Partial) | Err(_) => {
            return Err(Refusal::Malformed("this is not an HTTP/1.1 request"));
        }
    };
    let target = request.path.unwrap_or_default();
    if target.len() > TARGET_BYTES_MAX {
        return Err(Refusal::TargetTooLong);
    }
    if request.method == Some("CONNECT") {
        return Err(Refusal::Malformed("CONNECT is for proxies"));
    }
    if !is_plain(target) && actix_web::http::Uri::try_from(target).is_err() {
        return Err(Refusal::Malformed("the request target is not a URI"));
    }
    let content = framing(request.headers, request.version == Some(1))?;
    Ok((length, content))
}

/// Whether a target is made of characters that no parser stumbles over.
fn is_plain(target: &str) -> bool {
    target.starts_with('/')
        && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"/%._~!$&'()*+,;=:@?-".contains(&b))
}

/// What follows a head with these fields, and whether they may stand together.
fn framing(fields: &[httparse::Header<'_>], is_1_1: bool) -> Result<Content, Refusal> {
    use Refusal::Malformed;
    let (mut host, mut length, mut chunked) = (None, None, false);
    for field in fields {
        if field.name.eq_ignore_ascii_case("host") {
            if host.replace(field.value).is_some() {
                return Err(Malformed("more than one Host field"));
            }
        } else if field.name.eq_ignore_ascii_case("content-length") {
            let digits = field.value.trim_ascii();
            let value = std::str::from_utf8(digits).ok().filter(|_| is_number(digits));
            let value = value.and_then(|digits| digits.parse::<u64>().ok());
            let value = value.ok_or(Malformed("Content-Length is not a number"))?;
            if length.replace(value).is_some() {
                return Err(Malformed("more than one Content-Length field"));
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            let is_chunked = field.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
            if std::mem::replace(&mut chunked, true) || !is_chunked || !is_1_1 {
                return Err(Malformed("this Transfer-Encoding is not understood"));
            }
        }
    }
    match host {
        Some(host) if !is_host(host) => return Err(Malformed("Host is not a host and port")),
        None if is_1_1 => return Err(Malformed("the Host field is missing")),
        _ => {}
    }
    match (length, chunked) {
        (Some(_), true) => Err(Malformed("Content-Length together with Transfer-Encoding")),
        // No route here reads content, so that nothing is lost by asking for its length; where
        // chunks end would have to be watched over (RFC 9112 section 6.3 allows this).
        (None, true) => Err(Refusal::LengthRequired),
        (length, false) => Ok(Content::Sized(length.unwrap_or(0))),
    }
}

fn is_number(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit)
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
        [b':', digits @ ..] => {
            is_number(digits)
                && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
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

    fn intake(bytes: &[u8]) -> Intake {
        let mut intake = Intake::default();
        intake.buffer().extend_from_slice(bytes);
        intake
    }

    #[test]
    fn requests_are_shown_one_by_one_with_their_content() {
        let one = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n";
        let two = b"GET /b HTTP/1.1\nHost: h\n\n";
        let mut intake = intake(&[&one[..], b"abc\r\n", &two[..]].concat());
        assert_eq!(intake.show(), (Show::Buffered(one.len()), None));
        assert_eq!(intake.take(one.len()), &one[..]);
        assert!(!intake.is_between_requests());
        assert_eq!(intake.show(), (Show::Buffered(3), None));
        assert_eq!(intake.take(3), "abc");
        assert!(intake.is_between_requests());
        assert_eq!(intake.show(), (Show::Buffered(two.len()), None));
        assert_eq!(intake.take(two.len()), &two[..]);
        assert_eq!(intake.show(), (Show::NeedMore, None));
    }

    #[test]
    fn a_head_may_come_byte_by_byte() {
        let head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        let mut intake = Intake::default();
        for (at, byte) in b"\r\n\r\n".iter().chain(head).enumerate() {
            assert_eq!(intake.show(), (Show::NeedMore, None), "before byte {at}");
            intake.buffer().extend_from_slice(&[*byte]);
        }
        assert_eq!(intake.show(), (Show::Buffered(head.len()), None));
    }

    #[test]
    fn what_is_uncertain_is_refused() {
        let refusal = |head: &str| intake(head.as_bytes()).show().1;
        let malformed = |head: &str| matches!(refusal(head), Some(Refusal::Malformed(_)));
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
            assert!(malformed(head), "{head:?}: {:?}", refusal(head));
        }
        assert!(malformed(&"\r\n".repeat(100)), "empty lines without end");
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refusal(chunked), Some(Refusal::LengthRequired));
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(TARGET_BYTES_MAX));
        assert_eq!(refusal(&long), Some(Refusal::TargetTooLong));
        assert_eq!(refusal(&"x".repeat(TARGET_BYTES_MAX * 2)), Some(Refusal::TargetTooLong));
        let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(refusal(&field), Some(Refusal::HeadTooLarge));
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
