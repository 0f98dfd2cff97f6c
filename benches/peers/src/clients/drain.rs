//! A client that discards bodies in the kernel, so that the server is the slower side.
//!
//! `recv` with `MSG_TRUNC` takes bytes off a TCP socket without copying them (tcp(7)). What remains
//! of a client is what the kernel must do to receive at all, and a server that hands over pages of
//! the page cache becomes the bottleneck: its requests per second are the capacity of its core.
//!
//! Heads are received normally, and every response is checked: status, Content-Length, and the exact
//! number of bytes. No request is sent after the time is up, and every response is awaited, so that
//! sums are exact, too.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{MsgFlags, recv};

use super::{Latency, Load};
use crate::interrupt;
use crate::requests::{Request, Requests};
use crate::verify::Head;

/// Longest wait for the next event on any connection, in milliseconds.
const TIMEOUT_MS: u16 = 20_000;

/// Bytes received normally at a time while a head is incomplete. With the head come as many bytes of
/// the body as fit, so this is short.
const HEAD_PART: usize = 512;

/// Longest body that is received with its head: one copy of a page costs less than a second call.
const SMALL: u64 = 4096;

/// Longest head, in bytes.
const HEAD_LIMIT: usize = 16 << 10;

/// Most bytes discarded by one call.
const DISCARD: usize = 4 << 20;

