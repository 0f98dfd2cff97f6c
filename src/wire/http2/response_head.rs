//! The head of a response, for h2.

use std::fmt::{self, Write as _};

use actix_http::Response;
use actix_web::http::{
    StatusCode,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE,
    },
};
use bytes::BytesMut;

use crate::wire::{fields::ResponseFields, io_thread::IoThread};

/// Fields of a usual response.
const FIELDS: usize = 20;

/// The length of the values of a usual response, in bytes.
const VALUES_BYTES: usize = 512;

/// Names of usual responses that http has no constant for: to parse one allocates.
static UNREGISTERED: [http::HeaderName; 3] = [
    http::HeaderName::from_static("x-request-id"),
    http::HeaderName::from_static("timing-allow-origin"),
    http::HeaderName::from_static("cross-origin-resource-policy"),
];

/// Writes a response head: the status, and the fields of the response and of the connection.
#[derive(Debug, Default)]
pub(super) struct ResponseHead {
    response: http::Response<()>,
    /// Memory for the values of fields, one allocation for all.
    values: BytesMut,
}

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
            self.put_text(&CONTENT_LENGTH, format_args!("{length}"));
        }
        io_thread.append_date(&mut self.values);
        self.put_written(&DATE);
        self.response
    }

    /// Appends a field whose value was written to `values`.
    fn put_written(&mut self, name: &HeaderName) {
        let value = http::HeaderValue::from_maybe_shared(self.values.split().freeze());
        // Values of responses are valid in both types.
        if let Ok(mut value) = value {
            // Each response has its own: they would only displace others from the client's table.
            value.set_sensitive(*name == CONTENT_RANGE || name.as_str() == "x-request-id");
            self.append(name, value);
        }
    }

    fn append(&mut self, name: &HeaderName, value: http::HeaderValue) {
        let known = UNREGISTERED.iter().find(|known| known.as_str() == name.as_str());
        let parse = || http::HeaderName::from_bytes(name.as_str().as_bytes());
        // Names of responses are valid in both types.
        if let Ok(http_name) = known.cloned().map_or_else(parse, Ok) {
            self.response.headers_mut().append(http_name, value);
        }
    }
}

impl ResponseFields for ResponseHead {
    fn set_status(&mut self, status: StatusCode) {
        self.response.headers_mut().reserve(FIELDS);
        self.values.reserve(VALUES_BYTES);
        *self.response.status_mut() =
            http::StatusCode::from_u16(status.as_u16()).expect("both types have the same range");
    }

    fn put(&mut self, name: &HeaderName, value: &[u8]) {
        self.values.extend_from_slice(value);
        self.put_written(name);
    }

    fn put_static(&mut self, name: &HeaderName, value: &'static str) {
        self.append(name, http::HeaderValue::from_static(value));
    }

    fn put_text(&mut self, name: &HeaderName, value: fmt::Arguments<'_>) {
        // A write to memory cannot fail.
        let _ = self.values.write_fmt(value);
        self.put_written(name);
    }
}
