//! Verifies that servers send the right bytes: a figure for wrong bytes is worthless.
//!
//! A small HTTP/1.1 client sends requests one after the other on one connection and compares every
//! body with the file, byte for byte. It is strict on purpose: what it does not expect from a file
//! server (chunks, a 200 for a range) is an error.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::requests::Request;

/// Longest wait for the next bytes of a response.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Longest head, in bytes.
const HEAD_LIMIT: usize = 16 << 10;

/// Most fields of a head.
const FIELDS: usize = 64;

/// Sends every request of the list and compares the bytes with the files below `root`, which have
/// the same paths as in URLs.
pub fn responses(address: SocketAddr, root: &Path, list: &[Request]) -> Result<()> {
    let mut client = Client::connect(address)?;
    list.iter().try_for_each(|request| {
        client.compare(request, root).with_context(|| {
            format!("{} of {}", request.range().as_deref().unwrap_or("all"), request.path)
        })
    })
}

/// Whether the server already serves this path.
pub fn is_ready(address: SocketAddr, path: &str) -> bool {
    let first = Request { path: path.to_owned(), offset: Some(0), length: 1 };
    let response = Client::connect(address).and_then(|mut client| client.get(&first, 1));
    response.is_ok_and(|(head, _)| head.status == 206)
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    host: SocketAddr,
}

impl Client {
    pub fn connect(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Client { stream, host })
    }

    /// Compares a response with its file.
    fn compare(&mut self, request: &Request, root: &Path) -> Result<()> {
        let (head, body) = self.get(request, request.length)?;
        head.check(request)?;
        let path = root.join(request.path.trim_start_matches('/'));
        let expected = request.content_range(fs::metadata(&path)?.len());
        let range = head.content_range;
        ensure!(range == expected, "Content-Range is {range:?}, not {expected:?}");
        let mut file = vec![0; usize::try_from(request.length)?];
        File::open(&path)?.read_exact_at(&mut file, request.offset.unwrap_or(0))?;
        if let Some(at) = body.iter().zip(&file).position(|(sent, expected)| sent != expected) {
            bail!("the body differs from the file at byte {at}");
        }
        Ok(())
    }

    /// The body at a path, of at most `limit` bytes.
    pub fn whole(&mut self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let request = Request::whole(path);
        let (head, body) = self.get(&request, limit).with_context(|| path.to_owned())?;
        ensure!(head.status == 200, "{path}: status {}", head.status);
        Ok(body)
    }

    /// Posts JSON, and returns the response's body; a status other than 2xx is an error.
    pub fn post(&mut self, path: &str, json: &str) -> Result<Vec<u8>> {
        let (host, length) = (self.host, json.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{json}"
        );
        self.stream.write_all(request.as_bytes())?;
        let (head, body) = self.receive(HEAD_LIMIT as u64)?;
        let text = String::from_utf8_lossy(&body);
        ensure!((200..300).contains(&head.status), "{path}: status {}: {text}", head.status);
        Ok(body)
    }

    fn get(&mut self, request: &Request, limit: u64) -> Result<(Head, Vec<u8>)> {
        self.stream.write_all(&request.text(self.host))?;
        self.receive(limit)
    }

    /// Receives a response whose body has at most `limit` bytes.
    fn receive(&mut self, limit: u64) -> Result<(Head, Vec<u8>)> {
        let mut received = Vec::new();
        let head = loop {
            let mut part = [0; HEAD_LIMIT];
            let read = self.stream.read(&mut part)?;
            ensure!(read > 0, "the connection ended in a head");
            received.extend_from_slice(&part[..read]);
            if let Some(head) = Head::parse(&received)? {
                break head;
            }
            ensure!(received.len() < HEAD_LIMIT, "a head of more than {HEAD_LIMIT} bytes");
        };
        // A server that ignores the range must not make this read a whole library.
        let length = head.content_length;
        ensure!(length <= limit.max(HEAD_LIMIT as u64), "Content-Length is {length}");
        let mut body = received.split_off(head.length);
        let begun = body.len();
        body.resize(usize::try_from(length)?.max(begun), 0);
        ensure!(body.len() as u64 == length, "more bytes than Content-Length");
        self.stream.read_exact(&mut body[begun..]).context("the connection ended in a body")?;
        Ok((head, body))
    }
}

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    /// Its own length, in bytes.
    pub length: usize,
    content_length: u64,
    content_range: Option<String>,
}

