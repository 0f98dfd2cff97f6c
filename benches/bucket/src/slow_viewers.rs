//! Viewers that download slowly, each from another offset, and compare what they receive with the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use peers::clients::viewers;
use peers::interrupt;
use peers::peers::Server;

use crate::origin::Root;

/// Receive buffer of a viewer in bytes; the kernel doubles it. With less, the kernel drops what it announced
/// room for, and asks seldom whether there is room again.
const RECEIVE_BUFFER: usize = 64 << 10;

/// The most bytes that a viewer reads in its turn, and the pause after all turns: 160 KiB a second.
const STEP: usize = 8 << 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Slow downloads from the bucket; dropping them closes their connections.
#[derive(Debug)]
pub struct SlowViewers(Vec<Viewer>);

#[derive(Debug)]
struct Viewer {
    stream: BufReader<TcpStream>,
    file: File,
    /// The offset of the next byte.
    at: u64,
    length: u64,
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
            Viewer::request(server, name, &folder.join(name), at..*length)
                .with_context(|| format!("viewer {} of {count}", number + 1))
        };
        let mut viewers = (0..count).map(viewer).collect::<Result<Vec<_>>>()?;
        viewers.iter_mut().try_for_each(Viewer::read_head)?;
        Ok(SlowViewers(viewers))
    }

    /// Each viewer reads some more.
    pub fn read(&mut self) -> Result<()> {
        interrupt::sleep(PAUSE)?;
        self.0.iter_mut().try_for_each(Viewer::read)
    }
}

impl Viewer {
    fn request(server: &Server, name: &str, file: &Path, range: Range<u64>) -> Result<Self> {
        let mut stream = viewers::connect(server, RECEIVE_BUFFER)?;
        write!(
            stream,
            "GET /media/{} HTTP/1.1\r\nHost: {}\r\nRange: bytes={}-\r\n\r\n",
            Root::Bucket.title(name),
            server.address,
            range.start
        )?;
        let (stream, file) = (BufReader::new(stream), File::open(file)?);
        Ok(Viewer { stream, file, at: range.start, length: range.end })
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
        if self.at == self.length {
            return Ok(());
        }
        let (mut received, mut expected) = ([0; STEP], [0; STEP]);
        let read = self.stream.read(&mut received)?;
        ensure!(read > 0, "the response ended at byte {}", self.at);
        self.file.read_exact_at(&mut expected[..read], self.at)?;
        ensure!(received[..read] == expected[..read], "wrong bytes from {} on", self.at);
        self.at += read as u64;
        Ok(())
    }
}
