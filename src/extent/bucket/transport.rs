//! Connections to a server: HTTP/1 over TCP or TLS, kept for the next request.
//!
//! A pool of our own, because that of `hyper-util` can neither end a connection by its age nor open a fresh
//! one on request, and both matter here: a retry over the connection that has just failed meets the same
//! broken server, and a connection that never ends never resolves its server's name again.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header::HOST};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use object_store::client::HttpRequestBody;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Mutex as AsyncMutex,
    task::spawn_blocking,
    time::Instant,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{address::Server, error::AttemptError};

/// The age at which a connection gets no more requests.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);

/// How much of a response hyper buffers for a connection.
const READ_BUFFER_BYTES: usize = 128 * 1024;

/// A connection's bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A function that connects to a server.
pub(super) type Connect =
    Arc<dyn Fn(Server) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> + Send + Sync>;

/// Connects over TCP, and TLS where the server's URL says so.
pub(super) fn connect_with(tls: TlsConnector) -> Connect {
    let look_ups = Arc::new(LookUps::default());
    Arc::new(move |server| {
        let (tls, look_ups) = (tls.clone(), Arc::clone(&look_ups));
        Box::pin(async move {
            let addresses = look_ups.addresses(&server).await?;
            let stream = TcpStream::connect(addresses.as_slice()).await?;
            stream.set_nodelay(true)?;
            if !server.is_tls {
                return Ok(Box::new(stream) as Box<dyn Stream>);
            }
            let name = ServerName::try_from(server.host).map_err(io::Error::other)?;
            Ok(Box::new(tls.connect(name, stream).await?) as Box<dyn Stream>)
        })
    })
}

/// Finds the addresses of servers, one name at a time: a resolver that hangs takes one blocking thread, not
/// all of them.
#[derive(Default)]
struct LookUps(Arc<AsyncMutex<Option<Found>>>);

/// The result of the last look-up.
struct Found {
    host: String,
    at: Instant,
    addresses: Vec<IpAddr>,
}

impl LookUps {
    async fn addresses(&self, server: &Server) -> io::Result<Vec<SocketAddr>> {
        let with_port = |address| SocketAddr::new(address, server.port);
        if let Ok(address) = server.host.parse::<IpAddr>() {
            return Ok(vec![with_port(address)]);
        }
        let (asked, host) = (Instant::now(), server.host.clone());
        let mut last = Arc::clone(&self.0).lock_owned().await;
        // Those who waited for the same name have the same result.
        if let Some(found) = &*last
            && found.host == host
            && found.at >= asked
        {
            return Ok(found.addresses.iter().copied().map(with_port).collect());
        }
        // The lock belongs to the work: it is held until the resolver returns, also when no request waits.
        let look_up = move || -> io::Result<Vec<IpAddr>> {
            let addresses: Vec<IpAddr> =
                (host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect();
            let found = Found { host, at: Instant::now(), addresses: addresses.clone() };
            *last = Some(found);
            Ok(addresses)
        };
        let addresses = spawn_blocking(look_up).await.map_err(io::Error::other)??;
        Ok(addresses.into_iter().map(with_port).collect())
    }
}

/// The connections to one server.
pub(super) struct Transport {
    server: Server,
    connect: Connect,
    idle: Mutex<Vec<Connection>>,
}

/// An open connection without a request in progress.
pub(super) struct Connection {
    sender: SendRequest<HttpRequestBody>,
    since: Instant,
}

impl Transport {
    pub(super) fn new(server: Server, connect: Connect) -> Self {
        Self { server, connect, idle: Mutex::default() }
    }

    /// Sends a request with an absolute URL of this server, and waits for the head of the response. Once
    /// the response has been read to its end, the connection may be [kept](Self::keep).
    pub(super) async fn send(
        &self,
        request: Request<HttpRequestBody>,
        is_fresh: bool,
    ) -> Result<(Response<Incoming>, Connection), AttemptError> {
        let request = to_origin_form(request).ok_or(AttemptError::Wrong("invalid URL"))?;
        while !is_fresh && let Some(mut connection) = self.take_idle() {
            if connection.sender.ready().await.is_err() {
                continue;
            }
            match connection.sender.send_request(request.clone()).await {
                Ok(response) => return Ok((response, connection)),
                // The server has closed the connection while it was idle.
                Err(error) if error.is_canceled() || error.is_incomplete_message() => {}
                Err(error) if error.is_closed() => {}
                Err(error) => return Err(AttemptError::connection(error)),
            }
        }
        let mut connection = self.open().await.map_err(AttemptError::connection)?;
        let response = connection.sender.send_request(request).await;
        Ok((response.map_err(AttemptError::connection)?, connection))
    }

    /// Keeps a connection whose last response has been read to its end.
    pub(super) fn keep(&self, connection: Connection) {
        if connection.is_young() {
            self.lock().push(connection);
        }
    }

    /// The connection that was used last, so that the others age. The old ones end.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.lock();
        idle.retain(|connection| connection.is_young() && !connection.sender.is_closed());
        idle.pop()
    }

    async fn open(&self) -> io::Result<Connection> {
        let stream = (self.connect)(self.server.clone()).await?;
        let mut settings = http1::Builder::new();
        settings.max_buf_size(READ_BUFFER_BYTES);
        let (sender, connection) =
            settings.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            // The reader of the response gets the error, too.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to a bucket failed");
            }
        });
        Ok(Connection { sender, since: Instant::now() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn is_young(&self) -> bool {
        self.since.elapsed() < CONNECTION_AGE_MAX
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("server", &self.server).finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("since", &self.since).finish_non_exhaustive()
    }
}

/// The request as HTTP/1 sends it to its server: the path alone, and the host in a field.
fn to_origin_form<B>(mut request: Request<B>) -> Option<Request<B>> {
    let (_, authority) = Server::from_uri(request.uri())?;
    let host = HeaderValue::from_str(&authority).ok()?;
    request.headers_mut().insert(HOST, host);
    let target = request.uri().path_and_query()?.clone();
    *request.uri_mut() = Uri::from(target);
    Some(request)
}
