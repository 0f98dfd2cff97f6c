//! The listening socket, and the protocol of each connection.

use std::{
    future::poll_fn,
    io,
    net::{Ipv6Addr, SocketAddr, TcpListener},
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use actix_http::{Request, Response};
use actix_service::Service;
use bytes::BytesMut;
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::TcpStream,
};

use super::{
    body::{Body, ResponseObserver},
    connection::{AcceptedConnection, Protocol, Timeouts},
    drain::Drain,
    fast_path::FastPath,
    http1::{Http1Connection, Http1Settings},
    http2::{self, Cleartext, Http2Connection, Http2Settings},
    io_thread::IoThread,
    io_threads::ConnectionHandler,
    notsent_limit::NotSentLimit,
};
use crate::{extent::ResponseMemory, sys::net};

/// The first bytes of an HTTP/2 connection with prior knowledge (RFC 9113 section 3.4); h2 checks the rest of
/// the preface.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// `TCP_NOTSENT_LOWAT` of an HTTP/2 connection at its start, in bytes. Low, because no stream can overtake
/// bytes that are in the kernel.
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
    /// The most concurrent requests of an HTTP/2 connection.
    pub http2_streams_max: u32,
}

/// Opens the listening socket. Accepted connections inherit its options, which saves the system calls for
/// each.
pub fn bind(address: SocketAddr, settings: &ListenerSettings) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(SocketProtocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // Every address of the machine, those of IPv4 included, whatever the default of the system.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    net::set_notsent_lowat(&socket, settings.notsent_lowat_bytes)?;
    if let Some(name) = &settings.congestion_control {
        let error = |error| {
            io::Error::other(format!(
                "congestion control {name:?} is not available ({error}); see tcp_congestion"
            ))
        };
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
pub fn create_handler<F, S, T>(
    settings: &ListenerSettings,
    drain: Drain,
    response_memory: ResponseMemory,
    fast_path: F,
    app: S,
) -> impl ConnectionHandler + use<F, S, T>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    S::Future: 'static,
    T: ResponseObserver,
{
    let ListenerSettings { timeouts, window_bytes, notsent_lowat_bytes, .. } = *settings;
    let http2_settings = Http2Settings { timeouts, streams_max: settings.http2_streams_max };
    let http2 = http2::Shared {
        io_thread: IoThread::start(drain, response_memory),
        settings: http2_settings,
        fast_path: Rc::new(fast_path),
        app: Rc::new(app),
    };
    HttpHandler {
        http1_settings: Rc::new(Http1Settings { timeouts, window_bytes, notsent_lowat_bytes }),
        http2: Rc::new(http2),
    }
}

/// Serves HTTP/1 and HTTP/2 connections of one I/O thread.
struct HttpHandler<F, S> {
    http1_settings: Rc<Http1Settings>,
    http2: Rc<http2::Shared<F, S>>,
}

impl<F, S, T> ConnectionHandler for HttpHandler<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    S::Future: 'static,
    T: ResponseObserver,
{
    async fn serve(self: Rc<Self>, mut stream: TcpStream, peer: SocketAddr) {
        let Self { http1_settings, http2, .. } = &*self;
        let http2::Shared { io_thread, fast_path, app, .. } = &**http2;
        let limit = http1_settings.timeouts.request_head;
        let Some((protocol, received)) = detect_protocol(&mut stream, io_thread, limit).await
        else {
            // No request has arrived.
            return;
        };
        let accepted = AcceptedConnection { stream, received, peer };
        // Each is boxed, so that a connection has no memory for the other protocol.
        let served = match protocol {
            Protocol::Http1 => {
                let connection =
                    Http1Connection::new(accepted, io_thread, http1_settings, fast_path, app);
                Box::pin(connection.run()).await
            }
            Protocol::Http2 => {
                // If the call fails, the kernel buffers more than necessary.
                let _ = net::set_notsent_lowat(&accepted.stream, HTTP2_NOTSENT_LOWAT_BYTES);
                let limit = NotSentLimit::for_streams(HTTP2_NOTSENT_LOWAT_BYTES);
                let accepted = accepted.map(|stream| Cleartext::new(stream, limit));
                Box::pin(Http2Connection::new(http2, accepted).run()).await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, ?protocol, "connection closed early");
        }
    }
}

/// Reads the first bytes. `None` if the connection ends or times out before its protocol is known.
async fn detect_protocol(
    stream: &mut TcpStream,
    io_thread: &IoThread,
    limit: Duration,
) -> Option<(Protocol, BytesMut)> {
    let timer = io_thread.timer();
    timer.set(limit);
    let mut received = BytesMut::new();
    let protocol = poll_fn(|cx| {
        let mut scratch = io_thread.scratch.borrow_mut();
        loop {
            let mut into = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    received.extend_from_slice(into.filled());
                }
                Poll::Ready(_end) => return Poll::Ready(None),
                Poll::Pending if io_thread.is_draining() => return Poll::Ready(None),
                // The rest of a partial preface wakes this task; nothing else does.
                Poll::Pending => return timer.poll(cx).map(|()| None),
            }
            if let Some(protocol) = protocol_of(&received) {
                return Poll::Ready(Some(protocol));
            }
        }
    });
    let known = protocol.await?;
    Some((known, received))
}

