//! Are the bytes right? A figure for wrong bytes is worth nothing.
//!
//! A small HTTP/1.1 client asks for ranges one after the other on one connection and compares
//! every body with the file, byte for byte. It is strict on purpose: what it does not expect
//! from a file server (chunks, a 200 for a range) is an error.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::dataset::Dataset;
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

/// Asks for every range of the list and compares the bytes.
pub fn ranges(address: SocketAddr, dataset: &Dataset, list: &[Asked]) -> Result<HeadLength> {
    let mut client = Client::connect(address)?;
    let mut heads = HeadLength { min: u64::MAX, max: 0 };
    for asked in list {
        let file = Dataset::clip(asked.clip);
        let head = client
            .compare(asked, dataset)
            .with_context(|| format!("{} of {file}", asked.range()))?;
        heads.min = heads.min.min(head);
        heads.max = heads.max.max(head);
    }
    Ok(heads)
}

/// Whether the server answers for its first file yet.
pub fn is_ready(address: SocketAddr) -> bool {
    let first = Asked { clip: 0, offset: 0, length: 1 };
    let answer = Client::connect(address).and_then(|mut client| client.get(&first));
    answer.is_ok_and(|(head, _)| head.status == 206)
}

struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Client {
    fn connect(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { stream: BufReader::new(stream), host })
    }

    /// Gets a range, compares it with the file, and returns the length of the head.
    fn compare(&mut self, asked: &Asked, dataset: &Dataset) -> Result<u64> {
        let (head, body) = self.get(asked)?;
        ensure!(head.status == 206, "answered with status {}", head.status);
        let expected = asked.content_range(dataset.shape.file_length);
        let range = head.field("content-range");
        ensure!(range == Some(&expected), "Content-Range is {range:?}, not {expected}");
        let file = dataset.expect(asked.clip, asked.offset, asked.length)?;
        ensure!(body.len() == file.len(), "body has {} bytes", body.len());
        if let Some(at) = body.iter().zip(&file).position(|(got, is)| got != is) {
            bail!("the body differs from the file at byte {at}");
        }
        Ok(head.text.len() as u64)
    }

    fn get(&mut self, asked: &Asked) -> Result<(Head, Vec<u8>)> {
        let request = format!(
            "GET /media/{} HTTP/1.1\r\nHost: {}\r\nRange: {}\r\n\r\n",
            Dataset::clip(asked.clip),
            self.host,
            asked.range()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let head = self.read_head()?;
        let length: u64 = head
            .field("content-length")
            .and_then(|value| value.parse().ok())
            .context("no Content-Length")?;
        // A server that ignores the range must not make this read a whole library.
        ensure!(length <= asked.length.max(HEAD_LIMIT), "Content-Length is {length}");
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
    use crate::dataset::{Scratch, Shape};

    /// A server that answers one request of four bytes with what `answer` makes of them.
    fn answer_once(answer: impl FnOnce(&[u8]) -> Vec<u8> + Send) -> Result<HeadLength> {
        let scratch = Scratch::create(&std::env::temp_dir())?;
        let shape = Shape { files: 1, file_length: 10, ..Shape::default() };
        let dataset = Dataset::create(scratch.path().join("media"), shape, 1)?;
        let file = dataset.expect(0, 4, 4)?;
        let asked = Asked { clip: 0, offset: 4, length: 4 };
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        thread::scope(|scope| {
            scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(&answer(&file)).unwrap();
            });
            ranges(address, &dataset, &[asked])
        })
    }

    fn head(range: &str) -> Vec<u8> {
        format!("HTTP/1.1 206 OK\r\ncontent-range: {range}\r\ncontent-length: 4\r\n\r\n").into()
    }

    #[test]
    fn right_bytes_pass_and_their_heads_are_measured() {
        let head = head("bytes 4-7/10");
        let length = head.len() as u64;
        let heads = answer_once(|file| [&head, file].concat()).unwrap();
        assert_eq!((heads.min, heads.max), (length, length));
    }

    #[test]
    fn one_wrong_byte_a_wrong_range_and_a_short_body_are_errors() {
        let flipped = answer_once(|file| {
            let mut answer = [&head("bytes 4-7/10"), file].concat();
            *answer.last_mut().unwrap() ^= 1;
            answer
        });
        let error = format!("{:#}", flipped.unwrap_err());
        assert!(error.ends_with("differs from the file at byte 3"), "{error}");

        let moved = answer_once(|file| [&head("bytes 0-3/10"), file].concat());
        assert!(moved.is_err());
        let short = answer_once(|file| [&head("bytes 4-7/10"), &file[1..]].concat());
        assert!(short.is_err());
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
