//! The head of a response, for h2.

use std::fmt;

use actix_http::Response;
use actix_web::http::{
    StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE},
};
use bytes::BytesMut;

use crate::wire::{fields::ResponseFields, io_thread::IoThread};

/// Fields of a usual response.
const FIELDS: usize = 20;

/// Writes a response head: the status, and the fields of the response and of the connection.
#[derive(Debug, Default)]
pub(super) struct ResponseHead(http::Response<()>);

impl ResponseHead {
    /// Copies the head of a response from the App. Fields of an HTTP/1 connection have no meaning here (RFC
    /// 9113 section 8.2.2).
    pub(super) fn from_response(response: &Response<()>) -> Self {
        const DROPPED: [HeaderName; 5] =
            [CONNECTION, TRANSFER_ENCODING, UPGRADE, CONTENT_LENGTH, DATE];
        let mut head = Self::default();
        head.set_status(response.status());
        for (name, value) in response.headers() {
            if !DROPPED.contains(name) {
                head.put(name, value.as_bytes());
            }
        }
        head
    }

    /// Adds the connection's fields, and returns the complete head.
    pub(super) fn finish(
        mut self,
        io_thread: &IoThread,
        content_length: Option<u64>,
    ) -> http::Response<()> {
        if let Some(length) = content_length {
            self.0.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
        }
        let mut date = BytesMut::new();
        io_thread.append_date(&mut date);
        self.put(&DATE, &date);
        self.0
    }
}

impl ResponseFields for ResponseHead {
    fn set_status(&mut self, status: StatusCode) {
        self.0.headers_mut().reserve(FIELDS);
        *self.0.status_mut() =
            http::StatusCode::from_u16(status.as_u16()).expect("both types have the same range");
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        // Names and values of responses are valid in both types.
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value)) {
            self.0.headers_mut().append(name, value);
        }
    }

    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        self.put(name, value.to_string().as_bytes());
    }
}
