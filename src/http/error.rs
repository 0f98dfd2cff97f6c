//! Errors of requests, and the one function that maps them to responses.
//!
//! Each error has two messages: the client gets a problem document (RFC 9457), the log gets the
//! cause. No path of the server's disk reaches a client.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};

use super::problem::{Problem, ProblemType};
use crate::{
    background::BackgroundError,
    extent::{
        Exhausted, ReadError,
        disk::{OpenError, Unavailable},
    },
    library::PathRefused,
    queue::{JobId, QueueError},
    titles,
    wire::refusal::Refusal,
};

/// The methods of a read-only resource.
pub const READ_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The challenge of a 401 (RFC 6750).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"headwater\"");

/// The error of a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is malformed; with the reason.
    #[error("{0}")]
    BadRequest(String),
    /// The request has no valid API token.
    #[error("missing or invalid API token (Authorization: Bearer …)")]
    Unauthorized,
    /// A page of another origin sent a request that changes something.
    #[error("a page of another origin must not change anything")]
    CrossOrigin,
    /// The request names a host that is not known to be this server.
    #[error(
        "the server is not known under this host name; use localhost or 127.0.0.1, or add the name to \
         allowed_hosts"
    )]
    UnknownHost,
    /// A request that changes something names a host that may be another machine.
    #[error(
        "changes need a host name of this machine; use localhost or 127.0.0.1, or set api_token_file"
    )]
    UntrustedHost,
    /// The server is reachable over the network and has no token.
    #[error(
        "changes over the network need a token; set api_token_file, or listen on a loopback address"
    )]
    ReadOnly,
    /// No resource has this name.
    #[error("not found")]
    NotFound,
    /// The resource supports only these methods.
    #[error("method not allowed; use {}", .0.to_str().unwrap_or_default())]
    MethodNotAllowed(HeaderValue),
    /// The header or the body took too long to arrive.
    #[error("the request took too long to arrive")]
    Timeout,
    /// The resource's state does not allow the request; with the reason.
    #[error("{0}")]
    Conflict(&'static str),
    /// Something still writes the file.
    #[error("the file is still growing; play it by /media/…?follow, or retry when it is complete")]
    Growing,
    /// The body is chunked, and must not be.
    #[error("Content-Length is required")]
    LengthRequired,
    /// The body is longer than this many bytes.
    #[error("the request body is longer than {0} bytes")]
    ContentTooLarge(usize),
    /// The request target is too long.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The body's media type is not JSON.
    #[error("changes need Content-Type: application/json")]
    NotJson,
    /// The title does not support the request; with the reason.
    #[error("{0}")]
    Unprocessable(String),
    /// The header fields are too large or too many.
    #[error("the request header fields are too large or too many")]
    HeadTooLarge,
    /// The server has a defect or a broken disk; the client can do nothing.
    #[error("internal error; see the server log")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server does not implement what the request asks for; with what it implements.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// The server has too much work.
    #[error("server busy, retry later")]
    Busy,
    /// The responses in progress hold all memory that they may.
    #[error("too many responses in progress, retry later")]
    TooManyResponses,
    /// The server or the resource is not ready; with the reason.
    #[error("{0}")]
    NotReady(&'static str),
    /// A job is preparing the title.
    #[error("a job is preparing this title: {} %", permille / 10)]
    Pending {
        /// The job.
        job: JobId,
        /// The progress of the job.
        permille: u16,
    },
    /// The machine lacks a resource for the work, and the title is not at fault; with the missing resource.
    #[error("{0}")]
    Unavailable(String),
    /// The disk or the bucket does not respond in time.
    #[error("{}", storage_trouble(.0))]
    StorageUnavailable(#[source] Unavailable),
    /// The server has no database, or it does not respond; with the consequence.
    #[error("{0}")]
    DatabaseUnavailable(&'static str),
    /// Something replaces the file at this moment.
    #[error("the file is changing, retry later")]
    FileChanging,
}

/// What clients read of a disk or a bucket that does not respond.
fn storage_trouble(cause: &Unavailable) -> &'static str {
    match cause {
        Unavailable::Deadline | Unavailable::Hanging => {
            "the disk of this file does not respond, retry later"
        }
        Unavailable::BucketDown { .. } => "the bucket of this file does not respond, retry later",
        Unavailable::BucketRefused => "the bucket of this file refuses the server's credentials",
        Unavailable::Offline => "the storage of this file is not available, retry later",
        Unavailable::Busy | Unavailable::NoDescriptor | Unavailable::Panicked => {
            "the storage is busy, retry later"
        }
    }
}

impl Error {
    /// The seconds until a client should retry; `None` if a retry would not help.
    fn retry_after_s(&self) -> Option<u16> {
        match self {
            // Known only here: until the breaker lets a request pass, or as the bucket wishes.
            Self::StorageUnavailable(Unavailable::BucketDown { retry_after }) => {
                let seconds = retry_after.as_millis().div_ceil(1000).max(1);
                Some(u16::try_from(seconds).unwrap_or(u16::MAX))
            }
            _ => self.problem_type().retry_after_s(),
        }
    }

    /// The problem type, which determines the status.
    pub fn problem_type(&self) -> ProblemType {
        match self {
            Self::BadRequest(_) => ProblemType::BadRequest,
            Self::Unauthorized => ProblemType::Unauthorized,
            Self::CrossOrigin => ProblemType::CrossOrigin,
            Self::UnknownHost | Self::UntrustedHost => ProblemType::UntrustedHost,
            Self::ReadOnly => ProblemType::ReadOnly,
            Self::NotFound => ProblemType::NotFound,
            Self::MethodNotAllowed(_) => ProblemType::MethodNotAllowed,
            Self::Timeout => ProblemType::RequestTimeout,
            Self::Conflict(_) => ProblemType::Conflict,
            Self::Growing => ProblemType::FileGrowing,
            Self::LengthRequired => ProblemType::LengthRequired,
            Self::ContentTooLarge(_) => ProblemType::ContentTooLarge,
            Self::TargetTooLong => ProblemType::TargetTooLong,
            Self::NotJson => ProblemType::UnsupportedMediaType,
            Self::Unprocessable(_) => ProblemType::Unprocessable,
            Self::HeadTooLarge => ProblemType::HeaderTooLarge,
            Self::Internal(_) => ProblemType::Internal,
            Self::NotImplemented(_) => ProblemType::NotImplemented,
            Self::Busy => ProblemType::Busy,
            Self::TooManyResponses => ProblemType::TooManyResponses,
            Self::NotReady(_) => ProblemType::NotReady,
            Self::Pending { .. } => ProblemType::Pending,
            Self::Unavailable(_) => ProblemType::Unavailable,
            Self::StorageUnavailable(_) => ProblemType::StorageUnavailable,
            Self::DatabaseUnavailable(_) => ProblemType::DatabaseUnavailable,
            Self::FileChanging => ProblemType::FileChanging,
        }
    }

    /// Logs a cause that nothing below has logged. The disk pool logs why storage is unavailable.
    fn log(&self) {
        if let Self::Internal(cause) = self {
            tracing::error!(%cause, "internal error");
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.problem_type().status()
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let problem_type = self.problem_type();
        let mut response = HttpResponse::build(problem_type.status());
        match self {
            Self::MethodNotAllowed(methods) => {
                response.insert_header((ALLOW, methods.clone()));
            }
            Self::Unauthorized => {
                response.insert_header((WWW_AUTHENTICATE, BEARER));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after_s() {
            response.insert_header((RETRY_AFTER, HeaderValue::from(seconds)));
        }
        let job = match self {
            Self::Pending { job, .. } => Some(*job),
            _ => None,
        };
        response
            .insert_header((CONTENT_TYPE, Problem::MEDIA_TYPE))
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .body(Problem::new(problem_type, self.to_string(), job).to_json())
    }
}

// ---- Conversions: the errors of other modules --------------------------------------------------

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        titles::Error::from(error).into()
    }
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "database unavailable");
            return Self::DatabaseUnavailable("database unavailable, retry later");
        }
        Self::Internal(Box::new(error))
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => Self::StorageUnavailable(cause),
            ReadError::Changed | ReadError::Truncated => Self::FileChanging,
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
            titles::Error::Pending { job, permille } => Self::Pending { job, permille },
            titles::Error::Unavailable(what) => Self::Unavailable(what),
            titles::Error::NotReady(why) => Self::NotReady(why),
            titles::Error::DatabaseUnavailable(why) => Self::DatabaseUnavailable(why),
            titles::Error::Busy => Self::Busy,
            titles::Error::TooManyResponses => Self::TooManyResponses,
            titles::Error::StorageUnavailable(cause) => Self::StorageUnavailable(cause),
            titles::Error::Read(cause) => cause.into(),
            titles::Error::Queue(cause) => cause.into(),
            titles::Error::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl From<BackgroundError> for Error {
    fn from(error: BackgroundError) -> Self {
        titles::Error::from(error).into()
    }
}

impl From<Exhausted> for Error {
    fn from(error: Exhausted) -> Self {
        titles::Error::from(error).into()
    }
}

impl From<PathRefused> for Error {
    /// An invalid path gets the response of a missing file: for clients, hidden files and files outside of a
    /// root do not exist.
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
        }
    }
}
