//! Are the bytes right? A figure for wrong bytes is worth nothing.
//!
//! A small HTTP/1.1 client makes requests one after the other on one connection and compares
//! every body with the file, byte for byte. It is strict on purpose: what it does not expect
//! from a file server (chunks, a 200 for a range) is an error.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::requests::Asked;

/// Longest wait for the next bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest head that is read, in bytes.
const HEAD_LIMIT: u64 = 16 << 10;

/// Length of the heads that a server puts before its bodies, in bytes. The load generator
/// counts heads and bodies together, and this tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLength {
    pub min: u64,
    pub max: u64,
}

/// Makes every request of the list and compares the bytes with the files below `root`, which have
/// the same paths as in URLs.
pub fn answers(address: SocketAddr, root: &Path, list: &[Asked]) -> Result<HeadLength> {
    let mut client = Client::connect(address)?;
    let mut heads = HeadLength { min: u64::MAX, max: 0 };
    for asked in list {
        let head = client.compare(asked, root).with_context(|| {
            format!("{} of {}", asked.range().as_deref().unwrap_or("all"), asked.path)
        })?;
        heads.min = heads.min.min(head);
        heads.max = heads.max.max(head);
    }
    Ok(heads)
}

/// Whether the server answers for this path yet.
pub fn is_ready(address: SocketAddr, path: &str) -> bool {
    let first = Asked { path: path.to_owned(), offset: Some(0), length: 1 };
    let answer = Client::connect(address).and_then(|mut client| client.get(&first));
    answer.is_ok_and(|(head, _)| head.status == 206)
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Client {
    pub fn connect(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream), host })
    }

    /// Gets something, compares it with its file, and returns the length of the head.
    fn compare(&mut self, asked: &Asked, root: &Path) -> Result<u64> {
        let (head, body) = self.get(asked)?;
        ensure!(head.status == asked.status(), "answered with status {}", head.status);
        let path = root.join(asked.path.trim_start_matches('/'));
        let expected = asked.content_range(fs::metadata(&path)?.len());
        let range = head.field("content-range");
        ensure!(range == expected.as_deref(), "Content-Range is {range:?}, not {expected:?}");
        let mut file = vec![0; usize::try_from(asked.length)?];
        File::open(&path)?.read_exact_at(&mut file, asked.offset.unwrap_or(0))?;
        ensure!(body.len() == file.len(), "body has {} bytes", body.len());
        if let Some(at) = body.iter().zip(&file).position(|(got, is)| got != is) {
            bail!("the body differs from the file at byte {at}");
        }
        Ok(head.text.len() as u64)
    }

    /// Makes requests, and tells how long the heads of their answers are; bodies are only counted.
    pub fn heads(&mut self, list: &[Asked]) -> Result<HeadLength> {
        let mut heads = HeadLength { min: u64::MAX, max: 0 };
        for asked in list {
            let (head, body) = self.get(asked)?;
            ensure!(head.status == asked.status(), "answered with status {}", head.status);
            ensure!(body.len() as u64 == asked.length, "body has {} bytes", body.len());
            heads.min = heads.min.min(head.text.len() as u64);
            heads.max = heads.max.max(head.text.len() as u64);
        }
        Ok(heads)
    }

    /// The body of the whole answer for a path, which may have `limit` bytes at most.
    pub fn whole(&mut self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let asked = Asked { path: path.to_owned(), offset: None, length: limit };
        let (head, body) = self.get(&asked).with_context(|| path.to_owned())?;
        ensure!(head.status == 200, "{path} was answered with status {}", head.status);
        Ok(body)
    }

    /// Posts JSON, and returns the body of the answer, whose status must be that of a success.
    pub fn post(&mut self, path: &str, json: &str) -> Result<Vec<u8>> {
        let (host, length) = (self.host, json.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{json}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (head, body) = self.read(HEAD_LIMIT)?;
        let said = String::from_utf8_lossy(&body);
        ensure!((200..300).contains(&head.status), "{path}: status {}: {said}", head.status);
        Ok(body)
    }

    /// Asks, and returns once the first byte of an answer has come.
    pub fn first_byte(mut self, path: &str) -> Result<()> {
        self.ask(&Asked { path: path.to_owned(), offset: None, length: 0 })?;
        let begun = self.stream.fill_buf()?;
        ensure!(begun.starts_with(b"HTTP/1.1 200 "), "{path} was not answered with 200");
        Ok(())
    }

    fn ask(&mut self, asked: &Asked) -> Result<()> {
        let (path, host) = (&asked.path, self.host);
        let range = asked.range().map(|range| format!("Range: {range}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{range}\r\n");
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    fn get(&mut self, asked: &Asked) -> Result<(Head, Vec<u8>)> {
        self.ask(asked)?;
        self.read(asked.length)
    }

    /// Reads an answer whose body may have `limit` bytes.
    fn read(&mut self, limit: u64) -> Result<(Head, Vec<u8>)> {
        let head = self.read_head()?;
        let length: u64 = head
            .field("content-length")
            .and_then(|value| value.parse().ok())
            .context("no Content-Length")?;
        // A server that ignores the range must not make this read a whole library.
        ensure!(length <= limit.max(HEAD_LIMIT), "Content-Length is {length}");
        let mut body = vec![0; usize::try_from(length)?];
        self.stream.read_exact(&mut body)?;
        Ok((head, body))
    }

    fn read_head(&mut self) -> Result<Head> {
        let mut input = self.stream.by_ref().take(HEAD_LIMIT);
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            let read = input.read_line(&mut text)?;
            ensure!(read > 0, "the connection ended in a head: {text:?}");
        }
        Head::parse(text)
    }
}

/// The head of an answer.
#[derive(Debug)]
struct Head {
    status: u16,
    text: String,
}

impl Head {
    fn parse(text: String) -> Result<Self> {
        let status = text
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .with_context(|| format!("not an answer in HTTP/1.1: {text:?}"))?;
        Ok(Head { status, text })
    }

    /// The value of a field; `name` in any case.
    fn field(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::dataset::Scratch;

    const FILE: &[u8; 10] = b"0123456789";

    /// A server that answers one request for `asked` with `answer`.
    fn answer_once(asked: Asked, answer: Vec<u8>) -> Result<HeadLength> {
        let scratch = Scratch::create(&std::env::temp_dir())?;
        fs::write(scratch.path().join("file"), FILE)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(&answer).unwrap();
            });
            answers(address, scratch.path(), &[asked])
        })
    }

    /// An answer for bytes 4 to 7.
    fn answer_range(head: &[u8], body: &[u8]) -> Result<HeadLength> {
        let asked = Asked { path: "/file".to_owned(), offset: Some(4), length: 4 };
        answer_once(asked, [head, body].concat())
    }

    fn head(range: &str) -> Vec<u8> {
        format!("HTTP/1.1 206 OK\r\ncontent-range: {range}\r\ncontent-length: 4\r\n\r\n").into()
    }

    #[test]
    fn right_bytes_pass_and_their_heads_are_measured() {
        let head = head("bytes 4-7/10");
        let length = head.len() as u64;
        let heads = answer_range(&head, b"4567").unwrap();
        assert_eq!((heads.min, heads.max), (length, length));
    }

    #[test]
    fn one_wrong_byte_a_wrong_range_and_a_short_body_are_errors() {
        let flipped = answer_range(&head("bytes 4-7/10"), b"4568");
        let error = format!("{:#}", flipped.unwrap_err());
        assert!(error.ends_with("differs from the file at byte 3"), "{error}");

        assert!(answer_range(&head("bytes 0-3/10"), b"4567").is_err());
        assert!(answer_range(&head("bytes 4-7/10"), b"456").is_err());
    }

    #[test]
    fn what_is_asked_for_whole_must_be_a_200_without_a_range() {
        let asked = || Asked { path: "/file".to_owned(), offset: None, length: 10 };
        let answer = |status: &str, body: &[u8]| {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
            answer_once(asked(), [head.as_bytes(), body].concat())
        };
        assert!(answer("200 OK", FILE).is_ok());
        assert!(answer("206 OK", FILE).is_err());
        assert!(answer("200 OK", &FILE[1..]).is_err());
    }

    #[test]
    fn fields_are_found_in_any_case() {
        let head = "HTTP/1.1 206 Partial Content\r\nContent-length:  17\r\n\r\n";
        let head = Head::parse(head.to_owned()).unwrap();
        assert_eq!(head.status, 206);
        assert_eq!(head.field("content-Length"), Some("17"));
        assert_eq!(head.field("content-range"), None);
    }

    #[test]
    fn another_protocol_is_refused() {
        assert!(Head::parse("HTTP/1.0 200 OK\r\n\r\n".to_owned()).is_err());
        assert!(Head::parse("HTTP/1.1 2\r\n\r\n".to_owned()).is_err());
    }
}
