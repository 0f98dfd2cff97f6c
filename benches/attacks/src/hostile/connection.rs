//! A connection of a hostile client.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::{ADDRESS, Hostile, Tally};
use crate::http1;

/// Receive buffer of a client that does not read, in bytes; the kernel doubles it.
const NARROW: u32 = 4 << 10;

/// TCP segments as on an Ethernet. With those of loopback, 64 KiB, the kernel would buffer megabytes
/// for each connection that does not read.
const SEGMENT: u32 = 1448;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval between two looks at whether the server has closed a connection that is not read.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A connection. Dropping it resets it, so that no port of this machine stays in TIME_WAIT.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    tally: Arc<Tally>,
}

impl Hostile {
    /// Connects.
    pub async fn connect(&self) -> io::Result<Connection> {
        self.connect_with(|_| Ok(())).await
    }

    /// Connects with a small receive buffer, so that what is not read stays with the server.
    pub async fn connect_narrow(&self) -> io::Result<Connection> {
        self.connect_with(|socket| socket.set_recv_buffer_size(NARROW)).await
    }

    async fn connect_with(
        &self,
        prepare: impl FnOnce(&TcpSocket) -> io::Result<()>,
    ) -> io::Result<Connection> {
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_zero_linger()?;
            SockRef::from(&socket).set_tcp_mss(SEGMENT)?;
            prepare(&socket)?;
            socket.bind((ADDRESS, 0).into())?;
            let stream = socket.connect(self.server).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                self.tally.add_connected();
                Ok(Connection { stream, tally: Arc::clone(&self.tally) })
            }
            Err(error) => {
                self.tally.add_failed();
                Err(error)
            }
        }
    }
}

impl Connection {
    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.stream.write_all(bytes).await;
        self.tally.add_sent(bytes.len());
        self.closed_if_failed(sent)
    }

    /// Sends a GET.
    pub async fn send_get(&mut self, path: &str, fields: &str) -> io::Result<()> {
        let sent = http1::send_get(&mut self.stream, path, fields).await;
        self.closed_if_failed(sent)
    }

    /// Receives the status of a response, and leaves the rest of it with the server.
    pub async fn status(&mut self) -> io::Result<u16> {
        let mut line = [0; "HTTP/1.1 200".len()];
        let read = self.stream.read_exact(&mut line).await;
        self.closed_if_failed(read)?;
        let status = std::str::from_utf8(&line[9..]).ok().and_then(|digits| digits.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        self.tally.add_response(status);
        Ok(status)
    }

    /// Sends a GET, and receives the whole response. A response that ends the connection is an error.
    pub async fn get(&mut self, path: &str) -> io::Result<()> {
        let head = self.head(path).await?;
        self.body(&head).await
    }

    /// As [`Connection::get`]; but of a response that is no refusal only the head.
    pub async fn get_refused(&mut self, path: &str) -> io::Result<()> {
        let head = self.head(path).await?;
        if head.status < 400 {
            return Err(io::ErrorKind::Other.into());
        }
        self.body(&head).await
    }

    async fn head(&mut self, path: &str) -> io::Result<http1::Head> {
        self.send_get(path, "").await?;
        let head = http1::read_head(&mut self.stream).await;
        let head = self.closed_if_failed(head)?;
        self.tally.add_response(head.status);
        Ok(head)
    }

    async fn body(&mut self, head: &http1::Head) -> io::Result<()> {
        let body = http1::discard_body(&mut self.stream, head).await;
        self.closed_if_failed(body)?;
        if head.closes { Err(self.closed()) } else { Ok(()) }
    }

    /// Receives `length` bytes at most; fails at the end.
    pub async fn receive(&mut self, length: usize) -> io::Result<()> {
        let mut buffer = vec![0; length];
        let read = self.stream.read(&mut buffer).await;
        match self.closed_if_failed(read)? {
            0 => Err(self.closed()),
            _ => Ok(()),
        }
    }

    /// Keeps the connection without reading, until the server closes it.
    pub async fn hold(self) -> io::Result<()> {
        loop {
            sleep(LOOK_INTERVAL).await;
            let ready = timeout(Duration::ZERO, self.stream.ready(Interest::READABLE)).await;
            if ready.is_ok_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed())) {
                return Err(self.closed());
            }
        }
    }

    /// Receives and forgets, until the server closes the connection.
    pub async fn discard(mut self) -> io::Result<()> {
        let (reader, _) = self.stream.split();
        discard(reader).await;
        Err(self.closed())
    }

    /// Sends what `next` makes, as fast as the server takes it, and forgets what it receives, until the
    /// server closes the connection. After the last bytes it only receives.
    pub async fn flood(mut self, mut next: impl FnMut() -> Option<Vec<u8>>) -> io::Result<()> {
        let tally = Arc::clone(&self.tally);
        let (reader, mut writer) = self.stream.split();
        let sending = async {
            while let Some(bytes) = next() {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
                tally.add_sent(bytes.len());
            }
            std::future::pending().await
        };
        tokio::select! {
            () = sending => {}
            () = discard(reader) => {}
        }
        Err(self.closed())
    }

    /// As [`Connection::flood`], without receiving anything.
    pub async fn flood_unread(
        mut self,
        mut next: impl FnMut() -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        while let Some(bytes) = next() {
            self.send(&bytes).await?;
        }
        self.hold().await
    }

    /// Both directions, for a client that must hear while it speaks; and where it counts what it
    /// sends.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>, &Tally) {
        let (reader, writer) = self.stream.split();
        (reader, writer, &self.tally)
    }

    /// Counts the end of the connection by the server.
    pub fn closed(&self) -> io::Error {
        self.tally.add_closed();
        io::ErrorKind::ConnectionAborted.into()
    }

    fn closed_if_failed<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.tally.add_closed();
        }
        result
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tally.add_gone();
    }
}

async fn discard(mut reader: ReadHalf<'_>) {
    let mut buffer = vec![0; 4 << 10];
    while let Ok(1..) = reader.read(&mut buffer).await {}
}
