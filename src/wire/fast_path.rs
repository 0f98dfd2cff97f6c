//! Responses without the App.

use std::net::SocketAddr;

use super::{
    body::ResponseObserver,
    fields::{RequestFields, ResponseFields},
};
use crate::extent::Extents;

/// Responds to requests without waiting, over every protocol.
pub trait FastPath: 'static {
    /// Observes the responses.
    type ResponseObserver: ResponseObserver;

    /// Responds to a request without content, if it is recognised without doubt and the response is ready,
    /// and writes its status and fields to `head`. `None` leaves the request to the App, which ignores
    /// `head`.
    fn respond(
        &self,
        request: &impl RequestFields,
        peer: SocketAddr,
        head: &mut impl ResponseFields,
    ) -> Option<ImmediateResponse<Self::ResponseObserver>>;

    /// The most content that the App reads of such a request, in bytes; `None` if it reads none. The
    /// connection drops content that the App does not read.
    fn content_bytes_max(&self, request: &impl RequestFields) -> Option<usize>;
}

/// A response of the fast path, without its head.
pub struct ImmediateResponse<T> {
    /// The `Content-Length`, which for HEAD is not the length of `extents`.
    pub length: Option<u64>,
    /// The body, whose files were checked in this turn of the event loop.
    pub extents: Extents,
    /// Observes the response.
    pub observer: T,
}
