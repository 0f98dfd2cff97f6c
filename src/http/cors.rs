//! CORS: the fields that let scripts of another origin read media.
//!
//! Every origin may read media and manifests by default, so that a page on one host plays from another.
//! Requests that change state are never allowed here.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
        ALLOW, CROSS_ORIGIN_RESOURCE_POLICY, HeaderName, HeaderValue, ORIGIN, VARY,
    },
};

use super::{
    error::READ_METHODS,
    fields::{Fields, ResponseFields},
};

const EXPOSED: &[u8] = b"Content-Length, Content-Range, Accept-Ranges, ETag, Date, Server-Timing";

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
        head.put(&ACCESS_CONTROL_ALLOW_ORIGIN, b"*");
        head.put(&TIMING_ALLOW_ORIGIN, b"*");
    } else {
        // For caches on the way: the response differs by Origin, also for a request without the field.
        head.put(&VARY, b"Origin");
        let mut listed = origins.split_whitespace();
        let origin = fields.lines(&ORIGIN).next();
        if let Some(origin) =
            origin.filter(|origin| listed.any(|allowed| allowed.as_bytes() == *origin))
        {
            head.put(&ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            head.put(&TIMING_ALLOW_ORIGIN, origin);
        }
    }
    head.put(&ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    head.put(&CROSS_ORIGIN_RESOURCE_POLICY, b"cross-origin");
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
