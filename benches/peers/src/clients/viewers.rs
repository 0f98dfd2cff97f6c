//! Paused viewers: each has requested the large file, has received its beginning, and reads no more,
//! so that the server must keep what it needs to continue.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Socket, Type};

use crate::dataset::Dataset;
use crate::interrupt;
use crate::peers::Server;

/// Receive buffer of a viewer in bytes; the kernel doubles it.
const RECEIVE_BUFFER: usize = 4 << 10;

/// TCP segments as on an Ethernet. With those of loopback, 64 KiB, the kernel would buffer megabytes
/// for each viewer, more for 10,000 of them than it has for TCP as a whole.
const SEGMENT: u32 = 1448;

/// Longest wait for bytes: of the beginnings of responses some of 10,000 concurrent requests wait.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes that a viewer reads before it pauses.
const FIRST: usize = 1024;

/// Paused viewers; dropping them closes their connections.
#[derive(Debug)]
pub struct Viewers(Vec<TcpStream>);

impl Viewers {
    /// Connects `count` viewers, and returns when each has received something.
    pub fn connect(server: &Server, count: usize) -> Result<Self> {
        let mut viewers = Vec::with_capacity(count);
        for number in 1..=count {
            interrupt::check()?;
            viewers.push(request(server).with_context(|| format!("viewer {number} of {count}"))?);
        }
        for (index, viewer) in viewers.iter_mut().enumerate() {
            interrupt::check()?;
            begin(viewer).with_context(|| format!("viewer {} of {count}", index + 1))?;
        }
        Ok(Viewers(viewers))
    }

    /// Fails if a viewer was dropped, or has nothing more to read.
    pub fn check(&self) -> Result<()> {
        for viewer in &self.0 {
            ensure!(viewer.take_error()?.is_none(), "a paused viewer was dropped");
            ensure!(viewer.peek(&mut [0])? == 1, "a paused viewer got no more");
        }
        Ok(())
    }
}

/// Connects a viewer for whom the kernel buffers little: its receive buffer, in bytes, which the kernel doubles.
pub fn connect(server: &Server, receive_buffer: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Both have an effect before connecting only.
    socket.set_recv_buffer_size(receive_buffer)?;
    socket.set_tcp_mss(SEGMENT)?;
    socket.connect(&server.address.into())?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    Ok(TcpStream::from(socket))
}

/// Connects, and requests the large file.
fn request(server: &Server) -> Result<TcpStream> {
    let mut stream = connect(server, RECEIVE_BUFFER)?;
    let file = Dataset::WHOLE;
    write!(stream, "GET /media/{file} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address)?;
    Ok(stream)
}

/// Reads the beginning of the response.
fn begin(stream: &mut TcpStream) -> Result<()> {
    let mut first = vec![0; FIRST];
    let read = stream.read(&mut first)?;
    if !first[..read].starts_with(b"HTTP/1.1 200 ") {
        bail!("it received {:?}", String::from_utf8_lossy(&first[..read]));
    }
    Ok(())
}
