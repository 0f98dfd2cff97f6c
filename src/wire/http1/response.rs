//! Calls the App, and sends responses.

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
    connection::{Http1Connection, PendingRequest},
    request_body::RequestBody,
    response_head::{Framing, LAST_CHUNK, ResponseHead, chunk, closes_connection},
};
use crate::{
    extent::ReadError,
    telemetry::SentBy,
    wire::{
        body::{Body, BodyContent, ResponseObserver},
        fast_path::FastPath,
        send::{ResponseSender, SendError},
    },
};

impl<F, S, T> Http1Connection<F, S>
where
    F: FastPath<ResponseObserver = T>,
    S: Service<Request, Response = Response<Body<T>>>,
    T: ResponseObserver,
{
    /// Sends a response to its end.
    pub(super) async fn send(
        &mut self,
        sender: &mut ResponseSender,
        observer: &mut T,
    ) -> io::Result<()> {
        let sending = poll_fn(|cx| {
            let polled = sender.poll(cx, &mut self.socket, &self.io_thread, observer);
            // A write to the socket notices a client that stalls or disconnects; during a wait for a disk,
            // only a read does.
            if polled.is_pending() && sender.waits_for_disk() {
                self.read_pending(cx).map_err(SendError::Client)?;
            }
            polled
        });
        let sent = sending.await;
        self.socket.end_stall();
        match sent {
            Ok(()) => Ok(()),
            Err(SendError::Client(_)) if self.socket.is_aborted() => {
                Err(self.cut(observer, &ReadError::Changed))
            }
            Err(SendError::Client(error)) => Err(error),
            Err(SendError::Source(error)) => Err(self.cut(observer, &error)),
        }
    }

    /// Cuts the response short: after the status line an error can only end the connection.
    fn cut(&self, observer: &mut T, error: &(dyn std::error::Error + 'static)) -> io::Error {
        observer.cut(error);
        self.socket.reset_on_close();
        io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string())
    }

    /// Passes a request to the App, and sends the response. Returns whether the connection stays open.
    pub(super) async fn respond(&mut self, pending: PendingRequest) -> io::Result<bool> {
        let Some(complete) = self.read_body(pending).await? else {
            return Ok(false);
        };
        let PendingRequest { request, is_1_1, mut keeps_alive, body: request_body } = complete;
        request.extensions_mut().insert(Rc::clone(&self.client));
        let is_head = *request.method() == Method::HEAD;
        let mut call = Box::pin(self.app.call(request));
        let called = poll_fn(|cx| {
            self.read_pending(cx)?;
            call.as_mut().poll(cx).map(Ok::<_, io::Error>)
        });
        let failed = |_| io::Error::other("the App returned no response");
        let (response, Body { content, mut observer }) =
            called.await?.map_err(failed)?.into_parts();
        drop(call);
        keeps_alive &= !closes_connection(&response) && !self.io_thread.is_draining();
        let framing = choose_framing(&response, &content, is_1_1, is_head);
        keeps_alive &= framing != Framing::UntilClose;

        let head = self.write_head(&response, is_1_1, framing, keeps_alive);
        let has_content = !is_head && !matches!(framing, Framing::None);
        match content {
            BodyContent::Extents(extents) if has_content => {
                let window_bytes = self.settings.window_bytes;
                let mut sender = ResponseSender::new(head, extents, window_bytes, false);
                self.send(&mut sender, &mut observer).await?;
            }
            BodyContent::Stream(body) if has_content => {
                self.send_stream(head, body, framing, &mut observer).await?;
            }
            _ => self.send_bytes(head).await?,
        }
        drop(observer);
        if let RequestBody::Discard(length) = request_body
            && keeps_alive
        {
            self.discard_body(length).await?;
        }
        Ok(keeps_alive)
    }

    fn write_head(
        &self,
        response: &Response<()>,
        is_1_1: bool,
        framing: Framing,
        keeps_alive: bool,
    ) -> Bytes {
        let mut bytes = self.io_thread.head.borrow_mut();
        let mut head = ResponseHead::new(&mut bytes, is_1_1);
        head.copy(response);
        head.finish(&self.io_thread, framing, keeps_alive)
    }

    /// Sends a streamed body, piece by piece.
    async fn send_stream(
        &mut self,
        head: Bytes,
        body: BoxBody,
        framing: Framing,
        observer: &mut T,
    ) -> io::Result<()> {
        let mut stream = Box::pin(body);
        let mut left = match framing {
            Framing::Sized(length) => length,
            _ => u64::MAX,
        };
        let mut unsent = head;
        // The bytes of the body in `unsent`.
        let mut unsent_body = 0;
        loop {
            let next = poll_fn(|cx| {
                self.read_pending(cx)?;
                match stream.as_mut().poll_next(cx) {
                    // Sends the bytes that are ready before the next ones arrive.
                    Poll::Pending if !unsent.is_empty() => {
                        let written = ready!(self.socket.poll_write_bytes(cx, &unsent, false))?;
                        unsent.advance(written);
                        if unsent.is_empty() {
                            observer.sent(std::mem::take(&mut unsent_body), SentBy::Memory);
                        }
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    polled => polled.map(Ok::<_, io::Error>),
                }
            });
            let piece = match next.await? {
                Some(Ok(piece)) if piece.len() as u64 <= left => piece,
                Some(Ok(_too_much)) => {
                    let error = io::Error::other("the body is longer than its content-length");
                    return Err(self.cut(observer, &error));
                }
                Some(Err(error)) => return Err(self.cut(observer, error.as_ref())),
                None => break,
            };
            if piece.is_empty() {
                continue;
            }
            left -= piece.len() as u64;
            self.send_some(&mut unsent, true).await?;
            observer.sent(std::mem::replace(&mut unsent_body, piece.len() as u64), SentBy::Memory);
            unsent = match framing {
                Framing::Chunked => chunk(&piece),
                _ => piece,
            };
        }
        match framing {
            Framing::Chunked => {
                self.send_some(&mut unsent, true).await?;
                observer.sent(std::mem::take(&mut unsent_body), SentBy::Memory);
                unsent = Bytes::from_static(LAST_CHUNK);
            }
            Framing::Sized(_) if left > 0 => {
                return Err(self.cut(observer, &ReadError::Truncated));
            }
            _ => {}
        }
        self.send_bytes(unsent).await?;
        observer.sent(unsent_body, SentBy::Memory);
        Ok(())
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
        self.socket.end_stall();
        Ok(())
    }
}

/// The framing of this content.
fn choose_framing(
    response: &Response<()>,
    content: &BodyContent,
    is_1_1: bool,
    is_head: bool,
) -> Framing {
    let has_none = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let size = match content {
        BodyContent::Extents(extents) => BodySize::Sized(extents.len()),
        BodyContent::Stream(body) => body.size(),
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
