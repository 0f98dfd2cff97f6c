//! Viewers who have paused: each has asked for the large file, has received its beginning, and
//! takes no more, so that the server has to keep what it needs to go on.
//!
//! wrk and curl cannot stop in the middle, so these are sockets of this program.

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

/// Segments as on an Ethernet. Those of loopback, 64 KiB, would let the kernel take in
/// megabytes for each viewer, more for 10,000 of them than it has for TCP as a whole.
const SEGMENT: u32 = 1448;

/// Longest wait for the beginning of an answer. With 10,000 at once, some wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that a viewer takes before it pauses.
const FIRST: usize = 1024;

/// Viewers who have paused; dropping them ends their connections.
#[derive(Debug)]
pub struct Viewers(Vec<TcpStream>);

impl Viewers {
    /// Lets `count` viewers come. Returns when every one has received something.
    pub fn arrive(server: &Server, count: usize) -> Result<Self> {
        let mut viewers = Vec::with_capacity(count);
        for number in 0..count {
            interrupt::check()?;
            let viewer = ask(server).with_context(|| format!("viewer {}", number + 1))?;
            viewers.push(viewer);
        }
        for (number, viewer) in viewers.iter_mut().enumerate() {
            interrupt::check()?;
            begin(viewer).with_context(|| format!("viewer {} of {count}", number + 1))?;
        }
        Ok(Viewers(viewers))
    }

    /// Fails if a viewer was dropped, or has nothing more to take.
    pub fn check(&self) -> Result<()> {
        for viewer in &self.0 {
            ensure!(viewer.take_error()?.is_none(), "a paused viewer was dropped");
            ensure!(viewer.peek(&mut [0])? == 1, "a paused viewer got no more");
        }
        Ok(())
    }
}

/// Connects, and asks for the large file.
fn ask(server: &Server) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Both count for a connection only if they are set before it.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_tcp_mss(SEGMENT)?;
    socket.connect(&server.address.into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = TcpStream::from(socket);
    let file = Dataset::WHOLE;
    write!(stream, "GET /media/{file} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address)?;
    Ok(stream)
}

/// Takes the beginning of the answer.
fn begin(stream: &mut TcpStream) -> Result<()> {
    let mut first = vec![0; FIRST];
    let read = stream.read(&mut first)?;
    if !first[..read].starts_with(b"HTTP/1.1 200 ") {
        bail!("it received {:?}", String::from_utf8_lossy(&first[..read]));
    }
    Ok(())
}
