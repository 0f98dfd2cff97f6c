//! Any content as an answer: 200, 206, multipart/byteranges, 304, 412, 416, and HEAD of each.

use std::{rc::Rc, time::SystemTime};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
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
    multipart::multipart,
    range::{self, Selection},
};
use crate::{
    config::Settings,
    extent::{Caching, Content, Extents},
    wire::{
        body::{ExtentBody, HeadBody},
        connection::{Connection, Protocol},
    },
};

/// RFC 9213: for caches that obey it instead of Cache-Control.
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Answers a GET or HEAD with a content, as far as the request's preconditions and ranges want it.
pub fn respond(request: &HttpRequest, settings: &Settings, content: Content) -> HttpResponse {
    let now = SystemTime::now();
    let last_modified = content.last_modified.and_then(|time| conditional::http_time(time, now));
    let state = State { validator: content.validator.as_ref(), last_modified };
    let outcome = outcome(request, state, content.len(), now);

    let mut response = HttpResponseBuilder::new(outcome.status());
    if outcome == Outcome::Part(Selection::Unsatisfiable) {
        // No metadata of the representation: it was not sent (RFC 9110 section 15.5.17).
        response.insert_header((CONTENT_RANGE, format!("bytes */{}", content.len())));
        return finish(request, response, Extents::default());
    }
    if let Some(validator) = &content.validator {
        let value = HeaderValue::from_maybe_shared(validator.as_bytes().clone());
        response.insert_header((ETAG, value.expect("a tag is letters, digits and quotes")));
    }
    if let Some(time) = last_modified {
        response.insert_header((LAST_MODIFIED, httpdate::fmt_http_date(time)));
    }
    // What failed says nothing about the next request (RFC 9111 section 3).
    let has_failed = outcome == Outcome::Nothing(StatusCode::PRECONDITION_FAILED);
    let caching = if has_failed { Caching::NoStore } else { content.caching };
    insert_caching(&mut response, settings, caching);
    match outcome {
        // No length at all: it would have to be that of the whole (RFC 9110 section 8.6).
        Outcome::Nothing(StatusCode::NOT_MODIFIED) => response.body(NoBody::new().boxed()),
        Outcome::Nothing(_) => finish(request, response, Extents::default()),
        Outcome::Part(selection) => {
            response.insert_header((ACCEPT_RANGES, HeaderValue::from_static("bytes")));
            let extents = match selection {
                Selection::One(part) => {
                    let (first, last, length) = (part.start, part.end - 1, content.len());
                    let range = format!("bytes {first}-{last}/{length}");
                    response.insert_header((CONTENT_RANGE, range));
                    content.extents.slice(part)
                }
                Selection::Several(parts) => match multipart(&content, &parts) {
                    Ok(several) => {
                        response.insert_header((CONTENT_TYPE, several.media_type));
                        return finish(request, response, several.extents);
                    }
                    // What cannot be sent in parts is sent whole.
                    Err(_too_long) => {
                        response.status(StatusCode::OK);
                        content.extents
                    }
                },
                Selection::Whole | Selection::Unsatisfiable => content.extents,
            };
            response.insert_header((CONTENT_TYPE, HeaderValue::from_static(content.media_type)));
            finish(request, response, extents)
        }
    }
}

/// What is to be done, before anything is built.
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

/// Preconditions, then If-Range, then Range (RFC 9110 section 13.2.2). Range is for GET alone
/// (section 14.2), and for what has a validator: without one, two parts could be of two versions.
fn outcome(request: &HttpRequest, state: State<'_>, length: u64, now: SystemTime) -> Outcome {
    let (method, fields) = (request.method(), request.headers());
    match conditional::evaluate(method, fields, state) {
        Verdict::NotModified => return Outcome::Nothing(StatusCode::NOT_MODIFIED),
        Verdict::Failed => return Outcome::Nothing(StatusCode::PRECONDITION_FAILED),
        Verdict::Proceed => {}
    }
    let may_be_partial = method == Method::GET
        && state.validator.is_some()
        && conditional::range_applies(fields, state, now);
    let field = conditional::only(fields, &RANGE).filter(|_| may_be_partial);
    Outcome::Part(field.map_or(Selection::Whole, |field| range::select(field, length)))
}

fn insert_caching(response: &mut HttpResponseBuilder, settings: &Settings, caching: Caching) {
    let value = match caching {
        Caching::File => {
            if let Some(for_cdn) = &settings.cdn_cache_control {
                response.insert_header((CDN_CACHE_CONTROL, &**for_cdn));
            }
            format!("public, max-age={}", settings.file_max_age_s)
        }
        Caching::Revalidate => "no-cache".into(),
        Caching::NoStore => "no-store".into(),
    };
    response.insert_header((CACHE_CONTROL, value));
}

/// Puts the body on, or for HEAD the length that it would have.
fn finish(request: &HttpRequest, mut response: HttpResponseBuilder, body: Extents) -> HttpResponse {
    if request.method() == Method::HEAD {
        return response.body(HeadBody(body.len()).boxed());
    }
    response.body(ExtentBody::new(body, protocol(request)).boxed())
}

/// Which HTTP the answer is sent over. A request that came over no connection, as in a test, is
/// answered as over HTTP/1.
pub fn protocol(request: &HttpRequest) -> Protocol {
    let connection = request.conn_data::<Rc<Connection>>();
    connection.map_or(Protocol::Http1, |connection| connection.protocol())
}
