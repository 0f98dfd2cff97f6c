//! Viewers that download slowly, each from another offset, and compare what they receive with the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use peers::interrupt;
use peers::peers::Server;
use socket2::{Domain, Socket, Type};

use crate::origin::Root;

/// Receive buffer of a viewer in bytes; the kernel doubles it.
const RECEIVE_BUFFER: usize = 4 << 10;

/// TCP segments as on an Ethernet. With those of loopback the kernel would buffer megabytes for each viewer.
const SEGMENT: u32 = 1448;

/// Longest wait for bytes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The most bytes that a viewer reads at a time.
const STEP: usize = 8 << 10;

/// Slow downloads from the bucket; dropping them closes their connections.
#[derive(Debug)]
pub struct SlowViewers(Vec<Viewer>);

#[derive(Debug)]
struct Viewer {
    stream: BufReader<TcpStream>,
    file: File,
    /// The offset of the next byte.
    at: u64,
}

impl SlowViewers {
    /// Connects `count` viewers, who request the rest of some files from offsets that are spread evenly.
    pub fn connect(
        server: &Server,
        folder: &Path,
        files: &[(String, u64)],
        count: usize,
    ) -> Result<Self> {
        let viewer = |number: usize| {
            let (name, length) = &files[number % files.len()];
            // The last quarter is left to read.
            let at = length * 3 / 4 * number as u64 / count as u64;
            Viewer::request(server, name, &folder.join(name), at)
                .with_context(|| format!("viewer {} of {count}", number + 1))
        };
        let mut viewers = (0..count).map(viewer).collect::<Result<Vec<_>>>()?;
        viewers.iter_mut().try_for_each(Viewer::read_head)?;
        Ok(SlowViewers(viewers))
    }

    /// Each viewer reads some more.
    pub fn read(&mut self) -> Result<()> {
        interrupt::check()?;
        self.0.iter_mut().try_for_each(Viewer::read)
    }
}

impl Viewer {
    fn request(server: &Server, name: &str, file: &Path, at: u64) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // Both have an effect before connecting only.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_tcp_mss(SEGMENT)?;
        socket.connect(&server.address.into())?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let mut stream = TcpStream::from(socket);
        write!(
            stream,
            "GET /media/{} HTTP/1.1\r\nHost: {}\r\nRange: bytes={at}-\r\n\r\n",
            Root::Bucket.title(name),
            server.address
        )?;
        Ok(Viewer { stream: BufReader::new(stream), file: File::open(file)?, at })
    }

    fn read_head(&mut self) -> Result<()> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        ensure!(line.starts_with("HTTP/1.1 206 "), "it received {line:?}");
        while line != "\r\n" {
            line.clear();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection ended in a head");
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        let (mut received, mut expected) = ([0; STEP], [0; STEP]);
        let read = self.stream.read(&mut received)?;
        ensure!(read > 0, "the response ended at byte {}", self.at);
        self.file.read_exact_at(&mut expected[..read], self.at)?;
        ensure!(received[..read] == expected[..read], "wrong bytes from {} on", self.at);
        self.at += read as u64;
        Ok(())
    }
}
