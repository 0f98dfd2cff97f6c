//! An HTTP/1 client that checks the framing of every response.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};

use crate::support::wait::TIMEOUT;

/// Connects with so small a receive buffer, in bytes, that a server cannot send ahead: unread bytes
/// stay unsent.
pub fn narrow_socket(address: SocketAddr, buffer_bytes: usize) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None);
    let socket = socket.expect("a socket");
    // Before connecting, because the first packet fixes the window scale.
    socket.set_recv_buffer_size(buffer_bytes).expect("a small buffer");
    socket.connect(&address.into()).expect("a connection");
    socket.into()
}

/// Connects from 127.0.0.`number`: the server takes each for another client.
pub fn socket_from(number: u8, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, number], 0)).into()).expect("a loopback address");
    socket.connect(&address.into()).expect("a connection");
    socket.into()
}

/// An HTTP/1 client that checks the framing of every response.
pub struct Client {
    stream: BufReader<TcpStream>,
    /// The last response is HTTP/1.0, after which a connection closes unless it says otherwise.
    is_1_0: bool,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values, in the order sent.
    pub fields: Vec<(String, String)>,
    /// The content, transfer coding removed.
    pub body: Vec<u8>,
}

/// Why a response is incomplete.
#[derive(Debug, Eq, PartialEq)]
pub enum Incomplete {
    /// The connection ended within the head.
    Head,
    /// The connection ended after this many bytes of the content, and more were promised.
    Body(usize),
}

impl Response {
    /// The value of a field that occurs at most once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|field| field.0 == name);
        let value = values.next().map(|field| field.1.as_str());
        assert!(values.next().is_none(), "{name} occurs twice: {self:?}");
        value
    }

    /// The members of a list field, over all of its lines, in lower case.
    pub fn list(&self, name: &str) -> Vec<String> {
        let lines = self.fields.iter().filter(|field| field.0 == name);
        let members = lines.flat_map(|(_, value)| value.split(','));
        members.map(|member| member.trim().to_ascii_lowercase()).collect()
    }
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("a connection"))
    }

    /// Connects with a [`narrow_socket`].
    pub fn narrow(address: SocketAddr, buffer_bytes: usize) -> Self {
        Self::over(narrow_socket(address, buffer_bytes))
    }

    /// Connects from another address: 127.0.0.`number`.
    pub fn connect_from(number: u8, address: SocketAddr) -> Self {
        Self::over(socket_from(number, address))
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a time-out");
        Self { stream: BufReader::new(stream), is_1_0: false }
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends raw bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("bytes are taken");
    }

    /// Sends a request without content and reads its response.
    pub fn request(&mut self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.send(head(method, target, fields));
        self.read(method).expect("a whole response")
    }

    /// Reads the response to a request of this method.
    pub fn read(&mut self, method: &str) -> Result<Response, Incomplete> {
        let mut response = self.read_head()?;
        let length = response.field("content-length").map(|length| length.parse::<usize>());
        let is_chunked = response.field("transfer-encoding") == Some("chunked");
        assert!(length.is_none() || !is_chunked, "both framings: {response:?}");
        if method == "HEAD" || matches!(response.status, 100..200 | 204 | 304) {
            return Ok(response);
        }
        response.body = if is_chunked {
            self.read_chunks()?
        } else if let Some(length) = length {
            self.read_exactly(length.expect("a number"))?
        } else {
            let closes = self.is_1_0 || response.field("connection") == Some("close");
            assert!(closes, "no framing: {response:?}");
            let mut rest = Vec::new();
            self.stream.read_to_end(&mut rest).map_err(|_| Incomplete::Body(rest.len()))?;
            rest
        };
        Ok(response)
    }

    /// Reads the head of a response only.
    pub fn read_head(&mut self) -> Result<Response, Incomplete> {
        let line = self.read_line()?;
        self.is_1_0 = line.starts_with("HTTP/1.0 ");
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .or(line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
        let mut fields = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok(Response { status, fields, body: Vec::new() });
            }
            let (name, value) = line.split_once(": ").expect("a field");
            assert_eq!(name, name.trim(), "white space around a name");
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }

    /// Reads exactly this many bytes.
    pub fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>, Incomplete> {
        let mut body = Vec::new();
        let read = self.stream.by_ref().take(length as u64).read_to_end(&mut body);
        // A reset within the body counts as an early end, as a close does.
        match read {
            Ok(_) | Err(_) if body.len() < length => Err(Incomplete::Body(body.len())),
            _ => Ok(body),
        }
    }

    /// Whether the server has closed the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        self.stream.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// Reads one chunk of a chunked body; an empty one is its end.
    pub fn read_chunk(&mut self) -> Result<Vec<u8>, Incomplete> {
        let line = self.read_line().map_err(|_| Incomplete::Body(0))?;
        let size = usize::from_str_radix(&line, 16).expect("a chunk's size");
        let chunk = self.read_exactly(size)?;
        let end = self.read_line().map_err(|_| Incomplete::Body(size))?;
        assert_eq!(end, "", "a chunk ends with an empty line");
        Ok(chunk)
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, Incomplete> {
        let mut body = Vec::new();
        loop {
            match self.read_chunk() {
                Ok(chunk) if chunk.is_empty() => return Ok(body),
                Ok(chunk) => body.extend(chunk),
                Err(_) => return Err(Incomplete::Body(body.len())),
            }
        }
    }

    fn read_line(&mut self) -> Result<String, Incomplete> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        if read.is_err() || !line.ends_with(b"\n") {
            return Err(Incomplete::Head);
        }
        let line = String::from_utf8(line).expect("a head is text");
        Ok(line.strip_suffix("\r\n").expect("lines end with CR LF").to_owned())
    }
}

/// The head of a request.
pub fn head(method: &str, target: &str, fields: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head + "\r\n"
}
