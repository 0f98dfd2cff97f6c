//! The listening socket, and the protocol of each connection.

use std::{
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use actix_http::{Request, Response};
use actix_service::Service;
use actix_web::body::BoxBody;
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::{io::ReadBuf, net::TcpStream};

use super::{
    body::{Body, ResponseObserver},
    connection::{Protocol, Timeouts},
    drain::Drain,
    http1::{FastPath, Http1Connection, Http1Settings},
    http2::{self, AcceptedConnection},
    io_thread::IoThread,
    io_threads::ConnectionHandler,
};
use crate::sys::net;

/// The first bytes of an HTTP/2 connection with prior knowledge (RFC 9113 section 3.4); the dispatcher
/// checks the rest of the preface.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// The interval of checks for the rest of a partial preface.
const PREFACE_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// `TCP_NOTSENT_LOWAT` of an HTTP/2 connection, in bytes. Low, because no stream can overtake bytes that are
/// in the kernel.
const HTTP2_NOTSENT_LOWAT_BYTES: u32 = 256 * 1024;

/// Settings of all connections.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Timeouts of each connection.
    pub timeouts: Timeouts,
    /// The most bytes of a file that one call sends.
    pub window_bytes: u64,
    /// The congestion control of accepted connections; `None` keeps the system's default.
    pub congestion_control: Option<String>,
    /// The limit of unsent bytes in the kernel beyond a client's congestion window; fast clients get a higher
    /// one.
    pub notsent_lowat_bytes: u32,
    /// The size of the kernel's send buffer, in bytes; with `None` the kernel adapts it to the connection's
    /// rate.
    pub send_buffer_bytes: Option<usize>,
    /// The rate limit of a connection.
    pub rate_limit_bytes_per_s: Option<u64>,
}

/// Opens the listening socket. Accepted connections inherit its options, which saves the system calls for
/// each.
pub fn bind(address: SocketAddr, settings: &ListenerSettings) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(SocketProtocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    net::set_notsent_lowat(&socket, settings.notsent_lowat_bytes)?;
    if let Some(name) = &settings.congestion_control {
        let error = |error| io::Error::other(format!("congestion control {name:?}: {error}"));
        net::set_congestion_control(&socket, name).map_err(error)?;
    }
    if let Some(bytes) = settings.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes_per_s) = settings.rate_limit_bytes_per_s {
        net::set_pacing_rate(&socket, bytes_per_s)?;
    }
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// Creates the handler of this I/O thread: it detects the protocol of each connection, and gets responses
/// from the fast path or from the App.
pub async fn create_handler<F, S, T>(
    settings: &ListenerSettings,
    drain: Drain,
    fast_path: F,
    app: S,
) -> impl ConnectionHandler + use<F, S, T>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    S::Error: Into<Response<BoxBody>>,
    T: ResponseObserver,
{
    let ListenerSettings { timeouts, window_bytes, notsent_lowat_bytes, .. } = *settings;
    let shared_app = Rc::new(app);
    HttpHandler {
        io_thread: IoThread::start(drain.clone()),
        http1_settings: Rc::new(Http1Settings { timeouts, window_bytes, notsent_lowat_bytes }),
        http2: http2::create_handler(timeouts, drain, Rc::clone(&shared_app)).await,
        fast_path: Rc::new(fast_path),
        app: shared_app,
    }
}

/// Serves HTTP/1 and HTTP/2 connections of one I/O thread.
struct HttpHandler<F, S> {
    io_thread: Rc<IoThread>,
    http1_settings: Rc<Http1Settings>,
    http2: http2::Handler,
    fast_path: Rc<F>,
    app: Rc<S>,
}

impl<F, S, T> ConnectionHandler for HttpHandler<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    T: ResponseObserver,
{
    async fn serve(self: Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Self { io_thread, http1_settings, fast_path, app, .. } = &*self;
        match detect_protocol(&stream, io_thread, http1_settings.timeouts.request_head).await {
            Some(Protocol::Http1) => {
                let connection =
                    Http1Connection::new(stream, peer, io_thread, http1_settings, fast_path, app);
                if let Err(error) = connection.run().await {
                    tracing::debug!(%error, "HTTP/1 connection closed early");
                }
            }
            Some(Protocol::Http2) => {
                // If the call fails, the kernel buffers more than necessary.
                let _ = net::set_notsent_lowat(&stream, HTTP2_NOTSENT_LOWAT_BYTES);
                (self.http2)(AcceptedConnection { stream, peer }).await;
            }
            // No request has arrived.
            None => {}
        }
    }
}

/// Waits for the first bytes, without consuming them. `None` if the connection ends or times out before.
async fn detect_protocol(
    stream: &TcpStream,
    io_thread: &IoThread,
    limit: Duration,
) -> Option<Protocol> {
    let timer = io_thread.timer();
    timer.set(limit);
    let mut first = [0; HTTP2_PREFACE.len()];
    loop {
        let peeked = poll_fn(|cx| match stream.poll_peek(cx, &mut ReadBuf::new(&mut first)) {
            Poll::Ready(peeked) => Poll::Ready(peeked.ok()),
            Poll::Pending if io_thread.is_draining() => Poll::Ready(None),
            Poll::Pending => timer.poll(cx).map(|()| None),
        });
        let length = peeked.await?;
        let is_partial = length > 0 && length < first.len();
        match &first[..length] {
            whole if whole == HTTP2_PREFACE => return Some(Protocol::Http2),
            part if is_partial && HTTP2_PREFACE.starts_with(part) => {}
            _ => return Some(Protocol::Http1),
        }
        // A peek does not wait for the rest: it is ready with the bytes that have arrived.
        tokio::time::sleep(PREFACE_POLL_INTERVAL).await;
        if timer.has_expired() || io_thread.is_draining() {
            return None;
        }
    }
}
