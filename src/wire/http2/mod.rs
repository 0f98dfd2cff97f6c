//! HTTP/2: actix's dispatcher, and what it does not look after by itself.
//!
//! Content goes in pieces through user space here: a stream's bytes stand between those of others, in
//! frames. `transport` is the connection that the dispatcher is given.

mod connection;
mod stall;
mod streams;
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
    connection::{Answering, Connection},
    transport::Transport,
};
use super::{
    admission::Admitted,
    body::{Body, ExtentBody, ResponseObserver, Sendable},
    connection::{Protocol, Timeouts},
    drain::Drain,
    http1::{FIELDS_MAX, HEAD_BYTES_MAX, TARGET_BYTES_MAX, is_host},
    refusal::Refusal,
};

/// How long a client may take to let go when its connection ends.
const LINGER: Duration = Duration::from_secs(2);

/// An accepted connection over which HTTP/2 is spoken.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    /// Why everything that comes is refused.
    pub(super) refusal: Option<Refusal>,
    /// Kept as long as the connection.
    pub(super) admitted: Admitted,
}

/// What serves one I/O worker's connections.
pub(super) type Serve = Box<dyn Fn(Accepted) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Makes what serves connections, their requests being answered by `app`.
pub(super) async fn serve<S, T>(patience: Timeouts, drain: Drain, app: Rc<S>) -> Serve
where
    S: Service<Request, Response = Response<Body<T>>> + 'static,
    S::Error: Into<Response<BoxBody>>,
    T: ResponseObserver,
{
    let app = fn_factory(move || {
        let app = Rc::clone(&app);
        let answer = move |request: Request| answer(Rc::clone(&app), request);
        std::future::ready(Ok::<_, ()>(answer.into_service()))
    });
    let dispatch = HttpService::build()
        .keep_alive(patience.keep_alive)
        .client_request_timeout(patience.head)
        .client_disconnect_timeout(LINGER)
        .on_connect_ext(|transport: &Transport, data| {
            data.insert(Rc::clone(transport.connection()));
        })
        .h2(app)
        .new_service(());
    let dispatch = dispatch.await.expect("nothing in it can fail");
    Box::new(move |accepted: Accepted| {
        let Accepted { stream, peer, refusal, admitted } = accepted;
        let connection = Connection::new(refusal);
        let drain = Box::pin(drain.clone().begun());
        let transport = Transport::new(stream, connection, patience.stall, drain, admitted);
        let dispatched = dispatch.call((transport, Some(peer)));
        Box::pin(async move {
            if let Err(error) = dispatched.await {
                tracing::debug!(%error, "an HTTP/2 connection ended early");
            }
        })
    })
}

/// Answers one request. That it stands in the count of its connection ends with its body.
async fn answer<S, T>(app: Rc<S>, request: Request) -> Result<Response<StreamBody<T>>, S::Error>
where
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    let connection = request.conn_data::<Rc<Connection>>().map(Rc::clone);
    let connection = connection.expect("every connection has one");
    let answering = Answering::on(&connection);
    if let Some(refusal) = refusal(&request, &connection) {
        request.extensions_mut().insert(refusal);
    }
    request.extensions_mut().insert(Rc::clone(connection.client()));
    let response = app.call(request).await?;
    Ok(response.map_body(|_, body| StreamBody::new(body, answering)))
}

/// Whether a request is refused before anybody looks at what it asks for. Its frames are certain,
/// but not what it says (RFC 9113 section 8.3.1).
fn refusal(request: &Request, connection: &Connection) -> Option<Refusal> {
    if let Some(refusal) = connection.refusal() {
        return Some(refusal);
    }
    if connection.is_overloaded() {
        return Some(Refusal::TooManyRequests);
    }
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > TARGET_BYTES_MAX {
        return Some(Refusal::TargetTooLong);
    }
    let fields = request.headers().iter();
    let head: usize = fields.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if head > HEAD_BYTES_MAX || request.headers().len() > FIELDS_MAX {
        return Some(Refusal::HeadTooLarge);
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let is_valid = authority.or(host).is_some_and(is_host);
    (!is_valid).then_some(Refusal::Malformed("the authority is not a host and port"))
}

/// A body as the dispatcher polls it: what passes is counted, and it goes on only when there is room.
struct StreamBody<T> {
    content: Content,
    answering: Answering,
    tally: T,
}

enum Content {
    Extents(ExtentBody),
    Other(BoxBody),
}

impl<T> StreamBody<T> {
    fn new(body: Body<T>, answering: Answering) -> Self {
        let content = match body.content {
            Sendable::Extents(extents) => {
                Content::Extents(ExtentBody::new(extents, Protocol::Http2))
            }
            Sendable::Other(body) => Content::Other(body),
        };
        Self { content, answering, tally: body.tally }
    }
}

impl<T: ResponseObserver + Unpin> MessageBody for StreamBody<T> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Extents(body) => body.size(),
            Content::Other(body) => body.size(),
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        ready!(this.answering.poll_room(cx));
        let polled = match &mut this.content {
            Content::Extents(body) => Pin::new(body).poll_next(cx).map_err(Self::Error::from),
            Content::Other(body) => Pin::new(body).poll_next(cx),
        };
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                this.answering.advance(bytes.len() as u64);
                this.tally.sent(bytes.len() as u64);
                if matches!(this.content, Content::Extents(_)) {
                    this.tally.copied(bytes.len() as u64);
                }
            }
            Poll::Ready(Some(Err(error))) => this.tally.cut(error.as_ref()),
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}
