//! Responses of unknown length.
//!
//! They have no field that needs a length, and caches must not store them. The body is sent in chunks over
//! HTTP/1.1, in frames over HTTP/2, and until the connection ends over HTTP/1.0. It ends as soon as the
//! client closes the connection.

use std::{rc::Rc, task::Poll};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, MessageBody as _},
    http::{
        Method, Version,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use crate::wire::connection::Client;

/// Responds with a stream of unknown length.
pub fn endless<E>(
    request: &HttpRequest,
    media_type: &'static str,
    pieces: impl Stream<Item = Result<Bytes, E>> + 'static,
) -> HttpResponse
where
    E: std::error::Error + 'static,
{
    let mut builder = HttpResponse::Ok();
    builder
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(media_type)))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    if request.version() < Version::HTTP_11 {
        // No chunks for HTTP/1.0: the end of the connection is the end of the body.
        builder.force_close();
    }
    let body = match *request.method() {
        Method::HEAD => BodyStream::new(stream::empty::<Result<Bytes, E>>()).boxed(),
        _ => BodyStream::new(until_abandoned(pieces, Client::from_request(request))).boxed(),
    };
    let mut response = builder.body(body);
    if request.version() < Version::HTTP_11 {
        response.head_mut().no_chunking(true);
    }
    response
}

/// Ends a stream as soon as its client is gone: the connection polls it when the client closes its side.
fn until_abandoned<T>(
    stream: impl Stream<Item = T>,
    client: Option<Rc<Client>>,
) -> impl Stream<Item = T> {
    let mut stream = Box::pin(stream);
    stream::poll_fn(move |cx| {
        if client.as_ref().is_some_and(|client| client.is_gone()) {
            return Poll::Ready(None);
        }
        stream.poll_next_unpin(cx)
    })
}
