//! The content behind a request's head: read for the App, or discarded.
//!
//! The end of a request's content is known before it is read, and the next request begins behind it, whether
//! the content is read or discarded. Content for the App is short, and is read completely before the App is
//! called: no route waits for a client, and a connection's requests do not overlap.

use std::{future::poll_fn, io};

use actix_http::{HttpMessage as _, Payload, Request, Response};
use actix_service::Service;
use bytes::{Buf as _, Bytes, BytesMut};

use super::{
    RequestHead,
    connection::{Http1Connection, LINGER, PendingRequest},
};
use crate::wire::{
    body::{Body, ResponseObserver},
    fast_path::FastPath,
    refusal::Refusal,
};

/// The most bytes of content that are discarded, for clients that write before they read; after that the
/// connection closes.
const DISCARDED_BYTES_MAX: u64 = 256 * 1024;

/// The interim response for a client that holds its content back.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The treatment of a request's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RequestBody {
    /// Discard this many bytes.
    Discard(u64),
    /// Read the content for the App.
    Read {
        /// The length in bytes.
        length: usize,
        /// Whether the client waits for `100 Continue` before it sends the content.
        expects_continue: bool,
    },
}

impl<F, S, T> Http1Connection<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    /// Decides the treatment of a request's content. Content over the route's limit is refused unread.
    pub(super) fn classify_body(&self, head: &RequestHead<'_>) -> Result<RequestBody, Refusal> {
        if head.content_bytes == 0 {
            return Ok(RequestBody::Discard(0));
        }
        let Some(max) = self.fast_path.content_bytes_max(head) else {
            return Ok(RequestBody::Discard(head.content_bytes));
        };
        let length = usize::try_from(head.content_bytes)
            .ok()
            .filter(|length| *length <= max)
            .ok_or(Refusal::ContentTooLarge(max))?;
        Ok(RequestBody::Read { length, expects_continue: head.expects_continue })
    }

    /// Reads a request's content, if it is for the App. `None`: the client closed the connection in the
    /// middle of it.
    pub(super) async fn read_body(
        &mut self,
        pending: PendingRequest,
    ) -> io::Result<Option<PendingRequest>> {
        let RequestBody::Read { length, expects_continue } = pending.body else {
            return Ok(Some(pending));
        };
        if expects_continue && self.unread.is_empty() {
            self.send_bytes(Bytes::from_static(CONTINUE)).await?;
        }
        // One timeout for all of it, so that a trickle does not extend it.
        self.socket.timer().set(self.settings.timeouts.request_head);
        while self.unread.len() < length {
            if !poll_fn(|cx| self.poll_more(cx)).await? {
                let is_late = !self.is_eof;
                return Ok(is_late.then(|| pending.refuse(Refusal::Timeout)));
            }
        }
        let content = self.unread.split_to(length).freeze();
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
        let (request, _none) = pending.request.replace_payload(Payload::from(content));
        Ok(Some(PendingRequest { request, ..pending }))
    }

    /// Reads and discards the rest of a request's content.
    pub(super) async fn discard_body(&mut self, length: u64) -> io::Result<()> {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        self.socket.timer().set(LINGER);
        while left > 0 {
            let arrived = left.min(self.unread.len());
            self.unread.advance(arrived);
            left -= arrived;
            if left > 0 && !poll_fn(|cx| self.poll_more(cx)).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.searched = 0;
        Ok(())
    }
}

impl PendingRequest {
    /// Refuses a request whose head was accepted. No later bytes of the client are parsed as a request.
    fn refuse(self, refusal: Refusal) -> Self {
        self.request.extensions_mut().insert(refusal);
        Self { keeps_alive: false, body: RequestBody::Discard(u64::MAX), ..self }
    }
}

impl RequestBody {
    /// Whether the connection must close, because the start of the next request is uncertain or too far
    /// away. A client that gets its response before it has sent its content may send the content or not.
    pub(super) fn closes_connection(self, head: &RequestHead<'_>) -> bool {
        match self {
            Self::Discard(length) => length > DISCARDED_BYTES_MAX || head.expects_continue,
            Self::Read { .. } => false,
        }
    }
}
