//! Responses in this process, without a socket: the HTTP semantics alone.

use std::{
    pin::Pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody as _},
    test::TestRequest,
};
use headwater::{
    config::Settings,
    extent::{Caching, Content, Extent, Extents, Source, Validator},
    http::respond::respond,
};

use crate::support::{
    client::Response,
    sources::{End, drain},
};

/// A content of these extents, with tag and date.
pub fn content(extents: Extents, tag: &str, modified: Option<SystemTime>) -> Content {
    Content {
        extents,
        validator: Some(Validator::new(tag)),
        last_modified: modified,
        media_type: "video/mp4",
        caching: Caching::File,
    }
}

/// A time by its seconds since 1970.
pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The whole of a source as a content.
pub fn content_of(source: std::sync::Arc<dyn Source>) -> Content {
    content(Extents::from(Extent::whole(source)), "tag", Some(at(1_000_000_000)))
}

/// Responds, and leaves the body unread. `fields` are whole lines, as bytes: the caller avoids
/// names and values that no header may hold.
pub fn ask(method: &str, fields: &[&[u8]], content: Content) -> (Response, Pin<Box<BoxBody>>) {
    let mut request = TestRequest::default().method(method.parse().expect("a method"));
    for line in fields {
        let colon = line.iter().position(|&byte| byte == b':').expect("a field");
        request = request.append_header((&line[..colon], line[colon + 1..].trim_ascii()));
    }
    let settings = Settings::from_layers(&[]);
    let (head, body) = respond(&request.to_http_request(), &settings, content).into_parts();
    let mut fields: Vec<_> = head
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .collect();
    // A dispatcher derives this from the length.
    match body.size() {
        BodySize::Sized(length) => fields.push(("content-length".into(), length.to_string())),
        BodySize::None => {}
        BodySize::Stream => panic!("a content without a length"),
    }
    let response = Response { status: head.status().as_u16(), fields, body: Vec::new() };
    (response, Box::pin(body))
}

/// Responds, and reads the body to its end.
pub fn response_to(method: &str, fields: &[&[u8]], content: Content) -> Response {
    let (mut response, mut body) = ask(method, fields, content);
    let (bytes, end) = drain(&mut body);
    assert_eq!(end, End::Finished, "{response:?}");
    response.body = bytes;
    response
}
