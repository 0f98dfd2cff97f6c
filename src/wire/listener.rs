//! The socket on which connections come, and which HTTP is spoken on each.

use std::{
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use actix_http::{Request, Response};
use actix_service::Service;
use actix_web::body::BoxBody;
use socket2::{Domain, Protocol as SocketProtocol, Socket, Type};
use tokio::{io::ReadBuf, net::TcpStream};

use super::{
    admission::Admission,
    body::{Body, ResponseObserver},
    connection::{Protocol, Timeouts},
    drain::Drain,
    http1::{FastPath, Http1Connection, Http1Settings},
    http2::{self, Accepted},
    refusal::Refusal,
    worker::{Alarm, Worker},
    workers::Serve,
};
use crate::sys::net;

/// The first bytes of an HTTP/2 connection whose client knows beforehand that it is one (RFC 9113
/// section 3.4); what follows is for the dispatcher to check.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// How long the rest of a preface is waited for before it is looked for again.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// What the kernel takes ahead of what an HTTP/2 client has room for, in bytes. Little: what is in the
/// kernel cannot be overtaken by another stream.
const HTTP2_UNSENT_BYTES: u32 = 256 * 1024;

/// How connections are to be treated.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// How long each is waited for.
    pub patience: Timeouts,
    /// How much of a file one call sends, in bytes.
    pub window_bytes: u64,
    /// The congestion control of accepted connections; `None` leaves the system's.
    pub congestion: Option<String>,
    /// What the kernel takes ahead of what a client has room for, in bytes, until it is seen to take
    /// much. The congestion window is apart from it.
    pub unsent_bytes: u32,
    /// What the kernel keeps for a connection until it is acknowledged, in bytes; `None` leaves it to
    /// the kernel, which goes by the connection's speed.
    pub send_buffer: Option<usize>,
    /// Bytes a second that a connection is sent at most.
    pub pace: Option<u64>,
}

/// Opens the listening socket. Accepted connections inherit every option that is set here, which
/// saves the system calls for each.
pub fn bind(address: SocketAddr, settings: &ListenerSettings) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(SocketProtocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    net::set_ahead(&socket, settings.unsent_bytes)?;
    if let Some(name) = &settings.congestion {
        let error = |error| io::Error::other(format!("congestion control {name:?}: {error}"));
        net::set_congestion(&socket, name).map_err(error)?;
    }
    if let Some(bytes) = settings.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes_per_s) = settings.pace {
        net::set_pace(&socket, bytes_per_s)?;
    }
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// What serves the connections of one I/O worker: it finds out which HTTP is spoken, and has the requests
/// answered by the front or by the App. To be called on the worker's thread.
pub async fn serve<F, S, T>(
    settings: &ListenerSettings,
    admission: Arc<Admission>,
    drain: Drain,
    front: F,
    app: S,
) -> impl Serve + use<F, S, T>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    S::Error: Into<Response<BoxBody>>,
    T: ResponseObserver,
{
    let ListenerSettings { patience, window_bytes, unsent_bytes, .. } = *settings;
    let app = Rc::new(app);
    Place {
        worker: Worker::start(drain.clone()),
        admission,
        http1: Rc::new(Http1Settings { patience, window_bytes, unsent_bytes }),
        http2: http2::serve(patience, drain, Rc::clone(&app)).await,
        front: Rc::new(front),
        app,
    }
}

/// What one I/O worker needs for its connections.
struct Place<F, S> {
    worker: Rc<Worker>,
    admission: Arc<Admission>,
    http1: Rc<Http1Settings>,
    http2: http2::Serve,
    front: Rc<F>,
    app: Rc<S>,
}

impl<F, S, T> Serve for Place<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    T: ResponseObserver,
{
    async fn serve(self: Rc<Self>, stream: TcpStream) {
        let Ok(peer) = stream.peer_addr() else {
            return;
        };
        // Counted before it says anything: a silent connection is a connection.
        let admitted = self.admission.admit(peer.ip());
        let refusal = (!admitted.is_within_limit()).then_some(Refusal::TooManyConnections);
        match protocol_of(&stream, &self.worker, self.http1.patience.head).await {
            Some(Protocol::Http1) => {
                let Self { worker, http1, front, app, .. } = &*self;
                let held =
                    Http1Connection::new(stream, peer, worker, http1, front, app, refusal).hold();
                if let Err(error) = held.await {
                    tracing::debug!(%error, "a connection ended early");
                }
            }
            Some(Protocol::Http2) => {
                // Where it does not take this, more waits in the kernel than need be.
                let _ = net::set_ahead(&stream, HTTP2_UNSENT_BYTES);
                (self.http2)(Accepted { stream, peer, refusal, admitted }).await;
            }
            // It has said nothing that could be answered.
            None => {}
        }
    }
}

/// Waits for the first bytes, without taking them. `None` if the connection ends before, or has said
/// too little for too long.
async fn protocol_of(stream: &TcpStream, worker: &Rc<Worker>, limit: Duration) -> Option<Protocol> {
    let alarm = Alarm::new(worker);
    alarm.set(limit);
    let mut front = [0; HTTP2_PREFACE.len()];
    loop {
        let peeked = poll_fn(|cx| match stream.poll_peek(cx, &mut ReadBuf::new(&mut front)) {
            Poll::Ready(peeked) => Poll::Ready(peeked.ok()),
            Poll::Pending if worker.is_draining() => Poll::Ready(None),
            Poll::Pending => alarm.poll(cx).map(|()| None),
        });
        let peeked = peeked.await?;
        let is_undecided = peeked > 0 && peeked < front.len();
        match &front[..peeked] {
            whole if whole == HTTP2_PREFACE => return Some(Protocol::Http2),
            part if is_undecided && HTTP2_PREFACE.starts_with(part) => {}
            _ => return Some(Protocol::Http1),
        }
        // The rest is on its way. Peeking would not wait for it, having these bytes to show.
        tokio::time::sleep(PREFACE_PAUSE).await;
        if alarm.is_ringing() || worker.is_draining() {
            return None;
        }
    }
}
