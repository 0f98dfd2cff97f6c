//! The client side of HTTP/1.1: as much as a GET needs.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head of a response, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// Most fields of a response.
const FIELDS_MAX: usize = 64;

/// A response whose body is still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub status: u16,
    /// Whether the connection ends with this response.
    pub closes: bool,
    /// Length of the body, if it is known in advance.
    length: Option<u64>,
    /// Bytes of the body that came with the head.
    received: u64,
}

/// Sends a GET, with further fields, each with its line end.
pub async fn send_get(stream: &mut TcpStream, path: &str, fields: &str) -> io::Result<()> {
    let host = stream.peer_addr()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).await
}

/// Receives the head of a response, and perhaps the beginning of its body.
pub async fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    let mut received = Vec::with_capacity(HEAD_MAX);
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(head) = parse(&received)? {
            return Ok(head);
        }
        if received.len() > HEAD_MAX {
            return Err(invalid("the head of a response is too long"));
        }
    }
}

/// Receives the rest of a response and forgets it; fails if the response is incomplete.
pub async fn discard_body(stream: &mut TcpStream, head: &Head) -> io::Result<()> {
    let length = head.length.ok_or_else(|| invalid("a response without a length"))?;
    let mut left = length.saturating_sub(head.received);
    let mut buffer = vec![0; 64 << 10];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match stream.read(&mut buffer[..wanted]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => left -= read as u64,
        }
    }
    Ok(())
}

/// Parses a head; `None` if its end has not come yet.
fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(|error| invalid(&error.to_string()))?;
    let httparse::Status::Complete(end) = parsed else { return Ok(None) };
    let field = |name: &str| {
        let found = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    Ok(Some(Head {
        status: response.code.unwrap_or(0),
        closes: field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        length: field("content-length").and_then(|value| value.parse().ok()),
        received: (bytes.len() - end) as u64,
    }))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_parsed_once_it_is_complete() {
        let text =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\nConnection: close\r\n\r\nab";
        let head = parse(text).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.received), (503, Some(9), 2));
        assert!(head.closes);
        assert!(parse(&text[..40]).unwrap().is_none());
        assert!(parse(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
