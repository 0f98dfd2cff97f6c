//! CORS: the fields that let scripts of another origin read media, and the API.
//!
//! Every origin may read media and manifests by default, so that a page on one host plays from another. The
//! API tells what there is, and is only for the origins that `api_origins` lists.
//! Requests that change state are never allowed here.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
        ALLOW, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
    },
};

use super::{
    error::READ_METHODS,
    fields::{Fields, RequestFields, ResponseFields},
};

const EXPOSED: &str = "Content-Length, Content-Range, Accept-Ranges, ETag, Date, Server-Timing";

/// The fields that players send: ranges, validators, and client data (CTA-5004).
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Range, If-Range, If-None-Match, If-Modified-Since, \
     CMCD-Request, CMCD-Object, CMCD-Session, CMCD-Status",
);

/// A day: browsers cap it at two hours to a day.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// Adds the CORS fields to a response of the media routes, whatever its status. `origins` is the configured
/// list: separated by spaces, `*` for any.
pub fn decorate(fields: &impl Fields, origins: &str, head: &mut impl ResponseFields) {
    if origins == "*" {
        head.put_static(&ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        head.put_static(&TIMING_ALLOW_ORIGIN, "*");
    } else {
        // For caches on the way: the response differs by Origin, also for a request without the field.
        head.put(&VARY, b"Origin");
        if let Some(origin) = listed_origin(fields, origins) {
            head.put(&ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            head.put(&TIMING_ALLOW_ORIGIN, origin);
        }
    }
    head.put_static(&ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    head.put_static(&CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin");
}

/// The origin of a request, if a list separated by spaces has it.
fn listed_origin<'a>(fields: &'a impl Fields, origins: &str) -> Option<&'a [u8]> {
    let origin = fields.lines(&ORIGIN).next()?;
    origins.split_whitespace().any(|listed| listed.as_bytes() == origin).then_some(origin)
}

/// What a response of the API tells pages of other origins.
#[derive(Debug)]
pub struct ApiAccess {
    /// The origin that may read it.
    allowed: Option<HeaderValue>,
    /// Whether the response to another origin differs.
    varies: bool,
}

impl ApiAccess {
    /// Of the response to a request; `None` if it is not one that reads the API, or if no other origin may.
    pub fn of_request(request: &impl RequestFields, origins: Option<&str>) -> Option<Self> {
        let origins = origins.filter(|_| request.target().starts_with("/api/"))?;
        if !matches!(request.method(), "GET" | "HEAD" | "OPTIONS") {
            return None;
        }
        let allowed = match origins {
            "*" => Some(HeaderValue::from_static("*")),
            list => {
                listed_origin(request, list).and_then(|origin| HeaderValue::from_bytes(origin).ok())
            }
        };
        Some(Self { allowed, varies: origins != "*" })
    }

    /// Adds the fields.
    pub fn decorate(self, fields: &mut HeaderMap) {
        if self.varies {
            fields.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = self.allowed {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

/// Responds to OPTIONS: the methods, and for a page of another origin the allowed request fields.
pub fn options(request: &HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((ALLOW, READ_METHODS));
    let fields = request.headers();
    if fields.contains_key(ORIGIN) && fields.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, READ_METHODS));
        response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED));
        response.insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE_S));
    }
    response.finish()
}
