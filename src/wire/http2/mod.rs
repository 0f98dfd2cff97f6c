//! HTTP/2: actix's dispatcher, with added limits and timeouts.
//!
//! Content is read into buffers here, because frames interleave the bytes of several streams. `transport` is
//! the connection for the dispatcher; `monitor` watches its streams.

mod connection;
mod monitor;
mod stall;
mod transport;

use std::{
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_http::{HttpMessage as _, HttpService, Request, Response};
use actix_service::{IntoService as _, Service, ServiceFactory, fn_factory};
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    http::header::{HOST, HeaderValue},
};
use bytes::Bytes;
use tokio::net::TcpStream;

use self::{
    connection::{Connection, ResponseGuard},
    transport::Transport,
};
use super::{
    body::{Body, BodyContent, ExtentBody, ResponseObserver},
    connection::{Protocol, Timeouts},
    drain::Drain,
    http1::{FIELDS_MAX, HEAD_BYTES_MAX, TARGET_BYTES_MAX, is_host},
    refusal::Refusal,
};
use crate::shares::ClientKey;

/// The time for a client to close a connection that the dispatcher shuts down.
const LINGER: Duration = Duration::from_secs(2);

/// An accepted HTTP/2 connection.
pub(super) struct AcceptedConnection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
}

/// Serves the HTTP/2 connections of one I/O thread.
pub(super) type Handler = Box<dyn Fn(AcceptedConnection) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Creates the handler, which gets every response from `app`.
pub(super) async fn create_handler<S, T>(timeouts: Timeouts, drain: Drain, app: Rc<S>) -> Handler
where
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    S::Error: Into<Response<BoxBody>>,
    T: ResponseObserver,
{
    let service = fn_factory(move || {
        let app = Rc::clone(&app);
        let respond = move |request: Request| respond(Rc::clone(&app), request);
        std::future::ready(Ok::<_, ()>(respond.into_service()))
    });
    let dispatcher = HttpService::build()
        .keep_alive(timeouts.keep_alive)
        .client_request_timeout(timeouts.request_head)
        .client_disconnect_timeout(LINGER)
        .on_connect_ext(|transport: &Transport, data| {
            data.insert(Rc::clone(transport.connection()));
        })
        .h2(service)
        .new_service(())
        .await
        .expect("an infallible factory");
    Box::new(move |accepted: AcceptedConnection| {
        let AcceptedConnection { stream, peer } = accepted;
        let connection = Connection::new();
        let drain = Box::pin(drain.clone().begun());
        let transport = Transport::new(stream, connection, timeouts.send, drain);
        let dispatch = dispatcher.call((transport, Some(peer)));
        Box::pin(async move {
            if let Err(error) = dispatch.await {
                tracing::debug!(%error, "HTTP/2 connection closed early");
            }
        })
    })
}

/// Responds to one request. The response counts as one of the connection until its body is dropped.
async fn respond<S, T>(app: Rc<S>, request: Request) -> Result<Response<GuardedBody<T>>, S::Error>
where
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    let connection = request
        .conn_data::<Rc<Connection>>()
        .map(Rc::clone)
        .expect("every connection has this data");
    let guard = ResponseGuard::new(&connection);
    if let Some(refusal) = check_request(&request, &connection) {
        request.extensions_mut().insert(refusal);
    }
    request.extensions_mut().insert(Rc::clone(connection.client()));
    let client = request.peer_addr().map_or(ClientKey::Server, |peer| peer.ip().into());
    let response = client.scope(app.call(request)).await?;
    Ok(response.map_body(|_, body| GuardedBody::new(body, guard)))
}

/// Checks the head of a request; the dispatcher has checked its frames only (RFC 9113 section 8.3.1). The
/// limits are those of HTTP/1.
fn check_request(request: &Request, connection: &Connection) -> Option<Refusal> {
    if connection.is_overloaded() {
        return Some(Refusal::TooManyRequests);
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > TARGET_BYTES_MAX {
        return Some(Refusal::TargetTooLong);
    }
    let fields = request.headers().iter();
    let head_bytes: usize = fields.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head_bytes > HEAD_BYTES_MAX || request.headers().len() > FIELDS_MAX {
        return Some(Refusal::HeadTooLarge);
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let is_valid = authority.or(host).is_some_and(is_host);
    (!is_valid).then_some(Refusal::Malformed("the authority is not a host and port"))
}

/// A body that is counted as it is sent, and yields a piece only when the dispatcher has space for it.
struct GuardedBody<T> {
    content: Content,
    guard: ResponseGuard,
    observer: T,
}

enum Content {
    Extents(ExtentBody),
    Stream(BoxBody),
}

impl<T> GuardedBody<T> {
    fn new(body: Body<T>, guard: ResponseGuard) -> Self {
        let content = match body.content {
            BodyContent::Extents(extents) => {
                Content::Extents(ExtentBody::new(extents, Protocol::Http2))
            }
            BodyContent::Stream(stream) => Content::Stream(stream),
        };
        Self { content, guard, observer: body.observer }
    }
}

impl<T: ResponseObserver + Unpin> MessageBody for GuardedBody<T> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Extents(body) => body.size(),
            Content::Stream(body) => body.size(),
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        ready!(this.guard.poll_space(cx));
        let polled = match &mut this.content {
            Content::Extents(body) => Pin::new(body).poll_next(cx).map_err(Self::Error::from),
            Content::Stream(body) => Pin::new(body).poll_next(cx),
        };
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                this.guard.record_piece(bytes.len() as u64);
                this.observer.sent(bytes.len() as u64);
                if matches!(this.content, Content::Extents(_)) {
                    this.observer.copied(bytes.len() as u64);
                }
            }
            Poll::Ready(Some(Err(error))) => this.observer.cut(error.as_ref()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}
