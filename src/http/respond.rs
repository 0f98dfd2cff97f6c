//! The response with a content: 200, 206, multipart/byteranges, 304, 412, 416, and HEAD of each.

use std::time::SystemTime;

use actix_web::{
    HttpRequest, HttpResponse,
    body::{MessageBody as _, None as NoBody},
    http::{
        Method, StatusCode,
        header::{
            ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
            HeaderValue, LAST_MODIFIED, RANGE,
        },
    },
};

use super::{
    conditional::{self, State, Verdict},
    fields::{Fields, ResponseFields},
    multipart::multipart,
    range::{self, Selection},
};
use crate::{
    config::Settings,
    extent::{Caching, Content, Extents},
    wire::{
        body::{ExtentBody, HeadBody},
        connection::{Client, Protocol},
    },
};

/// RFC 9213: for caches that obey it instead of Cache-Control.
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Responds to a GET or HEAD with a content, according to the request's preconditions and ranges.
pub fn respond(request: &HttpRequest, settings: &Settings, content: Content) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::OK);
    let (method, fields) = (request.method(), request.headers());
    let (_, body) = write(method, fields, settings, content, &mut response);
    with_body(request, response, body)
}

/// Sets the body of a response whose head was written.
pub fn with_body(
    request: &HttpRequest,
    mut response: HttpResponse,
    body: ResponseBody,
) -> HttpResponse {
    match body {
        // No length at all: it would have to be that of the whole (RFC 9110 section 8.6).
        ResponseBody::None => response.set_body(NoBody::new().boxed()),
        ResponseBody::Extents(extents) if request.method() == Method::HEAD => {
            response.set_body(HeadBody(extents.len()).boxed())
        }
        ResponseBody::Extents(extents) => {
            let (body, direct) = ExtentBody::with_direct(extents, protocol(request));
            response.extensions_mut().insert(direct);
            response.set_body(body.boxed())
        }
    }
}

/// The part of a response after its head.
#[derive(Debug)]
pub enum ResponseBody {
    /// No body and no length.
    None,
    /// These extents; for HEAD only their length.
    Extents(Extents),
}

/// Writes the status and the fields of a response, and returns the status and the body.
pub fn write(
    method: &Method,
    fields: &impl Fields,
    settings: &Settings,
    content: Content,
    head: &mut impl ResponseFields,
) -> (StatusCode, ResponseBody) {
    let now = SystemTime::now();
    let last_modified = content.last_modified.and_then(|time| conditional::http_time(time, now));
    let state = State { validator: content.validator.as_ref(), last_modified };
    let outcome = outcome(method, fields, state, content.len(), now);
    let several = match &outcome {
        Outcome::Part(Selection::Several(parts)) => Some(multipart(&content, parts)),
        _ => None,
    };
    let status = match &several {
        // The parts together are too long, so the whole is sent.
        Some(Err(_too_long)) => StatusCode::OK,
        _ => outcome.status(),
    };
    head.set_status(status);
    if outcome == Outcome::Part(Selection::Unsatisfiable) {
        // No metadata of the representation: it was not sent (RFC 9110 section 15.5.17).
        head.put_text(&CONTENT_RANGE, format_args!("bytes */{}", content.len()));
        return (status, ResponseBody::Extents(Extents::default()));
    }
    if let Some(validator) = &content.validator {
        head.put(&ETAG, validator.as_bytes());
    }
    if let Some(time) = last_modified {
        head.put_text(&LAST_MODIFIED, format_args!("{}", httpdate::HttpDate::from(time)));
    }
    // A failed precondition concerns this request only (RFC 9111 section 3).
    let has_failed = outcome == Outcome::Nothing(StatusCode::PRECONDITION_FAILED);
    let caching = if has_failed { Caching::NoStore } else { content.caching };
    put_caching(head, settings, caching);
    let selection = match outcome {
        Outcome::Nothing(StatusCode::NOT_MODIFIED) => return (status, ResponseBody::None),
        Outcome::Nothing(_) => return (status, ResponseBody::Extents(Extents::default())),
        Outcome::Part(selection) => selection,
    };
    head.put_static(&ACCEPT_RANGES, "bytes");
    if let Some(Ok(several)) = several {
        head.put(&CONTENT_TYPE, several.media_type.as_bytes());
        return (status, ResponseBody::Extents(several.extents));
    }
    head.put_static(&CONTENT_TYPE, content.media_type);
    let extents = match selection {
        Selection::One(part) => {
            let (first, last, length) = (part.start, part.end - 1, content.len());
            head.put_text(&CONTENT_RANGE, format_args!("bytes {first}-{last}/{length}"));
            content.extents.slice(part)
        }
        Selection::Whole | Selection::Several(_) | Selection::Unsatisfiable => content.extents,
    };
    (status, ResponseBody::Extents(extents))
}