/// The protocol of a connection that begins with these bytes; `None` if more are needed.
fn protocol_of(received: &[u8]) -> Option<Protocol> {
    let length = received.len().min(HTTP2_PREFACE.len());
    match received[..length] == HTTP2_PREFACE[..length] {
        true if length == HTTP2_PREFACE.len() => Some(Protocol::Http2),
        true => None,
        false => Some(Protocol::Http1),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Wake},
    };

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net,
        runtime::{self, LocalOptions},
    };

    use super::*;

    #[test]
    fn the_first_bytes_tell_the_protocol() {
        for (received, protocol) in [
            (&b""[..], None),
            (b"P", None),
            (b"PRI * HTTP/", None),
            (b"PRI * HTTP/2", Some(Protocol::Http2)),
            (b"PRI * HTTP/2.0\r\n\r\nSM", Some(Protocol::Http2)),
            (b"PRI * HTTP/1.1\r\n", Some(Protocol::Http1)),
            (b"PUT", Some(Protocol::Http1)),
            (b"GET / HTTP/1.1\r\n", Some(Protocol::Http1)),
        ] {
            assert_eq!(protocol_of(received), protocol, "{received:?}");
        }
    }

    /// Counts wake-ups.
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_connection_with_one_byte_of_a_preface_is_not_woken_until_more_arrives() {
        let built = runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default());
        built.expect("a runtime").block_on(async {
            let socket = net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            let address = socket.local_addr().expect("an address");
            let connect = async || {
                let client = TcpStream::connect(address).await.expect("a connection");
                (client, socket.accept().await.expect("accepted").0)
            };
            let (mut client, mut stream) = connect().await;
            let (mut busy, mut echo) = connect().await;
            let io_thread = IoThread::start(Drain::default(), ResponseMemory::new(0));
            client.write_all(b"P").await.expect("sent");
            stream.readable().await.expect("it arrives");

            let wakes = Arc::new(Wakes::default());
            let waker = Arc::clone(&wakes).into();
            let mut cx = Context::from_waker(&waker);
            let limit = Duration::from_secs(86_400);
            let mut detecting = Box::pin(detect_protocol(&mut stream, &io_thread, limit));
            assert!(detecting.as_mut().poll(&mut cx).is_pending());
            wakes.0.store(0, Ordering::Relaxed);
            // The clock: many turns of the event loop, over longer than a poll's usual interval.
            for _ in 0..5000 {
                busy.write_u8(1).await.expect("sent");
                echo.read_u8().await.expect("received");
            }
            assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
            client.write_all(b"RI * HTTP/2.0").await.expect("sent");
            while wakes.0.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            let Poll::Ready(detected) = detecting.as_mut().poll(&mut cx) else {
                unreachable!("the preface has arrived");
            };
            let (protocol, received) = detected.expect("a protocol");
            assert_eq!((protocol, &received[..]), (Protocol::Http2, &b"PRI * HTTP/2.0"[..]));
        });
    }
}
