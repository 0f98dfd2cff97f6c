//! A conversation's turn to speak: an answer, from the App or to its end.

use std::{
    future::poll_fn,
    io,
    rc::Rc,
    task::{Poll, ready},
};

use actix_http::{HttpMessage as _, Request, Response};
use actix_service::Service;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody as _},
    http::{Method, StatusCode},
};
use bytes::{Buf as _, Bytes};

use super::{
    Content, FastPath, Http1Connection, PendingRequest,
    answer::{AnswerHead, Framing, LAST_CHUNK, chunk, is_last},
};
use crate::{
    extent::ReadError,
    wire::{
        body::{Body, ResponseObserver, Sendable},
        send::{SendError, Sending},
    },
};

impl<F, S, T> Http1Connection<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    /// Sends an answer to its end.
    pub(super) async fn send(&mut self, sending: &mut Sending, tally: &mut T) -> io::Result<()> {
        let sent = poll_fn(|cx| {
            let sent = sending.poll(cx, &mut self.socket, &self.worker, tally);
            // A client that takes nothing is heard of by the socket; of one that goes while a disk is
            // waited for, nobody would hear.
            if sent.is_pending() && sending.waits_for_disk() {
                self.read_ahead(cx).map_err(SendError::Client)?;
            }
            sent
        });
        let sent = sent.await;
        self.socket.moves();
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Client(error)) => Err(error),
            Err(SendError::Source(error)) => Err(self.cut(tally, &error)),
        }
    }

    /// After the status line an error can only end the connection.
    fn cut(&self, tally: &mut T, error: &(dyn std::error::Error + 'static)) -> io::Error {
        tally.cut(error);
        self.socket.reset();
        io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string())
    }

    /// Has the App answer a request, and sends the answer. Returns whether the connection stays.
    pub(super) async fn answer(&mut self, asked: PendingRequest) -> io::Result<bool> {
        let Some(asked) = self.complete(asked).await? else {
            return Ok(false);
        };
        let PendingRequest { request, is_1_1, mut persists, content: asked_content } = asked;
        request.extensions_mut().insert(Rc::clone(&self.client));
        let is_head = *request.method() == Method::HEAD;
        let mut answered = Box::pin(self.app.call(request));
        let answered = poll_fn(|cx| {
            self.read_ahead(cx)?;
            answered.as_mut().poll(cx).map(Ok::<_, io::Error>)
        });
        let unanswered = |_| io::Error::other("the App has no answer");
        let response = answered.await?.map_err(unanswered)?;
        let (response, Body { content, mut tally }) = response.into_parts();
        persists &= !is_last(&response) && !self.worker.is_draining();
        let framing = framing_of(&response, &content, is_1_1, is_head);
        persists &= framing != Framing::UntilClose;

        let head = self.head_of(&response, is_1_1, framing, persists);
        let has_content = !is_head && !matches!(framing, Framing::None);
        match content {
            Sendable::Extents(extents) if has_content => {
                let window_bytes = self.settings.window_bytes;
                let mut sending = Sending::new(head, extents, window_bytes, false);
                self.send(&mut sending, &mut tally).await?;
            }
            Sendable::Other(body) if has_content => {
                self.send_body(head, body, framing, &mut tally).await?;
            }
            _ => self.send_bytes(head).await?,
        }
        drop(tally);
        if let Content::Unwanted(length) = asked_content
            && persists
        {
            self.discard(length).await?;
        }
        Ok(persists)
    }

    fn head_of(
        &self,
        response: &Response<()>,
        is_1_1: bool,
        framing: Framing,
        persists: bool,
    ) -> Bytes {
        let mut bytes = self.worker.head.borrow_mut();
        let mut head = AnswerHead::new(&mut bytes, is_1_1);
        head.copy(response);
        head.finish(&self.worker, framing, persists)
    }

    /// Sends what somebody else makes, piece by piece.
    async fn send_body(
        &mut self,
        head: Bytes,
        body: BoxBody,
        framing: Framing,
        tally: &mut T,
    ) -> io::Result<()> {
        let mut body = Box::pin(body);
        let mut left = match framing {
            Framing::Sized(length) => length,
            _ => u64::MAX,
        };
        let mut unsent = head;
        loop {
            let piece = poll_fn(|cx| {
                self.read_ahead(cx)?;
                match body.as_mut().poll_next(cx) {
                    // What there is must not wait for what there is not yet.
                    Poll::Pending if !unsent.is_empty() => {
                        let written = ready!(self.socket.poll_write_bytes(cx, &unsent, false))?;
                        unsent.advance(written);
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    polled => polled.map(Ok::<_, io::Error>),
                }
            });
            let Some(piece) = piece.await? else {
                break;
            };
            let piece = match piece {
                Ok(piece) if piece.len() as u64 <= left => piece,
                Ok(_too_much) => {
                    return Err(self.cut(tally, &io::Error::other("more than was promised")));
                }
                Err(error) => return Err(self.cut(tally, error.as_ref())),
            };
            if piece.is_empty() {
                continue;
            }
            left -= piece.len() as u64;
            self.send_some(&mut unsent, true).await?;
            tally.sent(piece.len() as u64);
            unsent = match framing {
                Framing::Chunked => chunk(&piece),
                _ => piece,
            };
        }
        match framing {
            Framing::Chunked => {
                self.send_some(&mut unsent, true).await?;
                unsent = Bytes::from_static(LAST_CHUNK);
            }
            Framing::Sized(_) if left > 0 => return Err(self.cut(tally, &ReadError::Truncated)),
            _ => {}
        }
        self.send_bytes(unsent).await
    }

    pub(super) async fn send_bytes(&mut self, mut bytes: Bytes) -> io::Result<()> {
        self.send_some(&mut bytes, false).await
    }

    async fn send_some(&mut self, bytes: &mut Bytes, more: bool) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.socket.poll_write_bytes(cx, bytes, more)).await?;
            bytes.advance(written);
        }
        *bytes = Bytes::new();
        self.socket.moves();
        Ok(())
    }
}

/// How the end of this content is told.
fn framing_of(response: &Response<()>, content: &Sendable, is_1_1: bool, is_head: bool) -> Framing {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let size = match content {
        Sendable::Extents(extents) => BodySize::Sized(extents.len()),
        Sendable::Other(body) => body.size(),
    };
    match size {
        _ if has_none => Framing::None,
        BodySize::None => Framing::None,
        BodySize::Sized(length) => Framing::Sized(length),
        BodySize::Stream if is_1_1 => Framing::Chunked,
        BodySize::Stream if is_head => Framing::None,
        BodySize::Stream => Framing::UntilClose,
    }
}
