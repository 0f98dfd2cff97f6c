//! What every request and every answer passes: the edge between the wire and the routes.
//!
//! Here a request that the wire refused gets its answer, every answer gets the fields that all
//! answers have, a panic becomes a 500 of its own request, and what was sent is counted and logged.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_http::{HttpMessage as _, Request, Response, body::BoxBody};
use actix_service::{Service, ServiceFactory, apply_fn_factory};
use actix_web::{
    HttpResponse, ResponseError as _,
    body::{BodySize, MessageBody},
    http::{
        Version,
        header::{HOST, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    },
};
use bytes::Bytes;
use futures::FutureExt as _;

use super::{
    Error, Site,
    access_log::{self, AccessLog},
};
use crate::{
    extent::ReadError,
    telemetry::{Metrics, RequestIds},
    wire::{
        connection::{Answering, Connection},
        intake,
    },
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest identifier that is taken from a request, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// What the edge needs. A clone is the same edge.
#[derive(Clone)]
pub struct Edge {
    /// What the routes share.
    pub site: Arc<Site>,
    /// Where requests are logged.
    pub access_log: AccessLog,
    /// Names requests that have no name.
    pub request_ids: RequestIds,
}

impl Edge {
    /// Puts the edge around a service that answers requests.
    pub fn around<F, B>(
        self,
        app: F,
    ) -> impl ServiceFactory<
        Request,
        Config = (),
        Response = Response<EdgeBody>,
        Error = F::Error,
        InitError = F::InitError,
        Service: 'static,
        Future: 'static,
    >
    where
        F: ServiceFactory<Request, Config = ()> + 'static,
        F::Response: Into<Response<B>>,
        F::Error: Into<Response<BoxBody>>,
        B: MessageBody + 'static,
    {
        apply_fn_factory(app, move |request: Request, app: &F::Service| {
            let edge = self.clone();
            let connection = request.conn_data::<Rc<Connection>>().map(Rc::clone);
            let answering = Answering::on(connection.as_ref());
            let arrived = edge.arrived(&request, connection.as_deref());
            let answer = match edge.refused(&request, connection.as_deref()) {
                Some(error) => Err(error),
                None => Ok(app.call(request)),
            };
            async move {
                let response = match answer {
                    Err(error) => error_response(&error),
                    Ok(answer) => match AssertUnwindSafe(answer).catch_unwind().await {
                        Ok(Ok(response)) => response.into().map_into_boxed_body(),
                        Ok(Err(error)) => error.into(),
                        Err(_panic) => error_response(&Error::Internal("a panic".into())),
                    },
                };
                Ok(edge.leaves(response, arrived, answering))
            }
        })
    }

    /// Whether the request is refused before any route sees it.
    fn refused(&self, request: &Request, connection: Option<&Connection>) -> Option<Error> {
        if let Some(refusal) = connection.and_then(Connection::refusal) {
            return Some(refusal.into());
        }
        // HTTP/1 requests have passed the intake; of an HTTP/2 request the frames are certain, but
        // not what it says (RFC 9113 section 8.3.1).
        if request.version() != Version::HTTP_2 {
            return None;
        }
        if connection.is_some_and(Connection::is_overloaded) {
            return Some(Error::TooMuchAtOnce("requests on this connection"));
        }
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        if target.len() > intake::TARGET_BYTES_MAX {
            return Some(Error::TargetTooLong);
        }
        let fields = request.headers().iter();
        let head: usize = fields.map(|(name, value)| name.as_str().len() + value.len()).sum();
        if head > intake::HEAD_BYTES_MAX || request.headers().len() > intake::FIELDS_MAX {
            return Some(Error::HeadTooLarge);
        }
        let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
        let is_valid = authority.or(host).is_some_and(intake::is_host);
        (!is_valid).then(|| Error::BadRequest("the authority is not a host and port".into()))
    }

    fn arrived(&self, request: &Request, connection: Option<&Connection>) -> Arrived {
        let given = request.headers().get(X_REQUEST_ID).filter(|id| is_request_id(id.as_bytes()));
        let id = given.cloned().unwrap_or_else(|| {
            HeaderValue::from_str(&self.request_ids.next()).expect("hex digits")
        });
        let entry = self.access_log.begin(request, &id);
        // A refused request is the last of its connection; so is one that asks for another protocol,
        // after which actix closes without saying so.
        let is_refused = connection.is_some_and(|connection| connection.refusal().is_some());
        let is_last = is_refused || request.head().upgrade();
        Arrived { id, entry, is_last }
    }

    fn leaves(
        &self,
        mut response: Response<BoxBody>,
        arrived: Arrived,
        answering: Answering,
    ) -> Response<EdgeBody> {
        let status = response.status();
        self.site.metrics.response(status.as_u16());
        let fields = response.headers_mut();
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(X_REQUEST_ID, arrived.id);
        if arrived.is_last {
            response.head_mut().set_connection_type(actix_http::ConnectionType::Close);
        }
        let mut entry = arrived.entry;
        if let Some(entry) = &mut entry {
            entry.answered(status.as_u16());
        }
        let metrics = self.site.metrics.clone();
        response.map_body(|_, body| EdgeBody { body, answering, metrics, entry })
    }
}

fn error_response(error: &Error) -> Response<BoxBody> {
    let response: HttpResponse = error.error_response();
    response.into()
}

fn is_request_id(id: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(plain)
}

/// What is remembered of a request until its answer has ended.
struct Arrived {
    id: HeaderValue,
    entry: Option<access_log::Entry>,
    /// Whether the connection is closed after the answer.
    is_last: bool,
}

/// An answer's body on its way out: what passes is counted, and its end lets the next request in.
pub struct EdgeBody {
    body: BoxBody,
    answering: Answering,
    metrics: Metrics,
    entry: Option<access_log::Entry>,
}

impl MessageBody for EdgeBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        ready!(this.answering.poll_room(cx));
        let polled = Pin::new(&mut this.body).poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                this.answering.advance(bytes.len() as u64);
                this.metrics.sent(bytes.len() as u64);
                if let Some(entry) = &mut this.entry {
                    entry.sent(bytes.len() as u64);
                }
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(%error, "a response was cut short");
                let cause = error.downcast_ref::<ReadError>();
                this.metrics.cut(cause.map_or("other", ReadError::reason));
                if let Some(entry) = &mut this.entry {
                    entry.cut();
                }
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}
