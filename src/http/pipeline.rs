//! The pipeline of every request and response, between the wire and the routes.
//!
//! A request that the wire refused gets its response here, every response gets the common fields, a panic
//! becomes a 500 of its own request, and responses are counted and logged. There are two ways through, with
//! the same result: the [wrapped](Pipeline::wrap) App, and the [`FastPath`] for requests that need neither a
//! router nor any waiting.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use actix_http::{HttpMessage as _, Request, Response, body::BoxBody};
use actix_service::{Service, ServiceFactory, apply_fn_factory};
use actix_web::{
    HttpResponse, ResponseError as _,
    body::MessageBody,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    },
};
use futures::FutureExt as _;

use super::{
    Error, Site,
    access_log::{self, AccessLog},
    cors::ApiAccess,
    fields::{RequestFields, ResponseFields},
    hosts,
    respond::ResponseBody,
    route_class::route_class,
    routes,
};
use crate::{
    extent::{Charge, Extents, ReadError},
    telemetry::{RequestIds, RequestTimer, SentBy},
    wire::{
        body::{Body, BodyContent, DirectBody, ResponseObserver},
        fast_path::{FastPath, ImmediateResponse},
        refusal::Refusal,
    },
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const NOSNIFF: &str = "nosniff";

/// The longest accepted identifier of a request, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The pipeline. Clones share its state.
#[derive(Clone)]
pub struct Pipeline {
    /// The shared state of the routes.
    pub site: Arc<Site>,
    /// The log of requests.
    pub access_log: AccessLog,
    /// Generates identifiers for requests without one.
    pub request_ids: RequestIds,
}

impl Pipeline {
    /// Wraps the App.
    pub fn wrap<F, B>(
        self,
        app: F,
    ) -> impl ServiceFactory<
        Request,
        Config = (),
        Response = Response<Body<ResponseTally>>,
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
            let pipeline = self.clone();
            let pending = pipeline.receive(&request, request.peer_addr());
            let is_head = *request.method() == Method::HEAD;
            let refusal = request.extensions().get::<Refusal>().copied();
            let allowed = match refusal {
                Some(refusal) => Err(Error::from(refusal)),
                None => hosts::check(&request, &pipeline.site),
            };
            let responding = allowed.map(|()| app.call(request));
            async move {
                let response = match responding {
                    Err(error) => error_response(&error),
                    Ok(responding) => match AssertUnwindSafe(responding).catch_unwind().await {
                        Ok(Ok(response)) => response.into().map_into_boxed_body(),
                        Ok(Err(error)) => error.into(),
                        Err(_panic) => error_response(&Error::Internal("a panic".into())),
                    },
                };
                Ok(pipeline.finish(response, is_head, pending))
            }
        })
    }

    fn receive(&self, request: &impl RequestFields, peer: Option<SocketAddr>) -> Pending {
        let received = request.lines(&X_REQUEST_ID).next().filter(|id| is_request_id(id));
        let id = match received {
            Some(id) => RequestId::Received(id.into()),
            None => RequestId::Generated(self.request_ids.next()),
        };
        let timer = self.site.metrics.begin_request(route_class(request.target()));
        let client = peer.map(|peer| peer.ip().to_canonical());
        let entry = self.access_log.begin(request, client, id.as_bytes());
        let tally = ResponseTally { timer, entry, charge: Charge::default() };
        let origins = &self.site.settings.load().api_origins;
        let api_access = ApiAccess::of_request(request, origins.as_deref());
        Pending { id, tally, api_access }
    }

    fn finish(
        &self,
        mut response: Response<BoxBody>,
        is_head: bool,
        pending: Pending,
    ) -> Response<Body<ResponseTally>> {
        let Pending { id, mut tally, api_access } = pending;
        let direct = response.extensions_mut().remove::<DirectBody>();
        let mut response = response.map_body(|_, body| BodyContent::new(direct, body));
        // The response to HEAD has the length of a body that it does not have.
        let held_bytes = if is_head { 0 } else { response.body().bytes_in_memory() };
        match self.site.response_memory.charge(held_bytes) {
            Ok(charge) => tally.charge = charge,
            Err(exhausted) => {
                response =
                    error_response(&exhausted.into()).map_body(|_, body| BodyContent::Stream(body));
            }
        }
        tally.count(response.status());
        let fields = response.headers_mut();
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static(NOSNIFF));
        let id = HeaderValue::from_bytes(id.as_bytes());
        fields.insert(X_REQUEST_ID, id.expect("letters, digits and a few signs"));
        if let Some(access) = api_access {
            access.decorate(fields);
        }
        response.map_body(|_, content| Body { content, observer: tally })
    }
}

impl FastPath for Pipeline {
    type ResponseObserver = ResponseTally;

    fn respond(
        &self,
        request: &impl RequestFields,
        peer: SocketAddr,
        head: &mut impl ResponseFields,
    ) -> Option<ImmediateResponse<ResponseTally>> {
        // The App makes the response to a refused host.
        hosts::check(request, &self.site).ok()?;
        let (status, body) = routes::respond_if_ready(request, &self.site, head)?;
        let held_bytes = match &body {
            ResponseBody::Extents(extents) if request.method() != "HEAD" => {
                extents.bytes_in_memory()
            }
            _ => 0,
        };
        // The App refuses what the budget has no space for.
        let charge = self.site.response_memory.charge(held_bytes as u64).ok()?;
        let Pending { id, mut tally, .. } = self.receive(request, Some(peer));
        tally.charge = charge;
        tally.count(status);
        head.put_static(&X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        head.put(&X_REQUEST_ID, id.as_bytes());
        Some(match body {
            ResponseBody::None => {
                ImmediateResponse { length: None, extents: Extents::default(), observer: tally }
            }
            ResponseBody::Extents(extents) => {
                let length = Some(extents.len());
                let is_head = request.method() == "HEAD";
                let extents = if is_head { Extents::default() } else { extents };
                ImmediateResponse { length, extents, observer: tally }
            }
        })
    }

    fn content_bytes_max(&self, request: &impl RequestFields) -> Option<usize> {
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

/// A request without a response yet.
struct Pending {
    id: RequestId,
    tally: ResponseTally,
    /// The response of the API for pages of other origins.
    api_access: Option<ApiAccess>,
}

enum RequestId {
    Received(Box<[u8]>),
    Generated([u8; 16]),
}

impl RequestId {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Received(id) => id,
            Self::Generated(id) => id,
        }
    }
}

/// Counts a response, and logs it when it has ended.
pub struct ResponseTally {
    timer: RequestTimer,
    entry: Option<Box<access_log::Entry>>,
    /// What the response holds in memory.
    charge: Charge,
}

impl ResponseTally {
    fn count(&mut self, status: StatusCode) {
        self.timer.set_status(status.as_u16());
        if let Some(entry) = &mut self.entry {
            entry.set_status(status.as_u16());
        }
    }
}

impl ResponseObserver for ResponseTally {
    fn sent(&mut self, bytes: u64, by: SentBy) {
        if bytes == 0 {
            return;
        }
        self.timer.note_bytes();
        self.timer.metrics().sent(bytes, by);
        if let Some(entry) = &mut self.entry {
            entry.add_sent(bytes);
        }
    }

    fn cut(&mut self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(%error, "response cut short");
        let cause = error.downcast_ref::<ReadError>();
        self.timer.metrics().cut(cause.map_or("other", ReadError::reason));
        if let Some(entry) = &mut self.entry {
            entry.set_cut();
        }
    }
}
