//! Problem types (RFC 9457): each error of the API has a stable `type` for programs. `docs/errors.md`
//! explains every one; a test compares that file with this table.

use actix_web::http::{StatusCode, header::HeaderValue};
use serde::Serialize;

use crate::queue::JobId;

macro_rules! problem_types {
    ($($(#[$doc:meta])* $name:ident = $status:ident $uri:literal $title:literal,)+) => {
        /// The type of error that a response reports.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum ProblemType { $($(#[$doc])* $name,)+ }

        impl ProblemType {
            /// Every problem type.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The `type` member: a URI reference that never changes.
            pub fn uri(self) -> &'static str {
                match self { $(Self::$name => $uri,)+ }
            }

            /// The `title` member: the same for every problem of this type.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The response status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }
        }
    };
}

problem_types! {
    /// A malformed request, parameter or body.
    BadRequest = BAD_REQUEST "/errors/bad-request" "bad request",
    /// The API token is missing or wrong.
    Unauthorized = UNAUTHORIZED "/errors/unauthorized" "missing or invalid API token",
    /// A page of another origin sent the request.
    CrossOrigin = FORBIDDEN "/errors/cross-origin" "cross-origin request refused",
    /// The request's host name may be another machine's.
    UntrustedHost = FORBIDDEN "/errors/untrusted-host" "untrusted host name",
    /// The server is reachable over the network and has no token.
    ReadOnly = FORBIDDEN "/errors/read-only" "API is read-only",
    /// No resource has this name.
    NotFound = NOT_FOUND "/errors/not-found" "not found",
    /// The resource does not support the method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "/errors/method-not-allowed" "method not allowed",
    /// The request arrived too slowly.
    RequestTimeout = REQUEST_TIMEOUT "/errors/request-timeout" "request timeout",
    /// The resource's state does not allow the request.
    Conflict = CONFLICT "/errors/conflict" "conflict with the current state",
    /// The body has no Content-Length.
    LengthRequired = LENGTH_REQUIRED "/errors/length-required" "length required",
    /// The body is too long.
    ContentTooLarge = PAYLOAD_TOO_LARGE "/errors/content-too-large" "request body too large",
    /// The request target is too long.
    TargetTooLong = URI_TOO_LONG "/errors/target-too-long" "request target too long",
    /// The body is not JSON.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE
        "/errors/unsupported-media-type" "unsupported media type",
    /// The title does not support the request.
    Unprocessable = UNPROCESSABLE_ENTITY "/errors/unprocessable" "not possible for this title",
    /// The header fields are too large.
    HeaderTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE
        "/errors/header-too-large" "request header too large",
    /// The server has a defect or a broken disk.
    Internal = INTERNAL_SERVER_ERROR "/errors/internal" "internal error",
    /// The server does not implement what the request asks for.
    NotImplemented = NOT_IMPLEMENTED "/errors/not-implemented" "not implemented",
    /// The server has too much work.
    Busy = SERVICE_UNAVAILABLE "/errors/busy" "server busy",
    /// The responses in progress hold all memory that they may.
    TooManyResponses = SERVICE_UNAVAILABLE
        "/errors/too-many-responses" "too many responses in progress",
    /// The server or the resource is not ready yet.
    NotReady = SERVICE_UNAVAILABLE "/errors/not-ready" "not ready",
    /// A job is preparing the title.
    Pending = SERVICE_UNAVAILABLE "/errors/pending" "title not playable yet",
    /// The machine lacks a resource for the work, such as ffmpeg or disk space.
    Unavailable = SERVICE_UNAVAILABLE "/errors/unavailable" "resource unavailable",
    /// The disk does not respond in time.
    StorageUnavailable = SERVICE_UNAVAILABLE
        "/errors/storage-unavailable" "storage unavailable",
    /// There is no database, or it does not respond.
    DatabaseUnavailable = SERVICE_UNAVAILABLE
        "/errors/database-unavailable" "database unavailable",
    /// Something still writes the file.
    FileGrowing = SERVICE_UNAVAILABLE "/errors/file-growing" "file still growing",
    /// Something replaces the file at this moment.
    FileChanging = SERVICE_UNAVAILABLE "/errors/file-changing" "file is changing",
}

impl ProblemType {
    /// The seconds until a client should retry; `None` if a retry would not help.
    pub fn retry_after_s(self) -> Option<u16> {
        match self {
            // A remux takes as long as a copy of the file: seconds.
            Self::Pending => Some(2),
            Self::Busy
            | Self::TooManyResponses
            | Self::NotReady
            | Self::StorageUnavailable
            | Self::DatabaseUnavailable
            | Self::FileChanging
            | Self::FileGrowing => Some(5),
            // Until an operator installs ffmpeg or frees disk space.
            Self::Unavailable => Some(60),
            _ => None,
        }
    }
}

/// A problem document.
#[derive(Debug, Serialize)]
pub struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// An extension member: the id of the job that the client waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

impl Problem {
    /// The media type of a problem document.
    pub const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

    /// A document with this explanation.
    pub fn new(problem_type: ProblemType, detail: String, job: Option<JobId>) -> Self {
        Self {
            r#type: problem_type.uri(),
            title: problem_type.title(),
            status: problem_type.status().as_u16(),
            detail,
            job: job.map(|job| job.to_string()),
        }
    }

    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_type_is_documented_and_no_other() {
        let row = |problem_type: &ProblemType| {
            let retry_after = problem_type.retry_after_s().map(|seconds| seconds.to_string());
            [
                format!("`{}`", problem_type.uri()),
                problem_type.status().as_u16().to_string(),
                problem_type.title().to_owned(),
                retry_after.unwrap_or_default(),
            ]
        };
        let known: BTreeSet<_> = ProblemType::ALL.iter().map(row).collect();
        assert_eq!(known.len(), ProblemType::ALL.len(), "two problems have one type");
        let rows = include_str!("../../docs/errors.md")
            .lines()
            .filter(|line| line.starts_with("| `/errors/"));
        let documented = rows.map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            assert!(cells.len() == 8 && !cells[5].is_empty() && !cells[6].is_empty(), "{line}");
            [1, 2, 3, 4].map(|column| cells[column].to_owned())
        });
        assert_eq!(documented.collect::<BTreeSet<_>>(), known);
    }

    #[test]
    fn a_title_is_lower_case_without_a_full_stop() {
        for problem_type in ProblemType::ALL {
            let (uri, title) = (problem_type.uri(), problem_type.title());
            assert!(!title.ends_with('.'), "{title}");
            assert!(!title.starts_with(char::is_uppercase) || title.starts_with("API "), "{title}");
            let name = uri.strip_prefix("/errors/").expect("a path below /errors/");
            assert!(name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()), "{uri}");
        }
    }
}
