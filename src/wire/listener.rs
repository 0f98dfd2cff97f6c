//! Accepts connections and hands them to actix's dispatchers.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{
    HttpService, Request, Response,
    body::{BoxBody, MessageBody},
};
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service};
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::net::TcpStream;

use super::{
    admission::Admission,
    connection::{Connection, Protocol, Refusal},
    streams::Drain,
    transport::Transport,
};

/// The first bytes of an HTTP/2 connection whose client knows beforehand that it is one (RFC 9113
/// section 3.4); what follows is for the dispatcher to check.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// How long the rest of a preface is waited for before it is looked for again.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// How long a client that was refused, or that still sends, is listened to before it is cut.
const LINGER: Duration = Duration::from_secs(2);

/// The dispatcher asks for more of a body only when its buffer holds less than this, in bytes. A
/// piece is always larger, so that a connection never holds more than one.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// How connections are to be treated.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a client may take for the head of its first request.
    pub head_timeout: Duration,
    /// How long a client may take nothing before it is cut.
    pub stall_limit: Duration,
    /// The congestion control of accepted connections; `None` leaves the system's.
    pub congestion: Option<String>,
}

/// The unsent bytes that the kernel keeps for a connection before it says that it can take no more.
/// Small, so that a seek or a client that goes away wastes little; the congestion window is apart.
const NOTSENT_BYTES: u32 = 256 * 1024;

/// Opens the listening socket. Accepted connections inherit every option that is set here, which
/// saves the system calls for each.
pub fn bind(address: SocketAddr, settings: &ListenerSettings) -> io::Result<TcpListener> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(SocketProtocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(NOTSENT_BYTES)?;
    if let Some(name) = &settings.congestion {
        let error = |error| io::Error::other(format!("congestion control {name:?}: {error}"));
        socket.set_tcp_congestion(name.as_bytes()).map_err(error)?;
    }
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// The service that one I/O worker runs for each accepted connection: it finds out which HTTP is
/// spoken, and lets actix's dispatcher of it serve `requests`.
pub fn serve<F, N, G, B>(
    settings: &ListenerSettings,
    admission: &Arc<Admission>,
    shutdown: N,
    requests: F,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()>
+ use<F, N, G, B>
where
    F: ServiceFactory<Request, Config = (), Response = Response<B>> + 'static,
    F::Service: 'static,
    F::Error: Into<Response<BoxBody>> + 'static,
    F::InitError: std::fmt::Debug,
    N: Fn() -> G + Clone + 'static,
    G: Future<Output = ()> + 'static,
    B: MessageBody + 'static,
{
    let http = HttpService::build()
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.head_timeout)
        .client_disconnect_timeout(LINGER)
        .h1_write_buffer_size(WRITE_BUFFER_BYTES)
        .graceful_shutdown_signal(shutdown.clone())
        .on_connect_ext(|transport: &Transport, data| {
            data.insert(Rc::clone(transport.connection()));
        })
        .finish(requests);
    let (settings, admission) = (settings.clone(), Arc::clone(admission));
    fn_service(move |stream: TcpStream| {
        let (settings, admission) = (settings.clone(), Arc::clone(&admission));
        let shutdown = shutdown.clone();
        async move {
            let peer = stream.peer_addr()?;
            // Counted before it says anything: a silent connection is a connection.
            let admitted = admission.admit(peer.ip());
            let protocol = tokio::select! {
                protocol = protocol_of(&stream, settings.head_timeout) => protocol?,
                () = shutdown() => return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
            };
            let connection = Connection::new(protocol);
            if !admitted.is_within_limit() {
                connection.refuse(Refusal::TooManyConnections);
            }
            let drain = (protocol == Protocol::Http2).then(|| Box::pin(shutdown()) as Drain);
            let transport =
                Transport::new(stream, connection, settings.stall_limit, drain, admitted);
            let protocol = match protocol {
                Protocol::Http1 => actix_http::Protocol::Http1,
                Protocol::Http2 => actix_http::Protocol::Http2,
            };
            Ok((transport, protocol, Some(peer)))
        }
    })
    .and_then(http)
    .map_err(|error: actix_http::error::DispatchError| {
        tracing::debug!(%error, "a connection ended early");
    })
}

/// Waits for the first bytes, without taking them.
async fn protocol_of(stream: &TcpStream, limit: Duration) -> io::Result<Protocol> {
    let mut front = [0; HTTP2_PREFACE.len()];
    let look = async {
        loop {
            let peeked = stream.peek(&mut front).await?;
            let is_undecided = peeked > 0 && peeked < front.len();
            match &front[..peeked] {
                whole if whole == HTTP2_PREFACE => return Ok(Protocol::Http2),
                part if is_undecided && HTTP2_PREFACE.starts_with(part) => {}
                _ => return Ok(Protocol::Http1),
            }
            // The rest is on its way. Peeking would not wait for it, having these bytes to show.
            tokio::time::sleep(PREFACE_PAUSE).await;
        }
    };
    tokio::time::timeout(limit, look).await?
}
