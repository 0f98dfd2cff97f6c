//! Who may read media by script (CORS), and what else lets a page of another origin use it.
//!
//! Media and manifests are for everybody by default: a page on one host plays from another. Nothing
//! that changes state is ever allowed here.

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
    fields::{AnswerFields, Fields},
};

const EXPOSED: &[u8] = b"Content-Length, Content-Range, Accept-Ranges, ETag, Date, Server-Timing";

/// What players send: ranges, validators, and client data (CTA-5004).
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Range, If-Range, If-None-Match, If-Modified-Since, \
     CMCD-Request, CMCD-Object, CMCD-Session, CMCD-Status",
);

/// A day: browsers keep it for two hours to a day, whatever is said.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("86400");

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// Says on an answer of the media routes, whatever its status, who may use it. `origins` is the
/// configured list: separated by spaces, `*` for any.
pub fn decorate(fields: &impl Fields, origins: &str, head: &mut impl AnswerFields) {
    if origins == "*" {
        head.put(&ACCESS_CONTROL_ALLOW_ORIGIN, b"*");
        head.put(&TIMING_ALLOW_ORIGIN, b"*");
    } else {
        // The answer differs by origin also where there is none, for the caches on the way.
        head.put(&VARY, b"Origin");
        let mut listed = origins.split_whitespace();
        let origin = fields.lines(&ORIGIN).next();
        if let Some(origin) = origin.filter(|asks| listed.any(|origin| origin.as_bytes() == *asks))
        {
            head.put(&ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            head.put(&TIMING_ALLOW_ORIGIN, origin);
        }
    }
    head.put(&ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    head.put(&CROSS_ORIGIN_RESOURCE_POLICY, b"cross-origin");
}

/// Answers OPTIONS: what may be asked, and by a page of another origin what may be sent along.
pub fn options(request: &HttpRequest) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response.insert_header((ALLOW, READ_METHODS));
    let asked = request.headers();
    if asked.contains_key(ORIGIN) && asked.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, READ_METHODS));
        response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED));
        response.insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE_S));
    }
    response.finish()
}
