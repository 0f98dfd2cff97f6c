//! What every request and every answer passes: the edge between the wire and the routes.
//!
//! Here a request that the wire refused gets its answer, every answer gets the fields that all
//! answers have, a panic becomes a 500 of its own request, and what was sent is counted and logged.
//! There are two ways through it, with the same result: [`around`](Edge::around) the App, and the
//! [`FastPath`], which answers what needs neither a router nor any waiting.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use actix_http::{HttpMessage as _, Request, Response, body::BoxBody};
use actix_service::{Service, ServiceFactory, apply_fn_factory};
use actix_web::{
    HttpResponse, ResponseError as _,
    body::MessageBody,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    },
};
use futures::FutureExt as _;

use super::{
    Error, Site,
    access_log::{self, AccessLog},
    fields::Asked,
    respond::Answer,
    routes,
};
use crate::{
    extent::{Extents, ReadError},
    telemetry::{Metrics, RequestIds},
    wire::{
        body::{Body, BodyContent, DirectBody, ResponseObserver},
        http1::{FastPath, ImmediateResponse, RequestHead, ResponseHead},
        refusal::Refusal,
    },
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const NOSNIFF: &str = "nosniff";

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
        Response = Response<Body<AnswerTally>>,
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
            let arrived = edge.arrived(&request, request.peer_addr());
            let refusal = request.extensions().get::<Refusal>().copied();
            let answer = match refusal {
                Some(refusal) => Err(Error::from(refusal)),
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
                Ok(edge.leaves(response, arrived))
            }
        })
    }

    fn arrived(&self, request: &impl Asked, peer: Option<SocketAddr>) -> Arrived {
        let given = request.lines(&X_REQUEST_ID).next().filter(|id| is_request_id(id));
        let id = given
            .map_or_else(|| RequestId::ManifestCache(self.request_ids.next()), RequestId::given);
        let entry = self.access_log.begin(request, peer.map(|peer| peer.ip()), id.as_bytes());
        let tally = AnswerTally { metrics: self.site.metrics.clone(), entry };
        Arrived { id, tally }
    }

    fn leaves(
        &self,
        mut response: Response<BoxBody>,
        arrived: Arrived,
    ) -> Response<Body<AnswerTally>> {
        let Arrived { id, mut tally } = arrived;
        tally.answered(response.status());
        let fields = response.headers_mut();
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static(NOSNIFF));
        let id = HeaderValue::from_bytes(id.as_bytes());
        fields.insert(X_REQUEST_ID, id.expect("letters, digits and a few signs"));
        let offer = response.extensions_mut().remove::<DirectBody>();
        response
            .map_body(|_, body| Body { content: BodyContent::new(offer, body), observer: tally })
    }
}

impl FastPath for Edge {
    type ResponseObserver = AnswerTally;

    fn respond(
        &self,
        request: &RequestHead<'_>,
        peer: SocketAddr,
        head: &mut ResponseHead<'_>,
    ) -> Option<ImmediateResponse<AnswerTally>> {
        let (status, answer) = routes::answer_now(request, &self.site, head)?;
        let Arrived { id, mut tally } = self.arrived(request, Some(peer));
        tally.answered(status);
        head.put(&X_CONTENT_TYPE_OPTIONS, NOSNIFF.as_bytes());
        head.put(&X_REQUEST_ID, id.as_bytes());
        Some(match answer {
            Answer::Nothing => {
                ImmediateResponse { length: None, extents: Extents::default(), observer: tally }
            }
            Answer::Content(extents) => {
                let length = Some(extents.len());
                let is_head = request.method == "HEAD";
                let extents = if is_head { Extents::default() } else { extents };
                ImmediateResponse { length, extents, observer: tally }
            }
        })
    }

    fn content_bytes_max(&self, request: &RequestHead<'_>) -> Option<usize> {
        routes::content_bytes_max(request)
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

/// What is remembered of a request until it is answered.
struct Arrived {
    id: RequestId,
    tally: AnswerTally,
}

enum RequestId {
    Given(Box<[u8]>),
    ManifestCache([u8; 16]),
}

impl RequestId {
    fn given(id: &[u8]) -> Self {
        Self::Given(id.into())
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Given(id) => id,
            Self::ManifestCache(id) => id,
        }
    }
}

/// Counts an answer, and logs it when it has ended.
pub struct AnswerTally {
    metrics: Metrics,
    entry: Option<Box<access_log::Entry>>,
}

impl AnswerTally {
    fn answered(&mut self, status: StatusCode) {
        self.metrics.response(status.as_u16());
        if let Some(entry) = &mut self.entry {
            entry.answered(status.as_u16());
        }
    }
}

impl ResponseObserver for AnswerTally {
    fn sent(&mut self, bytes: u64) {
        self.metrics.sent(bytes);
        if let Some(entry) = &mut self.entry {
            entry.sent(bytes);
        }
    }

    fn copied(&mut self, bytes: u64) {
        self.metrics.copied(bytes);
    }

    fn cut(&mut self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(%error, "a response was cut short");
        let cause = error.downcast_ref::<ReadError>();
        self.metrics.cut(cause.map_or("other", ReadError::reason));
        if let Some(entry) = &mut self.entry {
            entry.cut();
        }
    }
}
