//! A client for HTTP/2 in clear text by prior knowledge (RFC 9113 section 3.3).

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use h2::{
    Ping, PingPong, RecvStream,
    client::{Builder, Connection, SendRequest},
};
use http::{HeaderMap, Request, Version};
use tokio::{net::TcpStream, runtime::Runtime, sync::mpsc, time::timeout};

use crate::support::{client::Response, wait::TIMEOUT};

/// The default initial window of a stream (RFC 9113 section 6.9.2), in bytes.
pub const WINDOW: u32 = 65_535;

/// One connection. A thread of its own drives the protocol, even while no test waits for a
/// response: it acknowledges pings.
pub struct Client {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    windows: mpsc::UnboundedSender<u32>,
    pings: PingPong,
    is_over: Arc<AtomicBool>,
}

/// A response whose head has been read.
pub struct PendingResponse {
    /// Without the body.
    pub head: Response,
    body: RecvStream,
}

impl Client {
    /// Connects, and exchanges settings.
    pub fn connect(address: SocketAddr) -> Self {
        Self::with_windows(address, WINDOW)
    }

    /// Connects with this initial stream window, in bytes. With 0, only heads arrive.
    pub fn with_windows(address: SocketAddr, window: u32) -> Self {
        Self::over(std::net::TcpStream::connect(address).expect("a connection"), window)
    }

    /// The same over a given socket.
    pub fn over(socket: std::net::TcpStream, window: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let (windows, open) = mpsc::unbounded_channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let (requests, pings) = runtime.block_on(async {
            socket.set_nonblocking(true).expect("a mode");
            let stream = TcpStream::from_std(socket).expect("a connection");
            let mut builder = Builder::new();
            // A huge connection window, so that only stream windows matter.
            builder.initial_window_size(window).initial_connection_window_size(1 << 30);
            builder.initial_max_send_streams(1000);
            let (requests, mut connection) = builder.handshake(stream).await.expect("HTTP/2");
            let pings = connection.ping_pong().expect("the first ping handle");
            tokio::spawn(drive(connection, open, Arc::clone(&is_over)));
            (requests, pings)
        });
        Self { runtime, requests, windows, pings, is_over }
    }

    /// Sets the stream window from now on, also for open streams.
    pub fn open_windows(&self, window: u32) {
        self.windows.send(window).expect("the connection is there");
    }

    /// Reads nothing from the socket, and sends nothing, until the result is dropped.
    pub fn pause(&self) -> std::sync::mpsc::Sender<()> {
        let (resume, resumed) = std::sync::mpsc::channel::<()>();
        let (pause, paused) = std::sync::mpsc::channel();
        self.runtime.spawn(async move {
            // The runtime has one thread, and this blocks it.
            pause.send(()).expect("waited for");
            let _ = resumed.recv();
        });
        paused.recv().expect("a thread");
        resume
    }

    /// Whether the server acknowledges a ping.
    pub fn ping(&mut self) -> bool {
        let pong = async { timeout(TIMEOUT, self.pings.ping(Ping::opaque())).await };
        self.runtime.block_on(pong).expect("a response or an end in time").is_ok()
    }

    /// Whether the connection has ended, from either side.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Sends a request without content and reads its response. `fields` are whole lines.
    pub fn request(&mut self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.try_request(method, target, fields).expect("a whole response")
    }

    /// The same, where the stream or the connection may be reset.
    pub fn try_request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[&str],
    ) -> Result<Response, h2::Error> {
        let pending = self.begin(method, &format!("http://localhost{target}"), fields)?;
        self.finish(pending)
    }

    /// Sends a request with content, in these frames, and reads its response. Frames beyond the window
    /// are dropped.
    pub fn send(
        &self,
        method: &str,
        target: &str,
        fields: &[&str],
        frames: &[&[u8]],
        is_whole: bool,
    ) -> Result<Response, h2::Error> {
        let mut request =
            Request::builder().method(method).uri(format!("http://localhost{target}"));
        for field in fields {
            let (name, value) = field.split_once(':').expect("a field");
            request = request.header(name, value.trim());
        }
        let request = request.body(()).expect("a request");
        let requests = self.requests.clone();
        let pending: Result<_, h2::Error> = self.wait(async {
            let (response, mut content) = requests.ready().await?.send_request(request, false)?;
            for frame in frames {
                let _ = content.send_data(Bytes::copy_from_slice(frame), false);
            }
            if is_whole {
                let _ = content.send_data(Bytes::new(), true);
            }
            let (head, body) = response.await?.into_parts();
            let (status, fields) = (head.status.as_u16(), lines(&head.headers));
            Ok(PendingResponse { head: Response { status, fields, body: Vec::new() }, body })
        });
        self.finish(pending?)
    }

    /// Sends a request and reads the head of its response. A `uri` without an authority is sent
    /// without.
    pub fn begin(
        &self,
        method: &str,
        uri: &str,
        fields: &[&str],
    ) -> Result<PendingResponse, h2::Error> {
        let mut request = Request::builder().method(method).uri(uri);
        if uri.starts_with('/') {
            // Otherwise h2 refuses to send it.
            request = request.version(Version::HTTP_11);
        }
        for field in fields {
            let (name, value) = field.split_once(':').expect("a field");
            request = request.header(name, value.trim());
        }
        let request = request.body(()).expect("a request");
        let requests = self.requests.clone();
        self.wait(async {
            let (response, _) = requests.ready().await?.send_request(request, true)?;
            let (head, body) = response.await?.into_parts();
            let (status, fields) = (head.status.as_u16(), lines(&head.headers));
            Ok(PendingResponse { head: Response { status, fields, body: Vec::new() }, body })
        })
    }

    /// Reads the rest of a response.
    pub fn finish(&self, pending: PendingResponse) -> Result<Response, h2::Error> {
        let PendingResponse { mut head, mut body } = pending;
        self.wait(async {
            while let Some(data) = body.data().await {
                let data = data?;
                body.flow_control().release_capacity(data.len())?;
                head.body.extend_from_slice(&data);
            }
            assert!(body.trailers().await?.is_none(), "trailers are never sent");
            Ok(head)
        })
    }

    fn wait<T>(&self, pending: impl Future<Output = T>) -> T {
        let pending = async { timeout(TIMEOUT, pending).await.expect("a response in time") };
        self.runtime.block_on(pending)
    }
}

/// Drives the protocol until the connection ends.
async fn drive(
    mut connection: Connection<TcpStream>,
    mut windows: mpsc::UnboundedReceiver<u32>,
    is_over: Arc<AtomicBool>,
) {
    poll_fn(|cx| {
        while let Poll::Ready(Some(window)) = windows.poll_recv(cx) {
            connection.set_initial_window_size(window).expect("one change at a time");
        }
        // Its error, if any, is also that of the pending request.
        Pin::new(&mut connection).poll(cx).map(drop)
    })
    .await;
    is_over.store(true, Ordering::Release);
}

fn lines(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
