//! What comes behind a head: content that the App reads, and content that nobody does.
//!
//! Where a request's content ends is certain before it is looked at, so that whatever becomes of it,
//! the next request is what stands behind. What the App reads is short, and is taken whole before it
//! is asked: no route waits for a client, and none of two requests of one connection is begun before
//! the other is over.

use std::{future::poll_fn, io};

use actix_http::{Payload, Request, Response};
use actix_service::Service;
use bytes::{Buf as _, Bytes, BytesMut};

use super::{Content, FastPath, Head, Http1Connection, LINGER, PendingRequest};
use crate::wire::{
    body::{Body, ResponseObserver},
    refusal::Refusal,
};

/// Content that nobody reads is taken from a client up to this many bytes, for the sake of those
/// that write before they read; then the connection is cut.
const UNWANTED_BYTES_MAX: u64 = 256 * 1024;

/// What a client that holds its content back is told.
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl<F, S, T> Http1Connection<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    /// What is to become of this request's content. More of it than is read is refused unread.
    pub(super) fn content_of(&self, head: &Head<'_>) -> Result<Content, Refusal> {
        if head.content_bytes == 0 {
            return Ok(Content::Unwanted(0));
        }
        let Some(most) = self.front.content_bytes_max(head) else {
            return Ok(Content::Unwanted(head.content_bytes));
        };
        let length = usize::try_from(head.content_bytes).ok().filter(|length| *length <= most);
        let length = length.ok_or(Refusal::ContentTooLarge(most))?;
        Ok(Content::Wanted { length, is_held_back: head.expects_continue })
    }

    /// Has a request's content follow it, if the App reads that. `None`: the client has ended in the
    /// middle of it.
    pub(super) async fn complete(
        &mut self,
        asked: PendingRequest,
    ) -> io::Result<Option<PendingRequest>> {
        let Content::Wanted { length, is_held_back } = asked.content else {
            return Ok(Some(asked));
        };
        if is_held_back && self.ahead.is_empty() {
            self.send_bytes(Bytes::from_static(GO_ON)).await?;
        }
        // All of it within the time of a head, however it trickles in.
        self.socket.alarm().set(self.settings.patience.head);
        while self.ahead.len() < length {
            if !poll_fn(|cx| self.poll_more(cx)).await? {
                let is_late = !self.at_end;
                return Ok(is_late.then(|| self.refuse(Refusal::Timeout)));
            }
        }
        let content = self.ahead.split_to(length).freeze();
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        let (request, _none) = asked.request.replace_payload(Payload::from(content));
        Ok(Some(PendingRequest { request, ..asked }))
    }

    /// Takes a request's content, which nobody wanted, from the client.
    pub(super) async fn discard(&mut self, length: u64) -> io::Result<()> {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        self.socket.alarm().set(LINGER);
        while left > 0 {
            let held = left.min(self.ahead.len());
            self.ahead.advance(held);
            left -= held;
            if left > 0 && !poll_fn(|cx| self.poll_more(cx)).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.searched = 0;
        Ok(())
    }
}

/// Whether the connection cannot stay, because it would have to be guessed where the next request
/// begins, or waited for too long. A client that was answered while it held its content back may send
/// it or not.
pub(super) fn ends_connection(head: &Head<'_>, content: Content) -> bool {
    match content {
        Content::Unwanted(length) => length > UNWANTED_BYTES_MAX || head.expects_continue,
        Content::Wanted { .. } => false,
    }
}