/// Puts load on the server for `duration`, and checks every response.
pub fn measure(address: SocketAddr, requests: &Requests, duration: Duration) -> Result<Load> {
    let texts: Vec<Vec<u8>> = requests.list.iter().map(|request| request.text(address)).collect();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut connections = Vec::with_capacity(requests.connections);
    for number in 0..requests.connections {
        let connection = Connection::open(address).context("cannot connect")?;
        epoll.add(&connection.stream, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        connections.push(connection);
    }

    // The kernel takes its length only and never writes to it, so it occupies no memory.
    let mut unused = vec![0; DISCARD];
    let mut order = (0..requests.list.len()).cycle();
    let mut next = || order.next().expect("the list has requests");
    let mut events = [EpollEvent::empty(); 64];
    let (mut latencies, mut body_bytes) = (Vec::new(), 0);
    let begun = Instant::now();
    let mut now = begun;
    for connection in &mut connections {
        let index = next();
        connection.send(&texts[index], index)?;
    }
    let mut pending = connections.len();
    while pending > 0 {
        interrupt::check()?;
        let count = match epoll.wait(&mut events, TIMEOUT_MS) {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        ensure!(count > 0, "no response within {TIMEOUT_MS} ms");
        for event in &events[..count] {
            let connection = &mut connections[event.data() as usize];
            let request = &requests.list[connection.index];
            let is_complete = connection
                .receive(request, &mut unused)
                .with_context(|| format!("the response to {request:?}"))?;
            if !is_complete {
                continue;
            }
            now = Instant::now();
            latencies.push(now - connection.sent);
            body_bytes += request.length;
            if now - begun < duration {
                let index = next();
                connection.send(&texts[index], index)?;
            } else {
                pending -= 1;
            }
        }
    }
    let requests = latencies.len() as u64;
    let latency = Latency::of(latencies);
    Ok(Load { requests, body_bytes, elapsed: now - begun, latency })
}

/// One connection, with at most one request at a time.
struct Connection {
    stream: TcpStream,
    /// The request's place in the list.
    index: usize,
    sent: Instant,
    /// The beginning of the response, until its head is complete.
    head: Vec<u8>,
    /// Bytes of the body that are still to come, once the head is complete.
    rest: Option<u64>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, index: 0, sent: Instant::now(), head: Vec::new(), rest: None })
    }

    /// Sends a request; its text is short enough for an empty send buffer.
    fn send(&mut self, text: &[u8], index: usize) -> Result<()> {
        self.index = index;
        self.sent = Instant::now();
        self.stream.write_all(text).context("cannot send a request")
    }

    /// Receives what is there; returns whether the response is complete.
    fn receive(&mut self, request: &Request, unused: &mut [u8]) -> Result<bool> {
        if self.rest.is_none() {
            self.rest = self.receive_head(request)?;
        }
        let Some(rest) = &mut self.rest else {
            return Ok(false);
        };
        while *rest > 0 {
            let most = usize::try_from(*rest).map_or(DISCARD, |rest| rest.min(DISCARD));
            let received =
                match recv(self.stream.as_raw_fd(), &mut unused[..most], MsgFlags::MSG_TRUNC) {
                    Err(Errno::EAGAIN) => return Ok(false),
                    result => result?,
                };
            ensure!(received > 0, "the connection ended {rest} bytes before the body's end");
            *rest -= received as u64;
            // Less than requested: the socket is empty now, and epoll reports the next bytes.
            if received < most {
                return Ok(false);
            }
        }
        self.rest = None;
        Ok(true)
    }

    /// Receives a head, with the first bytes of its body; returns the rest of the body's length, or
    /// `None` while the head is incomplete.
    fn receive_head(&mut self, request: &Request) -> Result<Option<u64>> {
        loop {
            let small = if request.length <= SMALL { request.length as usize } else { 0 };
            let mut part = [0; HEAD_PART + SMALL as usize];
            let part = &mut part[..HEAD_PART + small];
            let received = match self.stream.read(part) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                result => result?,
            };
            ensure!(received > 0, "the connection ended in a head");
            self.head.extend_from_slice(&part[..received]);
            if let Some(head) = Head::parse(&self.head)? {
                head.check(request)?;
                let begun = (self.head.len() - head.length) as u64;
                self.head.clear();
                let rest = request.length.checked_sub(begun);
                return rest.map(Some).context("more bytes than Content-Length");
            }
            if self.head.len() > HEAD_LIMIT {
                bail!("a head of more than {HEAD_LIMIT} bytes");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Two connections to a server that sends `response` to each request, in parts.
    fn load(response: &'static [&'static [u8]], length: u64) -> Result<Load> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        for _ in 0..2 {
            let listener = listener.try_clone()?;
            thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_nodelay(true).unwrap();
                while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    for part in response {
                        let _ = stream.write_all(part);
                        thread::sleep(Duration::from_millis(1));
                    }
                    if response.len() == 1 {
                        return;
                    }
                }
            });
        }
        let request = Request { path: "/file".to_owned(), offset: Some(4), length };
        let requests = Requests { connections: 2, list: vec![request] };
        measure(address, &requests, Duration::from_millis(50))
    }

    const HEAD: &[u8] = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1000\r\n\r\n";
    const BODY: &[u8] = &[7; 1000];

    #[test]
    fn responses_in_any_parts_are_counted_exactly() {
        let (begun, rest) = (&HEAD[..20], &HEAD[20..]);
        for response in [&[HEAD, BODY][..], &[begun, rest, &BODY[..1], &BODY[1..]]] {
            let load = load(Vec::leak(response.to_vec()), 1000).unwrap();
            assert!(load.requests > 2, "{load:?}");
            assert_eq!(load.body_bytes, load.requests * 1000);
            assert!(load.latency.unwrap().median >= Duration::from_millis(1));
        }
    }

    #[test]
    fn a_wrong_status_a_wrong_length_and_a_cut_body_are_errors() {
        let error = |response, length| format!("{:#}", load(response, length).unwrap_err());
        let whole = error(&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"123456789"], 9);
        assert!(whole.ends_with("status 200, not 206"), "{whole}");
        let long = error(&[HEAD, BODY], 999);
        assert!(long.ends_with("Content-Length is 1000, not 999"), "{long}");
        let cut = error(&[HEAD], 1000);
        assert!(cut.ends_with("the connection ended 1000 bytes before the body's end"), "{cut}");
    }
}