/// The outcome of a request's preconditions and ranges.
#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    /// 304 or 412.
    Nothing(StatusCode),
    /// 200, 206 or 416.
    Part(Selection),
}

impl Outcome {
    fn status(&self) -> StatusCode {
        match self {
            Self::Nothing(status) => *status,
            Self::Part(Selection::Whole) => StatusCode::OK,
            Self::Part(Selection::One(_) | Selection::Several(_)) => StatusCode::PARTIAL_CONTENT,
            Self::Part(Selection::Unsatisfiable) => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }
}

/// Evaluates preconditions, then If-Range, then Range (RFC 9110 section 13.2.2). Range applies to GET only
/// (section 14.2), and only to content with a validator: without one, two parts could be of two versions.
fn outcome(
    method: &Method,
    fields: &impl Fields,
    state: State<'_>,
    length: u64,
    now: SystemTime,
) -> Outcome {
    match conditional::evaluate(method, fields, state) {
        Verdict::NotModified => return Outcome::Nothing(StatusCode::NOT_MODIFIED),
        Verdict::Failed => return Outcome::Nothing(StatusCode::PRECONDITION_FAILED),
        Verdict::Proceed => {}
    }
    let may_be_partial = *method == Method::GET
        && state.validator.is_some()
        && conditional::range_applies(fields, state, now);
    let field = fields.only(&RANGE).filter(|_| may_be_partial);
    Outcome::Part(field.map_or(Selection::Whole, |field| range::select(field, length)))
}

/// Lets caches keep a 404 for a short time; otherwise a CDN chooses the time.
pub fn set_not_found_caching(settings: &Settings, response: &mut HttpResponse) {
    if response.status() == StatusCode::NOT_FOUND {
        let text = format!("public, max-age={}", settings.not_found_max_age_s);
        let value = HeaderValue::from_str(&text).expect("digits");
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
}

fn put_caching(head: &mut impl ResponseFields, settings: &Settings, caching: Caching) {
    match caching {
        Caching::File => {
            if let Some(for_cdn) = &settings.cdn_cache_control {
                head.put(&CDN_CACHE_CONTROL, for_cdn.as_bytes());
            }
            let seconds = settings.file_max_age_s;
            head.put_text(&CACHE_CONTROL, format_args!("public, max-age={seconds}"));
        }
        Caching::Immutable => {
            head.put_static(&CACHE_CONTROL, "public, max-age=31536000, immutable");
        }
        Caching::Manifest => {
            // Players do not keep it: after a title is replaced, an old playlist leads to segments that are
            // gone. Chromium was seen to play the old title as long as it was allowed to.
            let (seconds, stale) = (settings.manifest_max_age_s, settings.manifest_stale_s);
            let shared = format_args!("public, max-age=0, s-maxage={seconds}");
            head.put_text(&CACHE_CONTROL, shared);
            let for_cdn = format_args!("max-age={seconds}, stale-while-revalidate={stale}");
            head.put_text(&CDN_CACHE_CONTROL, for_cdn);
        }
        Caching::Revalidate => head.put_static(&CACHE_CONTROL, "no-cache"),
        Caching::NoStore => head.put_static(&CACHE_CONTROL, "no-store"),
    }
}

/// The protocol of a request's connection. A request without a connection, as in a test, counts as
/// HTTP/1.
pub fn protocol(request: &HttpRequest) -> Protocol {
    Client::from_request(request).map_or(Protocol::Http1, |client| client.protocol())
}