impl Head {
    /// Parses the head that `text` begins with; `None` if it is incomplete.
    pub fn parse(text: &[u8]) -> Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(text);
        let httparse::Status::Complete(length) = parsed.context("no head of HTTP/1.1")? else {
            return Ok(None);
        };
        ensure!(response.version == Some(1), "not HTTP/1.1");
        let field = |name: &str| {
            let field = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            field.and_then(|field| std::str::from_utf8(field.value).ok()).map(str::to_owned)
        };
        let content_length = field("content-length").and_then(|value| value.parse().ok());
        Ok(Some(Head {
            status: response.code.context("no status")?,
            length,
            content_length: content_length.context("no Content-Length")?,
            content_range: field("content-range"),
        }))
    }

    /// Fails unless status and Content-Length are those of the only right response.
    pub fn check(&self, request: &Request) -> Result<()> {
        let (status, length) = (request.status(), request.length);
        ensure!(self.status == status, "status {}, not {status}", self.status);
        let is = self.content_length;
        ensure!(is == length, "Content-Length is {is}, not {length}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const FILE: &[u8; 10] = b"0123456789";

    /// Has a server send `response` to one `request`.
    fn respond_once(request: Request, response: Vec<u8>) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        fs::write(scratch.path().join("file"), FILE)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(&response).unwrap();
            });
            responses(address, scratch.path(), &[request])
        })
    }

    /// A response for bytes 4 to 7.
    fn respond_range(head: &[u8], body: &[u8]) -> Result<()> {
        let request = Request { path: "/file".to_owned(), offset: Some(4), length: 4 };
        respond_once(request, [head, body].concat())
    }

    fn head(range: &str) -> Vec<u8> {
        format!("HTTP/1.1 206 OK\r\ncontent-range: {range}\r\ncontent-length: 4\r\n\r\n").into()
    }

    #[test]
    fn right_bytes_pass() {
        respond_range(&head("bytes 4-7/10"), b"4567").unwrap();
    }

    #[test]
    fn one_wrong_byte_a_wrong_range_and_a_short_body_are_errors() {
        let flipped = respond_range(&head("bytes 4-7/10"), b"4568");
        let error = format!("{:#}", flipped.unwrap_err());
        assert!(error.ends_with("differs from the file at byte 3"), "{error}");

        assert!(respond_range(&head("bytes 0-3/10"), b"4567").is_err());
        assert!(respond_range(&head("bytes 4-7/10"), b"456").is_err());
        assert!(respond_range(&head("bytes 4-7/10"), b"45678").is_err());
    }

    #[test]
    fn a_request_for_the_whole_expects_200_without_a_range() {
        let request = || Request { path: "/file".to_owned(), offset: None, length: 10 };
        let respond = |status: &str, body: &[u8]| {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
            respond_once(request(), [head.as_bytes(), body].concat())
        };
        assert!(respond("200 OK", FILE).is_ok());
        assert!(respond("206 OK", FILE).is_err());
        assert!(respond("200 OK", &FILE[1..]).is_err());
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let text = b"HTTP/1.1 206 Partial Content\r\nContent-length:  17\r\n\r\nbody";
        let head = Head::parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.content_length, head.length), (206, 17, text.len() - 4));
        assert_eq!(head.content_range, None);
        assert_eq!(Head::parse(&text[..40]).unwrap(), None);
    }

    #[test]
    fn another_protocol_is_refused() {
        assert!(Head::parse(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 2\r\n\r\n").is_err());
    }
}
