//! What can go wrong, and the one place where it becomes a status.
//!
//! Two messages: the client gets the kind and a sentence, as a problem document (RFC 9457); the log
//! gets the cause. No path of the server's disk reaches a client.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;

use crate::{
    background::BackgroundError,
    extent::{
        ReadError,
        disk::{OpenError, Unavailable},
    },
    library::PathRefused,
    queue::{JobId, QueueError},
    titles,
    wire::refusal::Refusal,
};

/// The methods of everything that can only be read.
pub const READ_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// How long a client is told to wait before it asks a busy disk again, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("5");

/// How long before it asks again how far something is, in seconds: copying a film takes as long.
const MADE_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// How long before it asks again for what could not be made for want of something, in seconds.
const LACKED_AFTER_S: HeaderValue = HeaderValue::from_static("60");

/// How a client shows that it may change something (RFC 6750).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"headwater\"");

/// Every kind of failure of a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// There is nothing under this name.
    #[error("there is nothing here")]
    NotFound,
    /// What is here cannot be used with this method.
    #[error("this can only be read: GET, HEAD or OPTIONS")]
    MethodNotAllowed,
    /// The target is longer than any name here.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The head is too large.
    #[error("the request's header fields are too large or too many")]
    HeadTooLarge,
    /// The head or the content took too long to arrive.
    #[error("the request took too long to arrive")]
    Timeout,
    /// The content is longer than what is read of it, in bytes.
    #[error("the content is longer than {0} bytes")]
    ContentTooLarge(usize),
    /// Content is sent in chunks, and must not be.
    #[error("say how long the content is: Content-Length is required")]
    LengthRequired,
    /// What is here cannot be used with this method, but with those.
    #[error("this takes {}", .0.to_str().unwrap_or_default())]
    MethodNotAmong(HeaderValue),
    /// This request may not change anything; why.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Who changes something must show that it may.
    #[error("whoever changes something must show the token: Authorization: Bearer …")]
    Unauthorized,
    /// What changes something must be JSON.
    #[error("whatever changes something must be JSON: Content-Type: application/json")]
    NotJson,
    /// What is here is in no state for this; why.
    #[error("{0}")]
    Conflict(&'static str),
    /// The client wants more at a time than one client may have; more of what.
    #[error("too many {0}")]
    TooMuchAtOnce(&'static str),
    /// This cannot be made of that file; why.
    #[error("{0}")]
    Unprocessable(String),
    /// The file is still being written.
    #[error(
        "the file is still growing; it plays from the start by /media/…?follow, and once it is whole, here"
    )]
    Growing,
    /// The disk does not answer, or not in time.
    #[error("the storage does not answer at the moment; try again soon")]
    Unavailable(#[source] Unavailable),
    /// Not now, but soon.
    #[error("{0}")]
    NotReady(&'static str),
    /// It could not be made, and nothing is wrong with it; what is lacking.
    #[error("{0}")]
    Lacking(String),
    /// What plays is made by a job first.
    #[error("this is being made playable: {} %", permille / 10)]
    BeingMade {
        /// Which.
        job: JobId,
        /// How far it is.
        permille: u16,
    },
    /// Something is broken that a client can do nothing about.
    #[error("something went wrong here; the log says what")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed | Self::MethodNotAmong(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::ContentTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::TooMuchAtOnce(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Growing | Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_)
            | Self::NotReady(_)
            | Self::Lacking(_)
            | Self::BeingMade { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn log(&self) {
        match self {
            Self::Unavailable(cause) => tracing::warn!(%cause, "answered 503"),
            Self::Internal(cause) => tracing::error!(%cause, "answered 500"),
            _ => {}
        }
    }
}

/// RFC 9457, with a member of our own: what is waited for can be looked at, and heard of.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let status = self.status();
        let mut response = HttpResponse::build(status);
        match self {
            Self::MethodNotAllowed => response.insert_header((ALLOW, READ_METHODS)),
            Self::MethodNotAmong(methods) => response.insert_header((ALLOW, methods.clone())),
            Self::Unauthorized => response.insert_header((WWW_AUTHENTICATE, BEARER)),
            Self::Unavailable(_) | Self::NotReady(_) | Self::TooMuchAtOnce(_) | Self::Growing => {
                response.insert_header((RETRY_AFTER, RETRY_AFTER_S))
            }
            Self::Lacking(_) => response.insert_header((RETRY_AFTER, LACKED_AFTER_S)),
            Self::BeingMade { .. } => response.insert_header((RETRY_AFTER, MADE_AFTER_S)),
            _ => &mut response,
        };
        let problem = Problem {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.to_string(),
            job: match self {
                Self::BeingMade { job, .. } => Some(job.to_string()),
                _ => None,
            },
        };
        let mut body = serde_json::to_vec_pretty(&problem).unwrap_or_default();
        body.push(b'\n');
        response
            .insert_header((CONTENT_TYPE, HeaderValue::from_static("application/problem+json")))
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body(body)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotFound => Self::NotFound,
            OpenError::Unavailable(cause) => Self::Unavailable(cause),
            OpenError::Io(cause) => Self::Internal(Box::new(cause)),
        }
    }
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "answered 503");
            return Self::NotReady("the database does not answer at the moment; try again soon");
        }
        Self::Internal(Box::new(error))
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => Self::Unavailable(cause),
            ReadError::Changed | ReadError::Truncated => {
                Self::NotReady("the file is being changed at this moment; try again soon")
            }
            cause => Self::Internal(Box::new(cause)),
        }
    }
}

impl From<titles::Error> for Error {
    fn from(error: titles::Error) -> Self {
        match error {
            titles::Error::NotFound => Self::NotFound,
            titles::Error::InvalidParameter(why) => Self::BadRequest(why),
            titles::Error::Growing => Self::Growing,
            titles::Error::Unprocessable(why) => Self::Unprocessable(why),
            titles::Error::Pending { job, permille } => Self::BeingMade { job, permille },
            titles::Error::Unavailable(what) => Self::Lacking(what),
            titles::Error::NotReady(why) | titles::Error::DatabaseUnavailable(why) => {
                Self::NotReady(why)
            }
            titles::Error::Busy => Self::NotReady("server busy, retry later"),
            titles::Error::StorageUnavailable(cause) => Self::Unavailable(cause),
            titles::Error::Read(cause) => cause.into(),
            titles::Error::Queue(cause) => cause.into(),
            titles::Error::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<BackgroundError> for Error {
    fn from(error: BackgroundError) -> Self {
        match error {
            BackgroundError::Busy => Self::NotReady("server busy, retry later"),
            BackgroundError::Aborted(cause) => Self::Internal(Box::new(cause)),
        }
    }
}

impl From<PathRefused> for Error {
    /// A path that can name nothing is answered like one that names nothing: what is hidden, and
    /// what is outside, do not exist.
    fn from(_: PathRefused) -> Self {
        Self::NotFound
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(why) => Self::BadRequest(why.into()),
            Refusal::TargetTooLong => Self::TargetTooLong,
            Refusal::HeadTooLarge => Self::HeadTooLarge,
            Refusal::LengthRequired => Self::LengthRequired,
            Refusal::ContentTooLarge(most) => Self::ContentTooLarge(most),
            Refusal::Timeout => Self::Timeout,
            Refusal::TooManyConnections => Self::TooMuchAtOnce("connections from this address"),
            Refusal::TooManyRequests => Self::TooMuchAtOnce("requests on this connection"),
        }
    }
}
